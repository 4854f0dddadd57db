//! Takes a recording while a run goes on: cheap, from any thread, shared by cloning.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::history::{Answer, Command, Entry, History, Observation};
use super::name::{CallId, Edge, Moment, Person, Session};

/// Notes what happens, in the order of time: real time, or Tokio's where that is paused.
///
/// Noting is a push under a lock, some hundred nanoseconds: it never waits for disk or network, so that it does not
/// slow a race down which it is to show.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    numbers: AtomicU64,
    entries: Mutex<Vec<Entry>>,
}

impl Recorder {
    /// Begins a recording with [`Observation::Began`].
    pub fn begin(seed: u64, lease_ms: u64) -> Self {
        let shared = Shared { began: Instant::now(), numbers: AtomicU64::new(1), entries: Mutex::default() };
        let recorder = Self { shared: Arc::new(shared) };
        recorder.note(Observation::Began { seed, lease_ms });
        recorder
    }

    /// Notes one thing as of now.
    pub fn note(&self, what: Observation) {
        let mut entries = self.entries();
        // Read under the lock, so that moments never go back from one entry to the next.
        let at = self.now();
        entries.push(Entry { at, what });
    }

    /// Notes that a person connected, and numbers the connection.
    pub fn open(&self, person: &Person, edge: &Edge) -> Session {
        let session = Session(self.number());
        self.note(Observation::Opened { session, person: person.clone(), edge: edge.clone() });
        session
    }

    /// Notes that a session asks for something, and numbers the request. To be called before the frame is sent.
    pub fn ask(&self, session: Session, command: Command) -> CallId {
        let call = CallId(self.number());
        self.note(Observation::Asked { call, session, command });
        call
    }

    /// Notes a request's answer. To be called once for each request; [`Answer::Unclear`] where none will come.
    pub fn answer(&self, call: CallId, answer: Answer) {
        self.note(Observation::Answered { call, answer });
    }

    /// Milliseconds since the recording began.
    pub fn now(&self) -> Moment {
        Moment(u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// What was noted up to now. The recording may go on.
    pub fn history(&self) -> History {
        History { entries: self.entries().clone() }
    }

    fn number(&self) -> u64 {
        self.shared.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        // A pushing thread that panicked left a whole vector behind: what it noted still stands.
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::name::Room;

    #[test]
    fn many_threads_note_into_one_recording_whose_clock_never_goes_back() {
        let recorder = Recorder::begin(7, 2000);
        std::thread::scope(|scope| {
            for name in ["ada", "ben", "cleo", "dan"] {
                let recorder = recorder.clone();
                scope.spawn(move || {
                    let session = recorder.open(&name.into(), &"edge-1".into());
                    for _ in 0..200 {
                        let call = recorder.ask(session, Command::Presence { room: Room::from("lobby") });
                        recorder.answer(call, Answer::Done);
                    }
                });
            }
        });
        let history = recorder.history();
        assert_eq!(history.entries.len(), 1 + 4 + 2 * 4 * 200);
        assert!(history.entries.is_sorted_by_key(|entry| entry.at));
    }

    #[test]
    fn a_recording_is_the_same_after_being_written_and_read() {
        let recorder = Recorder::begin(7, 2000);
        let session = recorder.open(&"a\nb".into(), &"edge-1".into());
        let call = recorder.ask(session, Command::Rooms);
        recorder.answer(call, Answer::Refused { code: "unavailable".into() });
        let history = recorder.history();
        let mut bytes = Vec::new();
        history.write(&mut bytes).expect("memory takes all");
        assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), history.entries.len());
        assert_eq!(History::read(bytes.as_slice()).expect("its own lines"), history);
        let error = History::read(&b"{}\n"[..]).expect_err("no entry");
        assert!(error.to_string().starts_with("line 1: "), "{error}");
    }
}
