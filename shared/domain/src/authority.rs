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

/// Whether somebody may read the room's history and hear what happens in it: whoever may read may attach.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::scene::{room, time, user};
    use crate::{Access, Cause, HistoryFrom, Mute, Settings};

    const ACTS: [Act; 18] = [
        Act::Mark,
        Act::Exit,
        Act::Send,
        Act::Edit,
        Act::DeleteOwn,
        Act::React,
        Act::Type,
        Act::Signal,
        Act::DeleteOthers,
        Act::Pin,
        Act::Invite,
        Act::Kick,
        Act::Ban,
        Act::Unban,
        Act::Mute,
        Act::Role,
        Act::Update,
        Act::Archive,
    ];

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn info(room_type: RoomType, access: Access) -> RoomInfo {
        RoomInfo {
            room_id: room(),
            room_type,
            name: "lobby".into(),
            owners: vec![],
            settings: Settings { access, history: HistoryFrom::Beginning },
            archived: false,
            created_by: user("ada"),
            created_at: time(NOW),
            timestamp: time(NOW),
        }
    }

    fn member(standing: Standing, role: Role) -> Membership {
        Membership {
            room_id: room(),
            user_id: user("ben"),
            username: "Ben".into(),
            avatar: None,
            standing,
            role,
            muted: None,
            cause: Cause::Joined,
            timestamp: time(NOW),
        }
    }

    fn allowed(role: Role) -> Vec<Act> {
        let info = info(RoomType::Group, Access::Private);
        let own = member(Standing::Joined, role);
        ACTS.into_iter().filter(|act| permit(&info, Some(&own), *act, time(NOW)).is_ok()).collect()
    }

    #[test]
    fn every_act_has_its_rule() {
        for act in ACTS {
            assert_eq!(rule_of(act).act, act);
        }
        assert_eq!(RULES.len(), ACTS.len());
    }

    #[test]
    fn each_role_may_what_the_one_below_may_and_more() {
        assert_eq!(allowed(Role::Reader), ACTS[..2]);
        assert_eq!(allowed(Role::Member), ACTS[..8]);
        assert_eq!(allowed(Role::Moderator), ACTS[..15]);
        assert_eq!(allowed(Role::Owner), ACTS);
    }

    #[test]
    fn a_mute_takes_writing_and_nothing_else() {
        let info = info(RoomType::Group, Access::Open);
        let mut own = member(Standing::Joined, Role::Owner);
        own.muted = Some(Mute { until: None });
        let refused = |act: &Act| permit(&info, Some(&own), *act, time(NOW)) == Err(Refusal::Muted { until: None });
        let silent: Vec<Act> = ACTS.into_iter().filter(refused).collect();
        assert_eq!(silent, [Act::Send, Act::Edit, Act::React, Act::Type, Act::Signal, Act::Pin]);
        assert_eq!(may_read(Some(&info), Some(&own), time(NOW)), Ok(()));
        assert_eq!(may_type(Some(&info), Some(&own), time(NOW)), Err(Refusal::Muted { until: None }));
    }

    #[test]
    fn nobody_can_leave_or_be_put_out_of_a_direct_room() {
        let info = info(RoomType::Direct, Access::Private);
        let unknown = |act: &Act| matches!(permit_system(&info, *act), Err(Refusal::Forbidden(_)));
        let unknown: Vec<Act> = ACTS.into_iter().filter(unknown).collect();
        assert_eq!(unknown, [Act::Exit, Act::Invite, Act::Kick, Act::Ban, Act::Unban, Act::Mute, Act::Role]);
    }

    #[test]
    fn an_open_room_is_read_by_all_but_the_banned_a_private_one_by_members() {
        let (open, private) = (info(RoomType::Channel, Access::Open), info(RoomType::Group, Access::Private));
        let read = |info: &RoomInfo, own: Option<Standing>| {
            may_read(Some(info), own.map(|own| member(own, Role::Owner)).as_ref(), time(NOW))
        };
        let ban = |until| Standing::Banned { until };
        let (past, ahead) = (Some(time(NOW)), Some(time("2026-01-01T00:00:00.001Z")));
        for own in [None, Some(Standing::Left), Some(Standing::Removed), Some(Standing::Invited), Some(ban(past))] {
            assert_eq!(read(&open, own.clone()), Ok(()), "{own:?}");
            assert_eq!(read(&private, own.clone()), Err(Refusal::NoSuchRoom), "{own:?}");
        }
        for until in [None, ahead] {
            assert_eq!(read(&open, Some(ban(until))), Err(Refusal::Banned { until }));
            assert_eq!(read(&private, Some(ban(until))), Err(Refusal::NoSuchRoom), "not even that there is a room");
        }
        assert_eq!(read(&private, Some(Standing::Joined)), Ok(()));
        assert_eq!(may_read(None, None, time(NOW)), Err(Refusal::NoSuchRoom));
    }

    #[test]
    fn an_owner_reaches_all_a_moderator_those_below_and_a_role_counts_only_inside() {
        let reaches = |role, target, standing| permit_towards(role, &member(standing, target)).is_ok();
        for target in [Role::Reader, Role::Member, Role::Moderator, Role::Owner] {
            assert!(reaches(Role::Owner, target, Standing::Joined));
            assert!(reaches(Role::Moderator, target, Standing::Left));
            assert_eq!(reaches(Role::Moderator, target, Standing::Joined), target <= Role::Member);
            assert!(!reaches(Role::Member, target, Standing::Joined));
        }
    }

    #[test]
    fn the_operator_is_bound_by_the_archive_and_by_nothing_else() {
        let mut info = info(RoomType::Group, Access::Private);
        assert!(ACTS.into_iter().all(|act| permit_system(&info, act).is_ok()));
        info.archived = true;
        assert_eq!(permit_system(&info, Act::Send), Err(Refusal::Archived));
        assert_eq!(permit_system(&info, Act::DeleteOthers), Ok(()));
    }
}
