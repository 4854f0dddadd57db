//! When an edge is ready: the broker answers, the log has a leader (else it takes nothing), the clocks agree, and the
//! projector has folded up to where the stream ended when the edge started.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use klatch_domain::{Seq, Timestamp};
use klatch_eventlog::ReadError;
use klatch_service::Condition;
use klatch_wire::query::{StatusResponse, name};
use tokio::time::{Instant, MissedTickBehavior};

use crate::hub::Hub;

/// The conditions are looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The log's leader is asked for so often.
const ASK_LEADER_EVERY: Duration = Duration::from_secs(2);
/// So many questions in a row without an answer are a loss.
const MISSES_MAX: u32 = 2;
/// The clocks are compared so often.
const COMPARE_EVERY: Duration = Duration::from_secs(30);
/// Clocks further apart than this are worth a warning: a timed ban ends early or late by as much.
const CLOCK_MS_WARN: u64 = 2_000;
/// Clocks further apart than this are worth no client.
const CLOCK_MS_MAX: u64 = 30_000;

/// Keeps the conditions true until the edge has drained.
pub(crate) async fn watch(hub: Arc<Hub>) {
    tokio::join!(watch_leader(&hub), watch_others(&hub));
}

/// A cluster that lost more than half of its brokers still takes connections, but nothing to store. One question without
/// an answer is no loss: a leader may be about to be elected, and reads wait for that (`read_deadline`).
async fn watch_leader(hub: &Hub) {
    let log = hub.health.condition("log", "its leader was not heard of yet");
    let mut ask = tokio::time::interval(ASK_LEADER_EVERY);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut misses, mut short) = (0, 0);
    loop {
        ask.tick().await;
        let before = hub.seen();
        let asked = hub.log.ask_leader().await;
        // One answer may come from a leader that has not caught up with its own log yet.
        short = if matches!(asked, Ok(end) if end < before) { short + 1 } else { 0 };
        if short == MISSES_MAX {
            hub.find_gone_back(Seq::ZERO, before).await;
        }
        if hub.has_gone_back() {
            log.not_ready("the log has gone back behind what was seen of it: renew its epoch (klatch epoch renew)");
            continue;
        }
        hub.is_led.store(asked.is_ok(), Ordering::Relaxed);
        misses = if asked.is_ok() { 0 } else { misses + 1 };
        match asked {
            Ok(_) => log.ready(),
            Err(_) if misses < MISSES_MAX => {}
            Err(ReadError::NoLeader) => log.not_ready(
                "the log has no leader and takes nothing; what is stored can be read (are more than half of the brokers there?)",
            ),
            Err(error) => log.not_ready(format!("the log's leader does not answer: {error}")),
        }
    }
}

async fn watch_others(hub: &Hub) {
    let broker = hub.health.condition("broker", "not connected yet");
    let clock = hub.health.condition("clock", "not compared with the broker's yet");
    let views = hub.health.condition("views", "the projector was not heard of yet");
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end_at_start = None;
    let mut has_caught_up = false;
    let mut compare_at = Instant::now();
    loop {
        look.tick().await;
        if !hub.log.is_connected() {
            broker.not_ready("not connected to the broker");
            continue;
        }
        broker.ready();
        if Instant::now() >= compare_at && compare_clocks(hub, &clock).await {
            compare_at = Instant::now() + COMPARE_EVERY;
        }
        if end_at_start.is_none() {
            end_at_start = hub.log.last_seq().await.ok();
        }
        if let Some(end) = end_at_start
            && !has_caught_up
        {
            has_caught_up = look_at_views(hub, end, &views).await;
        }
    }
}

/// Compares our clock with the broker's. `false`: it did not answer.
async fn compare_clocks(hub: &Hub, clock: &Condition) -> bool {
    let before = hub.now();
    let Ok(theirs) = hub.log.broker_time().await else { return false };
    match theirs.map_or(0, |theirs| apart_ms(before, theirs, hub.now())) {
        0..CLOCK_MS_WARN => clock.ready(),
        ms @ CLOCK_MS_WARN..CLOCK_MS_MAX => {
            tracing::warn!(ms, "this machine's clock and the broker's differ: set them by NTP");
            clock.ready();
        }
        ms => clock.not_ready(format!("this machine's clock and the broker's differ by {ms} ms: set them by NTP")),
    }
    true
}

/// By how much a clock is certainly off that showed `theirs` at some moment between `before` and `after`.
fn apart_ms(before: Timestamp, theirs: Timestamp, after: Timestamp) -> u64 {
    let early = before.as_ms() - theirs.as_ms();
    let late = theirs.as_ms() - after.as_ms();
    early.max(late).max(0).unsigned_abs()
}

async fn look_at_views(hub: &Hub, end: Seq, views: &Condition) -> bool {
    let status: Result<StatusResponse, _> = hub.query(name::STATUS, &serde_json::Map::new()).await;
    match status {
        Ok(status) if status.seq >= end => {
            views.ready();
            return true;
        }
        Ok(status) => views.not_ready(format!("the projector has folded {} of {end}", status.seq)),
        Err(failure) => views.not_ready(failure.message),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        let at = Timestamp::from_ms;
        assert_eq!(apart_ms(at(1_000), at(4_000), at(9_000)), 0);
        assert_eq!(apart_ms(at(1_000), at(400), at(1_001)), 600);
        assert_eq!(apart_ms(at(1_000), at(5_000), at(1_001)), 3_999);
    }
}
