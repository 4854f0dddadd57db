//! Compares every live room with the stream: every 30 s, and after whatever may have cost live messages. A lost last event
//! has no successor that would tell of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use klatch_domain::{Address, RoomId, Seq};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::ReadError;
use crate::log::{Inner, Log};
use crate::subject;

/// After a disruption the rooms are compared at once, and again so much later: a replica may have lagged, and in a cluster
/// the other servers learn of a subscription a moment after it is made.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// Something odd that was heard leads to a comparison, but to no more than one in so much time.
const ODD_EVERY: Duration = Duration::from_secs(1);
/// Between tries while the stream can't be read.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// The rooms that are live.
#[derive(Debug, Default)]
pub(crate) struct Patrol {
    rooms: Mutex<Vec<Weak<Watched>>>,
    odd: Notify,
}

/// Where a live room stands, and where the stream does.
#[derive(Debug)]
pub(crate) struct Watched {
    timeline_subject: String,
    info_subject: String,
    position: AtomicU64,
    info: AtomicU64,
    stored: AtomicU64,
    stored_info: AtomicU64,
    behind: Notify,
}

impl Watched {
    /// Waits until the stream was found to be ahead. Cancel-safe.
    pub(super) async fn behind(&self) {
        self.behind.notified().await;
    }

    pub(super) fn position_is(&self, position: Seq) {
        self.position.store(position.0, Relaxed);
    }

    pub(super) fn info_is(&self, info: Seq) {
        self.info.store(info.0, Relaxed);
    }

    pub(super) fn stored(&self) -> Seq {
        Seq(self.stored.load(Relaxed))
    }

    pub(super) fn stored_info(&self) -> Seq {
        Seq(self.stored_info.load(Relaxed))
    }

    pub(super) fn info_subject(&self) -> &str {
        &self.info_subject
    }

    fn found(&self, timeline: Option<Seq>, info: Option<Seq>) {
        let (timeline, info) = (timeline.unwrap_or_default().0, info.unwrap_or_default().0);
        self.stored.store(timeline, Relaxed);
        self.stored_info.store(info, Relaxed);
        if timeline > self.position.load(Relaxed) || info > self.info.load(Relaxed) {
            self.behind.notify_one();
        }
    }
}

impl Patrol {
    pub(super) fn watch(&self, room: &RoomId, position: Seq, info: Seq) -> Arc<Watched> {
        let watched = Arc::new(Watched {
            timeline_subject: subject::event(&Address::Timeline(room.clone())),
            info_subject: subject::event(&Address::Info(room.clone())),
            position: AtomicU64::new(position.0),
            info: AtomicU64::new(info.0),
            stored: AtomicU64::new(0),
            stored_info: AtomicU64::new(0),
            behind: Notify::new(),
        });
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&watched));
        watched
    }

    /// Something odd was heard: compare soon.
    pub(super) fn look(&self) {
        self.odd.notify_one();
    }

    /// The rooms that are live now; forgets those that are no more.
    fn rooms(&self) -> Vec<Arc<Watched>> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let mut live = Vec::with_capacity(rooms.len());
        rooms.retain(|room| match room.upgrade() {
            Some(room) => {
                live.push(room);
                true
            }
            None => false,
        });
        live
    }
}

/// Runs until the log is dropped.
pub(crate) async fn run(log: Weak<Inner>) {
    let Some((every, mut disruptions)) = log.upgrade().map(|inner| {
        let log = Log::from(inner);
        (log.options().live_check_every, log.disruptions())
    }) else {
        return;
    };
    let mut next = Instant::now() + every;
    let mut again: Vec<Instant> = Vec::new();
    loop {
        let odd = async {
            // Not held while waiting: the log would live for ever.
            let Some(inner) = log.upgrade() else { return };
            let patrol = Arc::clone(Log::from(inner).patrol());
            patrol.odd.notified().await;
            tokio::time::sleep(ODD_EVERY).await;
        };
        let due = again.first().map_or(next, |first| next.min(*first));
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            changed = disruptions.changed() => {
                if changed.is_err() {
                    return;
                }
                again = AGAIN_AFTER.iter().map(|later| Instant::now() + *later).collect();
            }
            () = odd => {}
        }
        let Some(inner) = log.upgrade() else { return };
        let compared = compare(&Log::from(inner)).await;
        let now = Instant::now();
        again.retain(|at| *at > now);
        next = now + if compared.is_ok() { every } else { RETRY_EVERY };
    }
}

async fn compare(log: &Log) -> Result<(), ReadError> {
    let rooms = log.patrol().rooms();
    log.refresh_epoch().await?;
    let subjects: Vec<String> =
        rooms.iter().flat_map(|room| [room.timeline_subject.clone(), room.info_subject.clone()]).collect();
    let seqs = log.last_seqs(&subjects).await?;
    for (room, found) in rooms.iter().zip(seqs.chunks_exact(2)) {
        room.found(found[0], found[1]);
    }
    Ok(())
}
