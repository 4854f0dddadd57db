//! Process tests: real nats-servers, edges and projectors, killed and damaged; what happened is recorded and judged
//! against the promises. One binary, one module a subject.
//!
//! Each test prints the seed of its choices; `KLATCH_TEST_SEED` repeats them. Nothing waits by the clock: every wait is
//! for something, with a bound. A test that fails prints what the processes said last, and keeps its recording.

mod accounts;
mod authority;
mod bad_input;
mod durability;
mod erasing;
mod inspection;
mod order;
mod presence;
mod resume;
mod unread;
mod views;
mod visibility;
