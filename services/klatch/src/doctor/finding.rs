//! What doctor says: one line of what is, one line of what to do.

use std::fmt;

use klatch_eventlog::Unseen;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// As it must be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// It works, and won't always.
    Warning,
    /// It does not work, or loses something, or could not be looked at.
    Problem,
}

/// What was looked at. These names are part of the JSON: they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    Connection,
    Version,
    Payload,
    Users,
    Jetstream,
    Stream,
    Replicas,
    Epoch,
    Consumer,
    DeadLetters,
    Projector,
    Clock,
    Disk,
    Sync,
    OpenFiles,
    Edge,
}

/// One thing that was looked at, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: Check,
    /// Which one, where there are several: a stream's name, an address, a folder.
    pub(super) about: String,
    pub(super) severity: Severity,
    /// What is.
    pub(super) what: String,
    /// What to do; none where it is as it must be.
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: Check, about: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { check, about: about.into(), severity: Severity::Ok, what: what.into(), remedy: None }
    }

    pub(super) fn note(check: Check, about: impl Into<String>, what: impl Into<String>, remedy: &str) -> Finding {
        Finding::bad(Severity::Note, check, about, what, remedy)
    }

    pub(super) fn warning(check: Check, about: impl Into<String>, what: impl Into<String>, remedy: &str) -> Finding {
        Finding::bad(Severity::Warning, check, about, what, remedy)
    }

    pub(super) fn problem(check: Check, about: impl Into<String>, what: impl Into<String>, remedy: &str) -> Finding {
        Finding::bad(Severity::Problem, check, about, what, remedy)
    }

    pub(super) fn bad(
        severity: Severity,
        check: Check,
        about: impl Into<String>,
        what: impl Into<String>,
        remedy: &str,
    ) -> Finding {
        Finding { check, about: about.into(), severity, what: what.into(), remedy: Some(remedy.to_owned()) }
    }

    /// What could not be looked at is a problem: nobody knows whether it is well.
    pub(super) fn unseen(check: Check, about: impl Into<String>, why: &Unseen) -> Finding {
        let remedy = match why {
            Unseen::Denied(_) => {
                "connect as the operator (broker.user and broker.password), and take its lines of nats/users.conf to the \
                 server"
            }
            Unseen::Missing | Unseen::NoResponder | Unseen::Unanswered(_) | Unseen::Refused(_) => {
                "see that the server is up and its log quiet (in a cluster: a majority of it), then run doctor again"
            }
        };
        Finding::problem(check, about, format!("can't be looked at: {why}"), remedy)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Warning => "WARNING",
            Severity::Problem => "PROBLEM",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { severity, about, what, .. } = self;
        write!(f, "{severity:<8} {about}: {what}")?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n         → {remedy}"),
            None => Ok(()),
        }
    }
}

/// A count with its noun, in the plural where there is not one.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
