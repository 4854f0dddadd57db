//! What an edge answers over HTTP. One file a resource.

mod auth;
mod bearer;
mod chat;
pub(crate) mod credential;
mod demo;
mod health;
mod page;
mod problem;
mod seeds;
mod source;
mod stats;
mod system_message;
mod users;

pub(crate) use source::Peer;
pub(crate) use stats::answer_census;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::routing::{get, post};
use klatch_wire::Code;
use klatch_wire::native::server::Failure;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::hub::Hub;
use crate::socketio;
use problem::Problem;

/// Bytes of a request's body at most.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Everything that is served.
pub(crate) fn routes(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/ws", get(chat::behind_gateway))
        .route("/chat/ws", get(chat::native))
        .route("/chat", get(seeds::is_running))
        .route("/chat/{room}/history", get(seeds::history))
        .route("/api/chat/{room}/history", get(seeds::history))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .route("/stats", get(stats::stats))
        .route("/send-system-message", post(system_message::send))
        .route("/demo", get(demo::people))
        .merge(chat::doors())
        .merge(accounts())
        .fallback(page::page)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(hub.clone())
        .merge(socketio::routes(&hub))
        .layer(cross_origin(&hub.config.origins))
}

/// Which other origins' pages may read what is answered: those that the operator names, with cookies; or, by `*`, any,
/// without.
fn cross_origin(origins: &[String]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION]);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(AllowOrigin::any());
    }
    let named = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    layer.allow_origin(AllowOrigin::list(named)).allow_credentials(true)
}

/// What the accounts do for people.
fn accounts() -> Router<Arc<Hub>> {
    Router::new()
        .route("/auth/register", post(auth::register))
        .route("/auth/verify", post(auth::verify))
        .route("/auth/login", post(auth::login))
        .route("/auth/refresh", post(auth::refresh))
        .route("/auth/logout", post(auth::logout))
        .route("/auth/me", get(auth::me))
        .route("/.well-known/jwks.json", get(auth::jwks))
        .route("/api/users", get(users::search))
        .layer(DefaultBodyLimit::max(auth::BODY_BYTES_MAX))
}

/// The operator's own server asks: `x-internal-api-key`, compared in constant time, before any body is read.
struct InternalKey;

impl FromRequestParts<Arc<Hub>> for InternalKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let given = parts.headers.get("x-internal-api-key").map(|value| value.as_bytes());
        match (&hub.config.internal_api_key, given) {
            (Some(key), Some(given)) if key.matches(given) => Ok(InternalKey),
            (None, _) => {
                let why = "this server has no internal API key: set INTERNAL_API_KEY";
                Err(Failure::new(Code::Forbidden, why).into())
            }
            _ => Err(Failure::new(Code::NotAuthenticated, "x-internal-api-key is missing or wrong").into()),
        }
    }
}
