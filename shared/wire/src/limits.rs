//! Every limit that a client can meet: name, unit, default, once. The names are those of the configuration
//! (`frame_bytes_max`) and of `chat.welcome` (`frameBytesMax`), so that a client need not guess.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $number:ty = $default:expr,)*) => {
        /// Limits of one edge, as its configuration names them. Units are last in each name.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $number,)*
        }

        /// The same limits as `chat.welcome` shows them.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct ShownLimits {
            $($(#[$doc])* pub $name: $number,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $($name: $default,)* }
            }
        }

        impl From<&Limits> for ShownLimits {
            fn from(limits: &Limits) -> Self {
                ShownLimits { $($name: limits.$name,)* }
            }
        }
    };
}

limits! {
    /// Bytes of one client message, all its fragments together. Past it: close 1009.
    frame_bytes_max: usize = 64 * 1024,
    /// Fragments of one client message. Past it: close 1002.
    fragments_max: usize = 64,
    /// Frames a second from one session, on average. Past it: `rate_limited`.
    frames_per_second: u32 = 200,
    /// Frames at once from one session.
    frames_burst: u32 = 400,
    /// Messages, edits and other stored commands a second from one person, on average. Past it: `rate_limited`.
    sends_per_second: u32 = 20,
    /// Stored commands at once from one person.
    sends_burst: u32 = 100,
    /// Rooms that one session may be attached to. Past it: `too_many_rooms`.
    rooms_per_session_max: usize = 1_000,
    /// Connections of one person to one edge. Past it: `too_many_connections` and close 4102.
    connections_per_user_max: usize = 100,
    /// Bytes queued for one session, answers to its own requests apart. Past it: close 4001.
    queue_bytes_max: usize = 1024 * 1024,
    /// Frames that one session may have waiting for their turn; then its socket is not read.
    requests_waiting_max: usize = 64,
    /// Events that a resume serves at most; more is `recovered: false`.
    resume_events_max: usize = 5_000,
    /// Bytes that a resume or a page serves at most.
    page_bytes_max: usize = 4 * 1024 * 1024,
    /// Items of a page at most.
    page_items_max: usize = 200,
    /// Items of a page where the client names no limit.
    page_items_default: usize = 50,
    /// People that `chat.joined` and `chat.presence` name at most.
    users_listed_max: usize = 100,
    /// People attached above which a room sends counts only.
    roster_frames_max: usize = 200,
    /// Milliseconds until the first valid token must have come.
    auth_ms_max: u64 = 10_000,
    /// Milliseconds between the server's pings.
    ping_ms: u64 = 25_000,
    /// Milliseconds without a byte from the client until it counts as gone.
    idle_ms_max: u64 = 60_000,
    /// Milliseconds between two typing frames of one session in one room that are passed on.
    typing_ms_min: u64 = 1_000,
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
