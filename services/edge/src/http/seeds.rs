//! What the services that Klatch replaces answered over HTTP, and nothing else here does.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use klatch_domain::RoomId;
use klatch_wire::Code;
use klatch_wire::dialects::history_of_seed_001;
use klatch_wire::native::request::History;
use klatch_wire::native::server::Failure;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::bearer::Bearer;
use super::problem::Problem;
use crate::hub::Hub;

/// `GET /chat` of seed 000.
pub(super) async fn is_running() -> &'static str {
    "Chat service is running"
}

#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Messages {
    success: bool,
    messages: Vec<Box<RawValue>>,
}

/// The newest messages of a room, oldest first, in seed 001's shape: `GET /api/chat/{room}/history` and
/// `GET /chat/{room}/history`.
pub(super) async fn history(
    Bearer(person): Bearer,
    State(hub): State<Arc<Hub>>,
    Path(room): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    let bad = |message: String| Failure::new(Code::InvalidField, message);
    let answer = async {
        let room_id = RoomId::parse(&room).map_err(|why| bad(format!("room: {why}")))?;
        let Query(page) = page.map_err(|error| bad(error.body_text()))?;
        hub.history(&person, History { limit: page.limit, ..History::of(room_id) }).await
    };
    match answer.await {
        Ok(page) => Json(Messages { success: true, messages: history_of_seed_001(&page.events) }).into_response(),
        Err(failure) => Problem::from(failure).into_response(),
    }
}
