//! Somebody stops reading, and the others must not notice.

use crate::Bench;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, quantile};
use crate::groundwork::Groundwork;
use crate::rounds::Pairs;
use crate::socket::Socket;
use crate::swarm::{Attach, Swarm};
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, Target, room, user};

/// Long messages: those who don't read must be full within a round, kernel buffers included.
const TEXT_BYTES: usize = 4_000;
/// What the kernel holds for somebody who doesn't read.
const RECEIVE_BYTES: usize = 4 * 1024;
/// One of so many has stopped reading.
const ONE_IN: usize = 20;
/// Say something at once.
const BURST: usize = 20;

/// A room with stalled readers beside one without, on one edge.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let count = bench.size(1_000, 100);
    let bursts = bench.size(50, 3);
    let system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    ground.room(&room(0), (0..count).map(user)).await?;
    ground.room(&room(1), (0..count).map(user)).await?;
    ground.finish().await?;
    let target = system.target();
    let stalled = count / ONE_IN;
    let reading = count - stalled;
    let disturbed = Readers::join(&target, 0, 0..reading).await?;
    let undisturbed = Readers::join(&target, 1, 0..reading).await?;
    let _reading_too = Readers::join(&target, 1, reading..count).await?;
    let (mut waits, mut waits_undisturbed) = (Vec::new(), Vec::new());
    let throughput = bench
        .alternate(
            async |_| {
                let idle = stall(&target, reading..count).await?;
                let (rate, wait) = disturbed.talk(bursts).await?;
                waits.push(wait);
                drop(idle);
                Ok(rate)
            },
            async |_| {
                let (rate, wait) = undisturbed.talk(bursts).await?;
                waits_undisturbed.push(wait);
                Ok(rate)
            },
        )
        .await?;
    let note = format!("{stalled} of {count} don't read; bursts of {BURST} messages of {TEXT_BYTES} bytes");
    Ok(vec![
        Line {
            what: "beside stalled readers: deliveries to the others".to_owned(),
            unit: Unit::PerSecond,
            pairs: throughput,
            against: "undisturbed".to_owned(),
            goal: Goal::AtLeast(0.95),
            note: note.clone(),
        },
        Line {
            what: "beside stalled readers: a burst to the last of the others, p99".to_owned(),
            unit: Unit::Seconds,
            pairs: Pairs { ours: waits, limit: waits_undisturbed },
            against: "undisturbed".to_owned(),
            goal: Goal::AtMost(1.25),
            note,
        },
    ])
}

/// Connected, joined, and never read from again.
async fn stall(target: &Target, numbers: std::ops::Range<usize>) -> Result<Vec<Socket>, Error> {
    let mut idle = Vec::new();
    for number in numbers {
        idle.push(target.join(&Person::new(number, &room(0)), Some(RECEIVE_BYTES)).await?);
    }
    Ok(idle)
}

struct Readers {
    target: Target,
    swarm: Swarm,
}

impl Readers {
    async fn join(target: &Target, number: usize, people: std::ops::Range<usize>) -> Result<Readers, Error> {
        let people = people.map(|person| Person::new(person, &room(number))).collect();
        let swarm = Swarm::connect(target, people, Attach::Joined).await?;
        Ok(Readers { target: target.clone(), swarm })
    }

    /// Deliveries a second, and how long a burst takes to the last of its deliveries: below that, 99 of 100.
    async fn talk(&self, bursts: usize) -> Result<(f64, f64), Error> {
        let people = self.swarm.len();
        let text = "x".repeat(TEXT_BYTES);
        let mut times = Vec::new();
        for burst in 0..bursts {
            let senders = (0..BURST).map(|number| (burst * BURST + number) % people);
            times.push(self.swarm.wave(&self.target, senders, people as u64, &text).await?.as_secs_f64());
        }
        let deliveries = (bursts * BURST * people) as f64;
        Ok((deliveries / times.iter().sum::<f64>(), quantile(&times, 0.99)))
    }
}
