//! An attached room: who listens to it here, what happened last, who is there. Its one task takes what the log says
//! in order, puts each event together once and hands the same bytes to everybody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Address, Change, Epoch, Event, Known, Membership, RoomId, RoomInfo, Seq, UserId};
use klatch_eventlog::{EdgeId, LiveEvent, LiveRoom, Log, ReadError, Stored};
use klatch_wire::native::server::{self, MemberState, Presence, Receipt, User, UserInRoom};
use klatch_wire::{CloseCode, Limits};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::announce::{Announcements, Word};
use crate::listener::{Listener, Listeners};
use crate::ring::{Past, Ring};
use crate::roster::Roster;
use crate::session_id::SessionId;
use crate::socket::frame::{self, LiveFrame};
use crate::standing::room_info;

/// In a room with more people than `roster_frames_max`, their number goes out at most so often.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// What every room of an edge has around it.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The log.
    pub log: Log,
    /// This edge.
    pub edge: EdgeId,
    /// What clients can meet.
    pub limits: Limits,
    /// What the other edges are to be told.
    pub(crate) announcements: Arc<Announcements>,
}

/// A room with at least one attached session.
#[derive(Debug)]
pub(crate) struct Room {
    /// Its id.
    pub id: RoomId,
    around: Arc<Surroundings>,
    state: Mutex<State>,
    _task: DropGuard,
}

#[derive(Debug)]
struct State {
    epoch: Epoch,
    /// Everything of the timeline up to here was handed to the listeners, or was there before them.
    position: Seq,
    info: Option<Known<RoomInfo>>,
    listeners: Listeners,
    ring: Ring,
    roster: Roster,
    /// The number of people changed, and in a room of this size nobody was told yet.
    count_untold: bool,
    /// The feed broke off: nothing more will be heard here. Whoever comes next opens the room anew.
    is_lost: bool,
}

/// Where the room stood when a session began to listen: what follows is held for it until it was told of that.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The stream's life.
    pub epoch: Epoch,
    /// The room's position.
    pub position: Seq,
    /// The room's last events, where the ring reaches back to what was asked for.
    pub since: Option<Vec<Past>>,
}

/// What the room's task has to do beside the pure part.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    /// The room became private: whoever is no member must go.
    Sift,
}

impl Room {
    /// Subscribes, reads what stands, and begins to follow.
    pub(crate) async fn open(id: RoomId, around: Arc<Surroundings>) -> Result<Arc<Self>, ReadError> {
        let live = around.log.live_room(&id).await?;
        let info = room_info(&around.log, &id).await?;
        let (entries, alive) = tokio::try_join!(around.log.attached(&id), around.log.live_edges())?;
        let mut roster = Roster::default();
        for entry in entries.into_iter().filter(|entry| entry.edge != around.edge && alive.contains(&entry.edge)) {
            roster.add(&entry.user, &entry.username, &entry.edge);
        }
        let task = CancellationToken::new();
        let room = Arc::new(Room {
            id,
            state: Mutex::new(State {
                epoch: live.epoch(),
                position: live.position(),
                info: Some(info),
                listeners: Listeners::default(),
                ring: Ring::beginning_after(live.position()),
                roster,
                count_untold: false,
                is_lost: false,
            }),
            around,
            _task: task.clone().drop_guard(),
        });
        tokio::spawn(follow(Arc::downgrade(&room), live, task));
        Ok(room)
    }

    /// The room's state as last heard.
    pub(crate) fn info(&self) -> Option<Known<RoomInfo>> {
        self.lock().info.clone()
    }

    /// Whether the room has nothing more to say, since its feed broke off.
    pub(crate) fn is_lost(&self) -> bool {
        self.lock().is_lost
    }

    /// Begins to listen. What happens from now on is held until [`Room::release`].
    pub(crate) fn capture(&self, listener: Listener, since: Option<Seq>) -> Captured {
        let mut state = self.lock();
        state.listeners.add(listener);
        Captured {
            epoch: state.epoch,
            position: state.position,
            since: since.and_then(|since| state.ring.after(since)),
        }
    }

    /// Gives a listener its `chat.joined` and, right behind it, what was held meanwhile.
    pub(crate) fn release(&self, session: SessionId, joined: Bytes) {
        self.lock().listeners.release(session, joined);
    }

    /// Whether the session is attached (the room itself detaches whoever is put out).
    pub(crate) fn is_attached(&self, session: SessionId) -> bool {
        self.lock().listeners.has(session)
    }

    /// The person is here with a session: tells the others, here and on the other edges, if they were not before.
    pub(crate) fn enter(&self, user: &User) {
        let mut state = self.lock();
        if state.listeners.count_of(&user.user_id) == 1 {
            self.around.announcements.say(&self.id, &user.user_id, Word::Here(user.username.clone()));
        }
        if state.roster.add(&user.user_id, &user.username, &self.around.edge) {
            self.tell_roster(&mut state, "chat.userJoined", user);
        }
    }

    /// Detaches a session; if it was the person's last one here, they leave.
    pub(crate) fn leave(&self, session: SessionId) {
        let mut state = self.lock();
        if let Some(user) = state.listeners.remove(session)
            && state.listeners.count_of(&user) == 0
        {
            self.left(&mut state, &user);
        }
    }

    fn left(&self, state: &mut State, user: &UserId) {
        self.around.announcements.say(&self.id, user, Word::Gone);
        if let Some(user) = state.roster.remove(user, &self.around.edge) {
            self.tell_roster(state, "chat.userLeft", &user);
        }
    }

    /// Who is attached, over all edges.
    pub(crate) fn presence(&self, first: Option<&UserId>) -> Presence {
        let state = self.lock();
        let users = state.roster.list(self.around.limits.users_listed_max, first);
        Presence { room_id: self.id.clone(), users, user_count: state.roster.len() }
    }

    /// The people who are attached here, with their names: the entries that this edge has to have.
    pub(crate) fn local_people(&self) -> HashMap<UserId, String> {
        self.lock().listeners.people()
    }

    /// Other edges died: their people leave.
    pub(crate) fn retain_edges(&self, is_alive: impl Fn(&EdgeId) -> bool) {
        let mut state = self.lock();
        for user in state.roster.retain_edges(is_alive) {
            self.tell_roster(&mut state, "chat.userLeft", &user);
        }
    }

    fn tell_roster(&self, state: &mut State, event: &'static str, user: &User) {
        if state.roster.len() > self.around.limits.roster_frames_max {
            state.count_untold = true;
            return;
        }
        let data =
            UserInRoom { room_id: self.id.clone(), user_id: user.user_id.clone(), username: user.username.clone() };
        state.listeners.tell_others(&user.user_id, &frame::text(&server::frame(event, &data)));
    }

    fn apply(&self, event: LiveEvent) -> Vec<Effect> {
        let mut state = self.lock();
        match event {
            LiveEvent::Timeline { seq, prev, payload } => self.timeline(&mut state, seq, prev, &payload),
            LiveEvent::Member(stored) => self.member(&mut state, &stored),
            LiveEvent::Info(stored) => return Self::new_info(&mut state, &stored),
            LiveEvent::Typing { user, payload } if state.roster.len() <= self.around.limits.roster_frames_max => {
                state.listeners.tell_others(&user, &frame::text(&payload));
            }
            LiveEvent::Typing { .. } => {}
            // Of its own people this edge knows before the log does.
            LiveEvent::Attached { edge, .. } | LiveEvent::Detached { edge, .. } if edge == self.around.edge => {}
            LiveEvent::Attached { user, username, edge } => {
                if state.roster.add(&user, &username, &edge) {
                    self.tell_roster(&mut state, "chat.userJoined", &User { user_id: user, username });
                }
            }
            LiveEvent::Detached { user, edge } => {
                if let Some(user) = state.roster.remove(&user, &edge) {
                    self.tell_roster(&mut state, "chat.userLeft", &user);
                }
            }
            LiveEvent::Marked { user, marks } if state.roster.len() <= self.around.limits.roster_frames_max => {
                let data =
                    Receipt { room_id: self.id.clone(), user_id: user, delivered: marks.delivered, read: marks.read };
                state.listeners.tell(&frame::text(&server::frame("chat.receipt", &data)));
            }
            LiveEvent::Marked { .. } => {}
            LiveEvent::Lost(why) => {
                tracing::warn!(room = %self.id, ?why, "live feed lost: sessions are told to resume");
                state.is_lost = true;
                state.listeners.close(CloseCode::LostFeed);
            }
        }
        Vec::new()
    }

    fn timeline(&self, state: &mut State, seq: Seq, prev: Seq, payload: &[u8]) {
        let live = LiveFrame::new(seq, prev, payload);
        state.position = seq;
        state.listeners.tell(&live.framed());
        state.ring.push(seq, live);
        if let Some(user) = put_out_by(payload) {
            self.put_out(state, &user);
        }
    }

    fn member(&self, state: &mut State, stored: &Stored) {
        let Ok(Event::Member(membership)) = stored.event() else { return };
        if let Some(change) = membership.unnoticed_change() {
            state.listeners.tell(&frame::text(&server::frame("chat.memberChanged", &change)));
        }
        if !membership.is_joined() {
            self.put_out(state, &membership.user_id);
        }
    }

    /// What a person put out has heard last is the notice of it: they are detached before anything newer goes out.
    fn put_out(&self, state: &mut State, user: &UserId) {
        if state.listeners.remove_person(user) {
            self.left(state, user);
        }
    }

    fn new_info(state: &mut State, stored: &Stored) -> Vec<Effect> {
        let Ok(Event::Room(info)) = stored.event() else { return Vec::new() };
        let was_open = state.info.as_ref().and_then(|known| known.value.as_ref()).is_some_and(RoomInfo::is_open);
        let closes = was_open && !info.is_open();
        state.info = Some(Known::at(stored.seq, info));
        if closes { vec![Effect::Sift] } else { Vec::new() }
    }

    async fn perform(&self, Effect::Sift: Effect) {
        for user in self.local_people().into_keys() {
            let standing = Address::Member(self.id.clone(), user.clone());
            // Where the log can't be asked they go, too: they may attach again when it can.
            let stored = self.around.log.last(&standing).await.ok().flatten();
            let is_member =
                stored.is_some_and(|stored| matches!(stored.event(), Ok(Event::Member(m)) if m.is_joined()));
            if !is_member {
                self.put_out(&mut self.lock(), &user);
            }
        }
    }

    /// In a big room the number of people is told once in a while.
    fn tell_count(&self) {
        let mut state = self.lock();
        if !std::mem::take(&mut state.count_untold) {
            return;
        }
        let data = Presence { room_id: self.id.clone(), users: Vec::new(), user_count: state.roster.len() };
        state.listeners.tell(&frame::text(&server::frame("chat.presence", &data)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room's task: ends when nobody holds the room any more.
async fn follow(room: Weak<Room>, mut live: LiveRoom, stop: CancellationToken) {
    let mut count_at = Instant::now() + COUNT_EVERY;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(count_at) => None,
            event = live.next() => Some(event),
        };
        let Some(room) = room.upgrade() else { return };
        match event {
            None => {
                room.tell_count();
                count_at = Instant::now() + COUNT_EVERY;
            }
            Some(event) => {
                let is_over = matches!(event, LiveEvent::Lost(_));
                for effect in room.apply(event) {
                    room.perform(effect).await;
                }
                if is_over {
                    return;
                }
            }
        }
    }
}

/// Whom a timeline event puts out of the room. Only notices are parsed: a message can't begin like one.
fn put_out_by(payload: &[u8]) -> Option<UserId> {
    if !payload.starts_with(br#"{"event":"chat.memberChanged""#) {
        return None;
    }
    match Event::decode(payload) {
        Ok(Event::MemberChanged(notice))
            if matches!(notice.change, Change::Kicked | Change::Banned | Change::Exited) =>
        {
            Some(notice.user_id)
        }
        _ => None,
    }
}

/// A standing as frames show it.
pub(crate) fn member_state(membership: &Membership, now: klatch_domain::Timestamp) -> MemberState {
    MemberState {
        user_id: membership.user_id.clone(),
        username: membership.username.clone(),
        role: membership.role,
        standing: membership.standing.clone(),
        muted: membership.is_muted(now),
    }
}
