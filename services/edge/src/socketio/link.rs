//! One client's Engine.IO session: how much of what was said to it is with its transport, whichever carries it, and how
//! to end it.
//!
//! Over a WebSocket an event is out when the kernel has taken it whole. Over long-polling it is when the client polls
//! again: it does that once it has got the last answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::stream::{Progress, Wire};

/// Between packets in a poll's answer (Engine.IO protocol 4).
const SEPARATOR: u8 = 0x1E;

/// A session's transport.
#[derive(Debug)]
pub(super) struct Link {
    sid: String,
    links: Links,
    wire: Mutex<Weak<Wire>>,
    /// Events given to the library.
    sent: AtomicU64,
    polled: Mutex<Polled>,
    cut: CancellationToken,
    progress: Notify,
}

/// Events in answers to polls.
#[derive(Debug, Default)]
struct Polled {
    /// In the last one, of which nobody knows yet.
    last: u64,
    /// In all before it: they have come.
    before: u64,
}

/// The sessions of an edge, by their ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Links(Arc<Mutex<HashMap<String, Weak<Link>>>>);

impl Link {
    /// One more event is given to the library: said before that, or it could be out before it counts.
    pub(super) fn sends(&self) {
        self.sent.fetch_add(1, Ordering::AcqRel);
    }

    /// Resolves when everything that was sent before is with the client's transport. Never, where the client is gone.
    pub(super) async fn taken(&self) {
        let goal = self.sent.load(Ordering::Acquire);
        loop {
            let progress = self.progress.notified();
            if self.out() >= goal {
                return;
            }
            progress.await;
        }
    }

    /// This connection, upgraded to a WebSocket, carries the session now: from the beginning, or after polling. The first
    /// one stays: a second one is none of the library's.
    pub(super) fn carried_by(self: &Arc<Self>, wire: &Arc<Wire>) {
        if lock(&self.wire).strong_count() > 0 {
            return;
        }
        wire.tell(self.clone());
        *lock(&self.wire) = Arc::downgrade(wire);
        if self.is_cut() {
            wire.cut();
        }
        // What the last poll was answered counts from now on: it is not asked for again.
        self.progress.notify_waiters();
    }

    /// The client asks for more: what the last answer held has come.
    pub(super) fn poll_came(&self) {
        let mut polled = lock(&self.polled);
        polled.before += std::mem::take(&mut polled.last);
        drop(polled);
        self.progress.notify_waiters();
    }

    /// This is what the client gets.
    pub(super) fn poll_answered(&self, body: &[u8]) {
        let events = body.split(|byte| *byte == SEPARATOR).filter(|packet| packet.starts_with(b"42")).count();
        lock(&self.polled).last += events as u64;
        self.progress.notify_waiters();
    }

    /// Ends it: a WebSocket now; of a polling client the next request is refused, and its heartbeat runs out.
    pub(super) fn cut(&self) {
        self.cut.cancel();
        if let Some(wire) = lock(&self.wire).upgrade() {
            wire.cut();
        }
    }

    /// Whether it was ended.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Resolves when it was ended.
    pub(super) async fn cut_off(&self) {
        self.cut.cancelled().await;
    }

    fn out(&self) -> u64 {
        let wire = lock(&self.wire).upgrade();
        let polled = lock(&self.polled);
        match wire {
            Some(wire) => wire.events_out() + polled.last + polled.before,
            None => polled.before,
        }
    }
}

impl Progress for Link {
    fn more_is_out(&self) {
        self.progress.notify_waiters();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut links = lock(&self.links.0);
        if links.get(&self.sid).is_some_and(|link| link.strong_count() == 0) {
            links.remove(&self.sid);
        }
    }
}

impl Links {
    /// The session of this id. Its requests and the namespaces that it connects to share it; whoever comes first makes it:
    /// a poll may be waiting before any namespace is connected to.
    pub(super) fn open(&self, sid: &str) -> Arc<Link> {
        let mut links = lock(&self.0);
        if let Some(link) = links.get(sid).and_then(Weak::upgrade) {
            return link;
        }
        let link = Arc::new(Link {
            sid: sid.to_owned(),
            links: self.clone(),
            wire: Mutex::default(),
            sent: AtomicU64::new(0),
            polled: Mutex::default(),
            cut: CancellationToken::new(),
            progress: Notify::new(),
        });
        links.insert(sid.to_owned(), Arc::downgrade(&link));
        link
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_poll_was_answered_has_come_when_the_next_poll_does() {
        let links = Links::default();
        let link = links.open("s");
        link.sends();
        link.sends();
        link.poll_answered(b"42[\"a\"]\x1e2\x1e42[\"b\"]\x1e43[1]");
        let mut taken = std::pin::pin!(link.taken());
        assert!(futures_util::poll!(taken.as_mut()).is_pending());
        link.poll_came();
        taken.await;
    }

    #[test]
    fn a_session_is_known_for_as_long_as_somebody_holds_it() {
        let links = Links::default();
        let link = links.open("s");
        assert!(Arc::ptr_eq(&link, &links.open("s")));
        drop(link);
        assert!(lock(&links.0).is_empty());
    }
}
