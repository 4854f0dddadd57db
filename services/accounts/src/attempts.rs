//! How often may be tried: passwords, codes, registrations, searches. Counted in memory, by each copy for itself; the
//! five tries of a code are counted in the bucket, by all together.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use klatch_domain::UserId;
use klatch_wire::Code;
use klatch_wire::native::server::Failure;

use crate::config::Rates;
use crate::name::{Email, Folded};

/// Sources, and names, that are counted at the same time; while there are so many, everybody waits.
const COUNTED_MAX: usize = 100_000;

/// Whose tries are counted together: as accounts are told apart, so that one can't be written in many ways. A name and an
/// address have a count each, for nobody is to learn by it that they are one person's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Tried {
    Name(Folded),
    Email(Email),
    /// What can't be anybody's: all of that is one.
    Nobody,
}

/// What has been tried lately.
#[derive(Debug)]
pub(crate) struct Attempts {
    sources: Counted<IpAddr>,
    accounts: Counted<Tried>,
    registrations: Counted<Tried>,
    searches: Counted<UserId>,
}

impl Attempts {
    /// Nothing tried yet.
    pub(crate) fn new(rates: &Rates) -> Attempts {
        Attempts {
            sources: Counted::new(Quota::per_minute(at_least_one(rates.source_per_minute))),
            accounts: Counted::new(Quota::per_minute(at_least_one(rates.account_per_minute))),
            registrations: Counted::new(Quota::per_hour(at_least_one(rates.registrations_per_hour))),
            searches: Counted::new(Quota::per_minute(at_least_one(rates.searches_per_minute))),
        }
    }

    /// One more request from there.
    pub(crate) fn at_source(&self, source: Option<IpAddr>) -> Result<(), Failure> {
        source.map_or(Ok(()), |source| self.sources.take(&network(source), "requests from this address"))
    }

    /// One more password or code for whoever is called so.
    pub(crate) fn at_account(&self, who: &Tried) -> Result<(), Failure> {
        self.accounts.take(who, "tries for this account")
    }

    /// One more registration under this name, or to this address.
    pub(crate) fn of_registration(&self, who: &Tried) -> Result<(), Failure> {
        self.registrations.take(who, "registrations of this name or address")
    }

    /// One more search.
    pub(crate) fn of_search(&self, asker: &UserId) -> Result<(), Failure> {
        self.searches.take(asker, "searches")
    }

    /// Forgets what no longer counts.
    pub(crate) fn forget(&self) {
        self.sources.limiter.retain_recent();
        self.accounts.limiter.retain_recent();
        self.registrations.limiter.retain_recent();
        self.searches.limiter.retain_recent();
    }
}

#[derive(Debug)]
struct Counted<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
}

impl<K: Hash + Eq + Clone> Counted<K> {
    fn new(quota: Quota) -> Self {
        Counted { limiter: RateLimiter::keyed(quota) }
    }

    fn take(&self, key: &K, what: &str) -> Result<(), Failure> {
        let refused = |wait_ms| {
            let mut failure = Failure::new(Code::RateLimited, format!("too many {what}"));
            failure.retry_after_ms = Some(wait_ms);
            failure
        };
        if self.limiter.len() >= COUNTED_MAX {
            return Err(refused(1_000));
        }
        self.limiter.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            refused(wait.as_millis() as u64 + 1)
        })
    }
}

fn at_least_one(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)
}

/// Who has one IPv6 address has its whole /64.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts() -> Attempts {
        let rates =
            Rates { source_per_minute: 3, account_per_minute: 2, registrations_per_hour: 1, searches_per_minute: 1 };
        Attempts::new(&rates)
    }

    #[test]
    fn who_tries_too_often_is_told_when_to_come_back() {
        let attempts = attempts();
        let name = |name: &str| Tried::Name(Folded::of(&UserId::parse(name).unwrap()));
        (0..2).for_each(|_| attempts.at_account(&name("Ada")).unwrap());
        let refused = attempts.at_account(&name("ada")).unwrap_err();
        assert_eq!((refused.code, refused.retryable), (Code::RateLimited, true));
        assert!(refused.retry_after_ms.is_some_and(|ms| (1..=30_001).contains(&ms)), "{refused:?}");
        attempts.at_account(&name("ben")).unwrap();
        attempts.of_registration(&name("ada")).unwrap();
        assert!(attempts.of_registration(&name("ada")).unwrap_err().retry_after_ms.unwrap() > 60_000);
    }

    #[test]
    fn a_network_is_one_source() {
        let attempts = attempts();
        let from = |address: &str| attempts.at_source(Some(address.parse().unwrap()));
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"] {
            from(address).unwrap();
        }
        assert!(from("2001:db8::3").is_err());
        from("2001:db8:0:1::1").unwrap();
        (0..3).for_each(|_| from("192.0.2.1").unwrap());
        assert!(from("::ffff:192.0.2.1").is_err());
        attempts.at_source(None).unwrap();
    }
}
