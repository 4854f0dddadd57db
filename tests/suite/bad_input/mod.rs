//! Broken and hostile input: each gets its documented answer, and a neighbour's session goes on.

mod frames;
mod ids;
mod json;
mod raw_socket;
mod upgrade;

use std::time::Duration;

use klatch_tests::checker::Promise;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, seed};
use klatch_tests::device::Device;

/// A system of one edge, with somebody on it who just wants to talk.
struct Scene {
    cluster: Cluster,
    neighbour: Device,
    room: Room,
    said: std::cell::Cell<u64>,
}

impl Scene {
    /// Limits of time are short here, so that nobody has to wait for them: a request's head within half a second, a
    /// first token within one.
    async fn open() -> Self {
        let builder = Cluster::builder(seed()).edges(1);
        let builder = builder.setting("KLATCH_EDGE__REQUEST_HEAD_MS_MAX", "500");
        let cluster = builder.setting("KLATCH_EDGE__LIMITS__AUTH_MS_MAX", "1000").start().await;
        let neighbour = cluster.device(0, "neighbour").await;
        let room = Room::from("next door");
        neighbour.joined(&room, None).await;
        Self { cluster, neighbour, room, said: std::cell::Cell::new(0) }
    }

    /// Where the edge listens.
    fn address(&self) -> String {
        self.cluster.doors().door(0).address
    }

    /// The neighbour still says things, and hears them.
    async fn goes_on(&self) {
        self.said.set(self.said.get() + 1);
        let (_, at) = self.neighbour.say(&self.room, &format!("still here, {}", self.said.get())).await;
        self.neighbour.until_reached(&self.room, at.seq, Duration::from_secs(10)).await;
    }

    /// Nothing of the neighbour's was lost.
    async fn close(self) {
        self.cluster.settle(&self.room, &[&self.neighbour], Duration::from_secs(10)).await;
        self.neighbour.walk(&self.room).await;
        self.cluster.read_back().await;
        self.cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder, Promise::Replay]);
    }
}
