//! The people connected to this edge: how many connections each has, and how fast they may go.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use klatch_domain::{RoomId, UserId};
use klatch_wire::native::server::Failure;
use klatch_wire::{Code, Limits};

use tokio::sync::mpsc;

use crate::outbox::Outbox;
use crate::session_id::SessionId;
use crate::voice::Voice;

/// A bounded rate.
#[derive(Debug)]
pub(crate) struct Rate(DefaultDirectRateLimiter);

impl Rate {
    /// So many a second on average, so many at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
        Rate(RateLimiter::direct(quota))
    }

    /// One more; or when to try again.
    pub(crate) fn take(&self, what: &str) -> Result<(), Failure> {
        self.0.check().map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let mut failure = Failure::new(Code::RateLimited, format!("too many {what}"));
            failure.retry_after_ms = Some(wait.as_millis() as u64 + 1);
            failure
        })
    }
}

/// Everybody connected to this edge.
#[derive(Debug)]
pub(crate) struct People {
    connected: Mutex<HashMap<UserId, Connected>>,
    connections_max: usize,
    sends_per_second: u32,
    sends_burst: u32,
}

/// How a session that listens to nothing is reached.
#[derive(Debug, Clone)]
pub(crate) struct Ear {
    /// The session.
    pub session: SessionId,
    /// Where its frames go.
    pub outbox: Arc<Outbox>,
    /// How it is spoken to.
    pub voice: Voice,
    /// Where it is told of new rooms that it hears without asking.
    pub doorbell: Option<Doorbell>,
}

/// Tells a session that it has come to be in rooms of two people.
pub(crate) type Doorbell = mpsc::Sender<Ring>;

/// What a session is told by its doorbell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ring {
    /// It is in this room now.
    Room(RoomId),
    /// Something may have been missed: it may be in rooms that nobody told it of.
    Look,
}

#[derive(Debug)]
struct Connected {
    sessions: Vec<Ear>,
    sends: Arc<Rate>,
    /// One session at a time gets what came while the person was away.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// When the last session ended. The rate is kept until it is full again, or to come back would be to go faster.
    left_at: Instant,
}

/// One connection of one person; giving it up ends it.
#[derive(Debug)]
pub(crate) struct Connection {
    people: Arc<People>,
    user: UserId,
    session: SessionId,
    /// What all connections of this person share.
    pub sends: Arc<Rate>,
    /// Who of them gets what came while the person was away.
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

impl People {
    /// Nobody yet.
    pub(crate) fn new(limits: &Limits) -> Self {
        People {
            connected: Mutex::new(HashMap::new()),
            connections_max: limits.connections_per_user_max,
            sends_per_second: limits.sends_per_second,
            sends_burst: limits.sends_burst,
        }
    }

    /// One more connection, unless the person has as many as one may.
    pub(crate) fn connect(self: &Arc<Self>, user: &UserId, ear: Ear) -> Result<Connection, Failure> {
        let mut connected = self.lock();
        if connected.len() >= connected.capacity() {
            let refills_in = Duration::from_secs(u64::from(self.sends_burst / self.sends_per_second.max(1)) + 1);
            connected.retain(|_, person| !person.sessions.is_empty() || person.left_at.elapsed() < refills_in);
        }
        let entry = connected.entry(user.clone()).or_insert_with(|| Connected {
            sessions: Vec::new(),
            left_at: Instant::now(),
            sends: Arc::new(Rate::new(self.sends_per_second, self.sends_burst)),
            turn: Arc::default(),
        });
        if entry.sessions.len() >= self.connections_max {
            let why = format!("one person may have {} connections to a server", self.connections_max);
            return Err(Failure::new(Code::TooManyConnections, why));
        }
        let session = ear.session;
        entry.sessions.push(ear);
        let (sends, turn) = (entry.sends.clone(), entry.turn.clone());
        Ok(Connection { people: self.clone(), user: user.clone(), session, sends, turn })
    }

    /// Everyone with at least one connection.
    pub(crate) fn ids(&self) -> Vec<UserId> {
        let connected = self.lock();
        let present = connected.iter().filter(|(_, person)| !person.sessions.is_empty());
        present.map(|(user, _)| user.clone()).collect()
    }

    /// The sessions of one person.
    pub(crate) fn sessions_of(&self, user: &UserId) -> Vec<Ear> {
        self.lock().get(user).map(|connected| connected.sessions.clone()).unwrap_or_default()
    }

    /// Words about who is in which room may have been missed: whoever hears rooms without asking looks again.
    pub(crate) fn look_again(&self) {
        for ear in self.lock().values().flat_map(|person| &person.sessions) {
            if let Some(doorbell) = &ear.doorbell {
                // A full one has not been answered yet: then it says so already.
                let _ = doorbell.try_send(Ring::Look);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Connected>> {
        self.connected.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut connected = self.people.lock();
        if let Some(entry) = connected.get_mut(&self.user) {
            entry.sessions.retain(|ear| ear.session != self.session);
            entry.left_at = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_so_many_connections_and_no_more_until_one_goes() {
        let people = Arc::new(People::new(&Limits { connections_per_user_max: 2, ..Limits::default() }));
        let connect = |user: &str, session| {
            let outbox = Arc::new(Outbox::new(10));
            let ear = Ear { session: SessionId(session), outbox, voice: Voice::NATIVE, doorbell: None };
            people.connect(&UserId::parse(user).unwrap(), ear)
        };
        let first = connect("ada", 1).unwrap();
        let _second = connect("ada", 2).unwrap();
        assert_eq!(connect("ada", 3).unwrap_err().code, Code::TooManyConnections);
        connect("ben", 4).unwrap();
        drop(first);
        connect("ada", 5).unwrap();
    }

    #[test]
    fn past_the_burst_a_rate_says_when_to_come_again() {
        let rate = Rate::new(1, 3);
        for _ in 0..3 {
            rate.take("sends").unwrap();
        }
        let refused = rate.take("sends").unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert!(refused.retryable && refused.retry_after_ms.unwrap() > 0);
    }
}
