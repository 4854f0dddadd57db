//! Bare limits: what the same machine does with the same bytes when nothing is stored, decided or kept. As small as can
//! be, and fair: no shortcut that a server of strangers could not take.
//!
//! The hubs are processes of their own, as the edge is; what is measured at the broker runs in ours.

mod fastwebsockets;
pub(crate) mod log;
mod plain;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::Bench;
use crate::broker::no_port;
use crate::error::Error;
use crate::process::Process;
use crate::target::Target;
use crate::{meter, port, wait};

const UP_WITHIN: Duration = Duration::from_secs(20);
/// Connections that wait for the hub to accept them: as an edge has by default.
const BACKLOG: u32 = 1_024;

/// A bare hub. All of them hand what one client of a room says to all clients of that room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hub {
    /// fastwebsockets as its examples use it: a task a connection, a broadcast channel a room, frame by frame.
    FastWebSockets,
    /// Tokio's sockets alone: frames shared by all, and one vectored write for all that wait.
    Vectored,
    /// Tokio's sockets alone: whoever says something writes it to everybody, in a loop.
    SendCalls,
    /// Tokio's sockets alone, pinged by one loop as often as an edge pings.
    Pings,
}

impl Hub {
    const ALL: [(Hub, &'static str); 4] = [
        (Hub::FastWebSockets, "fastwebsockets"),
        (Hub::Vectored, "vectored"),
        (Hub::SendCalls, "send-calls"),
        (Hub::Pings, "pings"),
    ];
}

impl fmt::Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Hub::ALL.iter().find(|(hub, _)| hub == self);
        f.write_str(known.map_or("hub", |(_, name)| name))
    }
}

impl FromStr for Hub {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Hub::ALL.iter().find(|(_, known)| *known == name);
        known.map(|(hub, _)| *hub).ok_or_else(|| format!("{name:?} is no bare hub"))
    }
}

/// Runs a bare hub until it is killed: what the measuring process starts its own program for.
pub async fn serve(hub: Hub, address: SocketAddr, ping_every: Duration) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener: TcpListener = socket.listen(BACKLOG)?;
    match hub {
        Hub::FastWebSockets => fastwebsockets::serve(listener).await,
        Hub::Vectored => plain::serve(listener, plain::Handing::Queued, None).await,
        Hub::SendCalls => plain::serve(listener, plain::Handing::Written, None).await,
        Hub::Pings => plain::serve(listener, plain::Handing::Queued, Some(ping_every)).await,
    }
}

/// A running bare hub. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Bare {
    process: Process,
    address: SocketAddr,
    _folder: TempDir,
}

impl Bare {
    /// Starts our own program as one, and waits until it takes connections.
    pub(crate) async fn start(bench: &Bench, hub: Hub) -> Result<Bare, Error> {
        let folder = bench.folder()?;
        let port = port::free().ok_or_else(|| no_port("a bare hub"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (name, listen) = (hub.to_string(), address.to_string());
        let ping_ms = bench.ping_every().as_millis().to_string();
        let arguments = ["bench", "--serve", &name, "--listen", &listen, "--ping-ms", &ping_ms];
        let mut process = Process::start(&name, &bench.program.klatch, &arguments, &[], folder.path())?;
        wait::until("the bare hub's start", UP_WITHIN, async || {
            process.check()?;
            Ok(tokio::net::TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string()))
        })
        .await?;
        Ok(Bare { process, address, _folder: folder })
    }

    /// What clients connect to.
    pub(crate) fn target(&self) -> Target {
        Target::Bare { address: self.address }
    }

    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        meter::cpu(self.process.pid())
    }

    /// Memory, in bytes.
    pub(crate) fn memory(&self) -> Result<u64, Error> {
        self.process.memory()
    }
}
