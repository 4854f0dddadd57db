//! A nats-server of a measurement's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::process::Process;
use crate::{port, wait};

const UP_WITHIN: Duration = Duration::from_secs(60);

/// The shipped configuration, but that nobody is asked who they are: every side of a row connects alike.
const CONFIG: &str = include_str!("../../../nats/broker.conf");
const SYNC_ALWAYS: &str = "sync_interval: always";
/// What it includes.
const USERS: &str = "users.conf";

/// When what is acknowledged is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Before the acknowledgement, as shipped.
    Always,
    /// Within minutes: JetStream's default, to see what everything else costs.
    Later,
}

/// A running nats-server. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Process,
    url: String,
}

impl Broker {
    /// Starts one whose streams lie in `folder`, and waits until it takes clients.
    pub(crate) async fn start(program: &Path, folder: &Path, sync: Sync) -> Result<Broker, Error> {
        let config = write_config(folder, sync)?;
        let port = port::free().ok_or_else(|| no_port("nats-server"))?;
        let url = format!("nats://127.0.0.1:{port}");
        let store = folder.join("streams");
        let settings = [
            ("KLATCH_BROKER_NAME", format!("\"klatch-bench-{port}\"")),
            ("KLATCH_BROKER_LISTEN", format!("\"127.0.0.1:{port}\"")),
            ("KLATCH_BROKER_STORE", format!("\"{}\"", store.display())),
        ];
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let config = config.display().to_string();
        let mut process = Process::start("nats-server", program, &["-c", &config], &settings, folder)?;
        wait::until("the broker's start", UP_WITHIN, async || {
            process.check()?;
            let client = match async_nats::connect(&url).await {
                Ok(client) => client,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let account = async_nats::jetstream::new(client).query_account().await;
            Ok(account.map(drop).map_err(|error| error.to_string()))
        })
        .await?;
        Ok(Broker { process, url })
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The process.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// A connection of its own.
    pub(crate) async fn client(&self) -> Result<async_nats::Client, Error> {
        // What a client holds for a subscription that is read more slowly than it is fed: a replay of a whole log is.
        let options = async_nats::ConnectOptions::new().subscription_capacity(1 << 17);
        let connecting = options.connect(&self.url).await;
        connecting.map_err(|error| Error::Broker { doing: "connecting", cause: error.to_string() })
    }
}

fn write_config(folder: &Path, sync: Sync) -> Result<PathBuf, Error> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|cause| Error::File { path: path.clone(), cause }).map(|()| path)
    };
    let text = match sync {
        Sync::Always => CONFIG.to_owned(),
        Sync::Later => CONFIG.replace(SYNC_ALWAYS, ""),
    };
    write(USERS, "")?;
    write("broker.conf", &text)
}

/// Every port of the range is taken.
pub(crate) fn no_port(what: &str) -> Error {
    Error::Start { what: what.to_owned(), cause: std::io::ErrorKind::AddrInUse.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_syncing_the_shipped_configuration_is_otherwise_the_same() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = |sync| {
            let path = write_config(folder.path(), sync).expect("written");
            std::fs::read_to_string(path).expect("read again")
        };
        let (always, later) = (read(Sync::Always), read(Sync::Later));
        assert!(always.contains(SYNC_ALWAYS), "the shipped configuration spells it otherwise now");
        assert_eq!(later.len(), always.len() - SYNC_ALWAYS.len());
    }
}
