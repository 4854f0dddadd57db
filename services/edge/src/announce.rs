//! What the other edges are to be told of who is attached here. Per person and room the newest word wins, words go out
//! in order, and one that did not get through is said again: a quick leave and return can't end as a leave.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use klatch_domain::{RoomId, UserId};
use klatch_eventlog::{EdgeId, Log};
use tokio::sync::Notify;

/// Words on their way at once.
const IN_FLIGHT_MAX: usize = 64;
/// After a word did not get through, the next try waits so long.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// What is to be true of a person in a room on this edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Attached, under this name.
    Here(String),
    /// Not attached any more.
    Gone,
}

/// Words that were not said yet.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    unsaid: Mutex<HashMap<(RoomId, UserId), Word>>,
    wake: Notify,
}

impl Announcements {
    /// Says it soon; an older word about the same person and room that was not said yet is forgotten.
    pub(crate) fn say(&self, room: &RoomId, user: &UserId, word: Word) {
        self.lock().insert((room.clone(), user.clone()), word);
        self.wake.notify_one();
    }

    /// Says what is to be said, for as long as it is polled.
    pub(crate) async fn run(&self, log: &Log, edge: &EdgeId) {
        loop {
            self.wake.notified().await;
            while !self.say_all(log, edge).await {
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    /// One round: a person's next word waits for the end of the round. Whether everything got through.
    async fn say_all(&self, log: &Log, edge: &EdgeId) -> bool {
        let round = std::mem::take(&mut *self.lock());
        let said = futures_util::stream::iter(round).map(|((room, user), word)| async move {
            let result = match &word {
                Word::Here(username) => log.attach(&room, &user, edge, username).await,
                Word::Gone => log.detach(&room, &user, edge).await,
            };
            ((room, user), word, result)
        });
        let mut said = said.buffer_unordered(IN_FLIGHT_MAX);
        let mut is_done = true;
        while let Some((about, word, result)) = said.next().await {
            if let Err(error) = result {
                tracing::warn!(room = %about.0, %error, "can't publish who is attached: it is tried again");
                self.lock().entry(about).or_insert(word);
                is_done = false;
            }
        }
        is_done
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(RoomId, UserId), Word>> {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
