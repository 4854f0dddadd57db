//! What the process tests stand on: a whole system of real processes, people who talk in it, and the history checker that
//! judges what was recorded.
//!
//! ```text
//! cluster   nats-servers, edges, projectors, notifier as processes, each to be killed and started again
//! trouble   what else can befall them: freezing, bad networks, lost leaders, damaged files
//! damage    what can happen to a folder of files
//! link      a stretch of network that can be made bad
//! scales    what each process holds in memory
//! device    one WebSocket connection whose every word goes into the recording
//! crowd     many people who go on talking, and how often they were acknowledged
//! talker    a person who goes on talking through faults: reconnects, resumes, sends again under the same key
//! readback  the log and the digests, as they are after the run
//! checker   judges the recording: one file a promise
//! ```

pub mod checker;
pub mod cluster;
pub mod crowd;
pub mod damage;
pub mod device;
mod doors;
pub mod link;
pub mod program;
mod question;
pub mod readback;
mod scales;
pub mod talker;
pub mod trouble;
