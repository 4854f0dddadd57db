//! Which of two states of the same thing is the newer: what was heard late must not undo what was heard before.

use std::collections::HashMap;

use klatch_domain::{Seq, UserId};

/// Persons remembered; beyond them all older events are taken for old.
const PERSONS_MAX: usize = 1_024;

/// The newest sequence seen of each person's standing, and of the room's state.
#[derive(Debug, Default)]
pub(super) struct Newest {
    info: Seq,
    members: HashMap<UserId, Seq>,
    /// Nothing at or before this is new, whoever it is of.
    floor: Seq,
}

impl Newest {
    pub(super) fn info(&self) -> Seq {
        self.info
    }

    /// Whether this is news, and notes it.
    pub(super) fn is_new_info(&mut self, seq: Seq) -> bool {
        let new = seq > self.info;
        self.info = self.info.max(seq);
        new
    }

    /// Whether this is news of that person, and notes it.
    pub(super) fn is_new_member(&mut self, user: &UserId, seq: Seq) -> bool {
        if seq <= self.floor || self.members.get(user).is_some_and(|known| seq <= *known) {
            return false;
        }
        if self.members.len() == PERSONS_MAX && !self.members.contains_key(user) {
            self.floor = self.members.values().copied().max().unwrap_or_default().min(Seq(seq.0 - 1));
            self.members.clear();
        }
        self.members.insert(user.clone(), seq);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_news_of_one_person_is_old_and_of_another_is_not() {
        let (ada, ben) = (UserId::parse("ada").unwrap(), UserId::parse("ben").unwrap());
        let mut newest = Newest::default();
        assert!(newest.is_new_member(&ada, Seq(5)));
        assert!(newest.is_new_member(&ben, Seq(3)));
        assert!(!newest.is_new_member(&ada, Seq(5)));
        assert!(!newest.is_new_member(&ada, Seq(4)));
        assert!(newest.is_new_member(&ada, Seq(6)));
    }

    #[test]
    fn a_rooms_state_never_goes_back() {
        let mut newest = Newest::default();
        assert!(newest.is_new_info(Seq(5)));
        assert!(!newest.is_new_info(Seq(5)));
        assert!(!newest.is_new_info(Seq(4)));
        assert_eq!(newest.info(), Seq(5));
    }

    #[test]
    fn memory_is_bounded_and_forgetting_never_brings_back_the_old() {
        let mut newest = Newest::default();
        let user = |number: u64| UserId::parse(format!("u{number}")).unwrap();
        for number in 1..=5_000 {
            assert!(newest.is_new_member(&user(number), Seq(number)));
            assert!(newest.members.len() <= PERSONS_MAX);
        }
        assert!(!newest.is_new_member(&user(1), Seq(1)));
        assert!(newest.is_new_member(&user(1), Seq(5_001)));
    }
}
