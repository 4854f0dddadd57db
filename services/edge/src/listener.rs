//! The sessions that listen to a room on this edge, and how each of them is told.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use klatch_domain::UserId;
use klatch_wire::CloseCode;

use crate::outbox::Outbox;
use crate::session_id::SessionId;

/// A session that is attached to a room.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Their name.
    pub username: String,
    /// Where its frames go.
    pub outbox: Arc<Outbox>,
}

#[derive(Debug)]
enum Feed {
    /// Its `chat.joined` is not ready yet: what happens is held for it.
    Held { frames: Vec<Bytes>, bytes: usize, is_out: bool },
    /// It hears what happens.
    Live,
}

/// All listeners of a room.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    all: Vec<(Listener, Feed)>,
}

impl Listeners {
    /// One more; what happens is held for it until [`Listeners::release`].
    pub(crate) fn add(&mut self, listener: Listener) {
        self.all.retain(|(other, _)| other.session != listener.session);
        self.all.push((listener, Feed::Held { frames: Vec::new(), bytes: 0, is_out: false }));
    }

    /// Tells everybody.
    pub(crate) fn tell(&mut self, frame: &Bytes) {
        for (listener, feed) in &mut self.all {
            feed.tell(listener, frame);
        }
    }

    /// Tells everybody but one person.
    pub(crate) fn tell_others(&mut self, user: &UserId, frame: &Bytes) {
        for (listener, feed) in self.all.iter_mut().filter(|(listener, _)| listener.user != *user) {
            feed.tell(listener, frame);
        }
    }

    /// Gives a listener its first frame and what was held, in this order; it is live from then on, unless it was put
    /// out meanwhile.
    pub(crate) fn release(&mut self, session: SessionId, first: Bytes) {
        let Some(at) = self.all.iter().position(|(listener, _)| listener.session == session) else { return };
        let (listener, feed) = &mut self.all[at];
        if let Feed::Held { frames, is_out, .. } = feed {
            listener.outbox.answer_then(first, std::mem::take(frames).into_iter());
            if *is_out {
                self.all.swap_remove(at);
            } else {
                *feed = Feed::Live;
            }
        }
    }

    /// Takes a session out; whose it was.
    pub(crate) fn remove(&mut self, session: SessionId) -> Option<UserId> {
        let at = self.all.iter().position(|(listener, _)| listener.session == session)?;
        Some(self.all.swap_remove(at).0.user)
    }

    /// Takes all sessions of a person out; whether there were any. Those that wait for their `chat.joined` still get
    /// it, and with it what was held up to now.
    pub(crate) fn remove_person(&mut self, user: &UserId) -> bool {
        let before = self.count_of(user);
        self.all.retain_mut(|(listener, feed)| match feed {
            _ if listener.user != *user => true,
            Feed::Held { is_out, .. } => {
                *is_out = true;
                true
            }
            Feed::Live => false,
        });
        before > 0
    }

    /// Closes all sessions of a person.
    pub(crate) fn close_person(&mut self, user: &UserId, code: CloseCode) {
        let theirs = self.all.extract_if(.., |(listener, _)| listener.user == *user);
        theirs.for_each(|(listener, _)| listener.outbox.close(code));
    }

    /// Closes every session that listens.
    pub(crate) fn close(&mut self, code: CloseCode) {
        for (listener, _) in self.all.drain(..) {
            listener.outbox.close(code);
        }
    }

    /// Whether a session listens.
    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.all.iter().any(|(listener, feed)| listener.session == session && !feed.is_out())
    }

    /// How many sessions of a person listen.
    pub(crate) fn count_of(&self, user: &UserId) -> usize {
        self.all.iter().filter(|(listener, feed)| listener.user == *user && !feed.is_out()).count()
    }

    /// Everybody who listens, with their names.
    pub(crate) fn people(&self) -> HashMap<UserId, String> {
        let listening = self.all.iter().filter(|(_, feed)| !feed.is_out());
        listening.map(|(listener, _)| (listener.user.clone(), listener.username.clone())).collect()
    }
}

impl Feed {
    fn tell(&mut self, listener: &Listener, frame: &Bytes) {
        match self {
            Feed::Live => listener.outbox.push(frame.clone()),
            Feed::Held { is_out: true, .. } => {}
            Feed::Held { bytes, .. } if *bytes + frame.len() > listener.outbox.bytes_max() => {
                listener.outbox.close(CloseCode::SlowReader);
            }
            Feed::Held { frames, bytes, .. } => {
                *bytes += frame.len();
                frames.push(frame.clone());
            }
        }
    }

    fn is_out(&self) -> bool {
        matches!(self, Feed::Held { is_out: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn listener(session: u64, user: &str) -> Listener {
        Listener {
            session: SessionId(session),
            user: UserId::parse(user).unwrap(),
            username: user.to_owned(),
            outbox: Arc::new(Outbox::new(1_000)),
        }
    }

    fn heard(listener: &Listener) -> Vec<Bytes> {
        let mut items = VecDeque::new();
        listener.outbox.take(&mut items);
        items.into_iter().map(|item| item.bytes).collect()
    }

    #[test]
    fn a_listener_hears_first_where_it_joined_and_then_all_that_happened_meanwhile() {
        let ada = listener(1, "ada");
        let mut listeners = Listeners::default();
        listeners.add(ada.clone());
        listeners.tell(&Bytes::from_static(b"1"));
        assert!(heard(&ada).is_empty());
        listeners.tell(&Bytes::from_static(b"2"));
        listeners.release(ada.session, Bytes::from_static(b"joined"));
        listeners.tell(&Bytes::from_static(b"3"));
        assert_eq!(heard(&ada), ["joined", "1", "2", "3"]);
    }

    #[test]
    fn who_is_put_out_hears_nothing_more_whether_live_or_held() {
        let (live, held) = (listener(1, "ada"), listener(2, "ada"));
        let mut listeners = Listeners::default();
        listeners.add(live.clone());
        listeners.release(live.session, Bytes::from_static(b"joined"));
        listeners.add(held.clone());
        listeners.tell(&Bytes::from_static(b"notice"));
        assert!(listeners.remove_person(&live.user));
        listeners.tell(&Bytes::from_static(b"secret"));
        assert!(!listeners.has(held.session));
        listeners.release(held.session, Bytes::from_static(b"joined"));
        listeners.tell(&Bytes::from_static(b"secret"));
        assert_eq!(heard(&live), ["joined", "notice"]);
        assert_eq!(heard(&held), ["joined", "notice"]);
    }
}
