//! What an edge holds for a connection that does nothing: signed in, attached to a room, its member.

use crate::Bench;
use crate::bare::{Bare, Hub};
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median};
use crate::groundwork::Groundwork;
use crate::rounds::{Pairs, settled};
use crate::swarm::{Attach, Swarm};
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, room, user};

/// What goes into a small room.
const FEW: usize = 5;

/// How connections are spread over rooms.
#[derive(Debug, Clone, Copy)]
enum Spread {
    /// All in one.
    OneRoom,
    /// Five in each.
    Fives,
}

impl Spread {
    /// The people, in rooms that no other round has: an edge that was killed leaves its people behind for a while.
    fn people(self, round: usize, count: usize) -> Vec<Person> {
        let first = round * 1_000_000;
        let room_of = |number: usize| match self {
            Spread::OneRoom => first,
            Spread::Fives => first + 1 + number / FEW,
        };
        (0..count).map(|number| Person::new(number, &room(room_of(number)))).collect()
    }
}

/// Two lines.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let count = bench.size(5_000, 200).min(bench.connections_max);
    let mut system = System::start(bench, Sync::Later).await?;
    let mut brokers = Vec::new();
    let in_one = bench
        .alternate(
            async |round| {
                let (edge, broker) = connection(&mut system, Spread::OneRoom, 2 * round, count).await?;
                brokers.push(broker);
                Ok(edge)
            },
            async |_| bare(bench, count).await,
        )
        .await?;
    let mut brokers_of_fives = Vec::new();
    let mut of_fives = Vec::new();
    for round in 0..bench.rounds {
        let (edge, broker) = connection(&mut system, Spread::Fives, 2 * round + 1, count).await?;
        of_fives.push(edge);
        brokers_of_fives.push(broker);
    }
    let fives = Pairs { ours: of_fives, limit: in_one.ours.clone() };
    let broker = |held: &[f64]| format!("the broker held {} in all", Unit::Bytes.show(median(held)));
    Ok(vec![
        Line {
            what: "memory of an idle connection, all in one room".to_owned(),
            unit: Unit::Bytes,
            pairs: in_one,
            against: "bare fastwebsockets".to_owned(),
            goal: Goal::AtMost(0.6),
            note: format!("{count} connections; {}", broker(&brokers)),
        },
        Line {
            what: "memory of an idle connection, in rooms of five".to_owned(),
            unit: Unit::Bytes,
            pairs: fives,
            against: "in one room".to_owned(),
            goal: Goal::AtMost(1.3),
            note: format!("{count} connections; {}", broker(&brokers_of_fives)),
        },
    ])
}

/// Memory of a connection, in bytes, of a fresh edge's; and all of the broker's, which comes and goes with its garbage
/// collector, so that no share of it can be told.
async fn connection(system: &mut System, spread: Spread, round: usize, count: usize) -> Result<(f64, f64), Error> {
    let people = spread.people(round, count);
    let mut ground = Groundwork::over(system.broker().client().await?);
    for together in people.chunk_by(|one, other| one.room == other.room) {
        ground.room(&together[0].room, together.iter().map(|person| user(person.number))).await?;
    }
    ground.finish().await?;
    system.until_live().await?;
    system.start_edge().await?;
    let edge_before = settled(async || system.edge_memory()).await?;
    let swarm = Swarm::connect(&system.target(), people, Attach::Joined).await?;
    let edge = settled(async || system.edge_memory()).await?;
    let broker = system.broker_memory()?;
    swarm.leave().await;
    Ok((edge.saturating_sub(edge_before) as f64 / count as f64, broker as f64))
}

async fn bare(bench: &Bench, count: usize) -> Result<f64, Error> {
    let hub = Bare::start(bench, Hub::FastWebSockets).await?;
    let before = settled(async || hub.memory()).await?;
    let target = hub.target();
    let swarm = Swarm::connect(&target, Spread::OneRoom.people(0, count), Attach::Joined).await?;
    let after = settled(async || hub.memory()).await?;
    swarm.leave().await;
    Ok(after.saturating_sub(before) as f64 / count as f64)
}
