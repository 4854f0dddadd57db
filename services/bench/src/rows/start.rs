//! From the start of projector and edge until the edge says that it is ready, with a long log behind them.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use klatch_wire::query::Phase;
use tokio::time::{MissedTickBehavior, interval};

use super::rebuild::fill;
use crate::Bench;
use crate::bare::log::decode_only;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::Unit;
use crate::system::{System, status};
use crate::table::{Goal, Line};

/// How often somebody asks how far a rebuild is.
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// From the checkpoint beside a start with an empty log; rebuilding beside one pass over the log.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let mut empty = System::without_edge(bench, Sync::Later).await?;
    let mut system = System::without_edge(bench, Sync::Later).await?;
    let events = fill(&mut system, bench.size(1_000_000, 3_000)).await?;
    let from_checkpoint =
        bench.alternate(async |_| start(&mut system).await, async |_| start(&mut empty).await).await?;
    drop(empty);
    let reader = system.broker().client().await?;
    let told = Cell::new(0);
    let rebuilding = bench
        .alternate(
            async |_| {
                system.stop_projector().await?;
                system.delete_views()?;
                tokio::select! {
                    took = start(&mut system) => took,
                    never = ask_how_far(&reader, &told) => match never {},
                }
            },
            async |_| Ok(decode_only(reader.clone(), "CHAT_EVENTS").await?.1.as_secs_f64()),
        )
        .await?;
    Ok(vec![
        Line {
            what: format!("start with {events} events, from the checkpoint, until ready"),
            unit: Unit::Seconds,
            pairs: from_checkpoint,
            against: "with an empty log".to_owned(),
            goal: Goal::Within(2.0),
            note: "an edge looks every 250 ms whether it is ready".to_owned(),
        },
        Line {
            what: format!("start with {events} events, rebuilding, until ready"),
            unit: Unit::Seconds,
            pairs: rebuilding,
            against: "one decode-only pass".to_owned(),
            goal: Goal::Within(10.0),
            note: format!(
                "asked every {} ms how far it is, it answered {} times with its progress",
                ASKED_EVERY.as_millis(),
                told.get()
            ),
        },
    ])
}

/// Starts both again: seconds until the edge is ready, which it is once the projector has caught up.
async fn start(system: &mut System) -> Result<f64, Error> {
    system.end_edge().await?;
    system.stop_projector().await?;
    let begun = Instant::now();
    system.start_projector()?;
    system.start_edge().await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Asks again and again, and counts the answers that tell of a rebuild.
async fn ask_how_far(client: &async_nats::Client, told: &Cell<u32>) -> Infallible {
    let mut tick = interval(ASKED_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        if let Ok(answer) = status(client).await
            && matches!(answer.phase, Phase::Rebuilding { .. })
        {
            told.set(told.get() + 1);
        }
    }
}
