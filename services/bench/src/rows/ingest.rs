//! How many messages a second are taken and acknowledged, when as many as the bare client has in flight are in flight.

use std::time::Duration;

use super::TEXT;
use crate::Bench;
use crate::bare::log::BareLog;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::Unit;
use crate::groundwork::Groundwork;
use crate::swarm::{Attach, Swarm};
use crate::system::{Cpu, System};
use crate::table::{Goal, Line};
use crate::target::{Person, room, user};

/// In flight.
const WINDOW: usize = 1_024;
/// In a room: nobody of them listens, so that nothing but the taking is measured.
const MEMBERS: usize = 16;

/// Sends of 1,024 people against publishes with 1,024 in flight.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let senders = bench.size(WINDOW, 64);
    let each = bench.size(20, 3);
    let system = System::start(bench, Sync::Later).await?;
    let target = system.target();
    let swarm = senders_of(&system, senders).await?;
    let bare = BareLog::open(system.broker().client().await?).await?;
    swarm.pour(&target, 2, TEXT).await?;
    let total = senders * each;
    let mut spent = String::new();
    let pairs = bench
        .alternate(
            async |_| {
                let before = system.cpu()?;
                let took = swarm.pour(&target, each, TEXT).await?;
                spent = share(system.cpu()?.since(before), total);
                Ok(total as f64 / took.as_secs_f64())
            },
            async |_| Ok(total as f64 / bare.ingest(total, senders, TEXT).await?.as_secs_f64()),
        )
        .await?;
    Ok(vec![Line {
        what: "acknowledged messages".to_owned(),
        unit: Unit::PerSecond,
        pairs,
        against: format!("bare async-nats, window {senders}"),
        goal: Goal::AtLeast(0.4),
        note: spent,
    }])
}

/// Members of rooms, connected, attached to none.
pub(super) async fn senders_of(system: &System, count: usize) -> Result<Swarm, Error> {
    let mut ground = Groundwork::over(system.broker().client().await?);
    for first in (0..count).step_by(MEMBERS) {
        ground.room(&room(first / MEMBERS), (first..count.min(first + MEMBERS)).map(user)).await?;
    }
    ground.finish().await?;
    let people = (0..count).map(|number| Person::new(number, &room(number / MEMBERS))).collect();
    Swarm::connect(&system.target(), people, Attach::SendingOnly).await
}

/// What each of so many messages cost the processes.
pub(super) fn share(used: Cpu, total: usize) -> String {
    let each = |part: Duration| Unit::Seconds.show(part.as_secs_f64() / total as f64);
    let Cpu { edge, broker, projector } = used;
    format!("processor time each: edge {}, broker {}, projector {}", each(edge), each(broker), each(projector))
}
