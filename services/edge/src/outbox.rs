//! What waits to be written to one session: bounded in bytes, drained into one vectored write per wake-up.
//!
//! Live frames are counted against the limit; answers to the session's own requests are not, since the session asks
//! for the next one only when the last is on its way. A session that falls behind is closed with a code that says
//! "resume": dropping a frame instead would break the promise that what it sees has no gaps.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use klatch_wire::CloseCode;
use tokio::sync::Notify;

/// Empty queues keep at most this many slots, so that an idle session holds next to nothing.
const IDLE_SLOTS_MAX: usize = 16;

/// One frame, already in its WebSocket form and shared by everyone who gets it.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Header and payload.
    pub(crate) bytes: Bytes,
    /// Whether it counts against the session's limit.
    pub(crate) counted: bool,
}

/// The queue between whoever has something to say to a session and the session's socket.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Counted bytes, queued or being written.
    bytes: usize,
    /// Answers, queued or being written.
    answers: usize,
    closing: Option<CloseCode>,
}

impl Outbox {
    /// An empty queue that holds at most `bytes_max` counted bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Outbox { queue: Mutex::new(Queue::default()), wake: Notify::new(), bytes_max }
    }

    /// The most counted bytes that it holds.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Queues a live frame. Past the limit nothing is queued any more and the session closes as a slow reader.
    pub(crate) fn push(&self, frame: Bytes) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        if queue.bytes + frame.len() > self.bytes_max {
            queue.closing = Some(CloseCode::SlowReader);
        } else {
            queue.bytes += frame.len();
            queue.items.push_back(Item { bytes: frame, counted: true });
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Queues the answer to a request of the session's own.
    pub(crate) fn answer(&self, frame: Bytes) {
        self.answer_then(frame, std::iter::empty());
    }

    /// Queues an answer and, right behind it, live frames that were held until it was ready.
    pub(crate) fn answer_then(&self, frame: Bytes, held: impl Iterator<Item = Bytes>) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        queue.answers += 1;
        queue.items.push_back(Item { bytes: frame, counted: false });
        for bytes in held {
            queue.bytes += bytes.len();
            queue.items.push_back(Item { bytes, counted: true });
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Asks the session to close with this code once what is queued was written; the first code stays.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut queue = self.lock();
        queue.closing.get_or_insert(code);
        drop(queue);
        self.wake.notify_one();
    }

    /// The code to close with, if the session is to close.
    pub(crate) fn closing(&self) -> Option<CloseCode> {
        self.lock().closing
    }

    /// How many answers were not written yet. With none, the next request may be worked on; with many, nothing more is
    /// read, so that a client that asks and never listens holds no memory.
    pub(crate) fn unwritten_answers(&self) -> usize {
        self.lock().answers
    }

    /// Resolves when something was queued or a close was asked for. Cancel-safe; may resolve once too often.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Moves everything queued into `writing`, which must be empty.
    pub(crate) fn take(&self, writing: &mut VecDeque<Item>) {
        debug_assert!(writing.is_empty());
        if writing.capacity() > IDLE_SLOTS_MAX {
            *writing = VecDeque::new();
        }
        std::mem::swap(&mut self.lock().items, writing);
    }

    /// Gives back what was written.
    pub(crate) fn written(&self, counted_bytes: usize, answers: usize) {
        let mut queue = self.lock();
        queue.bytes -= counted_bytes;
        queue.answers -= answers;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Bytes {
        Bytes::from(vec![b'x'; len])
    }

    #[test]
    fn live_frames_past_the_limit_close_the_session_and_answers_do_not() {
        let outbox = Outbox::new(100);
        outbox.answer(bytes(1_000));
        outbox.push(bytes(100));
        assert_eq!(outbox.closing(), None);
        outbox.push(bytes(1));
        assert_eq!(outbox.closing(), Some(CloseCode::SlowReader));
        let mut writing = VecDeque::new();
        outbox.take(&mut writing);
        assert_eq!(writing.len(), 2, "what was queued before is still written");
    }

    #[test]
    fn room_is_made_by_what_was_written_and_not_by_what_was_taken() {
        let outbox = Outbox::new(100);
        outbox.push(bytes(100));
        let mut writing = VecDeque::new();
        outbox.take(&mut writing);
        outbox.written(100, 0);
        outbox.push(bytes(100));
        assert_eq!(outbox.closing(), None);
        outbox.push(bytes(1));
        assert_eq!(outbox.closing(), Some(CloseCode::SlowReader));
    }

    #[test]
    fn the_first_reason_to_close_stays() {
        let outbox = Outbox::new(10);
        outbox.close(CloseCode::GoingAway);
        outbox.close(CloseCode::Idle);
        assert_eq!(outbox.closing(), Some(CloseCode::GoingAway));
    }
}
