//! The history checker: judges a recorded run against the promises that Klatch makes.
//!
//! ```text
//! run → recorder → history (JSON lines) → run (requests with answers, attachments, the log) → one file a promise → verdict
//! ```
//!
//! A promise is a check over a recording, not a sentence. Each has a file of its own, with the type of what breaks it:
//!
//! | promise | file |
//! |---|---|
//! | 1 acknowledged ⇒ in the history exactly once | [`exactly_once`] |
//! | 2 live and resumed events are one gapless, ordered slice; any two clients agree | [`one_order`] |
//! | 3 history is a replay of the stream; a rebuild has the same digest | [`replay`] |
//! | 4 nothing of a person between their removal and their return | [`removal`] |
//! | 5 unread is what was said by others after the mark | [`unread`] |
//! | 6 nobody is shown what they may not read | [`visibility`] |
//! | 8 memory stays bounded | [`bounded_memory`] |
//! | 9 a dead edge leaves no ghost | [`ghosts`] |
//!
//! The checker is pure: no clock, no network; it shares no code with what it judges. It says nothing about what was not
//! recorded, so a [`Verdict`] also counts what there was to judge: silence about an empty run is no pass.

pub mod attachment;
pub mod bounded_memory;
pub mod call;
pub mod exactly_once;
pub mod ghosts;
pub mod history;
pub mod ledger;
pub mod name;
pub mod one_order;
pub mod present;
pub mod recorder;
pub mod removal;
pub mod replay;
pub mod run;
pub mod unread;
pub mod visibility;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub use call::Unsound;
pub use history::History;
pub use recorder::Recorder;
use run::Run;

/// A promise that is a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// 1.
    ExactlyOnce,
    /// 2.
    OneOrder,
    /// 3.
    Replay,
    /// 4.
    Removal,
    /// 5.
    Unread,
    /// 6.
    Visibility,
    /// 8.
    BoundedMemory,
    /// 9.
    Ghosts,
}

/// One break of a promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Of promise 1.
    #[error("promise 1, exactly once: {0}")]
    ExactlyOnce(#[from] exactly_once::Violation),
    /// Of promise 2.
    #[error("promise 2, one order: {0}")]
    OneOrder(#[from] one_order::Violation),
    /// Of promise 3.
    #[error("promise 3, replay: {0}")]
    Replay(#[from] replay::Violation),
    /// Of promise 4.
    #[error("promise 4, removal: {0}")]
    Removal(#[from] removal::Violation),
    /// Of promise 5.
    #[error("promise 5, unread: {0}")]
    Unread(#[from] unread::Violation),
    /// Of promise 6.
    #[error("promise 6, visibility: {0}")]
    Visibility(#[from] visibility::Violation),
    /// Of promise 8.
    #[error("promise 8, bounded memory: {0}")]
    BoundedMemory(#[from] bounded_memory::Violation),
    /// Of promise 9.
    #[error("promise 9, ghosts: {0}")]
    Ghosts(#[from] ghosts::Violation),
}

/// What became of the promises in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Every break that was found.
    pub violations: Vec<Violation>,
    /// How much there was to judge, by promise: acknowledged sends, events given, pages and digests, acknowledged
    /// removals, counts, events and pages shown, samples of memory, sights of somebody as
    /// attached.
    pub judged: BTreeMap<Promise, usize>,
}

/// Judges a recording.
///
/// Fails with [`Unsound`] when the recording can't be judged at all; that is the fault of whoever took it.
pub fn judge(history: &History) -> Result<Verdict, Unsound> {
    fn all<V: Into<Violation>>(found: Vec<V>) -> impl Iterator<Item = Violation> {
        found.into_iter().map(Into::into)
    }
    let run = Run::of(history)?;
    let violations = all(exactly_once::judge(&run)?)
        .chain(all(one_order::judge(&run)))
        .chain(all(replay::judge(&run)))
        .chain(all(removal::judge(&run)))
        .chain(all(unread::judge(&run)))
        .chain(all(visibility::judge(&run)))
        .chain(all(bounded_memory::judge(&run)))
        .chain(all(ghosts::judge(&run)))
        .collect();
    let judged = BTreeMap::from([
        (Promise::ExactlyOnce, exactly_once::acknowledged(&run)),
        (Promise::OneOrder, one_order::given(&run)),
        (Promise::Replay, replay::compared(&run)),
        (Promise::Removal, removal::acknowledged(&run)),
        (Promise::Unread, unread::counted(&run)),
        (Promise::Visibility, visibility::shown(&run)),
        (Promise::BoundedMemory, bounded_memory::sampled(&run)),
        (Promise::Ghosts, ghosts::sights(&run)),
    ]);
    Ok(Verdict { violations, judged })
}

impl Violation {
    /// The promise that it breaks.
    pub fn promise(&self) -> Promise {
        match self {
            Violation::ExactlyOnce(_) => Promise::ExactlyOnce,
            Violation::OneOrder(_) => Promise::OneOrder,
            Violation::Replay(_) => Promise::Replay,
            Violation::Removal(_) => Promise::Removal,
            Violation::Unread(_) => Promise::Unread,
            Violation::Visibility(_) => Promise::Visibility,
            Violation::BoundedMemory(_) => Promise::BoundedMemory,
            Violation::Ghosts(_) => Promise::Ghosts,
        }
    }
}

impl Verdict {
    /// Whether no promise was broken, and each of `promises` had something to be judged by.
    pub fn keeps(&self, promises: &[Promise]) -> bool {
        self.violations.is_empty() && promises.iter().all(|promise| self.judged[promise] > 0)
    }
}

impl fmt::Display for Verdict {
    /// The first breaks in words (one fault often breaks a promise a thousand times), and what there was to judge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 20;
        writeln!(f, "{} violations; judged: {:?}", self.violations.len(), self.judged)?;
        for violation in self.violations.iter().take(SHOWN_MAX) {
            writeln!(f, "- {violation}")?;
        }
        match self.violations.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => writeln!(f, "- and {more} more"),
        }
    }
}
