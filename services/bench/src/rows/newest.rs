//! The newest page of a room, however long the room's history is.

use std::time::{Duration, Instant};

use klatch_domain::{RoomId, Seq};
use klatch_eventlog::subject;
use klatch_wire::query::{HistoryRequest, HistoryResponse, Window, name};

use super::TEXT;
use crate::Bench;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median};
use crate::groundwork::Groundwork;
use crate::rounds::Pairs;
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{room, user};

/// Items of the page.
const PAGE: u32 = 50;

/// Processor time of the projector, each length beside the shortest.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let lengths = [1_000, 10_000, 100_000, 1_000_000].map(|full| bench.size(full, full / 200 + 60));
    let pages = bench.size(1_000, 50);
    let mut system = System::without_edge(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    for (number, length) in lengths.iter().enumerate() {
        ground.room(&room(number), [user(0), user(1)]).await?;
        for _ in 0..*length {
            ground.say(&room(number), &user(1), TEXT).await?;
        }
    }
    ground.finish().await?;
    system.until_live().await?;
    // What is newest in memory after a fold is no measure of a room that nobody wrote to for a while.
    system.stop_projector().await?;
    system.start_projector()?;
    system.until_live().await?;

    let client = system.broker().client().await?;
    for number in 0..lengths.len() {
        // What is made at the first use is made before.
        turn(&client, &room(number), pages / 10 + 1).await?;
    }
    let mut cpu = [(); 4].map(|()| Vec::new());
    let mut waits = [(); 4].map(|()| Vec::new());
    for round in 0..bench.rounds {
        eprintln!("  round {} of {}", round + 1, bench.rounds);
        // Another one goes first in each round: who does wakes the projector.
        for number in (0..lengths.len()).map(|turn| (turn + round) % lengths.len()) {
            let before = system.cpu()?;
            waits[number].push(median(&turn(&client, &room(number), pages).await?));
            let used = system.cpu()?.since(before).projector;
            cpu[number].push(used.as_secs_f64() / pages as f64);
        }
    }
    let lines = (1..lengths.len()).map(|number| Line {
        what: format!("newest {PAGE} of {} messages, the projector's processor time", lengths[number]),
        unit: Unit::Seconds,
        pairs: Pairs { ours: cpu[number].clone(), limit: cpu[0].clone() },
        against: format!("of {}", lengths[0]),
        goal: Goal::AtMost(1.25),
        note: format!(
            "answered over NATS after {} (p50); the goal stands for flat",
            Unit::Seconds.show(median(&waits[number]))
        ),
    });
    Ok(lines.collect())
}

async fn turn(client: &async_nats::Client, room: &RoomId, pages: usize) -> Result<Vec<f64>, Error> {
    let request = HistoryRequest {
        asker: user(0),
        room_id: room.clone(),
        window: Window::Newest,
        limit: PAGE,
        min_seq: Seq::ZERO,
    };
    let payload = serde_json::to_vec(&request).map_err(|error| failed(&error.to_string()))?;
    let mut waits = Vec::with_capacity(pages);
    for _ in 0..pages {
        let begun = Instant::now();
        let asking = client.request(subject::query(name::HISTORY), payload.clone().into());
        let answer = tokio::time::timeout(Duration::from_secs(10), asking).await;
        let answer = answer.map_err(|_| failed("no answer"))?.map_err(|error| failed(&error.to_string()))?;
        waits.push(begun.elapsed().as_secs_f64());
        let page: HistoryResponse =
            serde_json::from_slice(&answer.payload).map_err(|_| failed(&String::from_utf8_lossy(&answer.payload)))?;
        if page.events.len() != PAGE as usize {
            return Err(failed(&format!("a page of {} items", page.events.len())));
        }
    }
    Ok(waits)
}

fn failed(said: &str) -> Error {
    Error::Refused { what: "a page of history".to_owned(), said: said.to_owned() }
}
