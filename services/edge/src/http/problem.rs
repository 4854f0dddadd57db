//! An error as HTTP shows it: RFC 9457 `application/problem+json` with the code that WebSockets have, too.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use klatch_wire::native::server::Failure;
use serde::Serialize;

/// A failure on its way out over HTTP.
#[derive(Debug)]
pub(crate) struct Problem(Failure);

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Problem(failure)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    retryable: bool,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem(failure) = self;
        let status = failure.code.http_status();
        let body = Body {
            title: failure.code.as_str(),
            status,
            detail: &failure.message,
            code: failure.code.as_str(),
            retryable: failure.retryable,
        };
        let body = serde_json::to_vec(&body).expect("a problem has string keys");
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(ms) = failure.retry_after_ms {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response
    }
}
