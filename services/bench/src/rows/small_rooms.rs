//! Very many rooms of five, in each of which somebody says something: where nothing can be shared by many, and no two
//! frames go to one socket at once.

use super::TEXT;
use crate::Bench;
use crate::bare::{Bare, Hub};
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::Unit;
use crate::groundwork::Groundwork;
use crate::swarm::{Attach, Swarm};
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, Target, room, user};

/// In a room.
const FEW: usize = 5;

/// Deliveries for a second of processor time of all server processes.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let rooms = bench.size(200, 20);
    let waves = bench.size(50, 5);
    let count = rooms * FEW;
    let system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    for number in 0..rooms {
        ground.room(&room(number), (number * FEW..(number + 1) * FEW).map(user)).await?;
    }
    ground.finish().await?;
    let hub = Bare::start(bench, Hub::FastWebSockets).await?;
    let people = || (0..count).map(|number| Person::new(number, &room(number / FEW))).collect();
    let (ours_at, bare_at) = (system.target(), hub.target());
    let ours = Swarm::connect(&ours_at, people(), Attach::Joined).await?;
    let bare = Swarm::connect(&bare_at, people(), Attach::Joined).await?;
    // What is made at the first use is made before.
    talk(&ours, &ours_at, FEW).await?;
    talk(&bare, &bare_at, FEW).await?;
    let deliveries = (waves * count) as f64;
    let mut shares = String::new();
    let pairs = bench
        .alternate(
            async |_| {
                let before = system.cpu()?;
                talk(&ours, &ours_at, waves).await?;
                let used = system.cpu()?.since(before);
                let all = used.all().as_secs_f64();
                let percent = |part: std::time::Duration| part.as_secs_f64() / all * 100.0;
                shares = format!(
                    "edge {:.0} %, broker {:.0} %, projector {:.0} %",
                    percent(used.edge),
                    percent(used.broker),
                    percent(used.projector)
                );
                Ok(deliveries / all)
            },
            async |_| {
                let before = hub.cpu()?;
                talk(&bare, &bare_at, waves).await?;
                Ok(deliveries / hub.cpu()?.saturating_sub(before).as_secs_f64())
            },
        )
        .await?;
    Ok(vec![Line {
        what: "deliveries in rooms of five, for a second of processor time".to_owned(),
        unit: Unit::PerSecond,
        pairs,
        against: "bare fastwebsockets hub, nothing stored".to_owned(),
        goal: Goal::AtLeast(0.57),
        note: format!("{rooms} rooms; {shares}; the goal stands for ≥ 2.5× of socket.io with redis"),
    }])
}

async fn talk(swarm: &Swarm, target: &Target, waves: usize) -> Result<(), Error> {
    for wave in 0..waves {
        // One in each room, in turns.
        swarm.wave(target, (wave % FEW..swarm.len()).step_by(FEW), FEW as u64, TEXT).await?;
    }
    Ok(())
}
