//! The shipped configuration: every message is on the disk before it is acknowledged.

use std::time::Instant;

use super::TEXT;
use super::ingest::{senders_of, share};
use crate::Bench;
use crate::bare::log::BareLog;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median, seconds};
use crate::socket::Socket;
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, Target};

/// In flight.
const WINDOW: usize = 1_024;
/// In a batch of the bare client.
const BATCH: usize = 100;

/// Many at once, and one alone.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let senders = bench.size(WINDOW, 32);
    let each = bench.size(40, 2);
    let alone = bench.size(300, 20);
    let system = System::start(bench, Sync::Always).await?;
    let target = system.target();
    let swarm = senders_of(&system, senders).await?;
    let bare = BareLog::open(system.broker().client().await?).await?;
    swarm.pour(&target, 1, TEXT).await?;
    let total = senders * each;
    let (mut batched, mut spent) = (Vec::new(), String::new());
    let many = bench
        .alternate(
            async |_| {
                let before = system.cpu()?;
                let took = swarm.pour(&target, each, TEXT).await?;
                spent = share(system.cpu()?.since(before), total);
                Ok(total as f64 / took.as_secs_f64())
            },
            async |_| {
                let batches = total.div_ceil(BATCH);
                let took = bare.batches(batches, BATCH, TEXT).await?;
                batched.push((batches * BATCH) as f64 / took.as_secs_f64());
                Ok(total as f64 / bare.ingest(total, senders, TEXT).await?.as_secs_f64())
            },
        )
        .await?;
    let person = swarm.person(0).clone();
    swarm.leave().await;
    let mut socket = target.open(&person, None).await?;
    let mut said = 0;
    let single = bench
        .alternate(
            async |_| {
                let mut times = Vec::new();
                for _ in 0..alone {
                    said += 1;
                    times.push(acknowledged(&mut socket, &target, &person, said).await?);
                }
                Ok(median(&times))
            },
            async |_| Ok(median(&seconds(&bare.acknowledged(alone, TEXT).await?))),
        )
        .await?;
    Ok(vec![
        Line {
            what: format!("messages acknowledged once they are synced, {senders} in flight"),
            unit: Unit::PerSecond,
            pairs: many,
            against: format!("bare async-nats, one by one, {senders} in flight"),
            goal: Goal::AtLeast(5.0),
            note: format!("{spent}; bare batches of {BATCH}: {}", Unit::PerSecond.show(median(&batched))),
        },
        Line {
            what: "one message alone, synced, to its ack, p50".to_owned(),
            unit: Unit::Seconds,
            pairs: single,
            against: "bare guarded publish to its ack".to_owned(),
            goal: Goal::AtMost(1.5),
            note: format!("{alone} one after the other"),
        },
    ])
}

async fn acknowledged(socket: &mut Socket, target: &Target, person: &Person, number: usize) -> Result<f64, Error> {
    let frame = target.say(person, &format!("alone-{number}"), TEXT);
    let begun = Instant::now();
    socket.send(&frame).await?;
    socket.next_with("\"event\":\"ack\"").await?;
    Ok(begun.elapsed().as_secs_f64())
}
