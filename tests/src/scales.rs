//! What each process holds in memory, weighed twice a second into the recording, beside what it may hold.
//!
//! The limits are those of these tests' load (a few dozen people, rooms of some ten thousand messages), three to five times
//! what a quiet system holds: they are to catch what grows without bound, not what grows by a tenth.

use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::checker::Recorder;
use crate::checker::history::{Observation, Service};

const WEIGHED_EVERY: Duration = Duration::from_millis(500);
/// What an edge may hold, in bytes: sessions' queues are bounded, and so is each room's ring.
const EDGE_BYTES_MAX: u64 = 256 << 20;
/// What a projector may hold, in bytes: sled's cache and the hot pages are bounded.
const PROJECTOR_BYTES_MAX: u64 = 512 << 20;
/// What a notifier may hold, in bytes.
const NOTIFIER_BYTES_MAX: u64 = 192 << 20;
/// What a nats-server may hold, in bytes.
const BROKER_BYTES_MAX: u64 = 768 << 20;

/// Weighs processes until dropped.
#[derive(Debug)]
pub(crate) struct Scales {
    weighed: Arc<Mutex<Vec<(Service, u32)>>>,
    weighing: JoinHandle<()>,
}

impl Scales {
    pub(crate) fn new(recorder: &Recorder) -> Scales {
        let weighed: Arc<Mutex<Vec<(Service, u32)>>> = Arc::default();
        let (recorder, running) = (recorder.clone(), Arc::clone(&weighed));
        let weighing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(WEIGHED_EVERY).await;
                let running = locked(&running).clone();
                for (service, pid) in running {
                    // A process that died meanwhile holds nothing.
                    let Some(rss_bytes) = resident(pid) else { continue };
                    let limit_bytes = limit(&service);
                    recorder.note(Observation::Held { service, rss_bytes, limit_bytes });
                }
            }
        });
        Scales { weighed, weighing }
    }

    /// A process runs.
    pub(crate) fn put(&self, service: Service, pid: u32) {
        locked(&self.weighed).push((service, pid));
    }

    /// A process is dead.
    pub(crate) fn take(&self, pid: u32) {
        locked(&self.weighed).retain(|(_, running)| *running != pid);
    }
}

impl Drop for Scales {
    fn drop(&mut self) {
        self.weighing.abort();
    }
}

fn limit(service: &Service) -> u64 {
    match service {
        Service::Broker => BROKER_BYTES_MAX,
        Service::Edge(_) => EDGE_BYTES_MAX,
        Service::Projector(_) => PROJECTOR_BYTES_MAX,
        Service::Notifier => NOTIFIER_BYTES_MAX,
    }
}

/// proc(5): `VmRSS` in kB.
fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

fn locked(weighed: &Mutex<Vec<(Service, u32)>>) -> MutexGuard<'_, Vec<(Service, u32)>> {
    weighed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_something_and_a_dead_one_nothing() {
        assert!(resident(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(resident(u32::MAX), None);
    }
}
