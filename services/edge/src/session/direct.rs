//! Rooms of two people, for sessions that hear them without asking: what came while a person was away first, in order,
//! then what comes.
//!
//! Nothing is queued for anybody: what a person's delivered mark has not passed lies in the log. The mark moves once a
//! message is with the client's transport, so a message comes again, under the same id, only where an edge died between
//! the two, or where two devices of a person come back at the same moment on two edges, or one of them does not get on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use klatch_domain::{Event, MessageId, RoomId, RoomType, Seq};
use klatch_eventlog::Stored as StoredEvent;
use klatch_wire::Code;
use klatch_wire::dialects::{Happening, Timeline};
use klatch_wire::native::Request;
use klatch_wire::native::request::{CreateRoom, Message, SettingsChange};
use klatch_wire::native::server::{Failure, Stored};
use klatch_wire::query::{ROOMS_MAX, RoomsRequest, RoomsResponse, name};
use tokio::sync::OwnedMutexGuard;

use super::{Identity, Reply, Session};
use crate::act::unreadable;
use crate::outbox::Item;
use crate::room::{Captured, Room};
use crate::token::Person;
use crate::voice::{Telling, delivery};

/// Rooms that are looked at side by side.
const ROOMS_AT_ONCE: usize = 32;
/// Of each room so much is read at a time, and of all together so many bytes, but a little of each.
const PORTION_EVENTS: usize = 256;
const PORTIONS_BYTES: usize = 4 * 1024 * 1024;
const PORTION_BYTES_MIN: usize = 16 * 1024;
/// A session waits so long for another one of the same person to get what came.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// What somebody has not got yet of a room.
#[derive(Debug)]
struct Backlog {
    room: Arc<Room>,
    captured: Captured,
    /// Read up to here.
    read: Seq,
    /// The delivered mark.
    delivered: Seq,
    waiting: VecDeque<StoredEvent>,
    /// Everything up to here is on its way to the client.
    handed_on: Seq,
}

impl Backlog {
    fn is_read(&self) -> bool {
        self.read >= self.captured.position
    }
}

impl Session {
    /// Says something to one person alone: in the room that the two have, which is made where it is not there.
    pub(crate) async fn say_to(
        &mut self,
        message: &Message,
        receiver: &klatch_domain::UserId,
    ) -> Result<Stored, Failure> {
        match self.say(message).await {
            Err(failure) if matches!(failure.code, Code::NotFound | Code::NotAMember) => {
                let create = CreateRoom {
                    room_id: None,
                    room_type: RoomType::Direct,
                    name: None,
                    participants: vec![receiver.clone()],
                    settings: SettingsChange::default(),
                };
                self.perform(Request::CreateRoom(create), None).await?;
                self.say(message).await
            }
            said => said,
        }
    }

    /// Says something in a room.
    pub(crate) async fn say(&mut self, message: &Message) -> Result<Stored, Failure> {
        match self.perform(Request::Message(message.clone()), None).await? {
            Reply::Stored(stored) => Ok(stored),
            other => Err(Failure::new(Code::Internal, format!("a message was answered by {other:?}"))),
        }
    }

    /// Listens to all of the person's rooms of two that it does not listen to yet.
    pub(crate) async fn hear_all_direct(&mut self) -> Result<(), Failure> {
        let Some(person) = self.person().cloned() else { return Ok(()) };
        // Everything stored up to now: a room that was made on another edge a moment ago is among them.
        let now = self.hub.log.last_seq().await.map_err(unreadable)?;
        let rooms = self.direct_rooms(&person, now).await?;
        self.hear_direct(rooms).await
    }

    /// What was written after this session came is for it, too, whatever was delivered to others of the person; what was
    /// written before, for one of them.
    pub(crate) fn came_at(&mut self, position: Option<Seq>) {
        self.came_at = position;
    }

    /// Listens to these rooms of two: what the person has not got yet comes first, over all of them in order.
    pub(crate) async fn hear_direct(&mut self, rooms: Vec<RoomId>) -> Result<(), Failure> {
        let Identity::Known { person, connection } = &self.identity else { return Ok(()) };
        let (person, turn) = (person.clone(), connection.turn.clone());
        let most = self.hub.config.limits.rooms_per_session_max.saturating_sub(self.rooms.len());
        let is_new = |room: &RoomId| !self.rooms.contains_key(room);
        let rooms: Vec<RoomId> = rooms.into_iter().filter(is_new).take(most).collect();
        if rooms.is_empty() {
            return Ok(());
        }
        // Where another session of theirs does not get on, what it has not taken is this one's as well.
        let turn = tokio::time::timeout(TURN_WITHIN, turn.lock_owned()).await.ok().map(Arc::new);
        let opening: Vec<_> = rooms.into_iter().map(|room| self.open_backlog(&person, room)).collect();
        let opened = stream::iter(opening).buffer_unordered(ROOMS_AT_ONCE);
        let opened: Vec<Result<Backlog, Failure>> = opened.collect().await;
        let (mut backlogs, mut refused) = (Vec::new(), None);
        for backlog in opened {
            match backlog {
                Ok(backlog) => backlogs.push(backlog),
                Err(failure) => refused = Some(failure),
            }
        }
        let delivered = self.deliver(&person, &mut backlogs, &turn).await;
        for Backlog { room, handed_on, .. } in backlogs {
            if delivered.is_ok() {
                room.release(self.id, Vec::new());
                self.handed_on.remove(&room.id);
                self.rooms.insert(room.id.clone(), room);
            } else {
                room.leave(self.id);
                self.handed_on.insert(room.id.clone(), handed_on);
            }
        }
        delivered.and(refused.map_or(Ok(()), Err))
    }

    /// The newest rooms of two that the person is in, as many as a session may be attached to.
    async fn direct_rooms(&self, person: &Person, min_seq: Seq) -> Result<Vec<RoomId>, Failure> {
        let (mut rooms, mut cursor) = (Vec::new(), None);
        let most = self.hub.config.limits.rooms_per_session_max;
        loop {
            let request =
                RoomsRequest { asker: person.user_id.clone(), limit: ROOMS_MAX, cursor, min_seq, min_mark: Seq::ZERO };
            let page: RoomsResponse = self.hub.query(name::ROOMS, &request).await?;
            let direct = page.rooms.into_iter().filter(|room| room.room_type == RoomType::Direct);
            rooms.extend(direct.map(|room| room.room_id));
            cursor = page.cursor;
            if cursor.is_none() || rooms.len() >= most {
                rooms.truncate(most);
                return Ok(rooms);
            }
        }
    }

    async fn open_backlog(&self, person: &Person, id: RoomId) -> Result<Backlog, Failure> {
        let room = self.hub.interest.open(&id).await.map_err(unreadable)?;
        let captured = room.capture(self.listener(person), None);
        let marks = match self.hub.log.marks(&id, &person.user_id).await {
            Ok(marks) => marks,
            Err(error) => {
                room.leave(self.id);
                return Err(unreadable(error));
            }
        };
        room.enter(self.id, &person.user());
        let delivered = marks.delivered.min(captured.position);
        let wanted = self.came_at.map_or(delivered, |came_at| delivered.min(came_at));
        let read = self.handed_on.get(&id).map_or(wanted, |handed_on| wanted.max(*handed_on));
        Ok(Backlog { room, captured, read, delivered, waiting: VecDeque::new(), handed_on: read })
    }

    /// Hands on what waits, in portions: the next one when the last is with the client's transport.
    async fn deliver(
        &self,
        person: &Person,
        backlogs: &mut [Backlog],
        turn: &Option<Arc<OwnedMutexGuard<()>>>,
    ) -> Result<(), Failure> {
        let portion_bytes = (PORTIONS_BYTES / backlogs.len().max(1)).max(PORTION_BYTES_MIN);
        loop {
            for backlog in backlogs.iter_mut().filter(|backlog| backlog.waiting.is_empty() && !backlog.is_read()) {
                self.read_on(backlog, portion_bytes).await?;
            }
            // Up to where every room is read: what lies behind may come before what another room still has.
            let unread = backlogs.iter().filter(|backlog| !backlog.is_read());
            let horizon = unread.map(|backlog| backlog.read).min();
            let is_last = horizon.is_none();
            let mut portion: Vec<StoredEvent> = Vec::new();
            for backlog in backlogs.iter_mut() {
                let ready = backlog.waiting.partition_point(|event| horizon.is_none_or(|horizon| event.seq <= horizon));
                if let Some(last) = ready.checked_sub(1) {
                    backlog.handed_on = backlog.handed_on.max(backlog.waiting[last].seq);
                }
                portion.extend(backlog.waiting.drain(..ready));
            }
            portion.sort_by_key(|event| event.seq);
            self.hand_on(person, &portion, turn);
            if is_last {
                break;
            }
            self.outbox.emptied().await;
            if self.outbox.closing().is_some() {
                return Err(Failure::new(Code::Unavailable, "the session ends"));
            }
        }
        // What needs no delivery, like the person's own words, is not read again next time.
        for backlog in backlogs.iter().filter(|backlog| backlog.captured.position > backlog.delivered) {
            let mut passed = delivery(&backlog.room.id, backlog.captured.position);
            passed.turn.clone_from(turn);
            self.outbox.pass(passed);
        }
        Ok(())
    }

    async fn read_on(&self, backlog: &mut Backlog, bytes_max: usize) -> Result<(), Failure> {
        let (room, up_to) = (&backlog.room.id, backlog.captured.position);
        let read = self.hub.log.timeline(room, backlog.read, up_to, PORTION_EVENTS, bytes_max);
        let range = read.await.map_err(unreadable)?;
        backlog.read = match range.events.last() {
            Some(last) if !range.complete => last.seq,
            _ => up_to,
        };
        let deleted: Vec<MessageId> = range.events.iter().filter_map(deletes).collect();
        let stands = |event: &StoredEvent| match event.event() {
            Ok(Event::MessageSent(sent) | Event::SystemSaid(sent)) => !deleted.contains(&sent.message_id),
            _ => false,
        };
        backlog.waiting.extend(range.events.into_iter().filter(stands));
        Ok(())
    }

    fn hand_on(&self, person: &Person, portion: &[StoredEvent], turn: &Option<Arc<OwnedMutexGuard<()>>>) {
        let items = portion.iter().filter_map(|event| {
            let timeline = Timeline::new(event.seq, Seq::ZERO, &event.payload);
            let told = self.voice.tell(&Telling::of(Happening::Timeline(timeline)), &person.user_id)?;
            if told.except.as_ref() == Some(&person.user_id) {
                return None;
            }
            let mut item = Item { counted: false, ..told.item };
            if let Some(delivery) = &mut item.delivery {
                delivery.turn.clone_from(turn);
            }
            Some(item)
        });
        self.outbox.release(items);
    }
}

fn deletes(event: &StoredEvent) -> Option<MessageId> {
    match event.event() {
        Ok(Event::MessageDeleted(deleted)) => Some(deleted.message_id),
        _ => None,
    }
}
