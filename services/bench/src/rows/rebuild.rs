//! Everything that the projector serves can be deleted and is made anew from the log: how fast?

use std::time::Instant;

use super::TEXT;
use crate::Bench;
use crate::bare::log::decode_only;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::Unit;
use crate::groundwork::Groundwork;
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{room, user};

/// Equally busy.
const ROOMS: usize = 100;
/// In each room.
const MEMBERS: usize = 10;

/// A rebuild from an empty folder, against a consumer that decodes each event and throws it away.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let mut system = System::without_edge(bench, Sync::Later).await?;
    let events = fill(&mut system, bench.size(300_000, 2_000)).await?;
    let reader = system.broker().client().await?;
    let pairs = bench
        .alternate(
            async |_| {
                system.stop_projector().await?;
                system.delete_views()?;
                let begun = Instant::now();
                system.start_projector()?;
                system.until_live().await?;
                Ok(events as f64 / begun.elapsed().as_secs_f64())
            },
            async |_| {
                let (decoded, took) = decode_only(reader.clone(), "CHAT_EVENTS").await?;
                Ok(decoded as f64 / took.as_secs_f64())
            },
        )
        .await?;
    Ok(vec![Line {
        what: "events folded in a rebuild".to_owned(),
        unit: Unit::PerSecond,
        pairs,
        against: "decode-only consumer".to_owned(),
        goal: Goal::AtLeast(0.6),
        note: format!("{events} events of {ROOMS} rooms, the process's start included"),
    }])
}

/// Messages in rooms, folded when this returns: how many events that makes.
pub(super) async fn fill(system: &mut System, messages: usize) -> Result<usize, Error> {
    let mut ground = Groundwork::over(system.broker().client().await?);
    for number in 0..ROOMS {
        ground.room(&room(number), (0..MEMBERS).map(user)).await?;
    }
    for number in 0..messages {
        ground.say(&room(number % ROOMS), &user(number / ROOMS % MEMBERS), TEXT).await?;
    }
    ground.finish().await?;
    system.until_live().await?;
    Ok(ROOMS * (1 + MEMBERS) + messages)
}
