//! One at a time per key, in the order in which they came.
//!
//! On R3 a guard's subject takes one publish at a time, the rest get error 10164: so whoever shares a guard shares a lane.
//! A lane is there while somebody is in it. There is no lock over all: keys are spread over shards, each locked only to
//! look its lane up.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const SHARDS: usize = 64;

/// Lanes by key.
#[derive(Debug)]
pub(crate) struct Lanes<K> {
    shards: Vec<Mutex<HashMap<K, Lane>>>,
    hasher: RandomState,
    waiting_max: usize,
}

#[derive(Debug)]
struct Lane {
    /// One permit, handed on first come, first served (tokio's semaphore is fair).
    turn: Arc<Semaphore>,
    /// Those in it, the one whose turn it is included.
    entered: usize,
}

/// Too many wait in this lane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl<K: Hash + Eq + Clone> Lanes<K> {
    /// Lanes in which at most so many wait.
    pub(crate) fn new(waiting_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Lanes { shards, hasher: RandomState::new(), waiting_max }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Lane>> {
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn. The place in the lane is taken when this is first polled, and given up when it is dropped.
    pub(crate) async fn enter(&self, key: K) -> Result<Turn<'_, K>, Full> {
        let (turn, place) = {
            let mut shard = self.shard(&key);
            let lane =
                shard.entry(key.clone()).or_insert_with(|| Lane { turn: Arc::new(Semaphore::new(1)), entered: 0 });
            if lane.entered > self.waiting_max {
                return Err(Full);
            }
            lane.entered += 1;
            (Arc::clone(&lane.turn), Place { lanes: self, key })
        };
        let permit = turn.acquire_owned().await.expect("a lane's semaphore is never closed");
        Ok(Turn { _permit: permit, _place: place })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

/// Holding it is having the turn; fields drop in order, so the next one goes before the lane may be removed.
#[derive(Debug)]
pub(crate) struct Turn<'a, K: Hash + Eq + Clone> {
    _permit: OwnedSemaphorePermit,
    _place: Place<'a, K>,
}

#[derive(Debug)]
struct Place<'a, K: Hash + Eq + Clone> {
    lanes: &'a Lanes<K>,
    key: K,
}

impl<K: Hash + Eq + Clone> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut shard = self.lanes.shard(&self.key);
        if let Some(lane) = shard.get_mut(&self.key) {
            lane.entered -= 1;
            if lane.entered == 0 {
                shard.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_first_come_first_served() {
        let lanes = Lanes::new(8);
        let first = lanes.enter("a").await.unwrap();
        let mut second = pin!(lanes.enter("a"));
        let mut third = pin!(lanes.enter("a"));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        assert!(lanes.enter("b").now_or_never().is_some(), "another key has another lane");
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "the third overtook the second");
        let second = second.now_or_never().expect("it is the second's turn").unwrap();
        drop(second);
        assert!(third.now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_their_place_to_the_next() {
        let lanes = Lanes::new(8);
        let first = lanes.enter("a").await.unwrap();
        let mut third = pin!(lanes.enter("a"));
        {
            let mut second = pin!(lanes.enter("a"));
            assert!((&mut second).now_or_never().is_none());
            assert!((&mut third).now_or_never().is_none());
        }
        drop(first);
        assert!(third.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_full_lane_says_so_and_an_idle_one_is_gone() {
        let lanes = Lanes::new(1);
        let turn = lanes.enter("a").await.unwrap();
        {
            let mut waiting = pin!(lanes.enter("a"));
            assert!((&mut waiting).now_or_never().is_none());
            assert_eq!(lanes.enter("a").await.unwrap_err(), Full);
        }
        drop(turn);
        assert_eq!(lanes.len(), 0);
    }
}
