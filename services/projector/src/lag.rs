//! How far the views are behind the log, for whoever watches: in events, and in seconds of the log's own time.

use std::sync::Arc;
use std::time::Duration;

use klatch_domain::Seq;
use klatch_eventlog::Log;
use klatch_wire::query::Phase;

use crate::board::Board;
use crate::numbers::Numbers;

/// How often the log's end is asked for.
const EVERY: Duration = Duration::from_secs(5);

/// Looks again and again. Never ends.
pub(crate) async fn watch(log: Log, board: Arc<Board>, numbers: Numbers) {
    let mut each = tokio::time::interval(EVERY);
    each.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        each.tick().await;
        look(&log, &board, &numbers).await;
    }
}

/// What can't be read now shows by the connection's own number.
async fn look(log: &Log, board: &Board, numbers: &Numbers) {
    // The end first: what is folded meanwhile makes the lag smaller, never negative.
    let Ok(end) = log.last_seq().await else { return };
    let state = board.state();
    let behind = end.0.saturating_sub(state.seq.0);
    numbers.lag_events.set(i64::try_from(behind).unwrap_or(i64::MAX));
    if let Some(seconds) = age(log, state.seq, behind).await {
        numbers.lag_seconds.set(seconds);
    }
    numbers.progress.set(match state.phase {
        Phase::Live => 1.0,
        Phase::Rebuilding { percent, .. } | Phase::CatchingUp { percent } => f64::from(percent) / 100.0,
        Phase::Starting | Phase::Waiting { .. } => 0.0,
    });
}

/// Seconds since the first event that is not folded was stored; none where the log can't say. What was erased before it was
/// folded has no age: a fold that stands still before it is as late as the event behind it.
async fn age(log: &Log, folded: Seq, behind: u64) -> Option<f64> {
    if behind == 0 {
        return Some(0.0);
    }
    let Some(next) = log.first_after(folded).await.ok()? else { return Some(0.0) };
    let now = log.broker_time().await.ok()??;
    Some((now.as_ms() - next.at.as_ms()).max(0) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use klatch_domain::UserId;
    use klatch_eventlog::{Append, Entry, Options};
    use klatch_service::{Health, Metrics};
    use klatch_testkit::{NatsServer, eventually};

    use super::*;
    use crate::tests::scene::{EPOCH, sent};

    const BOUND: Duration = Duration::from_secs(20);

    async fn store_three(log: &Log) {
        for number in 0..3 {
            let event = sent("lobby", "ada", &format!("m{number}"), "hi", &[], number);
            let entry = Entry { address: event.address(), payload: event.encode().into(), guard: None, id: None };
            log.append(Append { author: UserId::system(), entries: vec![entry] }).await.expect("stored");
        }
    }

    #[tokio::test]
    async fn what_is_stored_and_not_folded_is_the_lag() {
        let (log, metrics) = (Log::memory(), Metrics::new());
        let numbers = Numbers::register(&metrics);
        let board = Board::new(EPOCH, 1, Health::new().condition("projector", "starting"));
        look(&log, &board, &numbers).await;
        assert_eq!((numbers.lag_events.get(), board.state().seq), (0, Seq::ZERO));
        store_three(&log).await;
        look(&log, &board, &numbers).await;
        assert_eq!(numbers.lag_events.get(), 3);
    }

    #[tokio::test]
    async fn a_fold_that_stands_still_before_what_was_erased_grows_late_all_the_same() {
        let nats = NatsServer::start().await;
        let log = Log::open(Options { servers: nats.url(), ..Options::default() }).await.expect("a log");
        let numbers = Numbers::register(&Metrics::new());
        let board = Board::new(EPOCH, 1, Health::new().condition("projector", "starting"));
        store_three(&log).await;
        log.erase(Seq(1)).await.expect("erased");
        eventually(BOUND, "a lag in seconds", || async {
            look(&log, &board, &numbers).await;
            if numbers.lag_seconds.get() > 0.0 { Ok(()) } else { Err(numbers.lag_seconds.get()) }
        })
        .await;
        for seq in [2, 3] {
            log.erase(Seq(seq)).await.expect("erased");
        }
        look(&log, &board, &numbers).await;
        assert_eq!(numbers.lag_seconds.get(), 0.0, "nothing is left that is not folded");
    }
}
