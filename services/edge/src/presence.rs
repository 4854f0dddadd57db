//! Who is attached where, told to the other edges: an entry for each of this edge's (room, person), and one lease for
//! all of them. A dead edge's lease takes its entries along.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use klatch_eventlog::{EdgeId, Renewal};
use tokio::time::MissedTickBehavior;

use crate::announce::Word;
use crate::hub::Hub;

/// Renewals in one lease period: two may be lost before the lease lapses.
const RENEWALS_PER_LEASE: u32 = 3;

/// Rooms whose entries are read at once.
const READS_MAX: usize = 16;
/// After a disruption, entries that were on their way are there within this time, or within a lease where that is shorter:
/// nobody may be shown for more than two leases who is not there.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// Dead edges that are remembered; the oldest goes first. Each start of an edge is one, and who lives all the same is heard
/// again within a lease.
const BURIED_MAX: usize = 1_024;

/// Keeps the lease, hears of others' and lets dead edges' people leave. Ends when the edge has drained.
pub(crate) async fn keep(hub: Arc<Hub>) {
    let lease = Duration::from_millis(hub.config.lease_ms);
    let settled_after = SETTLES_WITHIN.min(lease);
    let mut renewal = tokio::time::interval(lease / RENEWALS_PER_LEASE);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut census = tokio::time::interval(lease);
    census.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut disruptions = hub.log.disruptions();
    let mut leases = None;
    let mut must_reconcile = false;
    let mut buried = Buried::default();
    loop {
        if leases.is_none() {
            leases = hub.log.live_leases().await.ok();
        }
        let heard = async {
            match leases.as_mut() {
                Some(leases) => leases.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = renewal.tick() => renew(&hub, lease).await,
            _ = census.tick() => {
                count(&hub).await.into_iter().for_each(|edge| buried.add(edge));
                if std::mem::take(&mut must_reconcile) {
                    reconcile(&hub).await;
                }
            }
            // Who came or went meanwhile was not heard of. What was on its way settles within a census.
            changed = disruptions.changed() => match changed {
                Ok(()) => {
                    reconcile(&hub).await;
                    census.reset_after(settled_after);
                    must_reconcile = true;
                }
                Err(_) => return,
            },
            event = heard => match event {
                None => leases = None,
                Some(event) if event.alive && buried.raise(&event.edge) => {
                    reconcile(&hub).await;
                    census.reset_after(settled_after);
                    must_reconcile = true;
                }
                Some(event) if event.alive => {}
                Some(event) if event.edge == hub.edge => renew(&hub, lease).await,
                Some(event) => {
                    for room in hub.interest.rooms() {
                        room.retain_edges(|edge| *edge != event.edge);
                    }
                    buried.add(event.edge);
                }
            },
        }
    }
}

/// Says that this edge lives. Where the log held no lease of it (a lapse, another life of the stream), nobody has its
/// entries any more: they are published again.
async fn renew(hub: &Hub, lease: Duration) {
    match hub.log.renew_lease(&hub.edge, lease).await {
        Ok(Renewal::Held) => {}
        Ok(Renewal::Fresh) => announce_all(hub),
        Err(error) => tracing::warn!(%error, "can't renew the presence lease"),
    }
}

fn announce_all(hub: &Hub) {
    for room in hub.interest.rooms() {
        for (user, username) in room.local_entries() {
            hub.announcements.say(&room.id, &user, Word::Here(username));
        }
    }
}

/// Reads again who is attached to the rooms that are open here.
async fn reconcile(hub: &Hub) {
    futures_util::stream::iter(hub.interest.rooms())
        .for_each_concurrent(READS_MAX, |room| async move {
            if let Err(error) = room.reconcile().await {
                tracing::warn!(room = %room.id, %error, "can't read who is attached");
            }
        })
        .await;
}

/// A lease's end may go unheard (core NATS): whose lease is not there is dead. Those who were taken for dead.
async fn count(hub: &Hub) -> HashSet<EdgeId> {
    let Ok(alive) = hub.log.live_edges().await else { return HashSet::new() };
    if !alive.contains(&hub.edge) {
        return HashSet::new(); // Our own is not there either: nothing can be said of the others.
    }
    let mut dead = HashSet::new();
    for room in hub.interest.rooms() {
        room.retain_edges(|edge| {
            let lives = alive.contains(edge);
            if !lives {
                dead.insert(edge.clone());
            }
            lives
        });
    }
    dead
}

/// Edges that were taken for dead here. One that lives all the same (a replica that lagged did not show its lease) knows
/// nothing of it and won't say its entries again: they are read when its lease is heard.
#[derive(Debug, Default)]
struct Buried(VecDeque<EdgeId>);

impl Buried {
    fn add(&mut self, edge: EdgeId) {
        if self.0.contains(&edge) {
            return;
        }
        if self.0.len() == BURIED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(edge);
    }

    /// Whether it was among them; it is no more.
    fn raise(&mut self, edge: &EdgeId) -> bool {
        let place = self.0.iter().position(|buried| buried == edge);
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_buried_is_raised_once_and_the_oldest_are_forgotten() {
        let edges: Vec<EdgeId> = (0..=BURIED_MAX).map(|_| EdgeId::fresh()).collect();
        let mut buried = Buried::default();
        for edge in edges.iter().chain([&edges[1], &edges[2]]) {
            buried.add(edge.clone());
        }
        assert!(!buried.raise(&edges[0]), "the oldest made room for the newest");
        assert!(buried.raise(&edges[1]) && !buried.raise(&edges[1]));
        assert!(buried.raise(&edges[BURIED_MAX]));
    }
}
