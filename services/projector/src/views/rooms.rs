//! The rooms: a row each with the room's state; and the list of a person's rooms, by activity.

use klatch_domain::{Position, RoomId, RoomInfo, Seq, UserId};
use klatch_wire::Code;
use klatch_wire::query::{ROOMS_MAX, RoomSummary, RoomsRequest, RoomsResponse};

use super::{Failure, Reading, history, members, unread};
use crate::fold::Working;
use crate::store::digest::Digest;
use crate::store::{Damage, Store, key};

/// A room's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomRow {
    /// The sequence of the state.
    pub(crate) seq: Seq,
    /// The state.
    pub(crate) info: RoomInfo,
}

fn digest(room: &RoomId, row: &[u8]) -> Digest {
    Digest::of_row(&[b"room", room.as_str().as_bytes(), row])
}

/// An info event: the newest state counts.
pub(crate) fn fold(working: &mut Working, seq: Seq, info: &RoomInfo) -> Result<(), Damage> {
    let key = key::info(&info.room_id);
    if let Some(before) = working.changes.get(&key)? {
        working.digest.remove(digest(&info.room_id, &before));
    }
    let mut row = seq.0.to_le_bytes().to_vec();
    serde_json::to_writer(&mut row, info).expect("a room has string keys");
    working.digest.add(digest(&info.room_id, &row));
    working.changes.put(key, row);
    Ok(())
}

/// A room's row.
pub(crate) fn read(store: &Store, room: &RoomId) -> Result<Option<RoomRow>, Damage> {
    let Some(row) = store.get(&key::info(room))? else { return Ok(None) };
    let malformed = Damage::Malformed("a room's state is none");
    let Some((seq, json)) = row.split_first_chunk::<8>() else { return Err(malformed) };
    let info = serde_json::from_slice(json).map_err(|_| malformed)?;
    Ok(Some(RoomRow { seq: Seq(u64::from_le_bytes(*seq)), info }))
}

/// Where a room stands in somebody's list: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    active: Seq,
    room: RoomId,
}

impl Place {
    fn cursor(&self) -> String {
        format!("{}.{}", self.active, self.room)
    }

    fn parse(cursor: &str) -> Option<Place> {
        let (active, room) = cursor.split_once('.')?;
        Some(Place { active: Seq(active.parse().ok()?), room: RoomId::parse(room).ok()? })
    }
}

/// A page of somebody's rooms.
///
/// A room that becomes active between two pages moves to the front, and is not seen by who has gone past that already:
/// a watcher hears of it live.
pub(crate) fn page(reading: &Reading, request: &RoomsRequest) -> Result<RoomsResponse, Failure> {
    let after = match request.cursor.as_deref().map(Place::parse) {
        None => None,
        Some(Some(place)) => Some(place),
        Some(None) => return Err(Failure::refused(Code::InvalidField, "cursor: is none that this query gave")),
    };
    let mut places = Vec::new();
    for room in members::rooms_of(&reading.store, &request.asker)? {
        let active = match history::newest_seq(&reading.store, &room)? {
            Some(seq) => seq,
            None => read(&reading.store, &room)?.map_or(Seq::ZERO, |row| row.seq),
        };
        let place = Place { active, room };
        if after.as_ref().is_none_or(|after| place < *after) {
            places.push(place);
        }
    }
    places.sort_unstable_by(|a, b| b.cmp(a));
    let limit = request.limit.clamp(1, ROOMS_MAX) as usize;
    let mut rooms = Vec::new();
    let mut bytes = 0;
    let mut last: Option<&Place> = None;
    let mut cursor = None;
    for place in &places {
        let is_full = rooms.len() == limit || bytes > reading.bytes_max;
        if is_full {
            cursor = last.map(Place::cursor);
            break;
        }
        last = Some(place);
        if let Some(room) = summary(reading, &place.room, &request.asker)? {
            // A message has at most 64 KiB, which the answer's bound leaves room for.
            bytes += room.last_message.as_ref().map_or(0, |message| message.get().len()) + 256;
            rooms.push(room);
        }
    }
    let Position { epoch, seq } = reading.position;
    Ok(RoomsResponse { rooms, cursor, epoch, seq })
}

fn summary(reading: &Reading, room: &RoomId, asker: &UserId) -> Result<Option<RoomSummary>, Failure> {
    let sight = match reading.sight(room, asker) {
        Ok(sight) => sight,
        // Removed while this list was made.
        Err(Failure::Refused { .. }) => return Ok(None),
        Err(damaged) => return Err(damaged),
    };
    let counts = unread::count(reading, room, asker, sight.floor)?;
    Ok(Some(RoomSummary {
        room_id: room.clone(),
        room_type: sight.info.room_type,
        name: sight.info.name,
        last_message: history::last_message(reading, room, sight.floor.max(reading.bygone(room)?))?,
        unread: counts.unread,
        mentions: counts.mentions,
        seq: counts.tail,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_whatever_the_room_is_called() {
        for room in ["r", "a.b", "🦀", "7.7"] {
            let place = Place { active: Seq(70), room: RoomId::parse(room).unwrap() };
            assert_eq!(Place::parse(&place.cursor()), Some(place));
        }
        for none in ["", "7", "x.r", "7.", "-1.r"] {
            assert_eq!(Place::parse(none), None, "{none:?}");
        }
    }
}
