//! Let somebody come again who was kept out. They are not a member by it.

use super::facts::{Facts, Imposed, reason};
use crate::authority::Act;
use crate::{Change, Decision, Refusal, RoomId, Standing, Timestamp, UserId};

/// The command `chat.unban`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unban {
    /// The room.
    pub room_id: RoomId,
    /// Whom.
    pub user_id: UserId,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn decide(facts: &Facts, command: &Unban, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Unban, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    let known = facts.target_of(&command.user_id);
    let Some(target) = &known.value else { return Err(Refusal::Conflict("this person is not banned")) };
    if !target.is_banned(now) {
        return Ok(Decision::Stands(known.seq));
    }
    let unban = Imposed {
        user_id: &command.user_id,
        change: Change::Unbanned,
        standing: Standing::Left,
        role: target.role,
        muted: target.muted.clone(),
        reason,
        until: None,
    };
    unban.append(facts, info, now)
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::Seq;

    #[test]
    fn who_is_unbanned_has_left_and_may_come_again() {
        let scene = Scene::staffed().given("ada", ban("ben", None));
        assert_eq!(scene.plan("mod", unban("ben")), ["timeline if mod = 6", "ben if ben = 8"]);
        assert_eq!(scene.member_after("mod", unban("ben")).standing, Standing::Left);
        assert!(scene.given("mod", unban("ben")).when("ben", join()).is_ok());
    }

    #[test]
    fn who_is_not_banned_or_no_more_needs_no_unbanning() {
        let scene = Scene::staffed();
        assert_eq!(scene.stands("mod", unban("ben")), Seq(3));
        assert!(matches!(scene.refuses("mod", unban("eve")), Refusal::Conflict(_)));
        let until = Timestamp::from_ms(scene.now.as_ms() + 5);
        let over = scene.given("ada", ban("ben", Some(until))).after_ms(5);
        assert_eq!(over.stands("mod", unban("ben")), Seq(8));
    }

    #[test]
    fn the_banned_do_not_unban_themselves() {
        let scene = Scene::staffed().given("ada", ban("mod", None));
        assert_eq!(scene.refuses("mod", unban("mod")), Refusal::Banned { until: None });
    }
}
