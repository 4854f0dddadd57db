//! The sessions that listen to a room on this edge, and how each of them is told.

use std::collections::HashMap;
use std::sync::Arc;

use klatch_domain::{Seq, UserId};
use klatch_wire::CloseCode;

use crate::outbox::{Item, Outbox};
use crate::session_id::SessionId;
use crate::voice::{Telling, Told, Voice};

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
    /// How it is spoken to.
    pub voice: Voice,
    /// What the timeline holds up to here it has already, or is given otherwise.
    pub has_up_to: Seq,
}

#[derive(Debug)]
enum Feed {
    /// It has not been told that it is in yet: what happens is held for it.
    Held {
        items: Vec<(Option<Seq>, Item)>,
        bytes: usize,
        /// Its person was put out meanwhile.
        outs: Vec<Out>,
    },
    /// It hears what happens.
    Live,
    /// It is here for the others to see, and hears nothing.
    Quiet,
}

/// Somebody was put out while things were held for them.
#[derive(Debug)]
struct Out {
    /// Where.
    at: Seq,
    /// So much was held then: it is the last that they hear, unless they have come back since.
    held: usize,
}

/// Those who listen with the same voice: what happened is put into words once for all of them.
#[derive(Debug)]
struct Choir {
    voice: Voice,
    all: Vec<(Listener, Feed)>,
}

/// All listeners of a room.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    choirs: Vec<Choir>,
}

impl Listeners {
    /// One more; what happens is held for it until [`Listeners::release`].
    pub(crate) fn add(&mut self, listener: Listener) {
        self.remove(listener.session);
        let held = Feed::Held { items: Vec::new(), bytes: 0, outs: Vec::new() };
        match self.choirs.iter_mut().find(|choir| choir.voice.is(listener.voice)) {
            Some(choir) => choir.all.push((listener, held)),
            None => self.choirs.push(Choir { voice: listener.voice, all: vec![(listener, held)] }),
        }
    }

    /// Tells everybody.
    pub(crate) fn tell(&mut self, telling: &Telling<'_>) {
        self.choirs.iter_mut().for_each(|choir| choir.tell(telling, None));
    }

    /// Tells everybody but one person.
    pub(crate) fn tell_others(&mut self, user: &UserId, telling: &Telling<'_>) {
        self.choirs.iter_mut().for_each(|choir| choir.tell(telling, Some(user)));
    }

    /// A listener is given the timeline up to here otherwise: of that it is told nothing, and nothing that was held. If its
    /// person was put out before that, they are in again.
    pub(crate) fn has_up_to(&mut self, session: SessionId, seq: Seq) {
        let Some((listener, feed)) = self.find(session) else { return };
        listener.has_up_to = listener.has_up_to.max(seq);
        if let Feed::Held { outs, .. } = feed {
            outs.retain(|out| out.at > seq);
        }
    }

    /// Gives a listener its first frames and what was held, in this order; it is live from then on, unless it was put
    /// out meanwhile.
    pub(crate) fn release(&mut self, session: SessionId, first: impl Iterator<Item = Item>) {
        let Some((listener, feed)) = self.find(session) else { return };
        if let Feed::Held { items, outs, .. } = feed {
            let last = outs.first().map_or(items.len(), |out| out.held);
            items.truncate(last);
            let held = std::mem::take(items).into_iter().filter(|(seq, _)| !listener.has(*seq)).map(|(_, item)| item);
            listener.outbox.release(first.chain(held));
            if !outs.is_empty() {
                self.remove(session);
            } else {
                *feed = Feed::Live;
            }
        }
    }

    /// A listener stays, and hears nothing from now on.
    pub(crate) fn quiet(&mut self, session: SessionId) {
        if let Some((_, feed @ Feed::Live)) = self.find(session) {
            *feed = Feed::Quiet;
        }
    }

    /// Takes a session out; whose it was.
    pub(crate) fn remove(&mut self, session: SessionId) -> Option<UserId> {
        let place = |choir: &Choir| choir.all.iter().position(|(listener, _)| listener.session == session);
        let (choir, at) = self.choirs.iter().enumerate().find_map(|(choir, all)| Some((choir, place(all)?)))?;
        let (listener, _) = self.choirs[choir].all.swap_remove(at);
        if self.choirs[choir].all.is_empty() {
            self.choirs.swap_remove(choir);
        }
        Some(listener.user)
    }

    /// Takes all sessions of a person out who was put out at this sequence, but for those that came after it; whether
    /// the person was here and is no more. Those that wait for their first frame still get it, and with it what was held
    /// up to now.
    pub(crate) fn remove_person(&mut self, user: &UserId, at: Seq) -> bool {
        let before = self.count_of(user);
        for choir in &mut self.choirs {
            choir.all.retain_mut(|(listener, feed)| match feed {
                _ if listener.user != *user || listener.has_up_to >= at => true,
                Feed::Held { items, outs, .. } => {
                    outs.push(Out { at, held: items.len() });
                    true
                }
                Feed::Live | Feed::Quiet => false,
            });
        }
        self.choirs.retain(|choir| !choir.all.is_empty());
        before > 0 && self.count_of(user) == 0
    }

    /// Closes all sessions of a person.
    pub(crate) fn close_person(&mut self, user: &UserId, code: CloseCode) {
        for choir in &mut self.choirs {
            let theirs = choir.all.extract_if(.., |(listener, _)| listener.user == *user);
            theirs.for_each(|(listener, _)| listener.outbox.close(code));
        }
    }

    /// Closes every session that listens.
    pub(crate) fn close(&mut self, code: CloseCode) {
        for (listener, _) in self.choirs.drain(..).flat_map(|choir| choir.all) {
            listener.outbox.close(code);
        }
    }

    /// Whether a session listens.
    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.present().any(|listener| listener.session == session)
    }

    /// Whether a person listens with a session that came before this sequence.
    pub(crate) fn has_since(&self, user: &UserId, seq: Seq) -> bool {
        self.present().any(|listener| listener.user == *user && listener.has_up_to < seq)
    }

    /// How many sessions of a person listen.
    pub(crate) fn count_of(&self, user: &UserId) -> usize {
        self.present().filter(|listener| listener.user == *user).count()
    }

    /// Everybody who listens, with their names.
    pub(crate) fn people(&self) -> HashMap<UserId, String> {
        self.present().map(|listener| (listener.user.clone(), listener.username.clone())).collect()
    }

    fn present(&self) -> impl Iterator<Item = &Listener> {
        let all = self.choirs.iter().flat_map(|choir| &choir.all);
        all.filter(|(_, feed)| !feed.is_out()).map(|(listener, _)| listener)
    }

    fn find(&mut self, session: SessionId) -> Option<&mut (Listener, Feed)> {
        let mut all = self.choirs.iter_mut().flat_map(|choir| &mut choir.all);
        all.find(|(listener, _)| listener.session == session)
    }
}

impl Listener {
    /// Whether it needs not be told of a timeline event.
    fn has(&self, seq: Option<Seq>) -> bool {
        seq.is_some_and(|seq| seq <= self.has_up_to)
    }
}

impl Choir {
    fn tell(&mut self, telling: &Telling<'_>, except: Option<&UserId>) {
        let hears = |(listener, feed): &&(Listener, Feed)| feed.hears() && Some(&listener.user) != except;
        let Some((first, _)) = self.all.iter().find(hears) else { return };
        let Some(mut told) = self.voice.tell(telling, &first.user) else { return };
        if told.except.as_ref() == Some(&first.user) {
            // Words that may name their hearer are found for somebody who hears them.
            let Some((other, _)) = self.all.iter().find(|each| hears(each) && each.0.user != first.user) else {
                return;
            };
            let Some(again) = self.voice.tell(telling, &other.user) else { return };
            told = again;
        }
        let Told { item, except: author } = told;
        for (listener, feed) in &mut self.all {
            let is_left_out = Some(&listener.user) == except || Some(&listener.user) == author.as_ref();
            if !is_left_out && !listener.has(telling.seq()) {
                feed.tell(listener, telling.seq(), &item);
            }
        }
    }
}

impl Feed {
    fn tell(&mut self, listener: &Listener, seq: Option<Seq>, item: &Item) {
        match self {
            Feed::Live => listener.outbox.push(item.clone()),
            Feed::Quiet => {}
            Feed::Held { bytes, .. } if *bytes + item.frame.len() > listener.outbox.bytes_max() => {
                listener.outbox.close(CloseCode::SlowReader);
            }
            Feed::Held { items, bytes, .. } => {
                *bytes += item.frame.len();
                items.push((seq, item.clone()));
            }
        }
    }

    fn hears(&self) -> bool {
        !matches!(self, Feed::Quiet)
    }

    fn is_out(&self) -> bool {
        matches!(self, Feed::Held { outs, .. } if !outs.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::Bytes;
    use klatch_domain::{RoomId, Timestamp};
    use klatch_wire::dialects::{Encoded, Happening, SEED_000, SEED_001, SEED_003, Timeline};
    use klatch_wire::native::server::UserInRoom;
    use serde_json::json;

    use super::*;
    use crate::outbox::Frame;
    use crate::voice::Carrier;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn listener(session: u64, id: &str, voice: Voice) -> Listener {
        Listener {
            session: SessionId(session),
            user: user(id),
            username: id.to_owned(),
            outbox: Arc::new(Outbox::new(1_000)),
            voice,
            has_up_to: Seq::ZERO,
        }
    }

    fn heard(listener: &Listener) -> Vec<String> {
        let mut items = VecDeque::new();
        listener.outbox.take(&mut items);
        let said = items.into_iter().map(|item| match item.frame {
            Frame::WebSocket(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Frame::SocketIo(event, data) => format!("{event} {data}"),
            Frame::Nothing => String::new(),
        });
        said.collect()
    }

    /// Something that is told as it stands.
    fn telling(text: &'static [u8]) -> Telling<'static> {
        let typing = Happening::Typing(Encoded::new(text));
        Telling::framed(typing, Bytes::from_static(text))
    }

    fn first(text: &'static str) -> impl Iterator<Item = Item> {
        std::iter::once(Item::answer(Bytes::from_static(text.as_bytes()).into()))
    }

    #[test]
    fn a_listener_hears_first_where_it_joined_and_then_all_that_happened_meanwhile() {
        let ada = listener(1, "ada", Voice::NATIVE);
        let mut listeners = Listeners::default();
        listeners.add(ada.clone());
        listeners.tell(&telling(b"1"));
        assert!(heard(&ada).is_empty());
        listeners.tell(&telling(b"2"));
        listeners.release(ada.session, first("joined"));
        listeners.tell(&telling(b"3"));
        assert_eq!(heard(&ada), ["joined", "1", "2", "3"]);
    }

    #[test]
    fn what_a_listener_has_it_is_not_told_again_whether_held_or_live() {
        let ada = listener(1, "ada", Voice::NATIVE);
        let mut listeners = Listeners::default();
        listeners.add(ada.clone());
        let happens = |listeners: &mut Listeners, seq: u64, text: &'static [u8]| {
            let timeline = Timeline::new(Seq(seq), Seq(seq - 1), text);
            listeners.tell(&Telling::framed(Happening::Timeline(timeline), Bytes::from_static(text)));
        };
        happens(&mut listeners, 1, b"1");
        happens(&mut listeners, 3, b"3");
        listeners.has_up_to(ada.session, Seq(2));
        listeners.release(ada.session, first("joined"));
        happens(&mut listeners, 2, b"2");
        happens(&mut listeners, 4, b"4");
        assert_eq!(heard(&ada), ["joined", "3", "4"]);
    }

    #[test]
    fn who_is_put_out_hears_nothing_more_whether_live_or_held() {
        let (live, held) = (listener(1, "ada", Voice::NATIVE), listener(2, "ada", Voice::NATIVE));
        let mut listeners = Listeners::default();
        listeners.add(live.clone());
        listeners.release(live.session, first("joined"));
        listeners.add(held.clone());
        listeners.tell(&telling(b"notice"));
        assert!(listeners.remove_person(&live.user, Seq(1)));
        listeners.tell(&telling(b"secret"));
        assert!(!listeners.has(held.session));
        listeners.release(held.session, first("joined"));
        listeners.tell(&telling(b"secret"));
        assert_eq!(heard(&live), ["joined", "notice"]);
        assert_eq!(heard(&held), ["joined", "notice"]);
    }

    #[test]
    fn who_came_back_is_not_put_out_by_what_was_before() {
        let (held, live) = (listener(1, "ada", Voice::NATIVE), listener(2, "ada", Voice::NATIVE));
        let mut listeners = Listeners::default();
        listeners.add(held.clone());
        assert!(listeners.remove_person(&held.user, Seq(3)));
        listeners.tell(&telling(b"since"));
        listeners.has_up_to(held.session, Seq(5));
        assert!(listeners.has(held.session));
        listeners.release(held.session, first("joined"));
        listeners.add(live.clone());
        listeners.has_up_to(live.session, Seq(5));
        assert!(!listeners.remove_person(&held.user, Seq(4)), "the notice came late");
        listeners.tell(&telling(b"on"));
        assert_eq!(heard(&held), ["joined", "since", "on"]);
        assert!(listeners.remove_person(&held.user, Seq(6)));
    }

    #[test]
    fn who_is_quiet_is_there_and_hears_nothing() {
        let ada = listener(1, "ada", Voice::NATIVE);
        let mut listeners = Listeners::default();
        listeners.add(ada.clone());
        listeners.release(ada.session, first("joined"));
        listeners.quiet(ada.session);
        listeners.tell(&telling(b"1"));
        assert!(listeners.has(ada.session));
        assert_eq!(heard(&ada), ["joined"]);
        listeners.add(ada.clone());
        listeners.release(ada.session, first("again"));
        listeners.tell(&telling(b"2"));
        assert_eq!(heard(&ada), ["again", "2"]);
    }

    /// Attached and live.
    fn live(listeners: &mut Listeners, session: u64, id: &str, voice: Voice) -> Listener {
        let listener = listener(session, id, voice);
        listeners.add(listener.clone());
        listeners.release(listener.session, std::iter::empty());
        listener
    }

    fn stored(author: &str) -> Vec<u8> {
        let sent = klatch_domain::MessageSent {
            room_id: RoomId::direct(&user("ada"), &user("ben")),
            message_id: klatch_domain::MessageId::parse("m1").unwrap(),
            user_id: user(author),
            username: author.to_owned(),
            avatar: None,
            message: "hi".to_owned(),
            message_type: klatch_domain::MessageType::Text,
            timestamp: Timestamp::from_ms(0),
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
        };
        klatch_domain::Event::MessageSent(sent).encode()
    }

    #[test]
    fn each_hears_in_their_own_words_and_carrier() {
        let mut listeners = Listeners::default();
        let native = live(&mut listeners, 1, "ada", Voice::NATIVE);
        let text = live(&mut listeners, 2, "ben", Voice::new(&SEED_000, Carrier::SocketIo));
        let raw = live(&mut listeners, 3, "cem", Voice::new(&SEED_001, Carrier::WebSocket));
        let packets = live(&mut listeners, 4, "dan", Voice::new(&SEED_001, Carrier::SocketIo));
        let came =
            UserInRoom { room_id: RoomId::parse("r").unwrap(), user_id: user("eve"), username: "Eve".to_owned() };
        listeners.tell(&Telling::of(Happening::Came(&came)));
        let data = json!({"roomId": "r", "userId": "eve", "username": "Eve"});
        assert!(heard(&native)[0].ends_with(&format!(r#"{{"event":"chat.userJoined","data":{data}}}"#)));
        assert_eq!(heard(&text), [""; 0]);
        assert!(heard(&raw)[0].ends_with(&format!(r#"{{"event":"user_joined","data":{data}}}"#)));
        assert_eq!(heard(&packets), [format!("user_joined {data}")]);
    }

    #[test]
    fn of_two_people_the_other_one_is_told_and_named_whoever_came_first() {
        let voice = Voice::new(&SEED_003, Carrier::SocketIo);
        for author in ["ada", "ben"] {
            let mut listeners = Listeners::default();
            let both = [live(&mut listeners, 1, "ada", voice), live(&mut listeners, 2, "ben", voice)];
            let stored = stored(author);
            listeners.tell(&Telling::of(Happening::Timeline(Timeline::new(Seq(2), Seq(1), &stored))));
            for listener in &both {
                let heard = heard(listener);
                if listener.user.as_str() == author {
                    assert_eq!(heard, [""; 0]);
                } else {
                    assert!(heard[0].contains(&format!(r#""receiver":"{}""#, listener.user)), "{heard:?}");
                }
            }
        }
    }
}
