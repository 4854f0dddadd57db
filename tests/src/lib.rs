//! What the process tests stand on: a whole system of real processes, people who talk in it, and the history checker that
//! judges what was recorded.
//!
//! ```text
//! cluster   nats-server, edges and projector as processes, each to be killed and started again
//! device    one WebSocket connection whose every word goes into the recording
//! talker    a person who goes on talking through faults: reconnects, resumes, sends again under the same key
//! readback  the log and the digests, as they are after the run
//! checker   judges the recording: one file a promise
//! ```

pub mod checker;
pub mod cluster;
pub mod device;
pub mod program;
pub mod readback;
pub mod talker;
