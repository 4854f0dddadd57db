//! A position and the events since: all of them, in order, or the plain word that they could not be had.

use bytes::{BufMut, Bytes, BytesMut};
use klatch_domain::{Epoch, Position, RoomId, Seq};
use klatch_eventlog::Log;
use klatch_wire::Limits;
use klatch_wire::native::server;

use crate::past::{Past, forget_deleted};
use crate::room::Captured;

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
    room: &RoomId,
    captured: &Captured,
    since: Position,
    end: Seq,
    limits: &Limits,
) -> Option<Vec<Bytes>> {
    let end = if since.seq > end { log.last_seq().await.ok()? } else { end };
    match course(since, captured.epoch, end, captured.since.is_some()) {
        Course::Impossible => None,
        Course::Ring => captured.since.clone().map(|events| chain(since.seq, events)),
        Course::Read { after } => {
            let (most, bytes) = (limits.resume_events_max, limits.page_bytes_max);
            let range = log.timeline(room, after, captured.position, most, bytes).await.ok()?;
            range.complete.then(|| chain(after, range.events.iter().filter_map(Past::of).collect()))
        }
    }
}

/// Events as frames; each names the one before it, the first one the position that was asked from.
fn chain(after: Seq, mut events: Vec<Past>) -> Vec<Bytes> {
    forget_deleted(&mut events);
    let mut prev = after;
    let frame = |event: Past| {
        let mut frame = BytesMut::with_capacity(server::POSITION_BYTES_MAX + event.body.len());
        server::position_into(&mut frame, event.seq, Some(prev));
        frame.put_slice(&event.body);
        prev = event.seq;
        frame.freeze()
    };
    events.into_iter().map(frame).collect()
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

    #[test]
    fn a_deleted_message_and_its_edits_are_left_out_and_the_chain_stays_whole() {
        let past = |seq, body: String| Past { seq: Seq(seq), body: Bytes::from(body) };
        let about = |seq, event: &str, id: &str| {
            past(
                seq,
                format!(r#""event":"{event}","v":1,"data":{{"roomId":"r","messageId":"{id}","message":"text"}}}}"#),
            )
        };
        let deletion = past(
            14,
            r#""event":"chat.messageDeleted","v":1,"data":{"roomId":"r","messageId":"b","userId":"u","username":"U","author":"u","position":{"epoch":"00000000-0000-0000-0000-000000000000","seq":11},"sentAt":"2026-01-01T00:00:00.000Z","timestamp":"2026-01-01T00:00:00.000Z"}}"#.to_owned(),
        );
        let events = vec![
            about(10, "chat.message", "a"),
            about(11, "chat.message", "b"),
            about(12, "chat.messageEdited", "b"),
            about(13, "chat.message", "c"),
            deletion,
            about(15, "chat.messageEdited", "b"),
        ];
        let frames = chain(Seq(9), events);
        let shown: Vec<serde_json::Value> = frames.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect();
        let places: Vec<_> = shown.iter().map(|frame| (frame["prev"].as_u64(), frame["seq"].as_u64())).collect();
        assert_eq!(places, [(Some(9), Some(10)), (Some(10), Some(13)), (Some(13), Some(14))]);
    }
}
