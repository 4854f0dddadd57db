//! What a run consists of: all of it drawn from its seed.

use klatch_eventlog::memory::Weather;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// What happens in a run, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// What everything is drawn from.
    pub seed: u64,
    /// Edges.
    pub edges: usize,
    /// Projectors.
    pub projectors: usize,
    /// People; some of them have two devices.
    pub people: usize,
    /// What each device asks for.
    pub requests: usize,
    /// The longest pause between two requests of a device.
    pub pause_ms_max: u64,
    /// Faults that are put in.
    pub faults: usize,
    /// Whether the stream is wiped once.
    pub wipe: bool,
    /// What goes wrong by chance meanwhile.
    pub weather: Weather,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn of(seed: u64) -> Schedule {
        let mut choices = choices(seed, 0);
        let mut rate = |most: u32| if choices.random_ratio(1, 3) { 0 } else { choices.random_range(0..=most) };
        let weather = Weather {
            dropped: rate(150),
            repeated: rate(100),
            late: rate(100),
            busy: rate(60),
            failed: rate(40),
            requests_lost: rate(40),
            answers_lost: rate(60),
            reads_failed: rate(40),
            lagging: rate(100),
            way_ms_max: u64::from(rate(12)),
        };
        Schedule {
            seed,
            edges: choices.random_range(2..=3),
            projectors: choices.random_range(1..=2),
            people: choices.random_range(3..=5),
            requests: choices.random_range(10..=30),
            pause_ms_max: [5, 50, 400][choices.random_range(0..3)],
            faults: choices.random_range(0..=6),
            wipe: choices.random_ratio(1, 12),
            weather,
        }
    }

    /// The same run with less in it: where it still fails, its trace is easier to read.
    pub fn smaller(&self) -> Vec<Schedule> {
        let calm = Weather { way_ms_max: self.weather.way_ms_max, ..Weather::default() };
        let candidates = [
            Schedule { requests: self.requests / 2, ..self.clone() },
            Schedule { people: (self.people - 1).max(2), ..self.clone() },
            Schedule { faults: self.faults / 2, ..self.clone() },
            Schedule { wipe: false, ..self.clone() },
            Schedule { weather: calm, ..self.clone() },
            Schedule { projectors: 1, ..self.clone() },
            Schedule { requests: self.requests.saturating_sub(1).max(1), ..self.clone() },
        ];
        candidates.into_iter().filter(|smaller| smaller != self && smaller.requests > 0).collect()
    }
}

/// A stream of choices of a seed; each purpose has one of its own.
pub(crate) fn choices(seed: u64, purpose: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ purpose.wrapping_mul(0xA076_1D64_78BD_642F))
}
