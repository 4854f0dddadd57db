//! An attached room: who listens to it here, what happened last, who is there. Its one task takes what the log says
//! in order, puts each event together once and hands the same bytes to everybody.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use klatch_domain::authority::may_read;
use klatch_domain::{
    Address, Cause, Change, Epoch, Event, Known, Membership, MessageId, RoomId, RoomInfo, Seq, Standing, UserId,
};
use klatch_eventlog::{EdgeId, LiveEvent, LiveRoom, Log, ReadError, Stored};
use klatch_service::traces::{self, Traceparent};
use klatch_wire::dialects::{Encoded, Happening, Timeline};
use klatch_wire::native::server::{Presence, Receipt, User, UserInRoom};
use klatch_wire::{CloseCode, Limits};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Span;

use crate::announce::{Announcements, Word};
use crate::listener::{Listener, Listeners};
use crate::outbox::{Frame, Item};
use crate::past::{Past, is_readable};
use crate::ring::Ring;
use crate::roster::{Going, Roster};
use crate::session_id::SessionId;
use crate::socket::frame::LiveFrame;
use crate::standing::room_info;
use crate::voice::Telling;
use crate::watermark::Watermark;

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
    /// How far this edge has come.
    pub(crate) seen: Arc<Watermark>,
    /// Events passed over because nobody can read them.
    pub(crate) undecodable: Counter,
}

impl Surroundings {
    /// A room has told of something at this sequence.
    fn saw(&self, epoch: Epoch, seq: Seq) {
        self.seen.raise(epoch, seq, self.log.epoch());
    }
}

/// A room with at least one attached session.
#[derive(Debug)]
pub(crate) struct Room {
    /// Its id.
    pub id: RoomId,
    around: Arc<Surroundings>,
    state: Mutex<State>,
    /// The number of people changed, and in a room of this size it is told once in a while.
    count_untold: Arc<Notify>,
    _task: DropGuard,
}

#[derive(Debug)]
struct State {
    epoch: Epoch,
    /// Everything of the timeline up to here was handed to the listeners, or was there before them.
    position: Seq,
    /// The last event where nobody could read it, and the one before it that somebody could: the next names that one.
    passed_over: Option<(Seq, Seq)>,
    info: Option<Known<RoomInfo>>,
    listeners: Listeners,
    ring: Ring,
    roster: Roster,
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

impl Captured {
    /// It is to be told of everything up to here, though the room may not have heard of it yet.
    pub(crate) fn reach(&mut self, seq: Seq) {
        if seq > self.position {
            self.position = seq;
            self.since = None;
        }
    }
}

/// What became of somebody.
#[derive(Debug, Clone, Copy)]
enum Roll {
    Came,
    Went,
}

/// What the room's task has to do beside the pure part.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    /// The room became private, at this sequence: whoever is no member must go, but for those who became one since.
    Sift { closed_at: Seq },
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
                passed_over: None,
                info: Some(info),
                listeners: Listeners::default(),
                ring: Ring::beginning_after(live.position()),
                roster,
                is_lost: false,
            }),
            count_untold: Arc::new(Notify::new()),
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

    /// Whether a message was deleted lately: what refers to it comes too late, though the log may still hold it.
    pub(crate) fn has_deleted(&self, message: &MessageId) -> bool {
        self.lock().ring.has_deleted(message)
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

    /// The session is given the timeline up to here otherwise.
    pub(crate) fn has_up_to(&self, session: SessionId, seq: Seq) {
        self.lock().listeners.has_up_to(session, seq);
    }

    /// Gives a listener what it hears first and, right behind it, what was held meanwhile.
    pub(crate) fn release(&self, session: SessionId, first: Vec<Frame>) {
        self.lock().listeners.release(session, first.into_iter().map(Item::answer));
    }

    /// The session stays, for the others to see, and hears nothing more.
    pub(crate) fn quiet(&self, session: SessionId) {
        self.lock().listeners.quiet(session);
    }

    /// Whether the session is attached (the room itself detaches whoever is put out).
    pub(crate) fn is_attached(&self, session: SessionId) -> bool {
        self.lock().listeners.has(session)
    }

    /// The person is here with a session: tells the others, here and on the other edges, if they were not before.
    pub(crate) fn enter(&self, session: SessionId, user: &User) {
        let mut state = self.lock();
        if !state.listeners.has(session) {
            return; // Put out before they were quite in.
        }
        let coming = state.roster.add(&user.user_id, &user.username, &self.around.edge);
        if coming.is_new_entry {
            self.around.announcements.say(&self.id, &user.user_id, Word::Here(user.username.clone()));
        }
        if coming.is_new_person {
            self.tell_roster(&mut state, Roll::Came, user);
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
        let going = state.roster.remove(user, &self.around.edge);
        if going != Going::Nothing {
            self.around.announcements.say(&self.id, user, Word::Gone);
        }
        self.went(state, going);
    }

    fn went(&self, state: &mut State, going: Going) {
        if let Going::Person(user) = going {
            self.tell_roster(state, Roll::Went, &user);
        }
    }

    fn came(&self, state: &mut State, user: UserId, username: String, edge: &EdgeId) {
        if state.roster.add(&user, &username, edge).is_new_person {
            self.tell_roster(state, Roll::Came, &User { user_id: user, username });
        }
    }

    /// Reads again who is attached through the other edges: words of theirs may have been lost. What is heard during the
    /// reading counts more than what is read, and may be wrong until the next reading.
    pub(crate) async fn reconcile(&self) -> Result<(), ReadError> {
        self.lock().roster.begin_reading();
        let read = tokio::try_join!(self.around.log.attached(&self.id), self.around.log.live_edges());
        let mut state = self.lock();
        let changed = state.roster.end_reading();
        let (entries, alive) = read?;
        let mut gone: HashSet<_> = state.roster.entries_of_others(&self.around.edge).into_iter().collect();
        for entry in entries.into_iter().filter(|entry| entry.edge != self.around.edge && alive.contains(&entry.edge)) {
            let key = (entry.user, entry.edge);
            gone.remove(&key);
            if !changed.contains(&key) {
                self.came(&mut state, key.0, entry.username, &key.1);
            }
        }
        for (user, edge) in gone.difference(&changed) {
            let going = state.roster.remove(user, edge);
            self.went(&mut state, going);
        }
        Ok(())
    }

    /// Who is attached, over all edges.
    pub(crate) fn presence(&self, first: Option<&UserId>) -> Presence {
        let state = self.lock();
        let users = state.roster.list(self.around.limits.users_listed_max, first);
        Presence { room_id: self.id.clone(), users, user_count: state.roster.len() }
    }

    /// The people who are in by this edge, with their names: the entries that it has to have. Who only begins to listen is
    /// not among them: an entry of theirs would stay when they are put out before they are quite in.
    pub(crate) fn local_entries(&self) -> Vec<(UserId, String)> {
        self.lock().roster.entries_of(&self.around.edge)
    }

    /// Other edges died: their people leave.
    pub(crate) fn retain_edges(&self, is_alive: impl FnMut(&EdgeId) -> bool) {
        let mut state = self.lock();
        for user in state.roster.retain_edges(is_alive) {
            self.tell_roster(&mut state, Roll::Went, &user);
        }
    }

    fn tell_roster(&self, state: &mut State, roll: Roll, user: &User) {
        if state.roster.len() > self.around.limits.roster_frames_max {
            self.count_untold.notify_one();
            return;
        }
        let data =
            UserInRoom { room_id: self.id.clone(), user_id: user.user_id.clone(), username: user.username.clone() };
        let happening = match roll {
            Roll::Came => Happening::Came(&data),
            Roll::Went => Happening::Went(&data),
        };
        state.listeners.tell_others(&user.user_id, &Telling::of(happening));
    }

    fn apply(&self, event: LiveEvent) -> Vec<Effect> {
        let mut state = self.lock();
        match event {
            LiveEvent::Timeline { seq, prev, trace, payload } => {
                let _delivering = delivery_of(trace, seq).entered();
                self.timeline(&mut state, seq, prev, &payload);
            }
            LiveEvent::Member(stored) => self.member(&mut state, &stored),
            LiveEvent::Info(stored) => return Self::new_info(&mut state, &stored),
            LiveEvent::Typing { user, payload } if state.roster.len() <= self.around.limits.roster_frames_max => {
                state.listeners.tell_others(&user, &Telling::of(Happening::Typing(Encoded::new(&payload))));
            }
            LiveEvent::Typing { .. } => {}
            // Of its own people this edge knows before the log does.
            LiveEvent::Attached { edge, .. } | LiveEvent::Detached { edge, .. } if edge == self.around.edge => {}
            LiveEvent::Attached { user, username, edge } => self.came(&mut state, user, username, &edge),
            LiveEvent::Detached { user, edge } => {
                let going = state.roster.remove(&user, &edge);
                self.went(&mut state, going);
            }
            LiveEvent::Marked { user, marks } if state.roster.len() <= self.around.limits.roster_frames_max => {
                let data =
                    Receipt { room_id: self.id.clone(), user_id: user, delivered: marks.delivered, read: marks.read };
                state.listeners.tell(&Telling::of(Happening::Marked(&data)));
            }
            LiveEvent::Marked { .. } => {}
            LiveEvent::Lost(why) => {
                tracing::warn!(room = %self.id, ?why, "live feed lost: sessions are told to resume");
                state.is_lost = true;
                for user in state.listeners.people().into_keys() {
                    self.left(&mut state, &user);
                }
                state.listeners.close(CloseCode::LostFeed);
            }
        }
        Vec::new()
    }

    fn timeline(&self, state: &mut State, seq: Seq, prev: Seq, payload: &[u8]) {
        self.around.saw(state.epoch, seq);
        state.position = seq;
        let prev = match state.passed_over.take() {
            Some((over, told)) if over == prev => told,
            _ => prev,
        };
        if !is_readable(payload) {
            tracing::warn!(room = %self.id, %seq, "passed over an event that nobody can read");
            self.around.undecodable.inc();
            state.passed_over = Some((seq, prev));
            return;
        }
        let live = LiveFrame::new(seq, prev, payload);
        let happening = Happening::Timeline(Timeline::new(seq, prev, payload));
        state.listeners.tell(&Telling::framed(happening, live.framed()));
        state.ring.push(seq, live);
        if let Some(user) = put_out_by(payload) {
            self.put_out(state, &user, seq);
        }
    }

    fn member(&self, state: &mut State, stored: &Stored) {
        let Ok(Event::Member(membership)) = stored.event() else { return };
        self.around.saw(state.epoch, stored.seq);
        if let Some(change) = membership.unnoticed_change() {
            state.listeners.tell(&Telling::of(Happening::MemberChanged(&change)));
        }
        if membership.is_joined() || self.may_go_on_listening(state, &membership) {
            return;
        }
        let is_put_out = matches!(membership.standing, Standing::Removed | Standing::Banned { .. });
        if membership.cause == Cause::Noticed && is_put_out {
            // The notice lies before this in the log and puts them out, once they have heard it. If it has not, it was
            // lost on its way: then it is looked for.
            if state.listeners.has_since(&membership.user_id, stored.seq) {
                self.around.log.compare_soon();
            }
        } else {
            self.put_out(state, &membership.user_id, stored.seq);
        }
    }

    /// Somebody who listens without being a member, and whom others muted, invited or let in again, goes on listening.
    fn may_go_on_listening(&self, state: &State, membership: &Membership) -> bool {
        let others_did = membership.cause == Cause::Noticed;
        let info = state.info.as_ref().and_then(|known| known.value.as_ref());
        others_did && may_read(info, Some(membership), membership.timestamp).is_ok()
    }

    /// What a person put out has heard last is the notice of it: they are detached before anything newer goes out.
    fn put_out(&self, state: &mut State, user: &UserId, at: Seq) {
        if state.listeners.remove_person(user, at) {
            self.left(state, user);
        }
    }

    fn new_info(state: &mut State, stored: &Stored) -> Vec<Effect> {
        let Ok(Event::Room(info)) = stored.event() else { return Vec::new() };
        let was = state.info.as_ref().and_then(|known| known.value.as_ref());
        // Of a room that was not made yet there can be listeners, too.
        let closes = was.is_none_or(RoomInfo::is_open) && !info.is_open();
        state.info = Some(Known::at(stored.seq, info));
        if closes { vec![Effect::Sift { closed_at: stored.seq }] } else { Vec::new() }
    }

    async fn perform(&self, Effect::Sift { closed_at }: Effect) {
        let listening = self.lock().listeners.people();
        for user in listening.into_keys() {
            let standing = self.around.log.last(&Address::Member(self.id.clone(), user.clone())).await;
            let event = standing.map(|stored| stored.and_then(|stored| stored.event().ok()));
            let mut state = self.lock();
            match event {
                Ok(Some(Event::Member(member))) if member.is_joined() => {}
                Ok(_) => self.put_out(&mut state, &user, closed_at),
                // Who they are can't be asked: they come again, and are asked then.
                Err(_) => {
                    state.listeners.close_person(&user, CloseCode::LostFeed);
                    self.left(&mut state, &user);
                }
            }
        }
    }

    /// In a big room the number of people is told once in a while.
    fn tell_count(&self) {
        let mut state = self.lock();
        let data = Presence { room_id: self.id.clone(), users: Vec::new(), user_count: state.roster.len() };
        state.listeners.tell(&Telling::of(Happening::Counted(&data)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until an event lies in the outboxes of all who listen here: the last span of its trace.
fn delivery_of(trace: Option<Traceparent>, seq: Seq) -> Span {
    let Some(trace) = trace.filter(|trace| trace.is_sampled()) else { return Span::none() };
    let span =
        tracing::trace_span!(target: traces::TARGET, parent: None, "edge.deliver", otel.kind = "consumer", seq = seq.0);
    traces::put_behind(&span, Some(trace));
    span
}

/// The room's task: ends when nobody holds the room any more. What it hears is never interrupted by what it tells: a
/// gap that is being filled is filled.
async fn follow(room: Weak<Room>, live: LiveRoom, stop: CancellationToken) {
    let Some(untold) = room.upgrade().map(|room| room.count_untold.clone()) else { return };
    let counts = async {
        loop {
            untold.notified().await;
            tokio::time::sleep(COUNT_EVERY).await;
            let Some(room) = room.upgrade() else { return };
            room.tell_count();
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = hear(&room, live) => {}
        () = counts => {}
    }
}

async fn hear(room: &Weak<Room>, mut live: LiveRoom) {
    loop {
        let event = live.next().await;
        let Some(room) = room.upgrade() else { return };
        let is_over = matches!(event, LiveEvent::Lost(_));
        for effect in room.apply(event) {
            Box::pin(room.perform(effect)).await;
        }
        if is_over {
            return;
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

#[cfg(test)]
mod tests;
