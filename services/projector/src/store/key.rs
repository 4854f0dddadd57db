//! The keys of the one tree: a letter for the kind of row, then names length-prefixed, then numbers big-endian, so that
//! rows of one kind, room or person lie together in order.

use klatch_domain::{RoomId, Seq, UserId};

/// Where the fold stands; one row.
pub(crate) const CHECKPOINT: &[u8] = b"c";
/// Where the fold of the marks' own stream stands; one row.
pub(crate) const MARKS_CHECKPOINT: &[u8] = b"m";
/// The beginning of every work order for the eraser.
pub(crate) const ERASE_JOBS: &[u8] = b"z";
/// The beginning of every row of the index's newest entries.
pub(crate) const INDEX_RECENT: &[u8] = b"w";
/// The beginning of every run's head.
pub(crate) const INDEX_RUNS: &[u8] = b"f";

fn begin(kind: u8, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + name.len() + 80);
    key.push(kind);
    // An id has 64 bytes at most.
    key.push(name.len() as u8);
    key.extend_from_slice(name.as_bytes());
    key
}

/// All pages of a room's history.
pub(crate) fn pages(room: &RoomId) -> Vec<u8> {
    begin(b'p', room.as_str())
}

/// The page of a room's history whose first item may be `first`.
pub(crate) fn page(room: &RoomId, first: Seq) -> Vec<u8> {
    let mut key = pages(room);
    key.extend_from_slice(&first.0.to_be_bytes());
    key
}

/// The room's state.
pub(crate) fn info(room: &RoomId) -> Vec<u8> {
    begin(b'i', room.as_str())
}

/// The standings of all people towards a room.
pub(crate) fn members(room: &RoomId) -> Vec<u8> {
    begin(b's', room.as_str())
}

/// One person's standing.
pub(crate) fn member(room: &RoomId, user: &UserId) -> Vec<u8> {
    let mut key = members(room);
    key.extend_from_slice(user.as_str().as_bytes());
    key
}

/// The rooms that a person is a member of.
pub(crate) fn rooms_of(user: &UserId) -> Vec<u8> {
    begin(b'u', user.as_str())
}

/// That a person is a member of a room.
pub(crate) fn room_of(user: &UserId, room: &RoomId) -> Vec<u8> {
    let mut key = rooms_of(user);
    key.extend_from_slice(room.as_str().as_bytes());
    key
}

/// A person's marks in a room.
pub(crate) fn marks(room: &RoomId, user: &UserId) -> Vec<u8> {
    let mut key = begin(b'k', room.as_str());
    key.extend_from_slice(user.as_str().as_bytes());
    key
}

/// When a person was last connected.
pub(crate) fn seen(user: &UserId) -> Vec<u8> {
    begin(b'l', user.as_str())
}

/// Where else a message's content lies in the log: its edits, its repeats.
pub(crate) fn traces(room: &RoomId, message: Seq) -> Vec<u8> {
    let mut key = begin(b'e', room.as_str());
    key.extend_from_slice(&message.0.to_be_bytes());
    key
}

/// One such place.
pub(crate) fn trace(room: &RoomId, message: Seq, at: Seq) -> Vec<u8> {
    let mut key = traces(room, message);
    key.extend_from_slice(&at.0.to_be_bytes());
    key
}

/// The work order to erase what lies at a sequence.
pub(crate) fn erase_job(seq: Seq) -> Vec<u8> {
    numbered(ERASE_JOBS, &seq.0.to_be_bytes())
}

/// A row of the index's newest entries.
pub(crate) fn index_recent(ordinal: u32) -> Vec<u8> {
    numbered(INDEX_RECENT, &ordinal.to_be_bytes())
}

/// The head of a run of the index.
pub(crate) fn index_run(run: u32) -> Vec<u8> {
    numbered(INDEX_RUNS, &run.to_be_bytes())
}

/// All chunks of a run of the index.
pub(crate) fn index_chunks(run: u32) -> Vec<u8> {
    numbered(b"x", &run.to_be_bytes())
}

/// The chunk of a run that begins with `first`.
pub(crate) fn index_chunk(run: u32, first: &[u8]) -> Vec<u8> {
    numbered(&index_chunks(run), first)
}

fn numbered(prefix: &[u8], number: &[u8]) -> Vec<u8> {
    [prefix, number].concat()
}

/// The number at the end of a key; 0 for a key that has none.
pub(crate) fn trailing_seq(key: &[u8]) -> Seq {
    Seq(key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

/// The first key after all that begin with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_room_lie_together_whatever_other_rooms_are_called() {
        let room = |id: &str| RoomId::parse(id).unwrap();
        let (a, ab) = (room("a"), room("ab"));
        let prefix = pages(&a);
        assert!(page(&a, Seq(7)).starts_with(&prefix));
        assert!(!page(&ab, Seq(7)).starts_with(&prefix));
        assert!(page(&a, Seq(255)) < page(&a, Seq(256)));
        assert!(page(&a, Seq(u64::MAX)) < after(&prefix));
        assert_eq!(trailing_seq(&page(&a, Seq(258))), Seq(258));
    }

    #[test]
    fn what_follows_a_prefix_carries_over() {
        assert_eq!(after(&[1, 255]), [2]);
        assert_eq!(after(&[1, 2]), [1, 3]);
    }
}
