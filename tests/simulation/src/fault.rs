//! What is done to the world.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::world::World;

/// The longest pause before a fault.
const PAUSE_MS_MAX: u64 = 1_500;
/// The longest that something stays dead.
const DEAD_MS_MAX: u64 = 3_000;

/// Something that can happen to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An edge is killed, and another one starts in its place after a while.
    EdgeKilled { place: usize, dead_ms: u64 },
    /// A projector is killed: at once, or after so many writes more.
    ProjectorKilled { place: usize, writes: Option<u32>, dead_ms: u64 },
    /// The connection to the broker was lost for a moment, and whoever had it was told.
    Disrupted,
    /// The log's window for duplicates is over.
    IdsForgotten,
    /// An operator wipes the stream.
    StreamWiped,
}

impl Fault {
    fn draw(world: &World, choices: &mut StdRng) -> Fault {
        let dead_ms = choices.random_range(0..=DEAD_MS_MAX);
        match choices.random_range(0..10) {
            0..4 => Fault::EdgeKilled { place: choices.random_range(0..world.edges()), dead_ms },
            4..8 => {
                let writes = if choices.random_ratio(3, 4) { Some(choices.random_range(1..=6)) } else { None };
                Fault::ProjectorKilled { place: choices.random_range(0..world.projectors()), writes, dead_ms }
            }
            8 => Fault::Disrupted,
            _ => Fault::IdsForgotten,
        }
    }

    async fn befall(self, world: &World) {
        world.step();
        world.remark(format!("{self:?}"));
        match self {
            Fault::EdgeKilled { place, dead_ms } => {
                world.kill_edge(place).await;
                tokio::time::sleep(Duration::from_millis(dead_ms)).await;
                world.start_edge(place);
            }
            Fault::ProjectorKilled { place, writes, dead_ms } => {
                world.kill_projector(place, writes).await.expect("its folder can be copied");
                tokio::time::sleep(Duration::from_millis(dead_ms)).await;
                world.start_projector(place);
            }
            Fault::Disrupted => world.faults.disrupt(),
            Fault::IdsForgotten => world.faults.forget_ids(),
            Fault::StreamWiped => world.wipe(),
        }
    }
}

/// Puts in so many faults, one after the other.
pub(crate) async fn strike(world: Arc<World>, mut choices: StdRng, faults: usize, wipe: bool) {
    let wiped_at = wipe.then(|| choices.random_range(0..=faults));
    for number in 0..=faults {
        let pause = choices.random_range(0..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if wiped_at == Some(number) {
            Fault::StreamWiped.befall(&world).await;
        } else if number < faults {
            Fault::draw(&world, &mut choices).befall(&world).await;
        }
    }
}
