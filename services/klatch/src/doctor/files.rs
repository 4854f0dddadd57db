//! How many files a process may have open: an edge needs one for each connection.

use rustix::process::{Resource, getrlimit};

use super::finding::{Check, Finding};

/// For everything but clients: the broker's connections, views, logs.
const BESIDES: u64 = 256;
/// As many as a small installation ever needs.
const FEW: u64 = 1_024;

/// The limit of what is started from here; none where there is none.
pub(super) fn gather() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// `connections_max` is what the edge's settings allow.
pub(super) fn judge(limit: Option<u64>, connections_max: usize) -> Vec<Finding> {
    let about = "open files";
    let wanted = connections_max as u64 + BESIDES;
    let Some(limit) = limit.filter(|limit| *limit < wanted) else {
        return vec![Finding::ok(Check::OpenFiles, about, "no limit below what edge.connections_max needs")];
    };
    let room = limit.saturating_sub(BESIDES);
    let what = format!(
        "{limit} at most for what is started from here: room for {room} clients of edge.connections_max = \
         {connections_max}"
    );
    let remedy = format!(
        "for edges that need more: LimitNOFILE={wanted} in a unit, --ulimit nofile={wanted} in a container, or ulimit -n"
    );
    vec![if limit <= FEW {
        Finding::warning(Check::OpenFiles, about, what, &remedy)
    } else {
        Finding::note(Check::OpenFiles, about, what, &remedy)
    }]
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn a_low_limit_is_told_with_what_it_allows() {
        let judged = |limit| judge(limit, 200_000).remove(0);
        assert_eq!(judged(None).severity, Severity::Ok);
        assert_eq!(judged(Some(200_256)).severity, Severity::Ok);
        assert_eq!(judged(Some(200_255)).severity, Severity::Note);
        let finding = judged(Some(1_024));
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.what.contains("room for 768 clients"), "{}", finding.what);
    }
}
