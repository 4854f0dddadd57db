//! The projectors: whether any answers, how far each is, and whether all stand in the same life of the log.

use std::time::Duration;

use klatch_domain::{Epoch, Seq};
use klatch_eventlog::{Inspection, Unseen};
use klatch_projector::SCHEMA;
use klatch_wire::query::{Phase, Progress, SERVICE, name};
use serde::Deserialize;
use serde_json::Value;

use super::finding::{Check, Finding, counted};

/// After so long without another answer, all have answered.
const QUIET: Duration = Duration::from_millis(700);
/// Folding goes on while we look; a projector that keeps up is never so far behind.
const LAG_MAX: u64 = 1_000;

/// A projector, as it describes itself.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) version: String,
    /// None where it is too old to say.
    pub(super) progress: Option<Progress>,
}

/// What ADR-32 has in an answer to `$SRV.STATS`.
#[derive(Deserialize)]
struct Stats {
    id: String,
    version: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    name: String,
    #[serde(default)]
    data: Value,
}

pub(super) async fn gather(inspection: &Inspection) -> Result<Vec<Seen>, Unseen> {
    let answers = inspection.survey(&format!("$SRV.STATS.{SERVICE}"), QUIET).await?;
    Ok(answers.iter().filter_map(|answer| read(answer)).collect())
}

fn read(answer: &[u8]) -> Option<Seen> {
    let Stats { id, version, endpoints } = serde_json::from_slice(answer).ok()?;
    let data = endpoints.into_iter().find(|endpoint| endpoint.name == name::STATUS).map(|endpoint| endpoint.data);
    Some(Seen { id, version, progress: data.and_then(|data| serde_json::from_value(data).ok()) })
}

/// `log` is the log's end, as it was before the projectors were asked, and its epoch.
pub(super) fn judge(projectors: &Result<Vec<Seen>, Unseen>, log: Option<(Seq, Option<Epoch>)>) -> Vec<Finding> {
    match projectors {
        Err(why) => vec![Finding::unseen(Check::Projector, "projectors", why)],
        Ok(none) if none.is_empty() => {
            let what = "none answers: no history, no rooms, no members";
            let remedy = "start `klatch projector` (or `klatch up`); if it runs, see its log and /readyz";
            vec![Finding::problem(Check::Projector, "projectors", what, remedy)]
        }
        Ok(some) => some.iter().flat_map(|seen| of_one(seen, log)).collect(),
    }
}

fn of_one(seen: &Seen, log: Option<(Seq, Option<Epoch>)>) -> Vec<Finding> {
    let about = format!("projector {}", seen.id);
    let Some(progress) = &seen.progress else {
        let what = format!("version {} does not say how far it is", seen.version);
        let remedy = "run the same version of klatch everywhere, then run doctor again";
        return vec![Finding::problem(Check::Projector, about, what, remedy)];
    };
    let mut findings = Vec::new();
    if progress.schema != SCHEMA {
        let what = format!("its views have schema {}, this klatch has {SCHEMA}", progress.schema);
        let remedy = "run the same version of klatch everywhere; a newer one rebuilds the views by itself at its start";
        findings.push(Finding::problem(Check::Projector, &about, what, remedy));
    }
    if let Some((_, Some(epoch))) = log
        && progress.epoch != epoch
    {
        let what = format!("it stands in epoch {}, the log in {epoch}", progress.epoch);
        let remedy = "restart it: it finds the new epoch and rebuilds its views; if not, `klatch rebuild`";
        findings.push(Finding::problem(Check::Projector, &about, what, remedy));
    }
    if progress.undecodable > 0 {
        let what = format!("{} it could not read, and passed over", counted(progress.undecodable, "event"));
        let remedy = "newer edges wrote them: upgrade the projector, then `klatch rebuild`";
        findings.push(Finding::warning(Check::Projector, &about, what, remedy));
    }
    findings.push(keeping_up(&about, progress, log.map(|(end, _)| end)));
    findings
}

fn keeping_up(about: &str, progress: &Progress, end: Option<Seq>) -> Finding {
    let behind = end.map_or(0, |end| end.0.saturating_sub(progress.seq.0));
    match &progress.phase {
        Phase::Live if behind <= LAG_MAX => Finding::ok(
            Check::Projector,
            about,
            format!("live at {}, {} behind", progress.seq, counted(behind, "event")),
        ),
        Phase::Live => {
            let what = format!("live, and {} behind", counted(behind, "event"));
            let remedy =
                "run doctor again: if it does not fall, give it a faster disk or processor, or look at its log";
            Finding::warning(Check::Projector, about, what, remedy)
        }
        Phase::Starting => {
            Finding::warning(Check::Projector, about, "it is starting", "wait a moment, and run doctor again")
        }
        Phase::CatchingUp { percent } => {
            let what = format!("it is catching up, {percent} % done");
            Finding::warning(Check::Projector, about, what, "wait: it answers meanwhile, from what it has")
        }
        Phase::Rebuilding { percent, reason } => {
            let what = format!("it is making its views anew ({reason}), {percent} % done");
            Finding::warning(Check::Projector, about, what, "wait: history is unavailable until it is through")
        }
        Phase::Waiting { reason } => {
            let remedy = "mend what it names; it tries again by itself";
            Finding::problem(Check::Projector, about, format!("it can't go on: {reason}"), remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn progress() -> Progress {
        Progress {
            phase: Phase::Live,
            epoch: Epoch(uuid::Uuid::nil()),
            seq: Seq(2_000),
            undecodable: 0,
            schema: SCHEMA,
        }
    }

    fn judged(progress: Option<Progress>) -> Severity {
        let seen = Seen { id: "p".to_owned(), version: "1.0.0".to_owned(), progress };
        let findings = judge(&Ok(vec![seen]), Some((Seq(2_001), Some(Epoch(uuid::Uuid::nil())))));
        findings.iter().map(|finding| finding.severity).max().expect("something is always said")
    }

    #[test]
    fn one_that_keeps_up_is_well() {
        assert_eq!(judged(Some(progress())), Severity::Ok);
        assert_eq!(
            judged(Some(Progress { seq: Seq(3_000), ..progress() })),
            Severity::Ok,
            "it went on while we looked"
        );
    }

    #[test]
    fn none_or_one_that_is_too_old_is_a_problem() {
        assert_eq!(judge(&Ok(Vec::new()), None)[0].severity, Severity::Problem);
        assert_eq!(judged(None), Severity::Problem);
        assert_eq!(judged(Some(Progress { schema: SCHEMA - 1, ..progress() })), Severity::Problem);
        assert_eq!(judged(Some(Progress { epoch: Epoch(uuid::Uuid::from_u128(7)), ..progress() })), Severity::Problem);
    }

    #[test]
    fn one_that_is_behind_or_waits_is_told() {
        assert_eq!(judged(Some(Progress { seq: Seq(1), ..progress() })), Severity::Warning);
        assert_eq!(judged(Some(Progress { phase: Phase::CatchingUp { percent: 3 }, ..progress() })), Severity::Warning);
        let phase = Phase::Waiting { reason: "the disk is full".to_owned() };
        assert_eq!(judged(Some(Progress { phase, ..progress() })), Severity::Problem);
        assert_eq!(judged(Some(Progress { undecodable: 1, ..progress() })), Severity::Warning);
    }

    #[test]
    fn what_a_service_says_of_itself_is_read() {
        let data = serde_json::to_value(progress()).expect("JSON");
        let answer = serde_json::json!({
            "name": SERVICE, "id": "x", "version": "1.0.0",
            "endpoints": [{ "name": "history", "data": null }, { "name": "status", "data": data }],
        });
        assert_eq!(read(answer.to_string().as_bytes()).expect("stats").progress, Some(progress()));
        assert!(read(br#"{"id":"x","version":"0.1.0"}"#).expect("stats").progress.is_none());
    }
}
