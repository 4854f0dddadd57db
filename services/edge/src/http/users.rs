//! `GET /api/users?q=…&limit=…`: people by name, for somebody who is signed in.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use klatch_domain::UserId;
use klatch_wire::Code;
use klatch_wire::account::{FoundPerson, PEOPLE_MAX, PeopleRequest, PeopleResponse, name};
use klatch_wire::native::server::Failure;
use serde::Deserialize;

use super::bearer::Bearer;
use super::problem::Problem;
use crate::config::DemoPerson;
use crate::hub::Hub;

/// People in an answer where the request names no limit.
const LIMIT_DEFAULT: u32 = 20;
/// Bytes of a query at most: no name is longer.
const QUERY_BYTES_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    q: String,
    limit: Option<u32>,
}

/// Those whose name begins so, then those who have it further on.
pub(super) async fn search(
    State(hub): State<Arc<Hub>>,
    Bearer(person): Bearer,
    query: Result<Query<Search>, QueryRejection>,
) -> Result<Json<PeopleResponse>, Problem> {
    let invalid = |why: String| Failure::new(Code::InvalidField, why);
    let Query(search) = query.map_err(|error| invalid(error.body_text()))?;
    let limit = search.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=PEOPLE_MAX).contains(&limit) {
        return Err(invalid(format!("limit is {limit}, not 1 to {PEOPLE_MAX}")).into());
    }
    if search.q.len() > QUERY_BYTES_MAX {
        return Err(invalid(format!("q is longer than {QUERY_BYTES_MAX} bytes")).into());
    }
    let request = PeopleRequest { asker: person.user_id, query: search.q, limit };
    let mut found: PeopleResponse = hub.ask_accounts(name::PEOPLE, &request).await?;
    add_demo_people(&hub.config.demo, &request, &mut found);
    Ok(Json(found))
}

/// Demonstration people have no account, and are to be found all the same.
fn add_demo_people(demo: &[DemoPerson], request: &PeopleRequest, found: &mut PeopleResponse) {
    let query = request.query.trim().to_lowercase();
    let has_it = |person: &&DemoPerson| !query.is_empty() && person.username.to_lowercase().contains(&query);
    for person in demo.iter().filter(has_it) {
        let Ok(user_id) = UserId::parse(&person.user_id) else { continue };
        let is_there = found.users.iter().any(|known| known.user_id == user_id);
        if user_id != request.asker && !is_there && found.users.len() < request.limit as usize {
            found.users.push(FoundPerson { user_id, username: person.username.clone() });
        }
    }
}
