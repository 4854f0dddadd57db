//! From the moment at which a client sends to the moment at which another has it, stored in between.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::TEXT;
use crate::Bench;
use crate::bare::log::BareLog;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median, quantile, seconds};
use crate::groundwork::Groundwork;
use crate::rounds::Pairs;
use crate::socket::{Socket, contains};
use crate::swarm::{Attach, Swarm};
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, Target, room, user};

/// Who makes the load of the second line.
const LOADERS: usize = 100;
/// Of the most that they get through.
const LOAD: f64 = 0.3;

/// At rest beside the broker's own time; and under load beside its own median.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let count = bench.size(1_000, 50);
    let system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    ground.room(&room(0), [user(0), user(1)]).await?;
    for number in 0..LOADERS {
        ground.room(&room(1 + number), [user(2 + number)]).await?;
    }
    ground.finish().await?;
    let target = system.target();
    let mut pair = Pair::meet(&target).await?;
    let bare = BareLog::open(system.broker().client().await?).await?;
    pair.talk(count / 4).await?;
    let at_rest = bench
        .alternate(
            async |_| Ok(median(&pair.talk(count).await?)),
            async |_| Ok(median(&seconds(&bare.republished(count, TEXT).await?))),
        )
        .await?;
    let under_load = under_load(bench, &target, &mut pair, count).await?;
    Ok(vec![
        Line {
            what: "stored send to delivery, p50".to_owned(),
            unit: Unit::Seconds,
            pairs: at_rest,
            against: "bare guarded publish to republish".to_owned(),
            goal: Goal::AtMost(2.0),
            note: format!("{count} one after the other"),
        },
        Line {
            what: "stored send to delivery under load, p99".to_owned(),
            unit: Unit::Seconds,
            pairs: under_load.pairs,
            against: "its own p50".to_owned(),
            goal: Goal::AtMost(4.0),
            note: format!("beside {:.0} sends a second, 30 % of the most", under_load.rate),
        },
    ])
}

struct UnderLoad {
    pairs: Pairs,
    rate: f64,
}

async fn under_load(bench: &Bench, target: &Target, pair: &mut Pair, count: usize) -> Result<UnderLoad, Error> {
    let people = (0..LOADERS).map(|number| Person { number, user: user(2 + number), room: room(1 + number) });
    let loaders = Swarm::connect(target, people.collect(), Attach::SendingOnly).await?;
    let each = bench.size(100, 10);
    loaders.pour(target, each, TEXT).await?;
    let took = loaders.pour(target, each, TEXT).await?;
    let rate = (LOADERS * each) as f64 / took.as_secs_f64() * LOAD;
    let mut pairs = Pairs::default();
    for round in 0..bench.rounds {
        eprintln!("  round {} of {} under load", round + 1, bench.rounds);
        let times = tokio::select! {
            times = pair.talk(count) => times?,
            failed = steadily(&loaders, target, rate) => return Err(failed),
        };
        pairs.ours.push(quantile(&times, 0.99));
        pairs.limit.push(median(&times));
    }
    loaders.leave().await;
    Ok(UnderLoad { pairs, rate })
}

/// Sends at a steady rate, whatever becomes of it, until this is dropped. Only an error ends it.
async fn steadily(loaders: &Swarm, target: &Target, rate: f64) -> Error {
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (begun, mut sent) = (Instant::now(), 0_usize);
    loop {
        tick.tick().await;
        let due = (begun.elapsed().as_secs_f64() * rate) as usize;
        while sent < due {
            let index = sent % loaders.len();
            let frame = target.say(loaders.person(index), &format!("load-{sent}"), TEXT);
            if let Err(error) = loaders.send(index, &frame).await {
                return error;
            }
            sent += 1;
        }
    }
}

/// Two people in a room.
struct Pair {
    target: Target,
    speaker: Person,
    speaks: Socket,
    hears: Socket,
    said: usize,
}

impl Pair {
    async fn meet(target: &Target) -> Result<Pair, Error> {
        let (speaker, hearer) = (Person::new(0, &room(0)), Person::new(1, &room(0)));
        let (speaks, hears) = (target.join(&speaker, None).await?, target.join(&hearer, None).await?);
        Ok(Pair { target: target.clone(), speaker, speaks, hears, said: 0 })
    }

    /// One says something, the other hears it, again and again: how long each took, in seconds.
    async fn talk(&mut self, count: usize) -> Result<Vec<f64>, Error> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            self.said += 1;
            let text = format!("{TEXT} {}.", self.said);
            let frame = self.target.say(&self.speaker, &format!("talk-{}", self.said), &text);
            let begun = Instant::now();
            self.speaks.send(&frame).await?;
            self.hears.next_with(&text).await?;
            times.push(begun.elapsed().as_secs_f64());
            // The speaker's own copy and the ack, in either order: the next send meets a server at rest.
            let id = format!("\"id\":\"talk-{}\"", self.said);
            let (mut has_ack, mut has_copy) = (false, false);
            while !(has_ack && has_copy) {
                let heard = self.speaks.next().await?;
                has_ack |= contains(&heard, &id);
                has_copy |= contains(&heard, &text);
            }
        }
        Ok(times)
    }
}
