//! A position and the events since: all of them, in order, or the plain word that they could not be had.

use bytes::Bytes;
use klatch_domain::{Epoch, Position, Seq};
use klatch_eventlog::{Log, Stored};
use klatch_wire::Limits;
use klatch_wire::native::server;

use crate::room::{Captured, Room};

/// How a join's `since` can be served.
#[derive(Debug, PartialEq, Eq)]
enum Course {
    /// From the room's memory.
    Ring,
    /// By reading the log.
    Read {
        /// After this sequence.
        after: Seq,
    },
    /// Not at all.
    Impossible,
}

/// Decides. `end` is a sequence that the log is known to have reached: a position past it belongs to another life.
fn course(since: Position, epoch: Epoch, end: Seq, in_ring: bool) -> Course {
    if since.epoch != epoch || since.seq > end {
        Course::Impossible
    } else if in_ring {
        Course::Ring
    } else {
        Course::Read { after: since.seq }
    }
}

/// Whole frames of everything after `since` up to the captured position; `None` where that can't be had whole.
///
/// `end`: a sequence that the log is known to have reached. Costs no read of the log where the room's memory reaches
/// back far enough.
pub(crate) async fn events_since(
    log: &Log,
    room: &Room,
    captured: &Captured,
    since: Position,
    end: Seq,
    limits: &Limits,
) -> Option<Vec<Bytes>> {
    let end = if since.seq > end { log.last_seq().await.ok()? } else { end };
    match course(since, captured.epoch, end, captured.since.is_some()) {
        Course::Impossible => None,
        Course::Ring => {
            let frames = captured.since.as_ref()?;
            Some(frames.iter().map(|frame| Bytes::copy_from_slice(frame.json())).collect())
        }
        Course::Read { after } => {
            let (most, bytes) = (limits.resume_events_max, limits.page_bytes_max);
            let range = log.timeline(&room.id, after, captured.position, most, bytes).await.ok()?;
            range.complete.then(|| chain(after, &range.events))
        }
    }
}

/// Stored events as frames; each names the one before it, the first one the position that was asked from.
fn chain(after: Seq, events: &[Stored]) -> Vec<Bytes> {
    let mut prev = after;
    let frame = |event: &Stored| {
        let frame = server::positioned(event.seq, Some(prev), &event.payload);
        prev = event.seq;
        frame
    };
    events.iter().map(frame).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn position(epoch: u128, seq: u64) -> Position {
        Position { epoch: Epoch(Uuid::from_u128(epoch)), seq: Seq(seq) }
    }

    #[test]
    fn another_life_of_the_log_or_a_position_past_its_end_is_never_recovered() {
        let epoch = Epoch(Uuid::from_u128(1));
        assert_eq!(course(position(2, 5), epoch, Seq(10), true), Course::Impossible);
        assert_eq!(course(position(1, 11), epoch, Seq(10), true), Course::Impossible);
        assert_eq!(course(position(1, 10), epoch, Seq(10), true), Course::Ring);
        assert_eq!(course(position(1, 5), epoch, Seq(10), false), Course::Read { after: Seq(5) });
    }
}
