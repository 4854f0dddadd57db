//! What the log is opened with; every limit has a name.

use std::path::PathBuf;
use std::time::Duration;

/// How to prove to the server who we are.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A `.creds` file.
    File(PathBuf),
    /// A user and a password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

/// How to open the log.
#[derive(Debug, Clone)]
pub struct Options {
    /// Comma-separated addresses, `nats://host:port`.
    pub servers: String,
    /// What the connection is called in the server's own lists.
    pub name: String,
    /// How to prove who we are.
    pub credentials: Option<Credentials>,
    /// Copies of each stream, where this creates it.
    pub replicas: usize,
    /// Reads of the stream under way at once.
    pub read_in_flight_max: usize,
    /// How long an append may take, retries included.
    pub append_deadline: Duration,
    /// How long a read may take, retries included.
    pub read_deadline: Duration,
    /// How long opening may take.
    pub open_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            servers: "nats://127.0.0.1:4222".to_owned(),
            name: "klatch".to_owned(),
            credentials: None,
            replicas: 1,
            read_in_flight_max: 64,
            append_deadline: Duration::from_secs(10),
            read_deadline: Duration::from_secs(5),
            open_deadline: Duration::from_secs(10),
        }
    }
}
