//! The system under test: a nats-server, `klatch projector` and `klatch edge`, a process each, so that what each of them
//! uses can be told apart. Nothing is left of it when it is dropped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use klatch_eventlog::subject;
use klatch_wire::query::{Phase, StatusResponse, name};
use tempfile::TempDir;

use crate::Bench;
use crate::broker::{Broker, Sync, no_port};
use crate::error::Error;
use crate::process::Process;
use crate::target::{Target, Tokens};
use crate::{meter, port, wait};

const READY_WITHIN: Duration = Duration::from_secs(180);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Rates that no load here meets: `--dev` multiplies them by a hundred. Everything else is as by default.
const EDGE_SETTINGS: &[(&str, &str)] = &[
    ("KLATCH_EDGE__LIMITS__FRAMES_PER_SECOND", "100000"),
    ("KLATCH_EDGE__LIMITS__FRAMES_BURST", "100000"),
    ("KLATCH_EDGE__LIMITS__SENDS_PER_SECOND", "100000"),
    ("KLATCH_EDGE__LIMITS__SENDS_BURST", "100000"),
];

/// A running system.
pub(crate) struct System {
    // Dropped from the top: the edge first, the broker last.
    edge: Option<(Process, SocketAddr)>,
    projector: Option<Process>,
    broker: Broker,
    tokens: Tokens,
    klatch: PathBuf,
    ping_ms: String,
    folder: TempDir,
}

/// Processor time of the three.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) edge: Duration,
    pub(crate) broker: Duration,
    pub(crate) projector: Duration,
}

impl Cpu {
    /// Of all three.
    pub(crate) fn all(self) -> Duration {
        self.edge + self.broker + self.projector
    }

    /// What came on top of an earlier reading.
    pub(crate) fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            edge: self.edge.saturating_sub(earlier.edge),
            broker: self.broker.saturating_sub(earlier.broker),
            projector: self.projector.saturating_sub(earlier.projector),
        }
    }
}

impl System {
    /// Starts all three and waits until the edge is ready.
    pub(crate) async fn start(bench: &Bench, sync: Sync) -> Result<System, Error> {
        let mut system = System::without_edge(bench, sync).await?;
        system.start_edge().await?;
        Ok(system)
    }

    /// Starts broker and projector.
    pub(crate) async fn without_edge(bench: &Bench, sync: Sync) -> Result<System, Error> {
        let folder = bench.folder()?;
        let broker = Broker::start(&bench.program.nats_server, folder.path(), sync).await?;
        let (tokens, klatch) = (bench.program.tokens.clone(), bench.program.klatch.clone());
        let ping_ms = bench.ping_every().as_millis().to_string();
        let mut system = System { edge: None, projector: None, broker, tokens, klatch, ping_ms, folder };
        system.start_projector()?;
        system.until_live().await?;
        Ok(system)
    }

    /// Starts an edge (another one, where there was one), and waits until it is ready. How long that took.
    pub(crate) async fn start_edge(&mut self) -> Result<Duration, Error> {
        self.edge = None;
        let port = port::free().ok_or_else(|| no_port("klatch edge"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listen = address.to_string();
        let arguments = ["edge", "--dev", "--nats", self.broker.url(), "--listen", &listen];
        let begun = Instant::now();
        let mut settings = EDGE_SETTINGS.to_vec();
        settings.push(("KLATCH_EDGE__LIMITS__PING_MS", &self.ping_ms));
        let mut process = Process::start("edge", &self.klatch, &arguments, &settings, self.folder.path())?;
        wait::until("the edge's readiness", READY_WITHIN, async || {
            process.check()?;
            Ok(is_ready(address).await)
        })
        .await?;
        self.edge = Some((process, address));
        Ok(begun.elapsed())
    }

    /// Ends the edge in good order: it says goodbye to everybody, and nobody counts as attached through it any more.
    pub(crate) async fn end_edge(&mut self) -> Result<(), Error> {
        match self.edge.take() {
            Some((edge, _)) => edge.end().await,
            None => Ok(()),
        }
    }

    /// Starts the projector on its folder (again). Doesn't wait.
    pub(crate) fn start_projector(&mut self) -> Result<(), Error> {
        self.projector = None;
        let data = self.folder.path().join("data").display().to_string();
        let arguments = ["projector", "--nats", self.broker.url(), "--data", &data];
        self.projector = Some(Process::start("projector", &self.klatch, &arguments, &[], self.folder.path())?);
        Ok(())
    }

    /// Ends the projector, in good order, so that its views are as it left them.
    pub(crate) async fn stop_projector(&mut self) -> Result<(), Error> {
        if let Some(projector) = self.projector.take() {
            projector.end().await?;
        }
        Ok(())
    }

    /// Deletes the views. The projector must not run.
    pub(crate) fn delete_views(&self) -> Result<(), Error> {
        let path = self.folder.path().join("data");
        match std::fs::remove_dir_all(&path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(Error::File { path, cause }),
            _ => Ok(()),
        }
    }

    /// Waits until the projector has folded everything that was stored when this was called.
    pub(crate) async fn until_live(&mut self) -> Result<(), Error> {
        let client = self.broker.client().await?;
        let end = stream_end(&client).await;
        wait::until("the projector's readiness", READY_WITHIN, async || {
            if let Some(projector) = &mut self.projector {
                projector.check()?;
            }
            let status = status(&client).await;
            Ok(match status {
                Ok(StatusResponse { phase: Phase::Live, seq, .. }) if seq.0 >= end => Ok(()),
                Ok(status) => Err(format!("{:?} at {} of {end}", status.phase, status.seq)),
                Err(words) => Err(words),
            })
        })
        .await
    }

    /// What clients connect to.
    pub(crate) fn target(&self) -> Target {
        let (_, address) = self.edge.as_ref().expect("rows that connect clients start an edge");
        Target::Klatch { address: *address, tokens: self.tokens.clone() }
    }

    /// The broker.
    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Result<Cpu, Error> {
        let of = |process: Option<&Process>| process.map_or(Ok(Duration::ZERO), |process| meter::cpu(process.pid()));
        Ok(Cpu {
            edge: of(self.edge.as_ref().map(|(edge, _)| edge))?,
            broker: of(Some(self.broker.process()))?,
            projector: of(self.projector.as_ref())?,
        })
    }

    /// Memory of the edge, in bytes.
    pub(crate) fn edge_memory(&self) -> Result<u64, Error> {
        self.edge.as_ref().map_or(Ok(0), |(edge, _)| edge.memory())
    }

    /// Memory of the broker, in bytes.
    pub(crate) fn broker_memory(&self) -> Result<u64, Error> {
        self.broker.process().memory()
    }
}

/// How far the projector is, or what there was in place of an answer.
pub(crate) async fn status(client: &async_nats::Client) -> Result<StatusResponse, String> {
    let asking = client.request(subject::query(name::STATUS), "{}".into());
    let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await.map_err(|_| "no answer".to_owned())?;
    let answer = answer.map_err(|error| error.to_string())?;
    let words = |_| String::from_utf8_lossy(&answer.payload).into_owned();
    serde_json::from_slice(&answer.payload).map_err(words)
}

async fn stream_end(client: &async_nats::Client) -> u64 {
    let stream = async_nats::jetstream::new(client.clone()).get_stream("CHAT_EVENTS").await;
    stream.map_or(0, |stream| stream.cached_info().state.last_sequence)
}

/// `GET /readyz`: what it said instead, where it is not 200.
async fn is_ready(address: SocketAddr) -> Result<(), String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let asking = async {
        let mut tcp = tokio::net::TcpStream::connect(address).await?;
        tcp.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await;
    let answer = answer.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.replace("\r\n", " ")) }
}
