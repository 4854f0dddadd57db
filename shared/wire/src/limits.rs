//! Every limit that a client can meet: name, unit, default. The names are those of the configuration and of
//! `chat.welcome`, so that a client need not guess.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of one edge. Units are last in each name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one client message, all its fragments together. Past it: close 1009.
    pub frame_bytes_max: usize,
    /// Fragments of one client message. Past it: close 1002.
    pub fragments_max: usize,
    /// Frames a second from one session, on average. Past it: `rate_limited`.
    pub frames_per_second: u32,
    /// Frames at once from one session.
    pub frames_burst: u32,
    /// Messages, edits and other stored commands a second from one person, on average. Past it: `rate_limited`.
    pub sends_per_second: u32,
    /// Stored commands at once from one person.
    pub sends_burst: u32,
    /// Rooms that one session may be attached to. Past it: `too_many_rooms`.
    pub rooms_per_session_max: usize,
    /// Connections of one person to one edge. Past it: `too_many_connections` and close 4102.
    pub connections_per_user_max: usize,
    /// Bytes queued for one session, answers to its own requests apart. Past it: close 4001.
    pub queue_bytes_max: usize,
    /// Frames that one session may have waiting for their turn; then its socket is not read.
    pub requests_waiting_max: usize,
    /// Events that a resume serves at most; more is `recovered: false`.
    pub resume_events_max: usize,
    /// Bytes that a resume or a page serves at most.
    pub page_bytes_max: usize,
    /// Items of a page at most.
    pub page_items_max: usize,
    /// Items of a page where the client names no limit.
    pub page_items_default: usize,
    /// People that `chat.joined` and `chat.presence` name at most.
    pub users_listed_max: usize,
    /// People attached above which a room sends counts only.
    pub roster_frames_max: usize,
    /// Milliseconds until the first valid token must have come.
    pub auth_ms_max: u64,
    /// Milliseconds between the server's pings.
    pub ping_ms: u64,
    /// Milliseconds without a byte from the client until it counts as gone.
    pub idle_ms_max: u64,
    /// Milliseconds between two typing frames of one person in one room that are passed on.
    pub typing_ms_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes_max: 64 * 1024,
            fragments_max: 64,
            frames_per_second: 200,
            frames_burst: 400,
            sends_per_second: 20,
            sends_burst: 100,
            rooms_per_session_max: 1_000,
            connections_per_user_max: 100,
            queue_bytes_max: 1024 * 1024,
            requests_waiting_max: 64,
            resume_events_max: 5_000,
            page_bytes_max: 4 * 1024 * 1024,
            page_items_max: 200,
            page_items_default: 50,
            users_listed_max: 100,
            roster_frames_max: 200,
            auth_ms_max: 10_000,
            ping_ms: 25_000,
            idle_ms_max: 60_000,
            typing_ms_min: 1_000,
        }
    }
}

impl Limits {
    /// The same with rates a hundred times as high: what `--dev` uses, so that a demonstration never meets them.
    pub fn with_development_rates(mut self) -> Self {
        for rate in
            [&mut self.frames_per_second, &mut self.frames_burst, &mut self.sends_per_second, &mut self.sends_burst]
        {
            *rate = rate.saturating_mul(100);
        }
        self
    }
}
