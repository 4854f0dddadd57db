//! Attaching to a room and detaching from it.

use klatch_domain::authority::may_read;
use klatch_domain::commands::Command;
use klatch_domain::{ClientId, HistoryFrom, MessageId, Position, RoomId, RoomInfo, Seq};
use klatch_wire::Code;
use klatch_wire::native::request::{InRoom, Join};
use klatch_wire::native::server::{Failure, Joined, RoomState};
use klatch_wire::query::{HistoryRequest, HistoryResponse, MemberRequest, MemberResponse, Window, name};
use serde_json::value::RawValue;
use std::sync::Arc;

use super::Session;
use crate::act::{Key, unreadable};
use crate::listener::Listener;
use crate::resume;
use crate::room::{Captured, Room};
use crate::standing::{Freshness, member_state, room_info};
use crate::token::Person;

/// What `chat.joined` shows of the timeline.
struct Shown {
    recovered: Option<bool>,
    events: Vec<Box<RawValue>>,
    more: bool,
    history_ready: bool,
}

impl Session {
    pub(super) async fn join(&mut self, person: &Person, join: Join) -> Result<Position, Failure> {
        self.make_place(&join.room_id)?;
        self.charge_first_join(person, &join.room_id).await?;
        let room = self.hub.interest.open(&join.room_id).await.map_err(unreadable)?;
        // Listening begins before the standing is settled: a removal between the two is heard, not missed.
        let mut captured = room.capture(self.listener(person), join.since.map(|since| since.seq));
        match self.joined(person, &room, &mut captured, &join).await {
            Ok(joined) => {
                room.has_up_to(self.id, captured.position);
                room.release(self.id, self.voice.joined(&joined));
                self.rooms.insert(join.room_id.clone(), room);
                Ok(Position { epoch: captured.epoch, seq: captured.position })
            }
            Err(failure) => {
                room.leave(self.id);
                self.rooms.remove(&join.room_id);
                Err(failure)
            }
        }
    }

    /// Listens to a room without becoming a member, also to one that nobody has made yet.
    pub(crate) async fn listen(&mut self, id: &RoomId) -> Result<(), Failure> {
        let Some(person) = self.person().cloned() else { return Ok(()) };
        let room = self.hub.interest.open(id).await.map_err(unreadable)?;
        let captured = room.capture(self.listener(&person), None);
        match self.may_listen(&person, id).await {
            Ok(()) => {
                tracing::trace!(room = %id, position = %captured.position, "listens");
                room.enter(self.id, &person.user());
                room.release(self.id, Vec::new());
                self.rooms.insert(id.clone(), room);
                Ok(())
            }
            Err(failure) => {
                room.leave(self.id);
                Err(failure)
            }
        }
    }

    /// Whoever may read may listen. Of a room that nobody has made there is nothing to read; should it be made private,
    /// the room puts strangers out before it tells them anything.
    async fn may_listen(&self, person: &Person, id: &RoomId) -> Result<(), Failure> {
        let info = room_info(&self.hub.log, id).await.map_err(unreadable)?;
        let Some(info) = info.value else { return Ok(()) };
        let own = self.hub.standings.of(id, &person.user_id, Freshness::Leader).await.map_err(unreadable)?;
        may_read(Some(&info), own.value.as_ref(), self.hub.now()).map_err(Failure::from)
    }

    /// Becomes a member of an open room, or makes it.
    pub(crate) async fn become_member(&mut self, id: &RoomId) -> Result<(), Failure> {
        let Some(person) = self.person().cloned() else { return Ok(()) };
        self.charge_first_join(&person, id).await?;
        self.act_join(&person, id).await.map(drop)
    }

    /// Where the membership stands that they have then.
    async fn act_join(&self, person: &Person, id: &RoomId) -> Result<Seq, Failure> {
        let create_on_join = self.hub.config.rooms.create_on_join;
        let command = Command::Join(klatch_domain::commands::Join { room_id: id.clone(), create_on_join });
        let fresh = ClientId::unique(self.hub.log.fresh_id());
        let key = Key::Fresh(MessageId::derive(id, &person.user_id, &fresh, b"join"));
        self.hub.act(&person.actor(), &command, &key).await.map(|done| done.seq)
    }

    /// Stays in a room for the others to see, and hears nothing more of it.
    pub(crate) fn quiet(&self, id: &RoomId) {
        if let Some(room) = self.rooms.get(id) {
            room.quiet(self.id);
        }
    }

    pub(super) fn leave(&mut self, leave: InRoom) -> InRoom {
        self.detach(&leave.room_id);
        leave
    }

    pub(super) fn detach(&mut self, room: &RoomId) {
        self.typing_told.remove(room);
        if let Some(room) = self.rooms.remove(room) {
            room.leave(self.id);
        }
    }

    /// To become a member, or to make a room, stores something: it counts like a message. To come back costs nothing.
    async fn charge_first_join(&self, person: &Person, room: &RoomId) -> Result<(), Failure> {
        let own = self.hub.standings.of(room, &person.user_id, Freshness::Cached).await.map_err(unreadable)?;
        match &self.identity {
            super::Identity::Known { connection, .. } if !own.value.is_some_and(|own| own.is_joined()) => {
                connection.sends.take("messages and commands")
            }
            _ => Ok(()),
        }
    }

    /// Rooms that put this session out are given up; then there may be one more.
    fn make_place(&mut self, room: &RoomId) -> Result<(), Failure> {
        let most = self.hub.config.limits.rooms_per_session_max;
        if self.rooms.len() >= most {
            self.rooms.retain(|_, room| room.is_attached(self.id));
        }
        if self.rooms.len() >= most && !self.rooms.contains_key(room) {
            return Err(Failure::new(Code::TooManyRooms, format!("a session may be attached to {most} rooms")));
        }
        Ok(())
    }

    pub(super) fn listener(&self, person: &Person) -> Listener {
        Listener {
            session: self.id,
            user: person.user_id.clone(),
            username: person.username.clone(),
            outbox: self.outbox.clone(),
            voice: self.voice,
            has_up_to: Seq::ZERO,
        }
    }

    async fn joined(
        &self,
        person: &Person,
        room: &Arc<Room>,
        captured: &mut Captured,
        join: &Join,
    ) -> Result<Joined, Failure> {
        let hub = &self.hub;
        // What was there before they were a member is not told them live: it is theirs to read, or not.
        let joined_at = self.act_join(person, &join.room_id).await?;
        captured.reach(joined_at);
        room.has_up_to(self.id, joined_at);
        room.enter(self.id, &person.user());
        let info = match room.info().and_then(|known| known.value) {
            Some(info) => info,
            None => room_info(&hub.log, &room.id).await.map_err(unreadable)?.value.ok_or_else(gone)?,
        };
        let own = hub.standings.of(&room.id, &person.user_id, Freshness::Cached).await.map_err(unreadable)?;
        let shown = self.shown(person, room, &info, captured, join).await;
        if let (Some(since), Some(true)) = (join.since, shown.recovered) {
            // They come from an edge that was ahead of this one.
            captured.reach(since.seq);
        }
        let presence = room.presence(Some(&person.user_id));
        Ok(Joined {
            room_id: room.id.clone(),
            epoch: captured.epoch,
            seq: captured.position,
            recovered: shown.recovered,
            events: shown.events,
            more: shown.more,
            history_ready: shown.history_ready,
            users: presence.users,
            user_count: presence.user_count,
            member: own.value.map(|own| member_state(&own, hub.now())),
            room: RoomState::from(&info),
        })
    }

    /// What came since, whole, if that can be had; else the newest page.
    async fn shown(&self, person: &Person, room: &Room, info: &RoomInfo, captured: &Captured, join: &Join) -> Shown {
        if let Some(since) = join.since
            && !self.hub.has_gone_back()
            && self.may_resume(person, room, info, since).await
        {
            let (hub, end) = (&self.hub, captured.position.max(self.hub.seen()));
            let events = resume::events_since(&hub.log, &room.id, captured, since, end, &hub.config.limits).await;
            if let Some(events) = events.and_then(raw) {
                let more = since.seq > Seq::ZERO;
                return Shown { recovered: Some(true), events, more, history_ready: true };
            }
        }
        let recovered = join.since.map(|_| false);
        match self.newest(person, room, captured, join.limit).await {
            Ok(page) => Shown { recovered, events: page.events, more: page.more, history_ready: true },
            Err(failure) => {
                tracing::info!(room = %room.id, failure.message, "joined without history");
                Shown { recovered, events: Vec::new(), more: true, history_ready: false }
            }
        }
    }

    /// Where members read from their join on, what lies before it is not theirs to resume.
    async fn may_resume(&self, person: &Person, room: &Room, info: &RoomInfo, since: Position) -> bool {
        if info.settings.history == HistoryFrom::Beginning {
            return true;
        }
        let request =
            MemberRequest { room_id: room.id.clone(), user_id: person.user_id.clone(), min_seq: self.hub.seen() };
        let answer: Result<MemberResponse, _> = self.hub.query(name::MEMBER, &request).await;
        let may_from = |floor: Seq| since.seq >= floor;
        answer.is_ok_and(|member| member.epoch == since.epoch && member.floor.is_some_and(may_from))
    }

    /// The newest page up to the captured position: what is newer comes live.
    async fn newest(
        &self,
        person: &Person,
        room: &Room,
        captured: &Captured,
        limit: Option<usize>,
    ) -> Result<HistoryResponse, Failure> {
        let request = HistoryRequest {
            asker: person.user_id.clone(),
            room_id: room.id.clone(),
            window: Window::Before(captured.position.next()),
            limit: self.hub.page_limit(limit),
            min_seq: captured.position.max(self.hub.seen()),
        };
        let page: HistoryResponse = self.hub.query(name::HISTORY, &request).await?;
        if page.epoch != captured.epoch {
            // The projector has not noticed yet that the stream is another one.
            return Err(Failure::new(Code::Unavailable, "the views are of another life of the log"));
        }
        Ok(page)
    }
}

fn gone() -> Failure {
    Failure::new(Code::NotFound, "there is no such room")
}

fn raw(events: Vec<bytes::Bytes>) -> Option<Vec<Box<RawValue>>> {
    let raw = |event: bytes::Bytes| RawValue::from_string(String::from_utf8(event.into()).ok()?).ok();
    events.into_iter().map(raw).collect()
}
