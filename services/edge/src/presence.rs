//! Who is attached where, told to the other edges: an entry for each of this edge's (room, person), and one lease for
//! all of them. A dead edge's lease takes its entries along.

use std::sync::Arc;
use std::time::Duration;

use klatch_eventlog::Renewal;
use tokio::time::MissedTickBehavior;

use crate::announce::Word;
use crate::hub::Hub;

/// Renewals in one lease period: two may be lost before the lease lapses.
const RENEWALS_PER_LEASE: u32 = 3;

/// Keeps the lease, hears of others' and lets dead edges' people leave. Ends when the edge has drained.
pub(crate) async fn keep(hub: Arc<Hub>) {
    let lease = Duration::from_millis(hub.config.lease_ms);
    let mut renewal = tokio::time::interval(lease / RENEWALS_PER_LEASE);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut census = tokio::time::interval(lease);
    census.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leases = None;
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
            _ = census.tick() => count(&hub).await,
            event = heard => match event {
                None => leases = None,
                Some(event) if event.alive => {}
                Some(event) if event.edge == hub.edge => renew(&hub, lease).await,
                Some(event) => {
                    for room in hub.interest.rooms() {
                        room.retain_edges(|edge| *edge != event.edge);
                    }
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
        for (user, username) in room.local_people() {
            hub.announcements.say(&room.id, &user, Word::Here(username));
        }
    }
}

/// A lease's end may go unheard (core NATS): whose lease is not there is dead.
async fn count(hub: &Hub) {
    let Ok(alive) = hub.log.live_edges().await else { return };
    if !alive.contains(&hub.edge) {
        return; // Our own is not there either: nothing can be said of the others.
    }
    for room in hub.interest.rooms() {
        room.retain_edges(|edge| alive.contains(edge));
    }
}
