//! Whether it costs a sender anything that very many others are members.

use std::time::Instant;

use super::TEXT;
use crate::Bench;
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median};
use crate::groundwork::Groundwork;
use crate::socket::Socket;
use crate::system::System;
use crate::table::{Goal, Line};
use crate::target::{Person, Target, room, user};

/// In the small room.
const FEW: usize = 10;

/// A send to its acknowledgement, beside one in a room of ten.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let members = bench.size(100_000, 1_000);
    let times = bench.size(500, 20);
    let mut system = System::start(bench, Sync::Later).await?;
    let mut ground = Groundwork::over(system.broker().client().await?);
    ground.room(&room(0), (0..members).map(user)).await?;
    ground.room(&room(1), (0..FEW).map(user)).await?;
    ground.finish().await?;
    system.until_live().await?;
    let target = system.target();
    let mut crowd = Sender::in_room(&target, 0).await?;
    let mut few = Sender::in_room(&target, 1).await?;
    let pairs = bench.alternate(async |_| crowd.send(times).await, async |_| few.send(times).await).await?;
    Ok(vec![Line {
        what: format!("a send in a room of {members} members, to its ack, p50"),
        unit: Unit::Seconds,
        pairs,
        against: format!("in a room of {FEW}"),
        goal: Goal::None,
        note: "the sender is attached; no goal was set".to_owned(),
    }])
}

struct Sender {
    target: Target,
    person: Person,
    socket: Socket,
    sent: usize,
}

impl Sender {
    async fn in_room(target: &Target, number: usize) -> Result<Sender, Error> {
        let person = Person::new(0, &room(number));
        let socket = target.join(&person, None).await?;
        Ok(Sender { target: target.clone(), person, socket, sent: 0 })
    }

    async fn send(&mut self, times: usize) -> Result<f64, Error> {
        let mut waits = Vec::new();
        for _ in 0..times {
            self.sent += 1;
            let id = format!("sent-{}", self.sent);
            let frame = self.target.say(&self.person, &id, TEXT);
            let begun = Instant::now();
            self.socket.send(&frame).await?;
            self.socket.next_with(&format!("\"event\":\"ack\",\"id\":\"{id}\"")).await?;
            waits.push(begun.elapsed().as_secs_f64());
        }
        Ok(median(&waits))
    }
}
