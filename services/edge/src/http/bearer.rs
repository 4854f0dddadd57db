//! `Authorization: Bearer …`, for whom a request is answered.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use klatch_wire::Code;
use klatch_wire::native::server::Failure;

use super::problem::Problem;
use crate::hub::Hub;
use crate::token::Person;

/// Somebody whose token holds.
pub(super) struct Bearer(pub(super) Person);

impl FromRequestParts<Arc<Hub>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let missing = || Failure::new(Code::NotAuthenticated, "this needs a token: Authorization: Bearer …");
        let person = hub.verifier.verify_anew(token.ok_or_else(missing)?).await.map_err(Failure::from)?;
        Ok(Bearer(person))
    }
}
