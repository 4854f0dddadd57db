//! Deterministic simulation: the real edges, projectors and domain over the log in memory, on one thread, under a clock
//! that jumps from one thing to the next. People talk, faults befall them, and the history checker judges what came of it.
//!
//! ```text
//! schedule   what a run consists of, drawn from its seed
//! world      the log, edges and projectors, which start, die and are found again as the disk has them
//! person     somebody with a device: asks, loses the connection, resumes, sends again
//! fault      what is done to the world
//! run        all of it together, read back and judged
//! trace      everything that happened, line by line
//! campaign   many runs, and what is said of them
//! chance     randomness, from the seed
//! ```
//!
//! The same seed gives the same run, byte for byte. Nothing of the product is replaced but the socket, the wall clock, the
//! broker, and the threads that blocking work goes to.

pub mod campaign;
pub mod chance;
mod fault;
mod person;
mod run;
mod schedule;
mod trace;
mod world;

pub use run::{Outcome, run};
pub use schedule::Schedule;
pub use trace::Trace;
