//! `/livez`, `/readyz`, `/health`, `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::hub::Hub;

/// Whether the process is worth keeping.
pub(super) async fn live(State(hub): State<Arc<Hub>>) -> Response {
    let report = hub.health.report();
    let status = if report.live { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(report)).into_response()
}

/// Whether clients should be sent here; if not, the body says why.
pub(super) async fn ready(State(hub): State<Arc<Hub>>) -> Response {
    let report = hub.health.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(report)).into_response()
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
}

/// The answer that older clients look for.
pub(super) async fn health() -> Response {
    axum::Json(Health { status: "ok", service: "chat-service" }).into_response()
}

/// Prometheus' text format.
pub(super) async fn metrics(State(hub): State<Arc<Hub>>) -> Response {
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], hub.metrics.encode()).into_response()
}
