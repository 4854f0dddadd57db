//! Who stands how towards a room: a row for each person of whom anything was ever stored, by room and user id; and for
//! each person the rooms that they are a member of.

use klatch_domain::{Membership, Position, Role, RoomId, Seat, Seq, Standing, Timestamp, UserId, roster};
use klatch_wire::Code;
use klatch_wire::query::{MEMBERS_MAX, MemberRequest, MemberResponse, MemberSummary, MembersRequest, MembersResponse};

use super::{Failure, Reading, rooms, seen};
use crate::fold::Working;
use crate::store::digest::Digest;
use crate::store::{Damage, Store, key};

/// The most rows that one request looks through: those who left are passed over.
const ROWS_READ_MAX: usize = 5_000;

fn decode(row: &[u8]) -> Result<Seat, Damage> {
    serde_json::from_slice(row).map_err(|_| Damage::Malformed("a standing is none"))
}

fn digest(room: &RoomId, user: &UserId, row: &[u8]) -> Digest {
    Digest::of_row(&[b"member", room.as_str().as_bytes(), user.as_str().as_bytes(), row])
}

/// A member event: the newest standing counts.
pub(crate) fn fold(working: &mut Working, seq: Seq, member: &Membership) -> Result<(), Damage> {
    let (room, user) = (&member.room_id, &member.user_id);
    let key = key::member(room, user);
    let before = working.changes.get(&key)?;
    if let Some(before) = &before {
        working.digest.remove(digest(room, user, before));
    }
    let before = before.as_deref().map(decode).transpose()?;
    let seat = Seat::evolve(before, seq, member);
    match seat.joined_at {
        Some(_) => working.changes.put(key::room_of(user, room), Vec::new()),
        None => working.changes.remove(key::room_of(user, room)),
    }
    let row = serde_json::to_vec(&seat).expect("a standing has string keys");
    working.digest.add(digest(room, user, &row));
    working.changes.put(key, row);
    Ok(())
}

/// Somebody's standing.
pub(crate) fn read(store: &Store, room: &RoomId, user: &UserId) -> Result<Option<Seat>, Damage> {
    store.get(&key::member(room, user))?.map(|row| decode(&row)).transpose()
}

/// The rooms that somebody is a member of.
pub(crate) fn rooms_of(store: &Store, user: &UserId) -> Result<Vec<RoomId>, Damage> {
    let prefix = key::rooms_of(user);
    let rooms = store.scan(&prefix, &prefix).map(|entry| {
        let (key, _) = entry?;
        let room = str::from_utf8(&key[prefix.len()..]).ok().and_then(|room| RoomId::parse(room).ok());
        room.ok_or(Damage::Malformed("a person is a member of a room without a name"))
    });
    rooms.collect()
}

/// A page of a room's members.
pub(crate) fn page(reading: &Reading, request: &MembersRequest) -> Result<MembersResponse, Failure> {
    let room = &request.room_id;
    let sight = reading.sight(room, &request.asker)?;
    let sees_banned = request.asker == UserId::system()
        || sight.member.is_some_and(|member| member.is_joined() && member.role >= Role::Moderator);
    let prefix = key::members(room);
    let mut from = prefix.clone();
    if let Some(cursor) = &request.cursor {
        if UserId::parse(cursor).is_err() {
            return Err(Failure::refused(Code::InvalidField, "cursor: is none that this query gave"));
        }
        from.extend_from_slice(cursor.as_bytes());
        // The first key after the one that the page before ended with.
        from.push(0);
    }
    let limit = request.limit.clamp(1, MEMBERS_MAX) as usize;
    let mut members = Vec::with_capacity(limit.min(64));
    let mut cursor = None;
    let mut passed: Option<UserId> = None;
    for (read, entry) in reading.store.scan(&prefix, &from).enumerate() {
        if members.len() == limit || read == ROWS_READ_MAX {
            cursor = passed.map(|user| user.as_str().to_owned());
            break;
        }
        let member = decode(&entry?.1)?.membership;
        passed = Some(member.user_id.clone());
        let shown = match &member.standing {
            Standing::Joined | Standing::Invited => true,
            Standing::Banned { .. } => sees_banned && member.is_banned(reading.now),
            Standing::Left | Standing::Removed => false,
        };
        if shown {
            let last_seen = seen::read(&reading.store, &member.user_id)?;
            members.push(summary(member, last_seen));
        }
    }
    let Position { epoch, seq } = reading.position;
    Ok(MembersResponse { room_id: room.clone(), members, cursor, epoch, seq })
}

fn summary(member: Membership, last_seen: Option<Timestamp>) -> MemberSummary {
    MemberSummary {
        user_id: member.user_id,
        username: member.username,
        avatar: member.avatar,
        role: member.role,
        standing: member.standing,
        muted: member.muted,
        last_seen,
    }
}

/// One person's standing, for a service.
pub(crate) fn one(reading: &Reading, request: &MemberRequest) -> Result<MemberResponse, Failure> {
    let room = rooms::read(&reading.store, &request.room_id)?.map(|row| row.info);
    let seat = read(&reading.store, &request.room_id, &request.user_id)?;
    let floor = roster::floor(room.as_ref(), seat.as_ref(), reading.now);
    let member_seq = seat.as_ref().map_or(Seq::ZERO, |seat| seat.seq);
    let Position { epoch, seq } = reading.position;
    Ok(MemberResponse { room, member: seat.map(|seat| seat.membership), member_seq, floor, epoch, seq })
}
