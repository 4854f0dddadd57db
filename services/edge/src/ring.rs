//! The last events of a room in memory: what most resumes are served from, without a read of the log.

use std::collections::VecDeque;

use klatch_domain::{MessageId, Seq};

use crate::past::{Past, forget_deleted};
use crate::socket::frame::LiveFrame;

/// Events that a room keeps at most.
const EVENTS_MAX: usize = 256;
/// Bytes that a room keeps at most; the newest event stays whatever its size.
const BYTES_MAX: usize = 1024 * 1024;

/// A gapless run of a room's newest events.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Everything after this sequence is here.
    after: Seq,
    events: VecDeque<(Seq, LiveFrame)>,
    bytes: usize,
}

impl Ring {
    /// Empty: everything up to `position` lies before it.
    pub(crate) fn beginning_after(position: Seq) -> Self {
        Ring { after: position, events: VecDeque::new(), bytes: 0 }
    }

    /// The next event of the room.
    pub(crate) fn push(&mut self, seq: Seq, frame: LiveFrame) {
        self.bytes += frame.json_len();
        self.events.push_back((seq, frame));
        while self.events.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.events.len() > 1) {
            if let Some((seq, frame)) = self.events.pop_front() {
                self.bytes -= frame.json_len();
                self.after = seq;
            }
        }
    }

    /// All events after `since`, oldest first; `None` where the ring does not reach back so far.
    pub(crate) fn after(&self, since: Seq) -> Option<Vec<Past>> {
        if since < self.after {
            return None;
        }
        let mut events: Vec<Past> = self.past().collect();
        forget_deleted(&mut events);
        events.retain(|event| event.seq > since);
        Some(events)
    }

    /// Whether a message was deleted within what is kept here.
    pub(crate) fn has_deleted(&self, message: &MessageId) -> bool {
        self.past().any(|event| event.deletes().is_some_and(|deleted| deleted == *message))
    }

    fn past(&self) -> impl Iterator<Item = Past> {
        self.events.iter().map(|(seq, frame)| Past { seq: *seq, body: frame.body() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(position: u64, events: impl Iterator<Item = u64>) -> Ring {
        let mut ring = Ring::beginning_after(Seq(position));
        for seq in events {
            ring.push(Seq(seq), LiveFrame::new(Seq(seq), Seq(seq - 1), b"{}"));
        }
        ring
    }

    #[test]
    fn what_came_since_is_given_whole_or_not_at_all() {
        let ring = ring(10, 11..=13);
        assert_eq!(ring.after(Seq(10)).unwrap().len(), 3);
        assert_eq!(ring.after(Seq(12)).unwrap().len(), 1);
        assert_eq!(ring.after(Seq(13)).unwrap().len(), 0);
        assert!(ring.after(Seq(9)).is_none());
    }

    #[test]
    fn it_forgets_the_oldest_and_says_so() {
        let ring = ring(0, 1..=300);
        assert!(ring.after(Seq(43)).is_none());
        assert_eq!(ring.after(Seq(44)).unwrap().len(), EVENTS_MAX);
    }
}
