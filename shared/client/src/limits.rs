//! Every limit of the client, by name, with its unit and default. What grows without one is a fault.

/// Limits of one client. Units are last in each name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds that `connect` takes at most, all its attempts together.
    pub first_connect_ms_max: u64,
    /// Milliseconds from opening the socket to `chat.welcome`.
    pub connect_ms_max: u64,
    /// The first reconnect waits a random time up to this, each later one up to twice as long…
    pub reconnect_ms_min: u64,
    /// …but never longer than this. The server's own hints (`chat.welcome`'s `retry`) replace both.
    pub reconnect_ms_max: u64,
    /// A connection that held so long makes the count of attempts start anew; one that fell at once does not.
    pub steady_ms_min: u64,
    /// So long without a byte from the server, and it is asked whether it is there. The server pings every 25 s.
    pub silence_ms_max: u64,
    /// So long without a byte after asking, and the connection is given up as dead.
    pub pong_ms_max: u64,
    /// Milliseconds from a request to its answer, reconnects included.
    pub request_ms_max: u64,
    /// Requests without an answer yet; one more fails at once.
    pub requests_max: usize,
    /// Milliseconds from handing a message over to giving up on it: within the server's 7 days of remembered ids.
    pub send_ms_max: u64,
    /// Messages handed over and not acknowledged yet, over all rooms; one more fails at once.
    pub sends_max: usize,
    /// Message ids remembered a room, to drop what comes twice.
    pub message_ids_max: usize,
    /// Frames of a room kept while it is being joined.
    pub held_frames_max: usize,
    /// Events that wait to be taken. Past it a room's events are not lost: the room is resumed once there is space.
    pub events_max: usize,
    /// Frames that wait to be written; past it the connection is given up.
    pub frames_waiting_max: usize,
    /// Bytes of one frame from the server. Pages and resumes are at most 4 MiB of events.
    pub frame_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            first_connect_ms_max: 15_000,
            connect_ms_max: 10_000,
            reconnect_ms_min: 250,
            reconnect_ms_max: 30_000,
            steady_ms_min: 5_000,
            silence_ms_max: 40_000,
            pong_ms_max: 10_000,
            request_ms_max: 20_000,
            requests_max: 1_024,
            send_ms_max: 300_000,
            sends_max: 1_024,
            message_ids_max: 1_024,
            held_frames_max: 1_024,
            events_max: 16_384,
            frames_waiting_max: 4_096,
            frame_bytes_max: 16 * 1024 * 1024,
        }
    }
}
