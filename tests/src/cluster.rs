//! A whole system of real processes on this machine: one nats-server that syncs before it acknowledges, or three; edges,
//! projectors, a notifier. Each can be killed (-9) and started again; the recording is told. What else can be done to
//! them is in [`trouble`](crate::trouble).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use klatch_testkit::{NatsCluster, NatsServer, eventually};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;

use crate::checker::history::{Observation, Service as Part};
use crate::checker::name::{Projector, Room};
use crate::checker::{Promise, Recorder, judge};
use crate::device::Device;
pub use crate::doors::Doors;
use crate::link::Link;
use crate::program::Service;
pub use crate::question::{get, query, request};
use crate::scales::Scales;

/// One lease period of the edges here, in milliseconds; shorter than the default, so that ghosts have less time to wait
/// for.
pub const LEASE_MS: u64 = 2_000;
/// The key of the internal API here.
pub const INTERNAL_API_KEY: &str = "internal-key-of-the-tests";
/// A service that is not ready after this time will not be: start-up takes a second, ten under load.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);

/// The system. Dropped, it kills every process; when the test failed, it first says what they said last, and keeps the
/// recording in a file.
pub struct Cluster {
    /// The broker: one server, or three.
    pub broker: NatsCluster,
    /// Where everything is noted.
    pub recorder: Recorder,
    pub(crate) doors: Doors,
    pub(crate) edges: Vec<Option<Service>>,
    pub(crate) projectors: Vec<Option<Service>>,
    projectors_started: Vec<u32>,
    pub(crate) notifier: Option<Service>,
    /// For each edge, one to each server; none where edges reach them straight.
    pub(crate) links: Vec<Vec<Link>>,
    scales: Scales,
    how: Builder,
    folder: TempDir,
}

/// How a system begins; [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    edges: usize,
    nodes: usize,
    projectors: usize,
    notifier: bool,
    linked: bool,
    store: Option<PathBuf>,
    data: Option<PathBuf>,
    seed: u64,
    settings: Vec<(String, String)>,
}

impl Builder {
    /// So many edges; two by default.
    pub fn edges(mut self, edges: usize) -> Self {
        self.edges = edges;
        self
    }

    /// So many nats-servers, each holding every stream: 1 by default, which then syncs before it acknowledges; or 3.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// So many projectors; one by default.
    pub fn projectors(mut self, projectors: usize) -> Self {
        self.projectors = projectors;
        self
    }

    /// A notifier too.
    pub fn notifier(mut self) -> Self {
        self.notifier = true;
        self
    }

    /// Edges reach the broker over [`Link`]s, whose weather can be made bad.
    pub fn linked(mut self) -> Self {
        self.linked = true;
        self
    }

    /// The (single) nats-server keeps its streams there.
    pub fn store(mut self, folder: &Path) -> Self {
        self.store = Some(folder.to_owned());
        self
    }

    /// The first projector keeps its data there.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
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
        let mut server = NatsServer::builder().sync_always(self.nodes == 1);
        if let Some(folder) = &self.store {
            server = server.store_dir(folder);
        }
        let broker = NatsCluster::builder().size(self.nodes).server(server).start().await;
        let scales = Scales::new(&recorder);
        for node in 0..self.nodes {
            recorder.note(Observation::Started { service: Part::Broker });
            scales.put(Part::Broker, broker.node(node).pid().expect("it was just started"));
        }
        let links = if self.linked { links(&broker, self.edges, self.seed).await } else { Vec::new() };
        let doors = Doors::new(&recorder, self.edges);
        let folder = TempDir::with_prefix("klatch-cluster-").expect("a temporary folder can be made");
        let mut cluster = Cluster {
            broker,
            recorder,
            doors,
            edges: (0..self.edges).map(|_| None).collect(),
            projectors: (0..self.projectors).map(|_| None).collect(),
            projectors_started: vec![0; self.projectors],
            notifier: None,
            links,
            scales,
            how: self,
            folder,
        };
        cluster.start_all().await;
        cluster
    }
}

/// Links of each edge to each server.
async fn links(broker: &NatsCluster, edges: usize, seed: u64) -> Vec<Vec<Link>> {
    let mut links = Vec::with_capacity(edges);
    for edge in 0..edges {
        let mut of_edge = Vec::with_capacity(broker.size());
        for node in 0..broker.size() {
            let url = broker.node(node).url();
            let target = url.trim_start_matches("nats://").to_owned();
            of_edge.push(Link::open(target, seed.wrapping_add((edge * 10 + node) as u64)).await);
        }
        links.push(of_edge);
    }
    links
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
        Builder {
            edges: 2,
            nodes: 1,
            projectors: 1,
            notifier: false,
            linked: false,
            store: None,
            data: None,
            seed,
            settings: Vec::new(),
        }
    }

    /// Two edges, a projector, a broker.
    pub async fn start(seed: u64) -> Cluster {
        Cluster::builder(seed).start().await
    }

    async fn start_all(&mut self) {
        for number in 0..self.projectors.len() {
            self.start_projector_number(number);
        }
        for edge in 0..self.edges.len() {
            self.start_edge(edge);
        }
        if self.how.notifier {
            self.start_notifier();
        }
        self.until_ready().await;
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
            self.scales.take(service.pid());
            service.kill();
            let name = self.doors.door(edge).edge;
            self.recorder.note(Observation::Died { service: Part::Edge(name) });
        }
    }

    /// Starts an edge, under a name that it never had. Doesn't wait.
    pub fn start_edge(&mut self, edge: usize) {
        self.start_edge_with(edge, &[]);
    }

    /// The same, with variables of its own.
    pub fn start_edge_with(&mut self, edge: usize, variables: &[(&str, &str)]) {
        let door = self.doors.reopen(edge);
        let lease = LEASE_MS.to_string();
        let url = match self.links.get(edge) {
            Some(links) => links.iter().map(|link| format!("nats://{}", link.address())).collect::<Vec<_>>().join(","),
            None => self.broker.url(),
        };
        let mut settings = vec![("KLATCH_EDGE__LEASE_MS", lease.as_str()), ("INTERNAL_API_KEY", INTERNAL_API_KEY)];
        settings.extend(self.how.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        settings.extend(variables);
        let arguments = ["edge", "--dev", "--nats", &url, "--listen", &door.address];
        let service = self.start_service(&arguments, &settings, &format!("edge-{edge}"));
        self.scales.put(Part::Edge(door.edge), service.pid());
        self.edges[edge] = Some(service);
    }

    /// Kills the (first) projector (-9).
    pub fn kill_projector(&mut self) {
        self.kill_projector_number(0);
    }

    /// Kills a projector (-9).
    pub fn kill_projector_number(&mut self, number: usize) {
        if let Some(mut service) = self.projectors[number].take() {
            self.scales.take(service.pid());
            service.kill();
            let service = Part::Projector(self.projector_name(number));
            self.recorder.note(Observation::Died { service });
        }
    }

    /// Starts the (first) projector on its folder. Doesn't wait.
    pub fn start_projector(&mut self) {
        self.start_projector_number(0);
    }

    /// Starts a projector on its folder. Doesn't wait.
    pub fn start_projector_number(&mut self, number: usize) {
        self.projectors_started[number] += 1;
        let data = self.data_folder_of(number);
        let data = data.to_str().expect("temporary folders have plain names");
        let url = self.broker.url();
        let arguments = ["projector", "--nats", &url, "--data", data];
        let service = self.start_service(&arguments, &[], &format!("projector-{number}"));
        self.scales.put(Part::Projector(self.projector_name(number)), service.pid());
        self.projectors[number] = Some(service);
    }

    /// A running projector's name: fresh for each start.
    pub fn projector_name(&self, number: usize) -> Projector {
        Projector(format!("projector-{number}.{}", self.projectors_started[number]))
    }

    /// Kills the notifier (-9).
    pub fn kill_notifier(&mut self) {
        if let Some(mut service) = self.notifier.take() {
            self.scales.take(service.pid());
            service.kill();
            self.recorder.note(Observation::Died { service: Part::Notifier });
        }
    }

    /// Starts the notifier. Doesn't wait.
    pub fn start_notifier(&mut self) {
        let url = self.broker.url();
        let service = self.start_service(&["notifier", "--nats", &url], &[], "notifier");
        self.scales.put(Part::Notifier, service.pid());
        self.notifier = Some(service);
    }

    fn start_service(&self, arguments: &[&str], settings: &[(&str, &str)], log: &str) -> Service {
        let copies = self.broker.size().to_string();
        let mut settings = settings.to_vec();
        settings.push(("KLATCH_BROKER__REPLICAS", copies.as_str()));
        Service::start(arguments, &settings, &self.log(log))
    }

    /// Kills the broker (-9): all of its servers.
    pub fn kill_broker(&mut self) {
        (0..self.broker.size()).for_each(|node| self.kill_node(node));
    }

    /// Kills one server of the broker (-9).
    pub fn kill_node(&mut self, node: usize) {
        if let Some(pid) = self.broker.node(node).pid() {
            self.scales.take(pid);
            self.broker.node_mut(node).kill();
            self.recorder.note(Observation::Died { service: Part::Broker });
        }
    }

    /// Starts the broker again on its store, what of it is dead, and waits until it takes clients.
    pub async fn restart_broker(&mut self) {
        for node in 0..self.broker.size() {
            if self.broker.node(node).pid().is_none() {
                self.start_node(node).await;
            }
        }
        self.broker.until_ready().await;
    }

    /// Stops one server of the broker in good order.
    pub async fn stop_node(&mut self, node: usize) {
        if let Some(pid) = self.broker.node(node).pid() {
            self.scales.take(pid);
            self.broker.node_mut(node).stop().await;
            self.recorder.note(Observation::Died { service: Part::Broker });
        }
    }

    /// Starts one server of the broker on its store, and waits until it takes clients.
    pub async fn start_node(&mut self, node: usize) {
        self.broker.node_mut(node).restart().await;
        self.scales.put(Part::Broker, self.broker.node(node).pid().expect("it was just started"));
        self.recorder.note(Observation::Started { service: Part::Broker });
    }

    /// Starts what doesn't run.
    pub async fn revive(&mut self) {
        self.restart_broker().await;
        for number in 0..self.projectors.len() {
            if self.projectors[number].is_none() {
                self.start_projector_number(number);
            }
        }
        for edge in 0..self.edges.len() {
            if self.edges[edge].is_none() {
                self.start_edge(edge);
            }
        }
        if self.how.notifier && self.notifier.is_none() {
            self.start_notifier();
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

    /// The folder that the (first) projector is given with `--data`.
    pub fn data_folder(&self) -> PathBuf {
        self.data_folder_of(0)
    }

    /// The folder that a projector is given with `--data`.
    fn data_folder_of(&self, number: usize) -> PathBuf {
        match &self.how.data {
            Some(folder) if number == 0 => folder.clone(),
            _ => self.folder.path().join(format!("data-{number}")),
        }
    }

    /// The folder of the (first) projector's views.
    pub fn views_folder(&self) -> PathBuf {
        self.views_folder_of(0)
    }

    /// The folder of a projector's views.
    pub fn views_folder_of(&self, number: usize) -> PathBuf {
        self.data_folder_of(number).join("projector")
    }

    /// What its choices are drawn from.
    pub fn seed(&self) -> u64 {
        self.how.seed
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

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (edge, service) in self.edges.iter().enumerate() {
            let words = service.as_ref().map_or("it is dead".to_owned(), Service::last_words);
            eprintln!("--- edge {edge}:\n{words}");
        }
        for (number, service) in self.projectors.iter().enumerate() {
            let words = service.as_ref().map_or("it is dead".to_owned(), Service::last_words);
            eprintln!("--- projector {number}:\n{words}");
        }
        let broker = self.broker.log();
        let lines: Vec<&str> = broker.lines().collect();
        eprintln!("--- broker:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        let path = std::env::temp_dir().join(format!("klatch-recording-{}.jsonl", self.how.seed));
        let written =
            fs::File::create(&path).and_then(|file| self.recorder.history().write(std::io::BufWriter::new(file)));
        match written {
            Ok(()) => eprintln!("--- the recording is kept in {}", path.display()),
            Err(error) => eprintln!("--- the recording could not be kept: {error}"),
        }
    }
}
