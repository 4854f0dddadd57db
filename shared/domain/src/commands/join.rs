//! Become a member: of an open room by oneself, of any after an invitation, of an unknown one as its owner.

use super::create_room::founding;
use super::facts::{Facts, guarded_by_itself};
use crate::event::Event;
use crate::{
    Access, Cause, Decision, Membership, Refusal, Role, RoomId, RoomInfo, RoomType, Settings, Standing, Timestamp,
    authority,
};

/// What `chat.join` asks of the log, beside attaching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The room.
    pub room_id: RoomId,
    /// Whether a room that nobody made comes to be by this: the setting `rooms.create_on_join`.
    pub create_on_join: bool,
}

pub(super) fn decide(facts: &Facts, command: &Join, now: Timestamp) -> Result<Decision, Refusal> {
    let (user_id, username, avatar) = facts.person()?;
    let Some(info) = &facts.info.value else { return first_join(facts, command, now) };
    let own = facts.own.value.as_ref();
    let (role, cause) = match own {
        Some(own) if own.is_joined() => {
            if own.username == username && own.avatar.as_deref() == avatar {
                return Ok(Decision::Stands(facts.own.seq));
            }
            (own.role, Cause::Renamed)
        }
        Some(own) if own.standing == Standing::Invited => (own.role, Cause::Accepted),
        own => {
            authority::may_read(Some(info), own, now)?;
            (role_by_joining(info, own), Cause::Joined)
        }
    };
    let member = Membership {
        room_id: info.room_id.clone(),
        user_id: user_id.clone(),
        username: username.to_owned(),
        avatar: avatar.map(str::to_owned),
        standing: Standing::Joined,
        role,
        muted: own.and_then(|own| own.muted.clone()),
        cause,
        timestamp: now,
    };
    Ok(Decision::Append(vec![guarded_by_itself(Event::Member(member), facts.own.seq)]))
}

/// A room comes to be: an open group, whoever came first its owner.
fn first_join(facts: &Facts, command: &Join, now: Timestamp) -> Result<Decision, Refusal> {
    let (user_id, ..) = facts.person()?;
    if !command.create_on_join || command.room_id.is_reserved() {
        return Err(Refusal::NoSuchRoom);
    }
    let info = RoomInfo {
        room_id: command.room_id.clone(),
        room_type: RoomType::Group,
        name: command.room_id.as_str().to_owned(),
        owners: vec![user_id.clone()],
        settings: Settings { access: Access::Open, history: Default::default() },
        archived: false,
        created_by: user_id.clone(),
        created_at: now,
        timestamp: now,
    };
    Ok(Decision::Append(founding(facts, info, vec![(user_id.clone(), Role::Owner)], now)))
}

/// What somebody is after joining. To leave and come back is no way up: neither out of being made a reader, nor
/// back to a rank that somebody was put out of.
pub(super) fn role_by_joining(info: &RoomInfo, before: Option<&Membership>) -> Role {
    let usual = info.role_of_joiner();
    before.map_or(usual, |before| before.role.min(usual))
}
