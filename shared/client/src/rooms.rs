//! The rooms that are to be attached: joined on every connection anew, each from its own position, until they are
//! left or the server says no for good.

use std::collections::HashMap;
use std::time::Duration;

use klatch_domain::{Change, MemberChanged, Position, RoomId, UserId};
use klatch_wire::native::ClientFrame;
use klatch_wire::native::request::{InRoom, Join, Request};
use klatch_wire::native::server::{Joined, Retry};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backoff::full_jitter;
use crate::event::{Detached, Event, Happened, TimelineEvent};
use crate::failure::Failure;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::place::{How, Place, Verdict};

pub(crate) type JoinReply = oneshot::Sender<Result<Joined, Failure>>;

/// What a room's join is waiting for.
#[derive(Debug)]
enum Joining {
    /// For nothing: it is attached, or there is no connection.
    No,
    /// For the server's answer.
    Asked { id: String, attempt: u32, until: Instant },
    /// For its time to come.
    Later { attempt: u32, at: Instant },
    /// For somebody to take events.
    NoSpace,
}

struct Wanted {
    place: Place,
    limit: Option<usize>,
    joining: Joining,
    replies: Vec<JoinReply>,
}

/// The connection as rooms know it.
struct Link {
    user: UserId,
    retry: Retry,
}

/// What the rooms do to the world.
pub(crate) struct Out<'a> {
    pub(crate) inbox: &'a Inbox,
    pub(crate) frames: &'a mut Vec<String>,
    /// In [0, 1).
    pub(crate) random: &'a mut dyn FnMut() -> f64,
    pub(crate) now: Instant,
}

pub(crate) struct Rooms {
    wanted: HashMap<RoomId, Wanted>,
    link: Option<Link>,
    limits: Limits,
    /// Joins so far: makes their ids.
    joins: u64,
}

impl Rooms {
    pub(crate) fn new(limits: Limits) -> Self {
        Rooms { wanted: HashMap::new(), link: None, limits, joins: 0 }
    }

    /// Wants a room, from now until it is left. The reply comes once it is attached, or once the server refused for
    /// good.
    pub(crate) fn join(
        &mut self,
        room: RoomId,
        since: Option<Position>,
        limit: Option<usize>,
        reply: JoinReply,
        out: &mut Out<'_>,
    ) {
        let limits = &self.limits;
        let wanted = self.wanted.entry(room.clone()).or_insert_with(|| Wanted {
            place: Place::new(since, limits.message_ids_max, limits.held_frames_max),
            limit,
            joining: Joining::No,
            replies: Vec::new(),
        });
        wanted.replies.push(reply);
        if matches!(wanted.joining, Joining::No) {
            self.request(&room, 0, out);
        }
    }

    /// Wants it no more.
    pub(crate) fn leave(&mut self, room: &RoomId, out: &mut Out<'_>) {
        if self.drop_room(room, Failure::Closed("the room was left")) && self.link.is_some() {
            let request = Request::Leave(InRoom { room_id: room.clone() });
            out.frames.push(ClientFrame { id: None, request }.encode());
        }
    }

    /// Up to where a room's events were delivered.
    pub(crate) fn position(&self, room: &RoomId) -> Option<Position> {
        self.wanted.get(room)?.place.position()
    }

    /// A connection is there: everything wanted is joined on it, each from its position.
    pub(crate) fn connected(&mut self, user: UserId, retry: Retry, out: &mut Out<'_>) {
        self.link = Some(Link { user, retry });
        let rooms: Vec<RoomId> = self.wanted.keys().cloned().collect();
        for room in rooms {
            self.request(&room, 0, out);
        }
    }

    pub(crate) fn disconnected(&mut self) {
        self.link = None;
        for wanted in self.wanted.values_mut() {
            wanted.joining = Joining::No;
        }
    }

    /// Takes an error; false where it answers no join.
    pub(crate) fn failed(&mut self, id: &str, failure: &Failure, out: &mut Out<'_>) -> bool {
        let asked = self.wanted.iter().find_map(|(room, wanted)| match &wanted.joining {
            Joining::Asked { id: asked, attempt, .. } if asked == id => Some((room.clone(), *attempt)),
            _ => None,
        });
        let Some((room, attempt)) = asked else { return false };
        if failure.is_retryable() {
            self.later(&room, attempt, Duration::from_millis(failure.retry_after_ms()), out);
        } else {
            self.drop_room(&room, failure.clone());
            out.inbox.push(Event::Detached { room_id: room, why: Detached::Refused(failure.clone()) });
        }
        true
    }

    /// Takes a `chat.joined`.
    pub(crate) fn joined(&mut self, joined: Joined, out: &mut Out<'_>) {
        let room = joined.room_id.clone();
        let Some(wanted) = self.wanted.get_mut(&room) else { return };
        if !out.inbox.has_space(joined.events.len() + self.limits.held_frames_max) {
            wanted.joining = Joining::NoSpace;
            return;
        }
        wanted.joining = Joining::No;
        let caught_up = wanted.place.joined(&joined);
        for reply in wanted.replies.drain(..) {
            let _ = reply.send(Ok(joined.clone()));
        }
        let missed = caught_up.missed.into_iter().map(Event::Timeline);
        match caught_up.how {
            How::Fresh => [Event::Joined(joined)].into_iter().chain(missed).for_each(|event| out.inbox.put(event)),
            How::Reset => [Event::Reset(joined)].into_iter().chain(missed).for_each(|event| out.inbox.put(event)),
            How::Resumed => missed.chain([Event::Resumed(joined)]).for_each(|event| out.inbox.put(event)),
        }
        if caught_up.gap {
            self.request(&room, 0, out);
        }
    }

    /// Takes an event of a room's timeline.
    pub(crate) fn timeline(&mut self, room: &RoomId, event: TimelineEvent, out: &mut Out<'_>) {
        let Some(wanted) = self.wanted.get_mut(room) else { return };
        if matches!(wanted.joining, Joining::NoSpace) {
            return;
        }
        if !out.inbox.has_space(1) {
            // Nobody takes events: the room is resumed from here once somebody does.
            wanted.joining = Joining::NoSpace;
            return;
        }
        match wanted.place.admit(&event) {
            Verdict::Drop => {}
            Verdict::Gap => self.request(room, 0, out),
            Verdict::Deliver => {
                let removal = match &event.what {
                    Happened::MemberChanged(notice) => self.own_removal(notice),
                    _ => None,
                };
                out.inbox.put(Event::Timeline(event));
                self.detach(room, removal, out);
            }
        }
    }

    /// Takes the frame of a change in somebody's standing that is no event of the timeline.
    pub(crate) fn member_changed(&mut self, changed: MemberChanged, out: &mut Out<'_>) {
        let (room, removal) = (changed.room_id.clone(), self.own_removal(&changed));
        out.inbox.push(Event::MemberChanged(changed));
        self.detach(&room, removal, out);
    }

    /// Does what is due; says when to look again.
    pub(crate) fn tick(&mut self, out: &mut Out<'_>) -> Option<Instant> {
        let now = out.now;
        let mut late = Vec::new();
        let mut due = Vec::new();
        for (room, wanted) in &self.wanted {
            match &wanted.joining {
                Joining::Asked { attempt, until, .. } if *until <= now => late.push((room.clone(), *attempt)),
                Joining::Later { attempt, at } if *at <= now => due.push((room.clone(), *attempt)),
                _ => {}
            }
        }
        for (room, attempt) in late {
            self.later(&room, attempt, Duration::ZERO, out);
        }
        for (room, attempt) in due {
            self.request(&room, attempt, out);
        }
        let next = self.wanted.values().filter_map(|wanted| match &wanted.joining {
            Joining::Asked { until, .. } => Some(*until),
            Joining::Later { at, .. } => Some(*at),
            Joining::No | Joining::NoSpace => None,
        });
        next.min()
    }

    /// There is space for events again.
    pub(crate) fn space(&mut self, out: &mut Out<'_>) {
        let waiting = self.wanted.iter().filter(|(_, wanted)| matches!(wanted.joining, Joining::NoSpace));
        let rooms: Vec<RoomId> = waiting.map(|(room, _)| room.clone()).collect();
        for room in rooms {
            self.request(&room, 0, out);
        }
    }

    pub(crate) fn fail_all(&mut self, failure: &Failure) {
        for (_, wanted) in self.wanted.drain() {
            for reply in wanted.replies {
                let _ = reply.send(Err(failure.clone()));
            }
        }
    }

    /// Our own removal is the last thing that we hear of a room. Only live: what is replayed may be long past.
    fn own_removal(&self, changed: &MemberChanged) -> Option<Detached> {
        let own = self.link.as_ref().is_some_and(|link| link.user == changed.user_id);
        match changed.change {
            Change::Kicked if own => Some(Detached::Kicked),
            Change::Banned if own => Some(Detached::Banned),
            Change::Exited if own => Some(Detached::Exited),
            _ => None,
        }
    }

    fn detach(&mut self, room: &RoomId, why: Option<Detached>, out: &mut Out<'_>) {
        if let Some(why) = why
            && self.drop_room(room, Failure::Closed("no longer in the room"))
        {
            out.inbox.push(Event::Detached { room_id: room.clone(), why });
        }
    }

    fn request(&mut self, room: &RoomId, attempt: u32, out: &mut Out<'_>) {
        let Some(wanted) = self.wanted.get_mut(room) else { return };
        if self.link.is_none() {
            wanted.joining = Joining::No;
            return;
        }
        self.joins += 1;
        let id = format!("join-{}", self.joins);
        wanted.place.joining();
        let join = Join { room_id: room.clone(), since: wanted.place.position(), limit: wanted.limit };
        let frame_id = id.parse().expect("a word and a number are an id");
        out.frames.push(ClientFrame { id: Some(frame_id), request: Request::Join(join) }.encode());
        let until = out.now + Duration::from_millis(self.limits.request_ms_max);
        wanted.joining = Joining::Asked { id, attempt, until };
    }

    fn later(&mut self, room: &RoomId, attempt: u32, not_before: Duration, out: &mut Out<'_>) {
        let (Some(wanted), Some(link)) = (self.wanted.get_mut(room), &self.link) else { return };
        let at = out.now + not_before + full_jitter(attempt, link.retry, (out.random)());
        wanted.joining = Joining::Later { attempt: attempt + 1, at };
    }

    fn drop_room(&mut self, room: &RoomId, failure: Failure) -> bool {
        let Some(wanted) = self.wanted.remove(room) else { return false };
        for reply in wanted.replies {
            let _ = reply.send(Err(failure.clone()));
        }
        true
    }
}
