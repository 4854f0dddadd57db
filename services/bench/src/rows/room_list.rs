//! The list of rooms of somebody who is in very many.

use std::time::Instant;

use serde_json::json;

use super::TEXT;
use crate::Bench;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median};
use crate::groundwork::Groundwork;
use crate::socket::Socket;
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, room, user};

/// Rooms of a page.
const PAGE: usize = 50;
/// Of somebody who is in few: more than a page.
const FEW: usize = 100;

/// The first page, beside that of somebody in a hundred rooms.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let many = bench.size(10_000, 200);
    let times = bench.size(200, 10);
    let mut system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    for number in 0..many {
        let few = (number < FEW).then(|| user(1));
        ground.room(&room(number), [user(0), user(2)].into_iter().chain(few)).await?;
        ground.say(&room(number), &user(2), TEXT).await?;
    }
    ground.finish().await?;
    system.until_live().await?;
    let target = system.target();
    let mut in_many = target.open(&Person::new(0, &room(0)), None).await?;
    let mut in_few = target.open(&Person::new(1, &room(0)), None).await?;
    let pairs = bench
        .alternate(async |_| first_page(&mut in_many, times).await, async |_| first_page(&mut in_few, times).await)
        .await?;
    Ok(vec![Line {
        what: format!("first {PAGE} of a list of {many} rooms, p50"),
        unit: Unit::Seconds,
        pairs,
        against: format!("of {FEW} rooms"),
        goal: Goal::None,
        note: "by activity, each with its last message and what is unread; no goal was set".to_owned(),
    }])
}

async fn first_page(socket: &mut Socket, times: usize) -> Result<f64, Error> {
    let mut waits = Vec::new();
    for number in 0..times {
        let ask = json!({"event": "chat.rooms", "id": format!("rooms-{number}"), "data": {"limit": PAGE}});
        let frame = crate::frames::text(ask.to_string().as_bytes());
        let begun = Instant::now();
        socket.send(&frame).await?;
        socket.next_with("\"event\":\"ack\"").await?;
        waits.push(begun.elapsed().as_secs_f64());
    }
    Ok(median(&waits))
}
