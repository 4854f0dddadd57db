//! One client in one namespace: its events go through an interpreter, and what there is to say goes out in order, no
//! faster than its transport takes it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use klatch_domain::{RoomId, Seq, Timestamp, UserId};
use klatch_eventlog::Marks;
use klatch_wire::native::server::Failure;
use klatch_wire::{CloseCode, Code};
use socketioxide::extract::SocketRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::inbox::{Inbox, Incoming};
use super::link::Link;
use crate::hub::Hub;
use crate::interpreter::Interpreter;
use crate::outbox::{Delivery, Frame, Item, Outbox};
use crate::people::Rate;

/// Events given to the library before the transport has taken them.
const EVENTS_OUT_MAX: usize = 64;
/// An ending session's last words may take so long.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Marks that are stored side by side.
const MARKS_AT_ONCE: usize = 16;

/// A client that has connected.
pub(super) struct Session {
    pub(super) hub: Arc<Hub>,
    pub(super) socket: SocketRef,
    pub(super) outbox: Arc<Outbox>,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) inbox: Inbox,
}

impl Session {
    /// Serves it until it is gone, or must go. What the client has sent is carried out to its end.
    pub(super) async fn serve(self, mut interpreter: Interpreter) {
        let Session { hub, socket, outbox, mut incoming, inbox } = self;
        let (gone, link) = (inbox.gone(), inbox.link());
        hub.metrics.connections.inc();
        let voice = Speaker { hub: &hub, socket: &socket, outbox: &outbox, link: &link };
        let listener = Worker { hub: &hub, outbox: &outbox, inbox: &inbox, gone: &gone };
        // Side by side: what is worked on may wait for what goes out.
        // The queue stays until all is said: an event that comes while the last words go out ends nothing.
        let work = listener.work(&mut incoming, &mut interpreter);
        let speak = async {
            voice.speak(&gone).await;
            // Nobody waits any more for what would go out.
            outbox.close(CloseCode::Normal);
        };
        tokio::join!(work, speak);
        // Whose turn it is does not hang on how long somebody holds an outbox.
        outbox.take(&mut VecDeque::new());
        let user = interpreter.user().cloned();
        drop(interpreter);
        if let Some(user) = user {
            hub.left(&user).await;
        }
        hub.metrics.connections.dec();
    }
}

/// Works on what the client says, and on what the interpreter does by itself.
struct Worker<'a> {
    hub: &'a Arc<Hub>,
    outbox: &'a Outbox,
    inbox: &'a Inbox,
    gone: &'a CancellationToken,
}

impl Worker<'_> {
    /// Until the client is gone or must go, and all that came before is worked on.
    async fn work(&self, incoming: &mut mpsc::Receiver<Incoming>, interpreter: &mut Interpreter) {
        let limits = &self.hub.config.limits;
        let rate = Rate::new(limits.frames_per_second, limits.frames_burst);
        loop {
            // The next event is begun when the answers to the last are out: a client that asks and never listens holds
            // nothing but its questions.
            let expires = interpreter.expires();
            self.in_time(expires, self.outbox.emptied()).await;
            tokio::select! {
                biased;
                Some(incoming) = incoming.recv() => self.hear(interpreter, &rate, incoming).await,
                () = self.gone.cancelled() => return,
                () = self.outbox.doomed() => return,
                prompt = interpreter.prompted() => self.in_time(expires, interpreter.follow(prompt)).await,
                () = until(self.hub, expires) => self.outbox.close(CloseCode::TokenExpired),
                () = self.hub.draining.cancelled() => self.outbox.close(CloseCode::GoingAway),
            }
        }
    }

    /// Goes on to its end; where the session's time is over meanwhile, it is asked to close.
    async fn in_time(&self, expires: Option<Timestamp>, task: impl Future<Output = ()>) {
        let is_over = async {
            let code = tokio::select! {
                () = until(self.hub, expires) => CloseCode::TokenExpired,
                () = self.hub.draining.cancelled() => CloseCode::GoingAway,
            };
            self.outbox.close(code);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = is_over => {}
            () = task => {}
        }
    }

    async fn hear(&self, interpreter: &mut Interpreter, rate: &Rate, incoming: Incoming) {
        self.inbox.taken(&incoming);
        let Incoming { event, args, is_readable, has_attachments, ack, .. } = incoming;
        let refused = match rate.take("events") {
            Ok(()) if !is_readable => Some(Failure::new(Code::InvalidFrame, "this is no JSON that can be read")),
            Ok(()) if has_attachments => Some(Failure::new(Code::InvalidField, "binary attachments are not taken")),
            Ok(()) => None,
            Err(failure) => Some(failure),
        };
        let answer = match refused {
            Some(failure) => interpreter.refuse(&event, &failure),
            None => interpreter.hear(&event, &args).await,
        };
        if let Some(ack) = ack
            && ack.send(&answer).is_err()
            && !self.gone.is_cancelled()
        {
            // It asks, and does not take the answers.
            self.inbox.link().cut();
        }
    }
}

/// Until a token ends; for ever, where there is none.
async fn until(hub: &Hub, expires: Option<Timestamp>) {
    let left = expires.map(|at| at.as_ms().saturating_sub(hub.now().as_ms()).max(0));
    match left
        .and_then(|ms| u64::try_from(ms).ok())
        .and_then(|ms| tokio::time::Instant::now().checked_add(Duration::from_millis(ms)))
    {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Says what lies in the outbox.
struct Speaker<'a> {
    hub: &'a Arc<Hub>,
    socket: &'a SocketRef,
    outbox: &'a Outbox,
    link: &'a Link,
}

/// What was said, and not accounted for yet.
#[derive(Default)]
struct Said {
    events: usize,
    counted_bytes: usize,
    answers: usize,
    deliveries: Vec<Delivery>,
}

impl Speaker<'_> {
    /// Until the session is to end, or the client is gone.
    async fn speak(&self, gone: &CancellationToken) {
        let mut speaking = std::pin::pin!(self.speak_on());
        tokio::select! {
            // First: what is out when the client leaves is delivered.
            biased;
            () = &mut speaking => {}
            () = gone.cancelled() => return,
            () = self.outbox.doomed() => {
                if self.outbox.closing() != Some(CloseCode::SlowReader) {
                    // Nobody is left to hear the end of it where this takes too long.
                    let _ = tokio::time::timeout(LAST_WORDS, speaking).await;
                }
            }
        }
        if gone.is_cancelled() || !self.socket.connected() {
            return;
        }
        let code = self.outbox.closing().unwrap_or(CloseCode::SlowReader);
        self.hub.metrics.closed(code);
        self.link.cut();
    }

    /// Until the session is to end and all is said, or nothing can be said any more.
    async fn speak_on(&self) {
        while self.say_all().await && self.outbox.closing().is_none() {
            self.outbox.woken().await;
        }
    }

    /// Says what is queued now. Whether it could.
    async fn say_all(&self) -> bool {
        let mut items = VecDeque::new();
        loop {
            self.outbox.take(&mut items);
            if items.is_empty() {
                return true;
            }
            let mut said = Said::default();
            for item in items.drain(..) {
                if said.events == EVENTS_OUT_MAX {
                    self.settle(std::mem::take(&mut said)).await;
                }
                if !self.say(item, &mut said) {
                    return false;
                }
            }
            self.settle(said).await;
        }
    }

    fn say(&self, item: Item, said: &mut Said) -> bool {
        let Item { frame, counted, delivery } = item;
        match (counted, frame.len()) {
            (true, len) => said.counted_bytes += len,
            (false, _) => said.answers += 1,
        }
        said.deliveries.extend(delivery.map(|delivery| *delivery));
        let Frame::SocketIo(event, data) = frame else { return true };
        said.events += 1;
        self.link.sends();
        match self.socket.emit(event, &*data) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "a Socket.IO client can't be told");
                false
            }
        }
    }

    /// Waits until the transport has taken what was said; then it is delivered.
    async fn settle(&self, said: Said) {
        self.link.taken().await;
        self.outbox.written(said.counted_bytes, said.answers);
        if !said.deliveries.is_empty() {
            let (hub, deliveries) = (self.hub.clone(), said.deliveries);
            // A task of its own: that the client leaves now changes nothing about what it has got.
            let marking = self.hub.tasks.spawn(async move {
                mark(&hub, &deliveries).await;
                // Now whoever waits for their turn may go on: what is marked is not sent to them again.
                drop(deliveries);
            });
            let _ = marking.await;
        }
    }
}

/// Stores how far messages were delivered. A mark that can't be stored is stored with the next one; until then the message
/// would come again.
async fn mark(hub: &Hub, deliveries: &[Delivery]) {
    let mut newest: HashMap<(&UserId, &RoomId), Seq> = HashMap::new();
    for Delivery { room, seq, user, .. } in deliveries {
        if let Some(user) = user {
            let up_to = newest.entry((user, room)).or_default();
            *up_to = (*seq).max(*up_to);
        }
    }
    let stored: Vec<_> = newest.into_iter().map(|((user, room), seq)| delivered(hub, user, room, seq)).collect();
    stream::iter(stored).buffer_unordered(MARKS_AT_ONCE).collect::<()>().await;
}

async fn delivered(hub: &Hub, user: &UserId, room: &RoomId, seq: Seq) {
    let marks = Marks { delivered: seq, read: Seq::ZERO };
    if let Err(error) = hub.log.mark(room, user, marks).await {
        tracing::warn!(%error, "can't store that a message was delivered: it may come again");
    }
}
