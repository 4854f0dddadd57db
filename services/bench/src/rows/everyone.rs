//! One message to everybody in a room of ten thousand: when has the last one heard it?

use super::TEXT;
use crate::Bench;
use crate::bare::{Bare, Hub};
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median};
use crate::groundwork::Groundwork;
use crate::swarm::{Attach, Swarm};
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, Target, room, user};

/// Stored before it is told, against a loop of bare send calls.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let wanted = bench.size(10_000, 500);
    let count = wanted.min(bench.connections_max / 2);
    let times = bench.size(9, 3);
    let system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    ground.room(&room(0), (0..count).map(user)).await?;
    ground.finish().await?;
    let hub = Bare::start(bench, Hub::SendCalls).await?;
    let people = || (0..count).map(|number| Person::new(number, &room(0))).collect();
    let (ours_at, bare_at) = (system.target(), hub.target());
    let ours = Swarm::connect(&ours_at, people(), Attach::Joined).await?;
    let bare = Swarm::connect(&bare_at, people(), Attach::Joined).await?;
    let pairs = bench
        .alternate(
            async |_| to_the_last(&ours, &ours_at, times).await,
            async |_| to_the_last(&bare, &bare_at, times).await,
        )
        .await?;
    Ok(vec![Line {
        what: format!("one message to {count} sockets, time to the last"),
        unit: Unit::Seconds,
        pairs,
        against: format!("{count} send calls"),
        goal: Goal::AtMost(1.3),
        note: "stored before it is told; the readers share the machine".to_owned(),
    }])
}

async fn to_the_last(swarm: &Swarm, target: &Target, times: usize) -> Result<f64, Error> {
    let mut took = Vec::new();
    for number in 0..times {
        let sender = number % swarm.len();
        let time = swarm.wave(target, std::iter::once(sender), swarm.len() as u64, TEXT).await?;
        took.push(time.as_secs_f64());
    }
    Ok(median(&took))
}
