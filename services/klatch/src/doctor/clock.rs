//! How far this machine's clock is from the server's.

use klatch_domain::Timestamp;
use klatch_eventlog::{Clock, Inspection, Stream};

use super::finding::{Check, Finding};

/// Messages carry the edge's time, and tokens end by it.
const APART_MS_NOTABLE: i64 = 500;
const APART_MS_MAX: i64 = 5_000;

/// The server's time as it answered, and ours before and after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) asked: Timestamp,
    pub(super) server: Timestamp,
    pub(super) answered: Timestamp,
}

/// None where the log could not be seen, which is told elsewhere.
pub(super) async fn gather(inspection: &Inspection) -> Option<Reading> {
    let asked = Clock::Wall.now();
    let server = inspection.stream(Stream::Events.name()).await.ok()?.at?;
    Some(Reading { asked, server, answered: Clock::Wall.now() })
}

pub(super) fn judge(reading: Option<Reading>) -> Vec<Finding> {
    reading.map(of_one).into_iter().collect()
}

fn of_one(Reading { asked, server, answered }: Reading) -> Finding {
    let (asked, server, answered) = (asked.as_ms(), server.as_ms(), answered.as_ms());
    // Within the round trip nobody knows when the server looked at its clock.
    let apart = if server < asked { server - asked } else { (server - answered).max(0) };
    let about = "clock";
    let what = match apart {
        0 => return Finding::ok(Check::Clock, about, "no difference to the server's that can be seen"),
        1.. => format!("the server's is {apart} ms ahead of this machine's"),
        _ => format!("the server's is {} ms behind this machine's", -apart),
    };
    let remedy =
        "run a time service (chrony, systemd-timesyncd) on both: times of messages and ends of tokens go by it";
    match apart.abs() {
        APART_MS_MAX.. => Finding::problem(Check::Clock, about, what, remedy),
        APART_MS_NOTABLE.. => Finding::warning(Check::Clock, about, what, remedy),
        _ => Finding::ok(Check::Clock, about, what),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn a_difference_counts_beyond_the_round_trip() {
        let judged = |server| {
            let [asked, server, answered] = [10_000, server, 10_100].map(Timestamp::from_ms);
            of_one(Reading { asked, server, answered }).severity
        };
        for well in [10_000, 10_050, 10_100, 9_600, 10_500] {
            assert_eq!(judged(well), Severity::Ok, "{well}");
        }
        assert_eq!(judged(9_500), Severity::Warning);
        assert_eq!(judged(10_600), Severity::Warning);
        assert_eq!(judged(5_000), Severity::Problem);
        assert_eq!(judged(15_100), Severity::Problem);
    }
}
