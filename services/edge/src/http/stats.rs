//! `GET /stats`: how many distinct people are connected, over all edges. Each edge answers a core NATS request with
//! hashes of its people, so that somebody connected to two of them counts once and no name leaves its edge.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use klatch_eventlog::subject;
use serde::Serialize;

use super::InternalKey;
use crate::hub::Hub;

/// The query that every edge answers.
const CENSUS: &str = "census";
/// Edges that don't answer within this time are not counted.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
/// Hashes in one message; a message of 8 bytes each stays far below the broker's limit.
const HASHES_MAX: usize = 65_536;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    connected_users: usize,
}

/// The number of people with an authenticated connection, attached to a room or not.
pub(super) async fn stats(_: InternalKey, State(hub): State<Arc<Hub>>) -> Response {
    let mut people: HashSet<u64> = hashes(&hub).into_iter().collect();
    let _ = tokio::time::timeout(ANSWERS_WITHIN, ask_others(&hub, &mut people)).await;
    axum::Json(Stats { connected_users: people.len() }).into_response()
}

fn hashes(hub: &Hub) -> Vec<u64> {
    let hash = |user: klatch_domain::UserId| {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        hasher.finish()
    };
    hub.people.ids().into_iter().map(hash).collect()
}

async fn ask_others(hub: &Hub, people: &mut HashSet<u64>) {
    let (Some(client), Ok(edges)) = (hub.log.client(), hub.log.live_edges().await) else { return };
    let mut missing =
        edges.into_iter().filter(|edge| *edge != hub.edge).map(|edge| edge.to_string()).collect::<HashSet<_>>();
    if missing.is_empty() {
        return;
    }
    let inbox = client.new_inbox();
    let Ok(mut answers) = client.subscribe(inbox.clone()).await else { return };
    if client.publish_with_reply(subject::query(CENSUS), inbox, Default::default()).await.is_err() {
        return;
    }
    while let Some(answer) = answers.next().await {
        let Some((edge, hashes)) = answer.payload.split_at_checked(32) else { continue };
        people.extend(hashes.chunks_exact(8).filter_map(|hash| Some(u64::from_be_bytes(hash.try_into().ok()?))));
        if hashes.len() < HASHES_MAX * 8 {
            missing.remove(&*String::from_utf8_lossy(edge));
        }
        if missing.is_empty() {
            return;
        }
    }
}

/// Answers other edges' requests until the edge has drained.
pub(crate) async fn answer_census(hub: Arc<Hub>) {
    let Some(client) = hub.log.client() else { return };
    let Ok(mut requests) = client.subscribe(subject::query(CENSUS)).await else { return };
    while let Some(request) = requests.next().await {
        let Some(reply) = request.reply else { continue };
        let all = hashes(&hub);
        let mut parts = all.chunks(HASHES_MAX).collect::<Vec<_>>();
        if parts.last().is_none_or(|last| last.len() == HASHES_MAX) {
            parts.push(&[]); // The last part is the one that is not full.
        }
        for part in parts {
            let mut payload = hub.edge.as_str().as_bytes().to_vec();
            payload.extend(part.iter().flat_map(|hash| hash.to_be_bytes()));
            if let Err(error) = client.publish(reply.clone(), payload.into()).await {
                tracing::warn!(%error, "can't answer a census");
            }
        }
    }
}
