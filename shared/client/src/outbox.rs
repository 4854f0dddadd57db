//! Messages on their way. Each keeps its id through every retry, so it is stored once however often it was sent; and
//! each room has one message in flight, so that none overtakes another, not even where the first had to be sent again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klatch_domain::RoomId;
use klatch_wire::native::server::Retry;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::time::{Instant, sleep};

use crate::backoff::full_jitter;
use crate::failure::Failure;
use crate::limits::Limits;

type Lanes = Mutex<HashMap<RoomId, Arc<tokio::sync::Mutex<()>>>>;

#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: Lanes,
    places: Semaphore,
    retry: Retry,
    send_max: Duration,
}

impl Outbox {
    pub(crate) fn new(limits: &Limits) -> Self {
        Outbox {
            lanes: Mutex::default(),
            places: Semaphore::new(limits.sends_max),
            retry: Retry { min_ms: limits.reconnect_ms_min, max_ms: limits.reconnect_ms_max },
            send_max: Duration::from_millis(limits.send_ms_max),
        }
    }

    /// Tries until there is an answer that more tries would not change, or the time is up: after those of the same
    /// room that came before.
    pub(crate) async fn send<T, F>(&self, room: &RoomId, attempt_once: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let _place = self.places.try_acquire().map_err(|_| Failure::TooManyPending("messages"))?;
        let until = Instant::now() + self.send_max;
        let lane = self.enter(room).await;
        let sent = self.settle(until, attempt_once).await;
        self.leave(room, lane);
        sent
    }

    async fn settle<T, F>(&self, until: Instant, attempt_once: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut attempt = 0;
        loop {
            let failure = match attempt_once().await {
                Ok(stored) => return Ok(stored),
                Err(failure) => failure,
            };
            let jitter = full_jitter(attempt, self.retry, rand::random());
            let delay = Duration::from_millis(failure.retry_after_ms()) + jitter;
            if !failure.is_retryable() || Instant::now() + delay >= until {
                return Err(failure);
            }
            sleep(delay).await;
            attempt += 1;
        }
    }

    /// A tokio mutex lets in those who wait in the order in which they came.
    async fn enter(&self, room: &RoomId) -> OwnedMutexGuard<()> {
        let lane = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.entry(room.clone()).or_default().clone()
        };
        lane.lock_owned().await
    }

    fn leave(&self, room: &RoomId, lane: OwnedMutexGuard<()>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        drop(lane);
        // Ours is gone: what is left is the map's, and of each one who waits.
        if lanes.get(room).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(room);
        }
    }
}
