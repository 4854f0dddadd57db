//! What the log is opened with; every limit has a name.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::streams::Stream;

/// How to prove to the server who we are.
#[derive(Clone)]
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

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::File(path) => f.debug_tuple("File").field(path).finish(),
            Credentials::UserPassword { user, .. } => write!(f, "UserPassword {{ user: {user:?}, .. }}"),
        }
    }
}

impl Credentials {
    /// Who that is, to be told to people.
    pub(crate) fn who(&self) -> String {
        match self {
            Credentials::File(path) => format!("whoever {} is of", path.display()),
            Credentials::UserPassword { user, .. } => format!("the user {user:?} with this password"),
        }
    }
}

/// TLS to the server. The files are read anew for each connection, so a renewed certificate holds from the next reconnect
/// on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signs the servers' certificates, as PEM; the system's own authorities where none is named.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, as PEM, for servers that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What opening does about a stream that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Creates it.
    Create,
    /// Waits, under the deadline, until somebody else has created it.
    Await,
}

/// When what many people say at once goes to the broker as one atomic batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// While the broker was seen to be slow, as one is that syncs its disk before each acknowledgement.
    WhenSlow,
    /// Whenever enough of them wait.
    Always,
}

/// How to open the log.
#[derive(Debug, Clone)]
pub struct Options {
    /// Addresses, `nats://host:port`, separated by commas.
    pub servers: String,
    /// What the connection is called in the server's own lists.
    pub name: String,
    /// How to prove who we are; none where the server doesn't ask.
    pub credentials: Option<Credentials>,
    /// What our inboxes begin with, where our NATS user may only subscribe to such; the library's `_INBOX` else.
    pub inbox_prefix: Option<String>,
    /// How to encrypt the connection. None: only where the server or the address (`tls://`) asks for it, and with the
    /// system's own authorities.
    pub tls: Option<Tls>,
    /// The streams that this log works with; opening looks at these and no others. The events must be among them.
    pub streams: Vec<Stream>,
    /// What to do where one of them is not there.
    pub missing: Missing,
    /// Copies of each stream, where this log is the one to create it: 1 or 3.
    pub replicas: usize,
    /// How long opening may take: connecting, and setting up each stream.
    pub open_deadline: Duration,
    /// Reads of the streams under way at once; the rest wait their turn.
    pub read_in_flight_max: usize,
    /// How long one try of a read may take.
    pub read_patience: Duration,
    /// How long a read may take, waiting and retries included.
    pub read_deadline: Duration,
    /// How long one try of an append may take.
    pub append_patience: Duration,
    /// How long an append may take, waiting in its queue and retries included.
    pub append_deadline: Duration,
    /// Appends of one person in one room that may wait behind each other.
    pub appends_waiting_max: usize,
    /// When what many people say at once goes to the broker as one atomic batch.
    pub grouping: Grouping,
    /// Events in such a batch, at least; fewer go one by one.
    pub group_min: usize,
    /// Messages that one subscription holds until they are taken; what comes on top is dropped and filled in later.
    pub live_buffered_max: usize,
    /// How often every live room is compared with the stream.
    pub live_check_every: Duration,
    /// How long a live room may try to fill a gap before it says that it is lost.
    pub fill_deadline: Duration,
    /// What time it is for everybody who has the log.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            servers: "nats://127.0.0.1:4222".to_owned(),
            name: "klatch".to_owned(),
            credentials: None,
            inbox_prefix: None,
            tls: None,
            streams: Stream::ALL.to_vec(),
            missing: Missing::Create,
            replicas: 1,
            open_deadline: Duration::from_secs(10),
            read_in_flight_max: 64,
            read_patience: Duration::from_secs(2),
            read_deadline: Duration::from_secs(5),
            append_patience: Duration::from_secs(3),
            append_deadline: Duration::from_secs(10),
            appends_waiting_max: 256,
            grouping: Grouping::WhenSlow,
            group_min: 16,
            live_buffered_max: 8_192,
            live_check_every: Duration::from_secs(30),
            fill_deadline: Duration::from_secs(30),
            clock: Clock::Wall,
        }
    }
}
