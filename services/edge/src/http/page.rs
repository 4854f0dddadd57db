//! `/`: the web client, from the binary.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use klatch_wire::Code;
use klatch_wire::native::server::Failure;

use super::problem::Problem;

/// A year, and never asked about again: the name changes with the content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A file of the page, or `not_found`.
pub(super) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let found = if method == Method::GET || method == Method::HEAD { klatch_web::asset(uri.path()) } else { None };
    let Some(asset) = found else {
        return Problem::from(Failure::new(Code::NotFound, format!("nothing is at {}", uri.path()))).into_response();
    };
    let caching = if asset.immutable { FOR_EVER } else { "no-cache" };
    let about = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, caching),
        (header::ETAG, asset.etag.as_str()),
        (header::CONTENT_SECURITY_POLICY, klatch_web::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == asset.etag.as_bytes());
    if is_known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, asset.body.into_owned()).into_response()
}
