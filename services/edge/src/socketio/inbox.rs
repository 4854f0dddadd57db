//! What a Socket.IO client says, in the order in which it said it, until somebody works on it.
//!
//! The library calls a handler within its read loop, packet by packet; only its own adaptors for closures spawn a task an
//! event. So a handler of our own keeps the order, and must neither wait nor panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::AckSender;
use socketioxide::handler::{DisconnectHandler, FromMessageParts, MessageHandler, Value as Packet};
use socketioxide::socket::{DisconnectReason, Socket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::link::Link;

/// One event.
pub(super) struct Incoming {
    /// Its name.
    pub(super) event: String,
    /// What came with it.
    pub(super) args: Vec<Value>,
    /// Whether its JSON could be read.
    pub(super) is_readable: bool,
    /// Whether bytes came with it.
    pub(super) has_attachments: bool,
    /// Where the client waits for an answer.
    pub(super) ack: Option<AckSender>,
    /// Bytes that it came in.
    bytes: usize,
}

/// Where the library puts them. Never holds the socket, which holds it.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    queue: mpsc::Sender<Incoming>,
    /// Bytes of events that wait.
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    gone: CancellationToken,
    link: Arc<Link>,
}

/// Tells our own handler from the library's, which are for tuples of extractors.
pub(super) enum Ours {}

impl Inbox {
    /// An empty one for at most so many events and bytes of them; a client that sends more, faster than they are worked
    /// on, is cut: the library reads on, whether anybody listens or not.
    pub(super) fn new(events_max: usize, bytes_max: usize, link: Arc<Link>) -> (Self, mpsc::Receiver<Incoming>) {
        let (queue, incoming) = mpsc::channel(events_max);
        (Inbox { queue, bytes: Arc::default(), bytes_max, gone: CancellationToken::new(), link }, incoming)
    }

    /// An event is worked on: it waits no longer.
    pub(super) fn taken(&self, incoming: &Incoming) {
        self.bytes.fetch_sub(incoming.bytes, Ordering::AcqRel);
    }

    /// Ends when the client has left the namespace.
    pub(super) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// What carries it.
    pub(super) fn link(&self) -> Arc<Link> {
        self.link.clone()
    }
}

impl MessageHandler<LocalAdapter, Ours> for Inbox {
    fn call(&self, socket: Arc<Socket>, mut packet: Packet, ack_id: Option<i64>) {
        let Ok(ack) = AckSender::from_message_parts(&socket, &mut packet, &ack_id);
        let ack = ack_id.is_some().then_some(ack);
        let Packet::Str(text, attachments) = packet else { return self.link.cut() };
        // The packet is a slice of the connection's read buffer: only what is read of it is kept.
        let parts: Option<Vec<Value>> = serde_json::from_str(&text).ok();
        let is_readable = parts.is_some();
        let mut parts = parts.into_iter().flatten();
        let event = match parts.next() {
            Some(Value::String(event)) => event,
            // Deeper than 128 levels, or half a surrogate pair: an error, for the packet itself was whole.
            _ => String::new(),
        };
        let has_attachments = attachments.is_some_and(|attachments| !attachments.is_empty());
        let bytes = text.len();
        let waiting = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let incoming = Incoming { event, args: parts.collect(), is_readable, has_attachments, ack, bytes };
        if waiting > self.bytes_max || self.queue.try_send(incoming).is_err() {
            self.link.cut();
        }
    }
}

impl DisconnectHandler<LocalAdapter, Ours> for Inbox {
    fn call_with_defer(&self, socket: Arc<Socket>, reason: DisconnectReason, defer: fn(Arc<Socket>)) {
        tracing::trace!(?reason, "a Socket.IO client has left");
        self.gone.cancel();
        // Else the library would keep the socket for ever.
        defer(socket);
    }
}
