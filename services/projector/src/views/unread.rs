//! Read marks, and what they leave unread: messages of others after the mark, deleted ones not counted.
//!
//! Marks come from their own stream and have their own checkpoint; they are no part of the digest. A message of one's
//! own moves the mark too, and needs no row: the pages that are counted know who said what. Counting goes from the
//! newest page back to the mark, and stops at [`UNREAD_MAX`], so it reads some 16 pages' heads at most.

use klatch_domain::{Position, RoomId, Seq, UserId};
use klatch_eventlog::{Marked, Marks, Sabotage};
use klatch_wire::Code;
use klatch_wire::query::{RoomUnread, UNREAD_MAX, UNREAD_ROOMS_MAX, UnreadRequest, UnreadResponse};

use super::{Failure, Reading};
use crate::store::page::{Kind, PageView};
use crate::store::{Batch, Damage, Store, key};

/// What is unread in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages of others after the mark.
    pub(crate) unread: u32,
    /// Those of them that name the person.
    pub(crate) mentions: u32,
    /// The mark, or the person's own newest message where that is newer.
    pub(crate) read: Seq,
    /// The last sequence of the room's timeline.
    pub(crate) tail: Seq,
}

/// Marks: merged by maximum, so that a repeat or an older one changes nothing.
pub(crate) fn fold(store: &Store, batch: &mut Batch, marked: &[Marked]) -> Result<(), Damage> {
    let mut merged = std::collections::BTreeMap::new();
    for Marked { room, user, marks, .. } in marked {
        let key = key::marks(room, user);
        let before = match merged.get(&key) {
            Some(before) => *before,
            None => read(store, room, user)?,
        };
        let before = if Sabotage::MarkGoesBack.is_on() { Marks::default() } else { before };
        let Marks { delivered, read } = *marks;
        merged.insert(key, Marks { delivered: before.delivered.max(delivered), read: before.read.max(read) });
    }
    for (key, marks) in merged {
        let row = [marks.delivered.0.to_le_bytes(), marks.read.0.to_le_bytes()].concat();
        batch.put(key, &row);
    }
    Ok(())
}

/// Somebody's marks in a room; zero where there are none.
pub(crate) fn read(store: &Store, room: &RoomId, user: &UserId) -> Result<Marks, Damage> {
    let Some(row) = store.get(&key::marks(room, user))? else { return Ok(Marks::default()) };
    let (numbers, _) = row.as_chunks::<8>();
    let &[delivered, read] = numbers else { return Err(Damage::Malformed("marks are none")) };
    Ok(Marks { delivered: Seq(u64::from_le_bytes(delivered)), read: Seq(u64::from_le_bytes(read)) })
}

/// Counts what is unread of what lies after `floor`.
pub(crate) fn count(reading: &Reading, room: &RoomId, user: &UserId, floor: Seq) -> Result<Counts, Damage> {
    let mut counts = Counts { read: read(&reading.store, room, user)?.read, ..Counts::default() };
    let prefix = key::pages(room);
    for (n, entry) in reading.store.scan_back(&prefix, &key::page(room, Seq(u64::MAX))).enumerate() {
        let (_, row) = entry?;
        let page = PageView::read(&row)?;
        if n == 0 {
            counts.tail = page.tail.min(reading.position.seq);
        }
        if count_page(&mut counts, &page, user, floor, reading.position.seq) {
            break;
        }
    }
    counts.unread = counts.unread.min(UNREAD_MAX);
    counts.mentions = counts.mentions.min(counts.unread);
    Ok(counts)
}

/// Counts one page's items, newest first; true when nothing older counts.
fn count_page(counts: &mut Counts, page: &PageView<'_>, user: &UserId, floor: Seq, up_to: Seq) -> bool {
    let number = page.user(user.as_str());
    for item in page.items.iter().rev().filter(|item| item.seq <= up_to) {
        if item.seq <= counts.read.max(floor) || counts.unread >= UNREAD_MAX {
            return true;
        }
        match item.kind {
            Kind::Notice => {}
            Kind::Message | Kind::Deleted if item.is_by(number) => {
                counts.read = item.seq;
                return true;
            }
            Kind::Deleted => {}
            Kind::Message => {
                counts.unread += 1;
                counts.mentions += u32::from(item.names(number));
            }
        }
    }
    false
}

/// The unread counts of some rooms.
pub(crate) fn rooms(reading: &Reading, request: &UnreadRequest) -> Result<UnreadResponse, Failure> {
    if request.rooms.len() > UNREAD_ROOMS_MAX {
        return Err(Failure::refused(Code::InvalidField, format!("rooms: are more than {UNREAD_ROOMS_MAX}")));
    }
    let mut rooms = Vec::with_capacity(request.rooms.len());
    for room in &request.rooms {
        let sight = match reading.sight(room, &request.asker) {
            Ok(sight) => sight,
            Err(Failure::Refused { .. }) => continue,
            Err(damaged) => return Err(damaged),
        };
        let Counts { unread, mentions, read, tail } = count(reading, room, &request.asker, sight.floor)?;
        rooms.push(RoomUnread { room_id: room.clone(), unread, mentions, read, seq: tail });
    }
    let Position { epoch, seq } = reading.position;
    Ok(UnreadResponse { rooms, epoch, seq })
}
