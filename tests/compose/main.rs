//! The system of compose.yaml, in containers, while they are restarted, killed, paused and cut off. What people behind the
//! balancer see is recorded and judged against the promises.
//!
//! `make test-compose` prepares what this needs (a Docker engine, images) and takes it away again. Each test brings the
//! system up anew, prints the seed of its choices (`KLATCH_TEST_SEED` repeats them), and tells what containers said last
//! when it fails. They share ports, so they run one after the other.

mod brokers;
mod crowd;
mod cut_off;
mod docker;
mod projectors;
mod rolling;
mod single;
mod system;
