//! Who may do what, and to whom: as tables, and the questions that are asked of them.
//!
//! The operator stands outside the first two tables (they may do everything), but not outside the room's own
//! nature: what a direct room or an archived one doesn't know, it doesn't know from the operator either.

use crate::{Membership, Refusal, Role, RoomInfo, RoomType, Standing, Timestamp};

/// Something that is done in a room by one who is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Mark as read or delivered.
    Mark,
    /// Stop being a member.
    Exit,
    /// Say something.
    Send,
    /// Change what one has said.
    Edit,
    /// Take away what one has said oneself.
    DeleteOwn,
    /// React to a message.
    React,
    /// Let others see that one is typing.
    Type,
    /// Call somebody.
    Signal,
    /// Take away what another has said.
    DeleteOthers,
    /// Pin a message.
    Pin,
    /// Ask somebody to come.
    Invite,
    /// Put somebody out.
    Kick,
    /// Keep somebody out.
    Ban,
    /// Let them come again.
    Unban,
    /// Take the word from somebody, or give it back.
    Mute,
    /// Give a role.
    Role,
    /// Change the name or the rules.
    Update,
    /// Close for writing, or open again.
    Archive,
}

struct Rule {
    act: Act,
    /// The least role that may.
    least: Role,
    /// Whether it is known in direct rooms at all.
    direct: bool,
    /// Whether the muted may.
    muted: bool,
    /// Whether it is possible in an archived room.
    archived: bool,
}

const YES: bool = true;
const NO: bool = false;

const fn rule(act: Act, least: Role, direct: bool, muted: bool, archived: bool) -> Rule {
    Rule { act, least, direct, muted, archived }
}

const RULES: [Rule; 18] = [
    //   act                least role      direct  muted  archived
    rule(Act::Mark, Role::Reader, YES, YES, YES),
    rule(Act::Exit, Role::Reader, NO, YES, YES),
    rule(Act::Send, Role::Member, YES, NO, NO),
    rule(Act::Edit, Role::Member, YES, NO, NO),
    rule(Act::DeleteOwn, Role::Member, YES, YES, YES),
    rule(Act::React, Role::Member, YES, NO, NO),
    rule(Act::Type, Role::Member, YES, NO, NO),
    rule(Act::Signal, Role::Member, YES, NO, NO),
    rule(Act::DeleteOthers, Role::Moderator, YES, YES, YES),
    rule(Act::Pin, Role::Moderator, YES, NO, NO),
    rule(Act::Invite, Role::Moderator, NO, YES, YES),
    rule(Act::Kick, Role::Moderator, NO, YES, YES),
    rule(Act::Ban, Role::Moderator, NO, YES, YES),
    rule(Act::Unban, Role::Moderator, NO, YES, YES),
    rule(Act::Mute, Role::Moderator, NO, YES, YES),
    rule(Act::Role, Role::Owner, NO, YES, YES),
    rule(Act::Update, Role::Owner, YES, YES, YES),
    rule(Act::Archive, Role::Owner, YES, YES, YES),
];

/// Whom somebody with a role may do something to: the highest role of a member that it reaches.
const fn reach(role: Role) -> Option<Role> {
    match role {
        Role::Owner => Some(Role::Owner),
        Role::Moderator => Some(Role::Member),
        Role::Member | Role::Reader => None,
    }
}

fn rule_of(act: Act) -> &'static Rule {
    RULES.iter().find(|rule| rule.act == act).expect("a test goes through every act")
}

/// Whether somebody may read the room's history and hear what happens in it.
///
/// To whom a private room is not open, it is not there: the answer is the same as for a room that nobody made.
pub fn may_read(info: Option<&RoomInfo>, own: Option<&Membership>, now: Timestamp) -> Result<(), Refusal> {
    let info = info.ok_or(Refusal::NoSuchRoom)?;
    match own {
        Some(own) if own.is_joined() => Ok(()),
        _ if !info.is_open() => Err(Refusal::NoSuchRoom),
        Some(Membership { standing: Standing::Banned { until }, .. }) if until.is_none_or(|until| now < until) => {
            Err(Refusal::Banned { until: *until })
        }
        _ => Ok(()),
    }
}

/// Whether somebody may attach to the room: whoever may read may listen.
pub fn may_attach(info: Option<&RoomInfo>, own: Option<&Membership>, now: Timestamp) -> Result<(), Refusal> {
    may_read(info, own, now)
}

/// Whether the others may be told that somebody is typing.
pub fn may_type(info: Option<&RoomInfo>, own: Option<&Membership>, now: Timestamp) -> Result<(), Refusal> {
    permit(info.ok_or(Refusal::NoSuchRoom)?, own, Act::Type, now)
}

/// Whether somebody may do this in the room.
pub fn permit(info: &RoomInfo, own: Option<&Membership>, act: Act, now: Timestamp) -> Result<(), Refusal> {
    may_read(Some(info), own, now)?;
    let own = own.filter(|own| own.is_joined()).ok_or(Refusal::NotAMember)?;
    let rule = rule_of(act);
    permit_nature(info, rule)?;
    if own.role < rule.least {
        return Err(Refusal::Forbidden("your role in this room does not allow it"));
    }
    if !rule.muted && own.is_muted(now) {
        return Err(Refusal::Muted { until: own.muted.as_ref().and_then(|mute| mute.until) });
    }
    if !rule.archived && info.archived {
        return Err(Refusal::Archived);
    }
    Ok(())
}

/// Whether the operator may do this in the room.
pub fn permit_system(info: &RoomInfo, act: Act) -> Result<(), Refusal> {
    let rule = rule_of(act);
    permit_nature(info, rule)?;
    if !rule.archived && info.archived {
        return Err(Refusal::Archived);
    }
    Ok(())
}

/// Whether somebody with this role may do to that person what the role allows at all. A role has weight only
/// while its bearer is a member: who is none is a stranger.
pub fn permit_towards(role: Role, target: &Membership) -> Result<(), Refusal> {
    let reached = !target.is_joined() || reach(role).is_some_and(|highest| target.role <= highest);
    if reached { Ok(()) } else { Err(Refusal::Forbidden("your role does not reach moderators and owners")) }
}

/// Whether somebody with this role may bring somebody else in as that: nobody hands out more than they reach.
pub fn permit_role(role: Role, given: Role) -> Result<(), Refusal> {
    let reached = reach(role).is_some_and(|highest| given <= highest);
    if reached { Ok(()) } else { Err(Refusal::Forbidden("your role cannot give this role")) }
}

fn permit_nature(info: &RoomInfo, rule: &Rule) -> Result<(), Refusal> {
    if info.room_type == RoomType::Direct && !rule.direct {
        return Err(Refusal::Forbidden("a direct room is two people's for ever"));
    }
    Ok(())
}
