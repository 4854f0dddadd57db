//! A thousand people in one room, fifty of whom say something at the same moment.

use std::time::Duration;

use super::TEXT;
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
use crate::target::{Person, Target, room, user};

/// Say something at once.
const BURST: usize = 50;

/// Beside both hubs, with the same sockets.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let count = bench.size(1_000, 100).min(bench.connections_max / 3);
    let bursts = bench.size(10, 2);
    let system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    ground.room(&room(0), (0..count).map(user)).await?;
    ground.finish().await?;
    let (vectored, by_frame) =
        (Bare::start(bench, Hub::Vectored).await?, Bare::start(bench, Hub::FastWebSockets).await?);
    let ours = Room::open(system.target(), count).await?;
    let at_vectored = Room::open(vectored.target(), count).await?;
    let at_by_frame = Room::open(by_frame.target(), count).await?;
    let mut shares = String::new();
    let mut frame_by_frame = Vec::new();
    let pairs = bench
        .alternate(
            async |_| {
                let before = system.cpu()?;
                ours.talk(bursts).await?;
                let used = system.cpu()?.since(before);
                let share = |part: Duration| Unit::Seconds.show(ours.each(part, bursts));
                shares = format!(
                    "edge {}, broker {}, projector {}",
                    share(used.edge),
                    share(used.broker),
                    share(used.projector)
                );
                Ok(ours.each(used.all(), bursts))
            },
            async |_| {
                let before = by_frame.cpu()?;
                at_by_frame.talk(bursts).await?;
                frame_by_frame.push(at_by_frame.each(by_frame.cpu()?.saturating_sub(before), bursts));
                let before = vectored.cpu()?;
                at_vectored.talk(bursts).await?;
                Ok(at_vectored.each(vectored.cpu()?.saturating_sub(before), bursts))
            },
        )
        .await?;
    let what = format!("processor time a delivery, room of {count}, bursts of {BURST}");
    let beside_frames = Pairs { ours: pairs.ours.clone(), limit: frame_by_frame };
    Ok(vec![
        Line {
            what: what.clone(),
            unit: Unit::Seconds,
            pairs,
            against: "tokio, one writev for many".to_owned(),
            goal: Goal::AtMost(1.4),
            note: format!("{shares}; the goal stands for ≤ 2× of a corked Bun"),
        },
        Line {
            what,
            unit: Unit::Seconds,
            pairs: beside_frames,
            against: "fastwebsockets, frame by frame".to_owned(),
            goal: Goal::AtMost(0.33),
            note: "the goal stands for ≤ 0.1× of socket.io with redis".to_owned(),
        },
    ])
}

/// A full room.
struct Room {
    target: Target,
    swarm: Swarm,
}

impl Room {
    async fn open(target: Target, count: usize) -> Result<Room, Error> {
        let people = (0..count).map(|number| Person::new(number, &room(0))).collect();
        let swarm = Swarm::connect(&target, people, Attach::Joined).await?;
        let room = Room { target, swarm };
        // What is made at the first use is made now.
        room.talk(1).await?;
        Ok(room)
    }

    async fn talk(&self, bursts: usize) -> Result<(), Error> {
        let people = self.swarm.len();
        for burst in 0..bursts {
            let senders = (0..BURST).map(|number| (burst * BURST + number) % people);
            self.swarm.wave(&self.target, senders, people as u64, TEXT).await?;
        }
        Ok(())
    }

    /// The share of one delivery.
    fn each(&self, cpu: Duration, bursts: usize) -> f64 {
        cpu.as_secs_f64() / (bursts * BURST * self.swarm.len()) as f64
    }
}
