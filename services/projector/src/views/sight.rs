//! What somebody may see of a room: decided by the projector's own fold, whatever the edge decided before.

use klatch_domain::{Membership, Refusal, RoomId, RoomInfo, Seq, UserId, authority, roster};

use super::{Failure, Reading, members, rooms};

/// What somebody sees of a room that they may read.
#[derive(Debug)]
pub(crate) struct Sight {
    /// The room.
    pub(crate) info: RoomInfo,
    /// Their own standing.
    pub(crate) member: Option<Membership>,
    /// They see what lies after this.
    pub(crate) floor: Seq,
}

impl Reading {
    /// What `asker` sees of a room; a refusal where they may not read it.
    pub(crate) fn sight(&self, room: &RoomId, asker: &UserId) -> Result<Sight, Failure> {
        let info = rooms::read(&self.store, room)?.map(|row| row.info);
        let seat = members::read(&self.store, room, asker)?;
        let floor = if *asker == UserId::system() {
            Seq::ZERO
        } else {
            authority::may_read(info.as_ref(), seat.as_ref().map(|seat| &seat.membership), self.now)?;
            // With `history: joined`, one who is no member has no join to begin at, and sees nothing of what was.
            roster::floor(info.as_ref(), seat.as_ref(), self.now).unwrap_or(Seq(u64::MAX))
        };
        let info = info.ok_or(Refusal::NoSuchRoom)?;
        Ok(Sight { info, member: seat.map(|seat| seat.membership), floor })
    }
}
