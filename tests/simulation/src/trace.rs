//! Everything that happened in a run, one line each: of two runs from one seed they are the same, byte for byte.

use std::fmt;

use klatch_tests::checker::history::History;
use serde::{Deserialize, Serialize};

/// The lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace(Vec<String>);

impl Trace {
    /// Of a recording, and of faults that it has no word for, each with its moment.
    pub(crate) fn of(history: &History, remarks: Vec<(u64, String)>) -> Trace {
        let mut lines = Vec::with_capacity(history.entries.len() + remarks.len());
        let mut remarks = remarks.into_iter().peekable();
        for entry in &history.entries {
            while let Some((at, what)) = remarks.next_if(|(at, _)| *at <= entry.at.0) {
                lines.push(format!("{at:>7} ms  *** {what}"));
            }
            let what = serde_json::to_string(&entry.what).expect("an entry has string keys");
            lines.push(format!("{:>7} ms  {what}", entry.at.0));
        }
        lines.extend(remarks.map(|(at, what)| format!("{at:>7} ms  *** {what}")));
        Trace(lines)
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
