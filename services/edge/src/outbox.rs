//! What waits to be written to one session: bounded in bytes, drained into one vectored write per wake-up.
//!
//! Live frames are counted against the limit; answers to the session's own requests are not, since the session asks
//! for the next one only when the last is on its way. A session that falls behind is closed with a code that says
//! "resume": dropping a frame instead would break the promise that what it sees has no gaps.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use klatch_domain::{RoomId, Seq, UserId};
use klatch_wire::CloseCode;
use serde_json::value::RawValue;
use tokio::sync::{Notify, OwnedMutexGuard};

/// Empty queues keep at most this many slots, so that an idle session holds next to nothing.
const IDLE_SLOTS_MAX: usize = 4;

/// What goes over the socket, shared by everyone who gets it.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    /// Header and payload of a WebSocket frame.
    WebSocket(Bytes),
    /// Name and value of a Socket.IO event, for its library to put into a packet.
    SocketIo(&'static str, Arc<RawValue>),
    /// Only a mark of what was delivered before it.
    Nothing,
}

impl Frame {
    /// Bytes that it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Frame::WebSocket(bytes) => bytes.len(),
            Frame::SocketIo(event, data) => event.len() + data.get().len(),
            Frame::Nothing => 0,
        }
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Frame::WebSocket(bytes)
    }
}

/// A message that counts as delivered once it is with the client's transport.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// The room.
    pub(crate) room: RoomId,
    /// The message's sequence.
    pub(crate) seq: Seq,
    /// Whose mark it moves: whose session it was when this was queued.
    pub(crate) user: Option<UserId>,
    /// Held until the mark is stored: one session of a person at a time gets what came while they were away.
    pub(crate) turn: Option<Arc<OwnedMutexGuard<()>>>,
}

/// A frame that waits.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// What goes out.
    pub(crate) frame: Frame,
    /// Whether it counts against the session's limit.
    pub(crate) counted: bool,
    /// What is delivered by that.
    pub(crate) delivery: Option<Box<Delivery>>,
}

impl Item {
    /// Of something that happened.
    pub(crate) fn live(frame: Frame) -> Self {
        Item { frame, counted: true, delivery: None }
    }

    /// Of something that the session asked for.
    pub(crate) fn answer(frame: Frame) -> Self {
        Item { frame, counted: false, delivery: None }
    }
}

/// The queue between whoever has something to say to a session and the session's socket.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Whoever writes what is queued.
    writer: AtomicWaker,
    /// Something was written, or the session closes.
    written: Notify,
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
    /// The writer was woken, and has not looked yet: it need not be woken again.
    is_news: bool,
    /// Whose marks the deliveries move.
    owner: Option<UserId>,
}

impl Queue {
    fn add(&mut self, mut item: Item) {
        if let Some(delivery) = &mut item.delivery {
            delivery.user.clone_from(&self.owner);
        }
        if item.counted {
            self.bytes += item.frame.len();
        } else {
            self.answers += 1;
        }
        self.items.push_back(item);
    }
}

impl Outbox {
    /// An empty queue that holds at most `bytes_max` counted bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Outbox { queue: Mutex::new(Queue::default()), writer: AtomicWaker::new(), written: Notify::new(), bytes_max }
    }

    /// The most counted bytes that it holds.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Queues a live frame. Past the limit nothing is queued any more and the session closes as a slow reader.
    pub(crate) fn push(&self, item: Item) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        if queue.bytes + item.frame.len() > self.bytes_max {
            queue.closing = Some(CloseCode::SlowReader);
            self.written.notify_waiters();
        } else {
            queue.add(item);
        }
        self.wake(queue);
    }

    /// Queues the answer to a request of the session's own.
    pub(crate) fn answer(&self, frame: impl Into<Frame>) {
        self.release([Item::answer(frame.into())].into_iter());
    }

    /// Queues answers and, right behind them, live frames that were held until they were ready: all or none.
    pub(crate) fn release(&self, items: impl Iterator<Item = Item>) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        items.for_each(|item| queue.add(item));
        self.wake(queue);
    }

    /// Queues a mark behind what is queued: there is nothing to say about it.
    pub(crate) fn pass(&self, delivery: Delivery) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            queue.add(Item { delivery: Some(Box::new(delivery)), ..Item::live(Frame::Nothing) });
        }
        self.wake(queue);
    }

    /// Resolves when every answer is written, or nothing will be written any more.
    pub(crate) async fn emptied(&self) {
        loop {
            let written = self.written.notified();
            {
                let queue = self.lock();
                if queue.answers == 0 || queue.closing.is_some() {
                    return;
                }
            }
            written.await;
        }
    }

    /// Asks the session to close with this code once what is queued was written; the first code stays.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut queue = self.lock();
        queue.closing.get_or_insert(code);
        self.wake(queue);
        self.written.notify_waiters();
    }

    /// Resolves when the session is to close.
    pub(crate) async fn doomed(&self) {
        loop {
            let written = self.written.notified();
            if self.closing().is_some() {
                return;
            }
            written.await;
        }
    }

    /// Says whose it is.
    pub(crate) fn belongs_to(&self, user: &UserId) {
        self.lock().owner = Some(user.clone());
    }

    /// Counted bytes that wait, or are being written.
    pub(crate) fn bytes_waiting(&self) -> usize {
        self.lock().bytes
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

    /// Resolves when something was queued or a close was asked for. Cancel-safe; may resolve once too often. Only one may
    /// wait.
    pub(crate) async fn woken(&self) {
        poll_fn(|cx| self.poll_woken(cx)).await;
    }

    /// The same, by hand.
    pub(crate) fn poll_woken(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.writer.register(cx.waker());
        if std::mem::take(&mut self.lock().is_news) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Wakes the writer, once for all that is queued until it looks.
    fn wake(&self, mut queue: std::sync::MutexGuard<'_, Queue>) {
        let is_awake = std::mem::replace(&mut queue.is_news, true);
        drop(queue);
        if !is_awake {
            self.writer.wake();
        }
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
        drop(queue);
        self.written.notify_waiters();
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

    fn live(len: usize) -> Item {
        Item::live(bytes(len).into())
    }

    #[test]
    fn live_frames_past_the_limit_close_the_session_and_answers_do_not() {
        let outbox = Outbox::new(100);
        outbox.answer(bytes(1_000));
        outbox.push(live(100));
        assert_eq!(outbox.closing(), None);
        outbox.push(live(1));
        assert_eq!(outbox.closing(), Some(CloseCode::SlowReader));
        let mut writing = VecDeque::new();
        outbox.take(&mut writing);
        assert_eq!(writing.len(), 2, "what was queued before is still written");
    }

    #[test]
    fn room_is_made_by_what_was_written_and_not_by_what_was_taken() {
        let outbox = Outbox::new(100);
        outbox.push(live(100));
        let mut writing = VecDeque::new();
        outbox.take(&mut writing);
        outbox.written(100, 0);
        outbox.push(live(100));
        assert_eq!(outbox.closing(), None);
        outbox.push(live(1));
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
