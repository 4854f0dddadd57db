//! How far the views are behind the log, for whoever watches: in events, and in seconds of the log's own time.

use std::sync::Arc;
use std::time::Duration;

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
    if behind == 0 {
        numbers.lag_seconds.set(0.0);
    } else if let (Ok(Some(now)), Ok(Some(next))) = (log.broker_time().await, log.get(state.seq.next()).await) {
        // Where the next one was erased, the next look finds another.
        numbers.lag_seconds.set((now.as_ms() - next.at.as_ms()).max(0) as f64 / 1_000.0);
    }
    numbers.progress.set(match state.phase {
        Phase::Live => 1.0,
        Phase::Rebuilding { percent, .. } | Phase::CatchingUp { percent } => f64::from(percent) / 100.0,
        Phase::Starting | Phase::Waiting { .. } => 0.0,
    });
}

#[cfg(test)]
mod tests {
    use klatch_domain::Seq;
    use klatch_service::{Health, Metrics};

    use super::*;
    use crate::tests::scene::EPOCH;

    #[tokio::test]
    async fn what_is_stored_and_not_folded_is_the_lag() {
        let (log, metrics) = (Log::memory(), Metrics::new());
        let numbers = Numbers::register(&metrics);
        let board = Board::new(EPOCH, 1, Health::new().condition("projector", "starting"));
        look(&log, &board, &numbers).await;
        assert_eq!((numbers.lag_events.get(), board.state().seq), (0, Seq::ZERO));
        for number in 0..3 {
            let event = crate::tests::scene::sent("lobby", "ada", &format!("m{number}"), "hi", &[], number);
            let entry = klatch_eventlog::Entry {
                address: event.address(),
                payload: event.encode().into(),
                guard: None,
                id: None,
            };
            let append = klatch_eventlog::Append { author: klatch_domain::UserId::system(), entries: vec![entry] };
            log.append(append).await.expect("stored");
        }
        look(&log, &board, &numbers).await;
        assert_eq!(numbers.lag_events.get(), 3);
    }
}
