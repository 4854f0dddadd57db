//! What a connection costs that only answers pings.

use std::time::Duration;

use tokio::time::sleep;

use crate::Bench;
use crate::bare::{Bare, Hub};
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::Unit;
use crate::groundwork::Groundwork;
use crate::rounds::Pairs;
use crate::swarm::{Attach, Swarm};
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, room, user};

/// Both sides are watched at the same time: each has processes of its own, and a round is a ping's pause long.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let count = bench.size(5_000, 200).min(bench.connections_max / 2);
    let system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    ground.room(&room(0), (0..count).map(user)).await?;
    ground.finish().await?;
    let hub = Bare::start(bench, Hub::Pings).await?;
    let people = || (0..count).map(|number| Person::new(number, &room(0))).collect();
    let ours = Swarm::connect(&system.target(), people(), Attach::Joined).await?;
    let bare = Swarm::connect(&hub.target(), people(), Attach::Joined).await?;
    let round = bench.ping_every();
    // The first pings are those whose pause began with the connections.
    sleep(round).await;
    let mut pairs = Pairs::default();
    for number in 0..bench.rounds {
        eprintln!("  round {} of {}", number + 1, bench.rounds);
        let (ours_before, bare_before) = (system.cpu()?, hub.cpu()?);
        sleep(round).await;
        pairs.ours.push(each(system.cpu()?.since(ours_before).all(), round, count));
        pairs.limit.push(each(hub.cpu()?.saturating_sub(bare_before), round, count));
    }
    let closed = ours.tally().closed() + bare.tally().closed();
    ours.leave().await;
    bare.leave().await;
    Ok(vec![Line {
        what: "processor time of an idle connection, each second".to_owned(),
        unit: Unit::Seconds,
        pairs,
        against: "bare ping loop".to_owned(),
        goal: Goal::AtMost(1.5),
        note: format!("{count} connections, a ping every {} s, {closed} lost", round.as_secs()),
    }])
}

/// For one connection and one second.
fn each(cpu: Duration, round: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() / round.as_secs_f64() / count as f64
}
