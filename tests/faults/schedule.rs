//! What befalls the system in one round, drawn from a seed: every kind of fault once, in an order and with particulars of
//! chance.

use std::fmt;
use std::time::Duration;

use klatch_tests::damage::Damage;
use klatch_tests::link::Weather;
use klatch_tests::trouble::{Frozen, POISON};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::fault::{Fault, Victim};

/// A system as these rounds have it.
pub(crate) const EDGES: usize = 2;
pub(crate) const PROJECTORS: usize = 2;

/// The faults of one round, in order.
#[derive(Debug, Clone)]
pub(crate) struct Schedule(pub(crate) Vec<Fault>);

impl Schedule {
    /// For a broker of so many servers.
    pub(crate) fn draw(nodes: usize, choices: &mut StdRng) -> Schedule {
        let mut faults = of_every_broker(nodes, choices);
        if nodes > 1 {
            faults.extend(of_a_cluster(nodes, choices));
        }
        let mut shuffled = Vec::with_capacity(faults.len());
        while !faults.is_empty() {
            shuffled.push(faults.swap_remove(choices.random_range(0..faults.len())));
        }
        Schedule(shuffled)
    }
}

fn of_every_broker(nodes: usize, choices: &mut StdRng) -> Vec<Fault> {
    let mut edge = || choices.random_range(0..EDGES);
    let of_edges = [
        Fault::Kill(Victim::Edge(edge())),
        Fault::Freeze(Frozen::Edge(edge())),
        Fault::Stutter(edge()),
        Fault::Weather(edge(), Weather::Slow(Duration::from_millis(80))),
        Fault::Weather(edge(), Weather::Lossy(20)),
        Fault::Weather(edge(), Weather::Silent),
        Fault::Weather(edge(), Weather::Cut),
        Fault::Clock(edge()),
        Fault::Deaf(edge()),
    ];
    let node = choices.random_range(0..nodes);
    let projector = choices.random_range(0..PROJECTORS);
    let damage = Damage::ALL[choices.random_range(0..Damage::ALL.len())];
    let mut faults = vec![
        Fault::Kill(Victim::Projector(projector)),
        Fault::Kill(Victim::Notifier),
        Fault::Kill(Victim::Node(node)),
        Fault::Kill(Victim::Everything),
        Fault::Freeze(Frozen::Projector(1 - projector)),
        Fault::Freeze(Frozen::Node(choices.random_range(0..nodes))),
        Fault::Damage(projector, damage),
        Fault::Poison(POISON[choices.random_range(0..POISON.len())]),
    ];
    faults.extend(of_edges);
    faults
}

fn of_a_cluster(nodes: usize, choices: &mut StdRng) -> Vec<Fault> {
    let first = choices.random_range(0..nodes);
    let second = (first + choices.random_range(1..nodes)) % nodes;
    vec![
        Fault::StepDown("CHAT_EVENTS"),
        Fault::StepDown("CHAT_PRESENCE"),
        Fault::StepDown("CHAT_MARKS"),
        Fault::Kill(Victim::Leader),
        Fault::LoseTwo(first, second),
        Fault::RollingRestart,
    ]
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(number, fault)| writeln!(f, "  {:2} {fault:?}", number + 1))
    }
}
