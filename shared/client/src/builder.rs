//! How a client comes to be.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::driver::drive;
use crate::ending::Ending;
use crate::failure::Failure;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::session::Session;

/// Commands handed over and not taken in yet; who hands over another one waits.
const COMMANDS_WAITING_MAX: usize = 256;

/// What a client needs to begin.
#[derive(Debug, Clone)]
pub struct Builder {
    url: String,
    token: String,
    limits: Limits,
}

impl Builder {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Builder { url: url.into(), token: String::new(), limits: Limits::default() }
    }

    /// The token that says who we are. It goes into the `Authorization` header of the upgrade.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    /// Other limits than the default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Connects, and returns once the server has said welcome. It is tried again and again until
    /// [`Limits::first_connect_ms_max`], unless the server says that it won't have us.
    pub async fn connect(self) -> Result<Client, Failure> {
        if !["ws://", "wss://"].iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(Failure::BadAddress(format!("{:?} is no ws:// or wss:// address", self.url)));
        }
        let Builder { url, token, limits } = self;
        let (inbox, events) = Inbox::new(limits.events_max);
        let (commands, inputs) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (first, welcomed) = oneshot::channel();
        let space = inbox.watch();
        let random = Box::new(rand::random::<f64>);
        let session = Session::new(limits.clone(), token, inbox, first, random, Instant::now());
        // It ends with the session: when the owner closes or drops the client, or the server won't have us.
        tokio::spawn(drive(session, inputs, space, url, limits.clone()));
        match timeout(Duration::from_millis(limits.first_connect_ms_max), welcomed).await {
            Ok(Ok(user)) => Ok(Client::new(commands, events, user?, limits)),
            Ok(Err(_)) => Err(Failure::Closed("before the welcome")),
            Err(_) => {
                let mut ending = Ending::lost("no welcome in time");
                while let Some(event) = events.try_next() {
                    if let crate::Event::Offline { ending: last, .. } = event {
                        ending = last;
                    }
                }
                Err(Failure::NoConnection(ending))
            }
        }
    }
}
