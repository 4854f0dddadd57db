//! What an edge can be told.

use std::net::{Ipv4Addr, SocketAddr};

use klatch_wire::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tls::TlsConfig;
use crate::token::{AuthConfig, Secret};

/// The port that Klatch listens on where nothing else is said.
pub const PORT_DEFAULT: u16 = 5004;

/// Configuration of an edge. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on; all of them serve the same.
    pub listen: Vec<SocketAddr>,
    /// TLS for clients, where no proxy before the edge does it.
    pub tls: TlsConfig,
    /// Who is believed, and by which keys.
    pub auth: AuthConfig,
    /// Origins whose pages may connect with a cookie, exactly as browsers write them (`https://chat.example.com`).
    /// The server's own origin always may; `*` never covers cookies.
    pub origins: Vec<String>,
    /// How many proxies of the operator's stand before the edge, each of which adds to `X-Forwarded-For`: the outermost of
    /// them says who asks. With 0 nothing in that header is believed.
    pub proxies: usize,
    /// The key of the operator's own servers (`x-internal-api-key`). Without one, what needs it is refused.
    pub internal_api_key: Option<Secret>,
    /// What clients can meet.
    pub limits: Limits,
    /// How rooms come about.
    pub rooms: RoomsConfig,
    /// How long an edge's people stay present after the edge last said that it lives, in milliseconds.
    pub lease_ms: u64,
    /// How long an edge goes on after it was told to stop, in milliseconds.
    pub drain_ms_max: u64,
    /// Connections at once, of everybody together, signed in or not; further ones are closed as they come.
    pub connections_max: usize,
    /// Connections that wait for the process to accept them.
    pub accept_backlog: u32,
    /// Milliseconds until the head of an HTTP request must have come whole.
    pub request_head_ms_max: u64,
    /// Milliseconds that a client's system may take none of what is written to it.
    pub write_ms_max: u64,
    /// Milliseconds that an edge waits for the projector's answer.
    pub query_ms_max: u64,
    /// Standings that an edge keeps in memory.
    pub standings_max: usize,
    /// Demonstration people, whose tokens `GET /demo` gives to anyone. Never on anything but loopback.
    pub demo: Vec<DemoPerson>,
}

/// How rooms come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoomsConfig {
    /// Whether joining an unknown room makes it.
    pub create_on_join: bool,
}

/// Somebody to try the page with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DemoPerson {
    /// Their id.
    pub user_id: String,
    /// Their name.
    pub username: String,
    /// A token of theirs.
    pub token: String,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        RoomsConfig { create_on_join: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT))],
            tls: TlsConfig::default(),
            auth: AuthConfig::default(),
            origins: Vec::new(),
            proxies: 0,
            internal_api_key: None,
            limits: Limits::default(),
            rooms: RoomsConfig::default(),
            lease_ms: 10_000,
            drain_ms_max: 8_000,
            connections_max: 200_000,
            accept_backlog: 1_024,
            request_head_ms_max: 10_000,
            write_ms_max: 30_000,
            query_ms_max: 5_000,
            standings_max: 200_000,
            demo: Vec::new(),
        }
    }
}
