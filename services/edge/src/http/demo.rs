//! `GET /demo`: demonstration people and their tokens, where the server was started for a demonstration.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use klatch_wire::Code;
use klatch_wire::native::server::Failure;
use serde::Serialize;

use super::problem::Problem;
use crate::config::DemoPerson;
use crate::hub::Hub;

#[derive(Serialize)]
struct Demo<'a> {
    people: &'a [DemoPerson],
}

/// The people; `not_found` on every real server.
pub(super) async fn people(State(hub): State<Arc<Hub>>) -> Response {
    match hub.config.demo.as_slice() {
        [] => Problem::from(Failure::new(Code::NotFound, "this server has no demonstration people")).into_response(),
        people => axum::Json(Demo { people }).into_response(),
    }
}
