//! The world of a run: a log in memory, edges and projectors over it, and what is known of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use klatch_domain::{Timestamp, UserId};
use klatch_edge::simulation::Simulated as EdgeProcess;
use klatch_eventlog::memory::Faults;
use klatch_eventlog::{Clock, Grouping, Log, Options};
use klatch_projector::simulation::Simulated as ProjectorProcess;
use klatch_tests::checker::Recorder;
use klatch_tests::checker::history::{Observation, Service};
use klatch_tests::checker::name::{Edge, Epoch, MessageId, Person, Projector, Room, Seq};
use klatch_tests::device::Device;
use rand::RngExt;
use rand::rngs::StdRng;
use tempfile::TempDir;

/// One lease period of an edge.
const LEASE_MS: u64 = 2_000;
/// How often live rooms are compared with the stream; in this world, after a lost last event, the longest that somebody
/// waits for it.
const PATROL_EVERY: Duration = Duration::from_secs(5);
/// Every run begins at this moment: 2026-01-01T00:00:00Z.
const BEGINNING_MS: i64 = 1_767_225_600_000;
/// Bytes that may wait for one client: few, so that slow ones are found out.
const QUEUE_BYTES_MAX: usize = 16 * 1024;
/// Stored commands a second: so many that no run meets the limit, which goes by the wall clock.
const RATE_MAX: u32 = 1_000_000;

/// Something that was said, as everybody in the world knows it.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) room: Room,
    pub(crate) message: MessageId,
    pub(crate) seq: Seq,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    edges: Mutex<Vec<Running<EdgeProcess>>>,
    projectors: Mutex<Vec<Running<ProjectorProcess>>>,
    folders: Mutex<u32>,
    said: Mutex<Vec<Said>>,
    steps: Mutex<u64>,
    remarks: Mutex<Vec<(u64, String)>>,
    dir: TempDir,
}

/// A place for a process: how often one was started there, and the present one.
#[derive(Debug)]
struct Running<P> {
    starts: u32,
    dir: PathBuf,
    process: Option<P>,
}

impl<P> Default for Running<P> {
    fn default() -> Self {
        Running { starts: 0, dir: PathBuf::new(), process: None }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A log and nothing else yet.
    pub(crate) fn new(seed: u64, edges: usize, projectors: usize) -> io::Result<Arc<World>> {
        let options = Options {
            live_check_every: PATROL_EVERY,
            // As soon as two wait for the broker, they go together.
            grouping: Grouping::Always,
            group_min: 2,
            clock: Clock::set_to(Timestamp::from_ms(BEGINNING_MS)),
            ..Options::default()
        };
        let log = Log::memory_with(options);
        let ram = Path::new("/dev/shm");
        let base = if ram.is_dir() { ram.to_owned() } else { std::env::temp_dir() };
        Ok(Arc::new(World {
            faults: log.faults().expect("it is in memory"),
            log,
            recorder: Recorder::begin(seed, LEASE_MS),
            edges: Mutex::new((0..edges).map(|_| Running::default()).collect()),
            projectors: Mutex::new((0..projectors).map(|_| Running::default()).collect()),
            folders: Mutex::new(0),
            said: Mutex::default(),
            steps: Mutex::default(),
            remarks: Mutex::default(),
            dir: TempDir::with_prefix_in("klatch-simulation-", base)?,
        }))
    }

    /// Counts a step: a request, or a fault.
    pub(crate) fn step(&self) {
        *lock(&self.steps) += 1;
    }

    pub(crate) fn steps(&self) -> u64 {
        *lock(&self.steps)
    }

    /// Something for the trace that the recording has no word for.
    pub(crate) fn remark(&self, what: impl Into<String>) {
        lock(&self.remarks).push((self.recorder.now().0, what.into()));
    }

    pub(crate) fn remarks(&self) -> Vec<(u64, String)> {
        lock(&self.remarks).clone()
    }

    pub(crate) fn heard_of(&self, said: Said) {
        lock(&self.said).push(said);
    }

    /// One of the newest things that were said.
    pub(crate) fn any_said(&self, choices: &mut StdRng) -> Option<Said> {
        let said = lock(&self.said);
        let newest = said.len().saturating_sub(12);
        said.get(choices.random_range(newest..said.len().max(newest + 1))).cloned()
    }

    fn edge_name(place: usize, starts: u32) -> Edge {
        Edge(format!("edge-{place}.{starts}"))
    }

    fn projector_name(place: usize, starts: u32) -> Projector {
        Projector(format!("projector-{place}.{starts}"))
    }

    /// Starts an edge where none runs.
    pub(crate) fn start_edge(&self, place: usize) {
        let mut edges = lock(&self.edges);
        let running = &mut edges[place];
        if running.process.is_some() {
            return;
        }
        let mut config = klatch_edge::Config { lease_ms: LEASE_MS, ..klatch_edge::Config::default() };
        config.limits.queue_bytes_max = QUEUE_BYTES_MAX;
        (config.limits.sends_per_second, config.limits.sends_burst) = (RATE_MAX, RATE_MAX);
        let log = self.log.beside().expect("it is in memory");
        running.starts += 1;
        running.process = Some(EdgeProcess::start(config, log).expect("nothing is wrong with its keys"));
        let service = Service::Edge(Self::edge_name(place, running.starts));
        self.recorder.note(Observation::Started { service });
    }

    /// Kills an edge, if one runs there.
    pub(crate) async fn kill_edge(&self, place: usize) {
        let (process, name) = {
            let mut edges = lock(&self.edges);
            let running = &mut edges[place];
            (running.process.take(), Self::edge_name(place, running.starts))
        };
        if let Some(process) = process {
            process.kill().await;
            self.recorder.note(Observation::Died { service: Service::Edge(name) });
        }
    }

    /// Connects somebody to any edge that runs; waits for one.
    pub(crate) async fn connect(&self, choices: &mut StdRng, person: &Person, pace: Duration) -> Device {
        let user = UserId::parse(&person.0).expect("people here have plain names");
        loop {
            {
                let edges = lock(&self.edges);
                let up: Vec<usize> = (0..edges.len()).filter(|place| edges[*place].process.is_some()).collect();
                if !up.is_empty() {
                    let place = up[choices.random_range(0..up.len())];
                    let running = &edges[place];
                    let process = running.process.as_ref().expect("it is up");
                    let line = process.connect(&user, pace);
                    let edge = Self::edge_name(place, running.starts);
                    return Device::over(&self.recorder, &edge, person, line.say, line.hear);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn folder(&self) -> PathBuf {
        let mut folders = lock(&self.folders);
        *folders += 1;
        self.dir.path().join(format!("views-{folders}"))
    }

    fn projector_config(dir: &Path) -> klatch_projector::Config {
        klatch_projector::Config {
            dir: dir.to_owned(),
            cache_bytes: 4 << 20,
            hot_pages_bytes: 1 << 20,
            flush_ms: 300,
            ..klatch_projector::Config::default()
        }
    }

    /// Starts a projector where none runs, on what the last one there left on the disk.
    pub(crate) fn start_projector(&self, place: usize) {
        let fresh = self.folder();
        let mut projectors = lock(&self.projectors);
        let running = &mut projectors[place];
        if running.process.is_some() {
            return;
        }
        if running.dir.as_os_str().is_empty() {
            running.dir = fresh;
        }
        running.starts += 1;
        let log = self.log.beside().expect("it is in memory");
        running.process = Some(ProjectorProcess::start(Self::projector_config(&running.dir), &log));
        let service = Service::Projector(Self::projector_name(place, running.starts));
        self.recorder.note(Observation::Started { service });
    }

    /// Kills a projector, if one runs there: at once, or after so many writes more.
    pub(crate) async fn kill_projector(&self, place: usize, writes: Option<u32>) -> io::Result<()> {
        let found = self.folder();
        let (process, name) = {
            let mut projectors = lock(&self.projectors);
            let running = &mut projectors[place];
            (running.process.take(), Self::projector_name(place, running.starts))
        };
        let Some(process) = process else { return Ok(()) };
        process.kill(writes, &found).await?;
        self.recorder.note(Observation::Died { service: Service::Projector(name) });
        let left = std::mem::replace(&mut lock(&self.projectors)[place].dir, found);
        fs::remove_dir_all(left).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
    }

    /// Wipes the stream, as an operator does: everything in it is gone, and it has another epoch.
    pub(crate) fn wipe(&self) {
        let epoch = Epoch(self.log.epoch().to_string());
        self.faults.recreate();
        self.recorder.note(Observation::Wiped { epoch });
        lock(&self.said).clear();
    }

    /// The projectors that run, to be asked one by one.
    pub(crate) fn take_projectors(&self) -> Vec<(Projector, ProjectorProcess)> {
        let mut projectors = lock(&self.projectors);
        let running = projectors.iter_mut().enumerate().filter_map(|(place, running)| {
            Some((Self::projector_name(place, running.starts), running.process.take()?))
        });
        running.collect()
    }

    /// A projector that begins with nothing.
    pub(crate) fn fresh_projector(&self) -> (Projector, ProjectorProcess) {
        let log = self.log.beside().expect("it is in memory");
        let process = ProjectorProcess::start(Self::projector_config(&self.folder()), &log);
        (Projector::from("projector-anew"), process)
    }

    pub(crate) fn edges(&self) -> usize {
        lock(&self.edges).len()
    }

    pub(crate) fn projectors(&self) -> usize {
        lock(&self.projectors).len()
    }

    /// Where something may be laid that is of no more use.
    pub(crate) fn spare_folder(&self) -> PathBuf {
        self.folder()
    }
}
