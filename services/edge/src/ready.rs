//! When an edge is ready: the broker answers, and the projector has folded up to where the stream ended when the edge
//! started.

use std::sync::Arc;
use std::time::Duration;

use klatch_service::Condition;
use klatch_wire::query::{StatusResponse, name};
use tokio::time::MissedTickBehavior;

use crate::hub::Hub;

/// The conditions are looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Keeps the conditions true until the edge has drained.
pub(crate) async fn watch(hub: Arc<Hub>) {
    let broker = hub.health.condition("broker", "not connected yet");
    let views = hub.health.condition("views", "the projector was not heard of yet");
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end_at_start = None;
    let mut has_caught_up = false;
    loop {
        look.tick().await;
        if !hub.log.is_connected() {
            broker.not_ready("not connected to the broker");
            continue;
        }
        broker.ready();
        if end_at_start.is_none() {
            end_at_start = hub.log.last_seq().await.ok();
        }
        if let Some(end) = end_at_start
            && !has_caught_up
        {
            has_caught_up = look_at_views(&hub, end, &views).await;
        }
    }
}

async fn look_at_views(hub: &Hub, end: klatch_domain::Seq, views: &Condition) -> bool {
    let status: Result<StatusResponse, _> = hub.query(name::STATUS, &serde_json::Map::new()).await;
    match status {
        Ok(status) if status.seq >= end => {
            views.ready();
            true
        }
        Ok(status) => {
            views.not_ready(format!("the projector has folded {} of {end}", status.seq));
            false
        }
        Err(failure) => {
            views.not_ready(failure.message);
            false
        }
    }
}
