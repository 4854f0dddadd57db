//! The nats-servers: which versions, whether JetStream is on, whether a page of history fits into a message.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use async_nats::{ServerAddr, ServerInfo};
use klatch_eventlog::Inspection;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::finding::{Check, Finding};

/// The oldest that has what the log needs.
const VERSION_MIN: (u32, u32) = (2, 15);
/// A page of history is answered in one message.
const PAYLOAD_MIN: usize = 4 * 1024 * 1024 + 128 * 1024;
const INFO_WITHIN: Duration = Duration::from_secs(2);
const INFO_BYTES_MAX: u64 = 64 * 1024;
/// Addresses that are looked at, of those that a cluster names.
const ADDRESSES_MAX: usize = 32;

/// A server, or why nothing is known of the one at that address.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) about: String,
    pub(super) seen: Result<Version, String>,
}

/// What a server says of itself before anybody has signed in.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) version: String,
    pub(super) jetstream: bool,
    pub(super) max_payload: usize,
}

/// Every server that can be seen: those that were named, and those that the one we are connected to tells of.
pub(super) async fn gather(inspection: &Inspection, named: &str) -> Vec<Server> {
    let connected = inspection.client().server_info();
    let mut addresses: Vec<String> = named.split(',').map(|address| address.trim().to_owned()).collect();
    addresses.extend(connected.connect_urls.iter().cloned());
    addresses.truncate(ADDRESSES_MAX);
    // By name: one server has several addresses.
    let mut servers = BTreeMap::from([(connected.server_name.clone(), Ok(version(&connected)))]);
    for address in addresses {
        match look(&address).await {
            Ok(info) => servers.insert(info.server_name.clone(), Ok(version(&info))),
            Err(error) => servers.insert(address, Err(error.to_string())),
        };
    }
    servers.into_iter().map(|(about, seen)| Server { about, seen }).collect()
}

fn version(info: &ServerInfo) -> Version {
    Version { version: info.version.clone(), jetstream: info.jetstream, max_payload: info.max_payload }
}

/// The line that a server sends first (NATS client protocol, INFO), whoever connects.
async fn look(address: &str) -> io::Result<ServerInfo> {
    let invalid = |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let address: ServerAddr = address.parse().map_err(|error| invalid(&error))?;
    let read = async {
        let socket = TcpStream::connect((address.host(), address.port())).await?;
        let mut line = String::new();
        BufReader::new(socket.take(INFO_BYTES_MAX)).read_line(&mut line).await?;
        let json = line.strip_prefix("INFO ").ok_or_else(|| invalid(&"no nats-server answers there"))?;
        serde_json::from_str(json).map_err(|error| invalid(&error))
    };
    timeout(INFO_WITHIN, read).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

pub(super) fn judge(servers: &[Server]) -> Vec<Finding> {
    servers.iter().flat_map(of_one).collect()
}

fn of_one(server: &Server) -> Vec<Finding> {
    let about = format!("nats-server {}", server.about);
    let seen = match &server.seen {
        Ok(seen) => seen,
        Err(why) => {
            let remedy = "start it, or see that this machine reaches it; a cluster of three works with two";
            return vec![Finding::warning(Check::Connection, about, format!("does not answer: {why}"), remedy)];
        }
    };
    let mut findings = vec![match parse(&seen.version) {
        Some(version) if version >= VERSION_MIN => Finding::ok(Check::Version, &about, &seen.version),
        _ => {
            let what = format!("its version is {}; 2.15 is the oldest that will do", seen.version);
            Finding::problem(Check::Version, &about, what, "install nats-server 2.15 or newer on it")
        }
    }];
    if !seen.jetstream {
        let remedy = "turn it on: jetstream { store_dir: … } in its configuration, as in nats/broker.conf";
        findings.push(Finding::problem(Check::Jetstream, &about, "JetStream is off", remedy));
    }
    if seen.max_payload < PAYLOAD_MIN {
        let what = format!("max_payload is {} bytes; a long page of history does not fit", seen.max_payload);
        let remedy = "set max_payload: 8MB in its configuration, as nats/broker.conf does";
        findings.push(Finding::warning(Check::Payload, &about, what, remedy));
    }
    findings
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// How many servers there are that answer.
pub(super) fn answering(servers: &[Server]) -> usize {
    servers.iter().filter(|server| server.seen.is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn judged(version: &str, jetstream: bool, max_payload: usize) -> Vec<(Check, Severity)> {
        let version = Version { version: version.to_owned(), jetstream, max_payload };
        let found = judge(&[Server { about: "n1".to_owned(), seen: Ok(version) }]);
        found.iter().map(|finding| (finding.check, finding.severity)).collect()
    }

    #[test]
    fn a_server_is_new_enough_or_is_not() {
        for good in ["2.15.0", "2.15.1", "2.16.0-RC.1", "3.0.0"] {
            assert_eq!(judged(good, true, PAYLOAD_MIN), [(Check::Version, Severity::Ok)], "{good}");
        }
        for bad in ["2.14.9", "2.9.25", "1.4.1", "", "main"] {
            assert_eq!(judged(bad, true, PAYLOAD_MIN), [(Check::Version, Severity::Problem)], "{bad}");
        }
    }

    #[test]
    fn without_jetstream_or_room_for_a_page_it_is_told() {
        let found = judged("2.15.1", false, 1024 * 1024);
        assert_eq!(found[1..], [(Check::Jetstream, Severity::Problem), (Check::Payload, Severity::Warning)]);
    }

    #[test]
    fn one_that_is_down_is_a_warning_and_not_counted() {
        let servers = [Server { about: "10.0.0.6:4222".to_owned(), seen: Err("refused".to_owned()) }];
        assert_eq!(judge(&servers)[0].severity, Severity::Warning);
        assert_eq!(answering(&servers), 0);
    }
}
