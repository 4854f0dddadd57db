//! Lets go of what dead edges have left behind: their presence entries count no more once their lease is over, but
//! would stay in the broker's memory.

use std::collections::HashSet;
use std::time::Duration;

use klatch_eventlog::{EdgeId, Log};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// After a lease ended the entries are looked through this much later: an edge that comes back has taken its lease by
/// then.
const LOOK_AFTER_DEATH: Duration = Duration::from_secs(30);
/// All entries are looked through so often: a lease may have ended unheard.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Forgets departed edges until it is told to stop.
pub(crate) async fn forget(log: Log, stop: CancellationToken) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leases = None;
    loop {
        if leases.is_none() {
            leases = log.live_leases().await.ok();
        }
        let heard = async {
            match leases.as_mut() {
                Some(leases) => leases.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {
                leases = None;
                for edge in departed(&log).await {
                    forget_edge(&log, &edge).await;
                }
            }
            event = heard => match event {
                None => leases = None,
                // Not at once: an edge whose lease merely lapsed is about to say again who is attached to it.
                Some(event) if !event.alive => look.reset_after(LOOK_AFTER_DEATH),
                Some(_) => {}
            }
        }
    }
}

/// Edges with entries and without a lease. An edge takes its lease before its first entry.
async fn departed(log: &Log) -> HashSet<EdgeId> {
    let Ok(present) = log.present_edges().await else { return HashSet::new() };
    let Ok(alive) = log.live_edges().await else { return HashSet::new() };
    present.difference(&alive).cloned().collect()
}

async fn forget_edge(log: &Log, edge: &EdgeId) {
    match log.forget_edge(edge).await {
        Ok(()) => tracing::info!(%edge, "forgot the presence of a departed edge"),
        Err(error) => tracing::warn!(%edge, %error, "can't forget the presence of a departed edge"),
    }
}

#[cfg(test)]
mod tests {
    use klatch_domain::{RoomId, UserId};
    use klatch_testkit::eventually;

    use super::*;

    #[tokio::test]
    async fn what_an_edge_left_behind_goes_and_what_a_living_one_has_stays() {
        let log = Log::memory();
        let (living, dead) = (EdgeId::fresh(), EdgeId::fresh());
        let (room, ada, ben) =
            (RoomId::parse("r").unwrap(), UserId::parse("ada").unwrap(), UserId::parse("ben").unwrap());
        log.renew_lease(&living, Duration::from_secs(60)).await.unwrap();
        log.attach(&room, &ada, &living, "Ada").await.unwrap();
        log.attach(&room, &ben, &dead, "Ben").await.unwrap();
        let stop = CancellationToken::new();
        let forgetting = tokio::spawn(forget(log.clone(), stop.clone()));
        let one_left = || async {
            let attached = log.attached(&room).await.map_err(|error| error.to_string())?;
            if attached.len() == 1 { Ok(attached) } else { Err(format!("{attached:?}")) }
        };
        let attached = eventually(Duration::from_secs(10), "only the living edge's entry", one_left).await;
        assert_eq!(attached[0].user, ada);
        stop.cancel();
        forgetting.await.unwrap();
    }
}
