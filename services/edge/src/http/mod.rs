//! What an edge answers over HTTP. One file a resource.

mod chat;
mod demo;
mod health;
mod page;
mod problem;
mod stats;
mod system_message;

pub(crate) use stats::answer_census;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use klatch_wire::Code;
use klatch_wire::native::server::Failure;

use crate::hub::Hub;

/// Bytes of a request's body at most.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Everything that is served.
pub(crate) fn routes(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/chat/ws", get(chat::upgrade))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .route("/stats", get(stats::stats))
        .route("/send-system-message", post(system_message::send))
        .route("/demo", get(demo::people))
        .fallback(page::page)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(hub)
}

/// Lets the operator's own servers pass: `x-internal-api-key`, compared in constant time.
fn check_internal_key(hub: &Hub, headers: &HeaderMap) -> Result<(), problem::Problem> {
    let given = headers.get("x-internal-api-key").map(|value| value.as_bytes());
    match (&hub.config.internal_api_key, given) {
        (Some(key), Some(given)) if key.matches(given) => Ok(()),
        (None, _) => {
            Err(Failure::new(Code::Forbidden, "this server has no internal API key: set INTERNAL_API_KEY").into())
        }
        _ => Err(Failure::new(Code::NotAuthenticated, "x-internal-api-key is missing or wrong").into()),
    }
}
