//! Requests that store no event: what the views hold, who is here, marks, typing.

use klatch_domain::authority::{Act, may_type, permit};
use klatch_domain::{Refusal, Seq};
use klatch_eventlog::{Marked, Marks};
use klatch_wire::Code;
use klatch_wire::native::request::{History, InRoom, Mark, Members, Rooms, Typing};
use klatch_wire::native::server::{self, Failure, Presence, Receipt, TypingInRoom};
use klatch_wire::query::{
    HistoryResponse, MembersRequest, MembersResponse, RoomsRequest, RoomsResponse, UnreadRequest, UnreadResponse, name,
};

use super::{Answer, Reply, Session};
use crate::act::unreadable;
use crate::standing::Freshness;
use crate::token::Person;

impl Session {
    pub(super) async fn history(&mut self, person: &Person, history: History) -> Result<HistoryResponse, Failure> {
        self.hub.history(person, history).await
    }

    /// With counts from every mark that was acknowledged before, on any device and any edge: whichever projector answers
    /// must have come to where the marks end now. While the log can't say where that is, at least those that were
    /// acknowledged here.
    pub(super) async fn list_rooms(&mut self, person: &Person, rooms: Rooms) -> Result<RoomsResponse, Failure> {
        let min_mark = self.hub.log.last_mark().await.unwrap_or_else(|_| self.hub.marked());
        let request = RoomsRequest {
            asker: person.user_id.clone(),
            limit: self.hub.page_limit(rooms.limit),
            cursor: rooms.cursor,
            min_seq: self.hub.seen(),
            min_mark,
        };
        self.hub.query(name::ROOMS, &request).await
    }

    pub(super) async fn members(&mut self, person: &Person, members: Members) -> Result<MembersResponse, Failure> {
        let min_seq = self.hub.check_before_views(person, &members.room_id).await?;
        let request = MembersRequest {
            asker: person.user_id.clone(),
            room_id: members.room_id,
            limit: self.hub.page_limit(members.limit),
            cursor: members.cursor,
            min_seq,
        };
        self.hub.query(name::MEMBERS, &request).await
    }

    pub(super) async fn presence(&mut self, person: &Person, room: InRoom) -> Result<Presence, Failure> {
        self.hub.check_readable(person, &room.room_id).await?;
        let room = self.hub.interest.open(&room.room_id).await.map_err(unreadable)?;
        Ok(room.presence(Some(&person.user_id)))
    }

    pub(super) async fn mark(&mut self, person: &Person, mark: Mark, as_marks: fn(Seq) -> Marks) -> Answer {
        let (info, own) = self.hub.facts_of(person, &mark.room_id, Freshness::Leader).await?;
        let info = info.value.ok_or(Refusal::NoSuchRoom).map_err(Failure::from)?;
        permit(&info, own.as_ref(), Act::Mark, self.hub.now()).map_err(Failure::from)?;
        if mark.seq > self.hub.seen() && mark.seq > self.hub.log.last_seq().await.map_err(unreadable)? {
            return Err(Failure::new(Code::InvalidField, "seq: lies past the end of the log"));
        }
        let stored = self.hub.log.mark(&mark.room_id, &person.user_id, as_marks(mark.seq)).await;
        let marked = stored.map_err(|error| {
            tracing::warn!(%error, "can't store a mark");
            Failure::new(Code::Unavailable, "the mark was not stored: try again")
        })?;
        self.hub.saw_mark(marked.seq);
        self.settle_mark(&marked).await;
        let Marks { delivered, read } = marked.marks;
        Ok(Reply::Marked(Receipt { room_id: marked.room, user_id: marked.user, delivered, read }))
    }

    /// Once a mark is acknowledged, every list of rooms counts from it, on every device: the views have it by then, or
    /// can't be asked. A mark is no event, so nothing of the log waits here.
    async fn settle_mark(&self, marked: &Marked) {
        let request = UnreadRequest {
            asker: marked.user.clone(),
            rooms: vec![marked.room.clone()],
            min_seq: Seq::ZERO,
            min_mark: marked.seq,
        };
        let settled: Result<UnreadResponse, _> = self.hub.query(name::UNREAD, &request).await;
        if let Err(failure) = settled {
            tracing::info!(failure.message, "a mark is stored that the views don't have yet");
        }
    }

    pub(super) async fn typing(&mut self, person: &Person, typing: Typing) -> Result<InRoom, Failure> {
        let known = self.hub.facts_of(person, &typing.room_id, Freshness::Cached).await?;
        if may_type(known.0.value.as_ref(), known.1.as_ref(), self.hub.now()).is_err() {
            let (info, own) = self.hub.facts_of(person, &typing.room_id, Freshness::Leader).await?;
            may_type(info.value.as_ref(), own.as_ref(), self.hub.now()).map_err(Failure::from)?;
        }
        if self.typing_is_due(&typing.room_id, typing.is_typing) {
            let data = TypingInRoom {
                room_id: typing.room_id.clone(),
                user_id: person.user_id.clone(),
                username: person.username.clone(),
                is_typing: typing.is_typing,
            };
            let frame = server::frame("chat.typing", &data);
            self.hub.log.typing(&typing.room_id, &person.user_id, frame).await;
        }
        Ok(InRoom { room_id: typing.room_id })
    }
}
