//! Registrations that wait for their code: pure; time and codes come in as arguments.
//!
//! Several may wait under one name, each with a code, a password and an address of its own, and whoever brings a code
//! gets what was registered with it. So nobody can slip their password under somebody else's code by registering the
//! same name after them, and a name is nobody's because it was registered first: only a code opens it.
//!
//! What a stranger can do, for as long as they go on, is to be in the way: wrong codes for a name end every code that waits
//! under it, further registrations push the oldest out, and both are limited by name. Wrong codes for an
//! address take tries from what was registered with it, and from nothing else.

use std::time::Duration;

use klatch_domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::name::Email;

/// A code is good for so long.
pub(crate) const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// So many codes may be tried; one more is refused even if it is right.
pub(crate) const CODE_TRIES: u8 = 5;
/// Registrations of one name that wait at the same time; the oldest gives way.
const WAITING_MAX: usize = 3;

/// Registrations of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registrations {
    waiting: Vec<Registration>,
}

/// A registration that waits for its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registration {
    /// Makes the hash of its code its own.
    pub(crate) id: Uuid,
    pub(crate) user_id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<Email>,
    /// Argon2id, as a PHC string.
    pub(crate) password: String,
    /// The code under the accounts' own key, in base64url.
    pub(crate) code: String,
    pub(crate) expires: Timestamp,
    pub(crate) tries_left: u8,
}

impl Registrations {
    /// One more, which makes room for itself.
    pub(crate) fn add(&mut self, registration: Registration) {
        self.waiting.push(registration);
        let over = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..over);
    }

    /// Tries a code at the registrations that are meant: gives the one that it is right for, which waits no more; else each
    /// of those that are meant has a try less.
    pub(crate) fn try_code(
        &mut self,
        now: Timestamp,
        is_meant: impl Fn(&Registration) -> bool,
        is_right: impl Fn(&Registration) -> bool,
    ) -> Option<Registration> {
        self.waiting.retain(|waiting| waiting.expires > now && waiting.tries_left > 0);
        // The newest first: in development all codes are one.
        match self.waiting.iter().rposition(|waiting| is_meant(waiting) && is_right(waiting)) {
            Some(index) => Some(self.waiting.remove(index)),
            None => {
                self.waiting.iter_mut().filter(|waiting| is_meant(waiting)).for_each(|waiting| waiting.tries_left -= 1);
                None
            }
        }
    }
}

/// When a code given now ends.
pub(crate) fn expiry(now: Timestamp) -> Timestamp {
    Timestamp::from_ms(now.as_ms().saturating_add(CODE_LIFETIME.as_millis() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(seconds * 1_000)
    }

    fn registration(code: &str, password: &str, now: Timestamp) -> Registration {
        Registration {
            id: Uuid::nil(),
            user_id: UserId::parse("ada").unwrap(),
            email: None,
            password: password.into(),
            code: code.into(),
            expires: expiry(now),
            tries_left: CODE_TRIES,
        }
    }

    fn waiting(codes: &[&str]) -> Registrations {
        let mut registrations = Registrations::default();
        codes.iter().for_each(|code| registrations.add(registration(code, code, at(0))));
        registrations
    }

    fn bring(registrations: &mut Registrations, code: &str, now: Timestamp) -> Option<String> {
        registrations.try_code(now, |_| true, |waiting| waiting.code == code).map(|found| found.password)
    }

    #[test]
    fn a_code_gives_what_was_registered_with_it_once() {
        let mut registrations = waiting(&["1", "2"]);
        assert_eq!(bring(&mut registrations, "1", at(1)).as_deref(), Some("1"));
        assert_eq!(bring(&mut registrations, "1", at(1)), None);
        assert_eq!(bring(&mut registrations, "2", at(1)).as_deref(), Some("2"));
    }

    #[test]
    fn the_sixth_try_is_refused_even_if_it_is_right() {
        let mut registrations = waiting(&["1"]);
        (0..CODE_TRIES - 1).for_each(|_| assert_eq!(bring(&mut registrations, "x", at(1)), None));
        let mut fifth = registrations.clone();
        assert!(bring(&mut fifth, "1", at(1)).is_some());
        assert_eq!(bring(&mut registrations, "x", at(1)), None);
        assert_eq!(bring(&mut registrations, "1", at(1)), None);
    }

    #[test]
    fn a_wrong_code_takes_a_try_from_what_was_meant_alone() {
        let mut registrations = waiting(&["1", "2"]);
        let only_2 = |waiting: &Registration| waiting.password == "2";
        for _ in 0..CODE_TRIES {
            assert_eq!(registrations.try_code(at(1), only_2, |waiting| waiting.code == "1"), None);
        }
        assert_eq!(bring(&mut registrations, "2", at(1)), None);
        assert_eq!(bring(&mut registrations, "1", at(1)).as_deref(), Some("1"));
    }

    #[test]
    fn a_code_ends_after_ten_minutes() {
        assert!(bring(&mut waiting(&["1"]), "1", at(599)).is_some());
        assert!(bring(&mut waiting(&["1"]), "1", at(600)).is_none());
    }

    #[test]
    fn only_so_many_wait_and_the_oldest_gives_way() {
        let mut registrations = waiting(&["1", "2", "3", "4"]);
        assert_eq!(bring(&mut registrations, "1", at(1)), None);
        assert_eq!(bring(&mut registrations, "2", at(1)).as_deref(), Some("2"));
    }
}
