//! A whole system of real processes on this machine: one nats-server that syncs before it acknowledges, edges, a
//! projector. Each can be killed (-9) and started again; the recording is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klatch_testkit::{NatsServer, eventually, free_port};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tempfile::TempDir;

use crate::checker::history::{Observation, Service as Part};
use crate::checker::name::{Edge, Person, Projector, Room};
use crate::checker::{Promise, Recorder, judge};
use crate::device::{Device, Door};
use crate::program::{Service, development_token};

/// One lease period of the edges here, in milliseconds; shorter than the default, so that ghosts have less time to wait
/// for.
pub const LEASE_MS: u64 = 2_000;
/// The key of the internal API here.
pub const INTERNAL_API_KEY: &str = "internal-key-of-the-tests";
/// A service that is not ready after this time will not be: start-up takes a second, ten under load.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The system. Dropped, it kills every process; when the test failed, it first says what they said last, and keeps the
/// recording in a file.
pub struct Cluster {
    /// The broker.
    pub broker: NatsServer,
    /// Where everything is noted.
    pub recorder: Recorder,
    doors: Doors,
    edges: Vec<Option<Service>>,
    projector: Option<Service>,
    projectors_started: u32,
    seed: u64,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

/// The edges to connect to, as they are now. Shared with whoever connects while they are killed and started.
#[derive(Debug, Clone)]
pub struct Doors {
    recorder: Recorder,
    doors: Arc<Mutex<Vec<Door>>>,
    tokens: Arc<Mutex<BTreeMap<Person, String>>>,
}

/// How a system begins; [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    edges: usize,
    seed: u64,
    settings: Vec<(String, String)>,
}

impl Builder {
    /// So many edges; two by default.
    pub fn edges(mut self, edges: usize) -> Self {
        self.edges = edges;
        self
    }

    /// A setting of every edge, as the environment spells it.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, and waits until every edge says that it is ready.
    pub async fn start(self) -> Cluster {
        println!("seed {}: KLATCH_TEST_SEED={} repeats this run's choices", self.seed, self.seed);
        let recorder = Recorder::begin(self.seed, LEASE_MS);
        let broker = NatsServer::builder().sync_always(true).start().await;
        recorder.note(Observation::Started { service: Part::Broker });
        let doors = (0..self.edges).map(|number| Door {
            edge: Edge(format!("edge-{number}.0")),
            address: format!("127.0.0.1:{}", free_port()),
        });
        let doors =
            Doors { recorder: recorder.clone(), doors: Arc::new(Mutex::new(doors.collect())), tokens: Arc::default() };
        let folder = TempDir::with_prefix("klatch-cluster-").expect("a temporary folder can be made");
        let mut cluster = Cluster {
            broker,
            recorder,
            doors,
            edges: (0..self.edges).map(|_| None).collect(),
            projector: None,
            projectors_started: 0,
            seed: self.seed,
            settings: self.settings,
            folder,
        };
        cluster.start_projector();
        for edge in 0..self.edges {
            cluster.start_edge(edge);
        }
        cluster.until_ready().await;
        cluster
    }
}

/// The seed of this run: `KLATCH_TEST_SEED`, else a fresh one.
pub fn seed() -> u64 {
    let told = std::env::var("KLATCH_TEST_SEED").ok();
    told.map_or_else(rand::random, |seed| seed.parse().expect("KLATCH_TEST_SEED is a number"))
}

/// The choices that a seed makes.
pub fn choices(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

impl Cluster {
    /// Begins to describe a system.
    pub fn builder(seed: u64) -> Builder {
        Builder { edges: 2, seed, settings: Vec::new() }
    }

    /// Two edges, a projector, a broker.
    pub async fn start(seed: u64) -> Cluster {
        Cluster::builder(seed).start().await
    }

    /// The edges to connect to.
    pub fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Connects a person to an edge. Fails the test if the edge doesn't take them.
    pub async fn device(&self, edge: usize, person: &str) -> Device {
        let connected = self.doors.connect(edge, &person.into()).await;
        connected.unwrap_or_else(|why| panic!("{person} is not taken by edge {edge}: {why}"))
    }

    /// The operator says something in a room, through any edge. Fails the test if it is not taken.
    pub async fn announce(&self, room: &Room, text: &str) {
        let headers = [("x-internal-api-key", INTERNAL_API_KEY), ("content-type", "application/json")];
        let body = serde_json::json!({"roomId": room, "message": text}).to_string();
        let answer = request(&self.doors.door(0).address, "POST", "/send-system-message", &headers, &body).await;
        assert!(matches!(answer, Ok((200..=299, _))), "{answer:?}");
    }

    /// Kills an edge (-9). Its connections are dead when this returns.
    pub fn kill_edge(&mut self, edge: usize) {
        if let Some(mut service) = self.edges[edge].take() {
            service.kill();
            let name = self.doors.door(edge).edge;
            self.recorder.note(Observation::Died { service: Part::Edge(name) });
        }
    }

    /// Starts an edge, under a name that it never had. Doesn't wait.
    pub fn start_edge(&mut self, edge: usize) {
        let door = self.doors.reopen(edge);
        let lease = LEASE_MS.to_string();
        let mut variables = vec![("KLATCH_EDGE__LEASE_MS", lease.as_str()), ("INTERNAL_API_KEY", INTERNAL_API_KEY)];
        variables.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let url = self.broker.url();
        let arguments = ["edge", "--dev", "--nats", &url, "--listen", &door.address];
        self.edges[edge] = Some(Service::start(&arguments, &variables, &self.log(&format!("edge-{edge}"))));
    }

    /// Kills the projector (-9).
    pub fn kill_projector(&mut self) {
        if let Some(mut service) = self.projector.take() {
            service.kill();
            let service = Part::Projector(self.projector_name());
            self.recorder.note(Observation::Died { service });
        }
    }

    /// Starts the projector on its folder. Doesn't wait.
    pub fn start_projector(&mut self) {
        self.projectors_started += 1;
        let data = self.data_folder();
        let data = data.to_str().expect("temporary folders have plain names");
        let url = self.broker.url();
        let arguments = ["projector", "--nats", &url, "--data", data];
        self.projector = Some(Service::start(&arguments, &[], &self.log("projector")));
    }

    /// The running projector's name: fresh for each start.
    pub fn projector_name(&self) -> Projector {
        Projector(format!("projector.{}", self.projectors_started))
    }

    /// Kills the broker (-9).
    pub fn kill_broker(&mut self) {
        self.broker.kill();
        self.recorder.note(Observation::Died { service: Part::Broker });
    }

    /// Starts the broker again on its store, and waits until it takes clients.
    pub async fn restart_broker(&mut self) {
        self.broker.restart().await;
        self.recorder.note(Observation::Started { service: Part::Broker });
    }

    /// Starts what doesn't run.
    pub async fn revive(&mut self) {
        if self.broker.pid().is_none() {
            self.restart_broker().await;
        }
        if self.projector.is_none() {
            self.start_projector();
        }
        for edge in 0..self.edges.len() {
            if self.edges[edge].is_none() {
                self.start_edge(edge);
            }
        }
    }

    /// Waits until every edge says that it is ready (which it says once the projector is).
    ///
    /// # Panics
    /// When one doesn't get ready within a minute, or ended by itself.
    pub async fn until_ready(&mut self) {
        for edge in 0..self.edges.len() {
            let door = self.doors.door(edge);
            let service = self.edges[edge].as_mut().expect("an edge that should get ready was started");
            let service = std::cell::RefCell::new(service);
            eventually(READY_WITHIN, &format!("{} to be ready", door.edge), || async {
                if let Some(status) = service.borrow_mut().ended() {
                    panic!("{} ended by itself ({status}):\n{}", door.edge, service.borrow().last_words());
                }
                match get(&door.address, "/readyz").await {
                    Ok((200, _)) => Ok(()),
                    Ok((status, body)) => Err(format!("{status} {body}")),
                    Err(error) => Err(error),
                }
            })
            .await;
            self.recorder.note(Observation::Started { service: Part::Edge(door.edge) });
        }
    }

    /// The folder of everything that these processes write: the projector's data, and a log of each.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that the projector is given with `--data`.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder of the projector's views.
    pub fn views_folder(&self) -> PathBuf {
        self.data_folder().join("projector")
    }

    /// Judges what was recorded. Read it back first ([`readback`](crate::readback)).
    ///
    /// # Panics
    /// When a promise was broken, or when there was nothing to judge one of `promises` by.
    pub fn expect_kept(&self, promises: &[Promise]) {
        let verdict = judge(&self.recorder.history()).unwrap_or_else(|unsound| panic!("{unsound}"));
        println!("{verdict}");
        assert!(verdict.keeps(promises), "{verdict}");
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }
}

impl Doors {
    /// One door that leads to any edge: a balancer's.
    pub fn balanced(recorder: &Recorder, address: &str) -> Self {
        let door = Door { edge: Edge("any.0".to_owned()), address: address.to_owned() };
        Self { recorder: recorder.clone(), doors: Arc::new(Mutex::new(vec![door])), tokens: Arc::default() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.locked().len()
    }

    /// One of them.
    pub fn door(&self, edge: usize) -> Door {
        self.locked()[edge].clone()
    }

    /// Connects a person to an edge.
    pub async fn connect(&self, edge: usize, person: &Person) -> Result<Device, String> {
        let token = self.token(person).await;
        Device::connect(&self.recorder, &self.door(edge), person, &token).await
    }

    /// Connects a person to any edge that takes them, in an order of chance; for at most a minute.
    pub async fn connect_anywhere(&self, choices: &mut StdRng, person: &Person) -> Device {
        let token = self.token(person).await;
        let mut edge = choices.random_range(0..self.count());
        eventually(READY_WITHIN, &format!("any edge to take {person}"), || {
            edge = (edge + 1) % self.count();
            let door = self.door(edge);
            let token = &token;
            async move { Device::connect(&self.recorder, &door, person, token).await }
        })
        .await
    }

    /// A person's token, made by the program itself once.
    pub async fn token(&self, person: &Person) -> String {
        if let Some(token) = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(person) {
            return token.clone();
        }
        let id = person.0.clone();
        let minting = tokio::task::spawn_blocking(move || development_token(&id));
        let token = minting.await.expect("a token is made");
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.entry(person.clone()).or_insert(token).clone()
    }

    /// The door of an edge that is about to start: the same address under a fresh name.
    fn reopen(&self, edge: usize) -> Door {
        let mut doors = self.locked();
        let door = &mut doors[edge];
        let (place, start) = door.edge.0.rsplit_once('.').expect("names have a number");
        let start: u32 = start.parse().expect("names end in a number");
        door.edge = Edge(format!("{place}.{}", start + 1));
        door.clone()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET`s a path; the status and the body as text.
pub async fn get(address: &str, path: &str) -> Result<(u16, String), String> {
    request(address, "GET", path, &[], "").await
}

/// One HTTP/1.1 request on a connection of its own; the status and the body as text.
pub async fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String), String> {
    use http_body_util::BodyExt;
    let exchange = async {
        let socket = tokio::net::TcpStream::connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(body.to_owned())?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let bounded = tokio::time::timeout(Duration::from_secs(5), exchange);
    bounded.await.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())
}

/// A JSON answer of one of the projector's queries.
///
/// # Panics
/// When it answers with an error, or not within a minute.
pub async fn query(client: &async_nats::Client, name: &str, ask: &Value) -> Value {
    eventually(READY_WITHIN, &format!("an answer to chat.query.{name}"), || async {
        let payload = serde_json::to_vec(ask).expect("JSON is written").into();
        let answer = client.request(format!("chat.query.{name}"), payload).await.map_err(|error| error.to_string())?;
        match answer.headers.as_ref().and_then(|headers| headers.get("Nats-Service-Error-Code")) {
            Some(code) => Err(code.to_string()),
            None => serde_json::from_slice(&answer.payload).map_err(|error| error.to_string()),
        }
    })
    .await
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (edge, service) in self.edges.iter().enumerate() {
            let words = service.as_ref().map_or("it is dead".to_owned(), Service::last_words);
            eprintln!("--- edge {edge}:\n{words}");
        }
        let words = self.projector.as_ref().map_or("it is dead".to_owned(), Service::last_words);
        eprintln!("--- projector:\n{words}");
        let broker = self.broker.log();
        let lines: Vec<&str> = broker.lines().collect();
        eprintln!("--- broker:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        let path = std::env::temp_dir().join(format!("klatch-recording-{}.jsonl", self.seed));
        let written =
            fs::File::create(&path).and_then(|file| self.recorder.history().write(std::io::BufWriter::new(file)));
        match written {
            Ok(()) => eprintln!("--- the recording is kept in {}", path.display()),
            Err(error) => eprintln!("--- the recording could not be kept: {error}"),
        }
    }
}
