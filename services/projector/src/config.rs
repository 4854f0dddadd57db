//! What a projector can be told.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workshop::Workshop;

/// Configuration of a projector. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of the views. It can be deleted at any time: what lies in it is made from the log.
    pub dir: PathBuf,
    /// Memory for sled's own cache, in bytes.
    pub cache_bytes: u64,
    /// Memory for the newest pages of active rooms, in bytes.
    pub hot_pages_bytes: usize,
    /// Events taken from the log at once. What is stored in one batch grows with how far the fold is behind.
    pub batch_events_max: usize,
    /// Milliseconds between flushes to the disk; what a crash takes is folded again.
    pub flush_ms: u64,
    /// Queries that read at the same time.
    pub queries_in_flight_max: usize,
    /// Queries that wait, for their turn or for their `minSeq`; further ones are `unavailable`.
    pub queries_waiting_max: usize,
    /// Milliseconds that a query waits until its `minSeq` is folded.
    pub min_seq_wait_ms_max: u64,
    /// The newest messages of each room that pages of history serve; 0 for all. The log keeps all.
    pub history_messages_max: u64,
    /// Seconds for which pages of history serve a message; 0 for ever. The log keeps it.
    pub history_age_s_max: u64,
    /// Positions whose digest is kept, to compare projectors at one.
    pub digests_kept: usize,
    /// Views that are set aside because of a doubt are kept to look at, one set, if they are not larger than this.
    pub set_aside_bytes_max: u64,
    /// Where what blocks is done; no key of the configuration.
    #[serde(skip)]
    pub workshop: Workshop,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            dir: PathBuf::from("klatch-data/projector"),
            cache_bytes: 64 * 1024 * 1024,
            hot_pages_bytes: 32 * 1024 * 1024,
            batch_events_max: 512,
            flush_ms: 500,
            queries_in_flight_max: 8,
            queries_waiting_max: 1024,
            min_seq_wait_ms_max: 2000,
            history_messages_max: 0,
            history_age_s_max: 0,
            digests_kept: 4096,
            set_aside_bytes_max: 256 * 1024 * 1024,
            workshop: Workshop::Threads,
        }
    }
}
