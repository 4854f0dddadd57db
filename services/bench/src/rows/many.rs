//! One edge, as full as a small machine's is.

use std::time::Duration;

use tokio::time::sleep;

use crate::Bench;
use crate::bare::{Bare, Hub};
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::Unit;
use crate::groundwork::Groundwork;
use crate::rounds::{Pairs, settled};
use crate::swarm::{Attach, Swarm};
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, room, user};

/// In a room.
const MEMBERS: usize = 100;

/// Measured once on each side: of so many connections every one is a repetition.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let wanted = bench.size(20_000, 300);
    let count = wanted.min(bench.connections_max);
    let people = || (0..count).map(|number| Person::new(number, &room(number / MEMBERS))).collect::<Vec<_>>();
    let bare_memory = {
        let hub = Bare::start(bench, Hub::FastWebSockets).await?;
        let before = settled(async || hub.memory()).await?;
        let swarm = Swarm::connect(&hub.target(), people(), Attach::Joined).await?;
        let after = settled(async || hub.memory()).await?;
        swarm.leave().await;
        after.saturating_sub(before)
    };
    let bare_cpu = {
        let hub = Bare::start(bench, Hub::Pings).await?;
        let swarm = Swarm::connect(&hub.target(), people(), Attach::Joined).await?;
        let used = while_idle(bench, || hub.cpu()).await?;
        swarm.leave().await;
        used
    };
    let mut system = System::without_edge(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    for number in 0..count.div_ceil(MEMBERS) {
        ground.room(&room(number), (number * MEMBERS..count.min((number + 1) * MEMBERS)).map(user)).await?;
    }
    ground.finish().await?;
    system.until_live().await?;
    system.start_edge().await?;
    let before = settled(async || system.edge_memory()).await?;
    let swarm = Swarm::connect(&system.target(), people(), Attach::Joined).await?;
    let after = settled(async || system.edge_memory()).await?;
    let used = while_idle(bench, || Ok(system.cpu()?.all())).await?;
    let closed = swarm.tally().closed();
    swarm.leave().await;
    let each = |bytes: u64| bytes as f64 / count as f64;
    let each_second = |cpu: Duration| cpu.as_secs_f64() / bench.ping_every().as_secs_f64() / count as f64;
    let sockets = if count < wanted {
        format!(" (for {wanted} there are too few open files: ulimit -Hn)")
    } else {
        String::new()
    };
    let pair = |ours: f64, limit: f64| Pairs { ours: vec![ours], limit: vec![limit] };
    Ok(vec![
        Line {
            what: format!("{count} idle connections on one edge: memory of each"),
            unit: Unit::Bytes,
            pairs: pair(each(after.saturating_sub(before)), each(bare_memory)),
            against: "bare fastwebsockets".to_owned(),
            goal: Goal::AtMost(0.6),
            note: format!(
                "rooms of {MEMBERS}{sockets}; the edge holds {} in all, {closed} connections were lost",
                Unit::Bytes.show(after as f64)
            ),
        },
        Line {
            what: format!("{count} idle connections on one edge: processor time of each, a second"),
            unit: Unit::Seconds,
            pairs: pair(each_second(used), each_second(bare_cpu)),
            against: "bare ping loop".to_owned(),
            goal: Goal::AtMost(1.5),
            note: format!(
                "edge, broker and projector, over one pause between pings ({} s)",
                bench.ping_every().as_secs()
            ),
        },
    ])
}

/// Processor time over one pause between pings, after the first such pause.
async fn while_idle(bench: &Bench, read: impl Fn() -> Result<Duration, Error>) -> Result<Duration, Error> {
    sleep(bench.ping_every()).await;
    let before = read()?;
    sleep(bench.ping_every()).await;
    Ok(read()?.saturating_sub(before))
}
