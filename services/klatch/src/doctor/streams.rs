//! The streams and the accounts' bucket: there, as their files in `nats/` say, with copies enough, and what they tell.

use async_nats::jetstream::stream::{self, Config};
use klatch_domain::Epoch;
use klatch_eventlog::{Inspection, Stream, StreamFound, Unseen, epoch_of, subject};

use super::finding::{Check, Finding, counted};

/// From so many servers on, one copy is too few.
const CLUSTER_MIN: usize = 3;

/// One stream.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: &'static str,
    pub(super) found: Result<Found, Unseen>,
}

/// What a stream is like.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// What differs from its file.
    pub(super) drift: Vec<String>,
    pub(super) messages: u64,
    pub(super) last_seq: u64,
    pub(super) epoch: Option<Epoch>,
    /// How many copies it is to have.
    pub(super) replicas: usize,
    /// Copies that are behind or away, by their servers.
    pub(super) lagging: Vec<String>,
}

pub(super) async fn gather(inspection: &Inspection) -> Vec<Seen> {
    let mut seen = Vec::new();
    for stream in Stream::ALL {
        let found = inspection.stream(stream.name()).await;
        seen.push(Seen { name: stream.name(), found: found.map(|it| read(it, |config| stream.drift(config))) });
    }
    let bucket = inspection.stream(subject::ACCOUNTS_STREAM).await;
    let found = bucket.map(|it| read(it, klatch_accounts::bucket_drift));
    seen.push(Seen { name: subject::ACCOUNTS_STREAM, found });
    seen
}

fn read(StreamFound { info, .. }: StreamFound, drift: impl Fn(&Config) -> Vec<String>) -> Found {
    let is_behind = |peer: &&stream::PeerInfo| peer.offline || !peer.current;
    let peers = info.cluster.iter().flat_map(|cluster| &cluster.replicas);
    Found {
        drift: drift(&info.config),
        messages: info.state.messages,
        last_seq: info.state.last_sequence,
        epoch: epoch_of(&info.config),
        replicas: info.config.num_replicas,
        lagging: peers.filter(is_behind).map(|peer| peer.name.clone()).collect(),
    }
}

/// The log's end and epoch, where they can be seen.
pub(super) fn log(streams: &[Seen]) -> Option<&Found> {
    streams.iter().find(|seen| seen.name == Stream::Events.name())?.found.as_ref().ok()
}

/// `servers` is how many answer.
pub(super) fn judge(streams: &[Seen], servers: usize) -> Vec<Finding> {
    streams.iter().flat_map(|seen| of_one(seen, servers)).collect()
}

fn of_one(seen: &Seen, servers: usize) -> Vec<Finding> {
    let name = seen.name;
    let found = match &seen.found {
        Ok(found) => found,
        Err(Unseen::Missing) => return vec![missing(name)],
        Err(why) => return vec![Finding::unseen(Check::Stream, name, why)],
    };
    let mut findings = vec![match found.drift.as_slice() {
        [] => Finding::ok(Check::Stream, name, format!("as its file says, {}", counted(found.messages, "message"))),
        differences => {
            let file = format!("nats/{}", file_of(name));
            let remedy =
                format!("`nats stream edit {name}` to what {file} says; the services refuse to start until then");
            Finding::problem(Check::Stream, name, differences.join("; "), &remedy)
        }
    }];
    findings.extend(copies(name, found, servers));
    if name == Stream::Events.name() {
        findings.push(epoch(name, found));
    }
    if name == Stream::Dead.name() {
        findings.push(dead_letters(name, found.messages));
    }
    findings
}

fn missing(name: &'static str) -> Finding {
    let what = "it is not there";
    if name == subject::ACCOUNTS_STREAM {
        return Finding::note(
            Check::Stream,
            name,
            what,
            "none without Klatch's own accounts; `klatch accounts` makes it",
        );
    }
    let remedy = if name == Stream::Events.name() {
        "restore it from a backup, then `klatch epoch renew`; a new installation: `klatch projector` or `klatch up` makes it"
    } else {
        "start `klatch projector` (or `klatch up`) anew: it makes what is missing"
    };
    Finding::problem(Check::Stream, name, what, remedy)
}

fn file_of(name: &str) -> String {
    match name.strip_prefix("KV_") {
        Some(bucket) => format!("buckets/{}.json", bucket.to_lowercase().replace('_', "-")),
        None => format!("streams/{}.json", name.to_lowercase().replace('_', "-")),
    }
}

fn copies(name: &str, found: &Found, servers: usize) -> Option<Finding> {
    let replicas = found.replicas;
    if !found.lagging.is_empty() {
        let what = format!("its copy is behind or away on {}", found.lagging.join(", "));
        let remedy = "start that server, or wait until it has caught up; until then losing another can stop writes";
        return Some(Finding::warning(Check::Replicas, name, what, remedy));
    }
    let remedy = format!("`nats stream edit {name} --replicas 3`, and broker.replicas = 3 for what is made later");
    if replicas < 3 && servers >= CLUSTER_MIN {
        let what = format!("it is on {} of {servers}", counted(replicas as u64, "server"));
        return Some(Finding::warning(Check::Replicas, name, what, &remedy));
    }
    if replicas > 1 && replicas.is_multiple_of(2) {
        let what = format!("{replicas} copies bear no more losses than {}", replicas - 1);
        return Some(Finding::warning(Check::Replicas, name, what, &remedy));
    }
    (replicas > servers).then(|| {
        let what = format!("{replicas} copies, and only {} can be seen", counted(servers as u64, "server"));
        let remedy = "name all servers in broker.url, so that services find another when theirs is gone";
        Finding::note(Check::Replicas, name, what, remedy)
    })
}

fn epoch(name: &str, found: &Found) -> Finding {
    match found.epoch {
        Some(epoch) => Finding::ok(Check::Epoch, name, format!("epoch {epoch}")),
        None => {
            let remedy = "`nats stream edit CHAT_EVENTS --metadata klatch.epoch=UUID` with a fresh one (uuidgen)";
            Finding::problem(Check::Epoch, name, "its metadata has no epoch: nobody can resume", remedy)
        }
    }
}

fn dead_letters(name: &str, messages: u64) -> Finding {
    if messages == 0 {
        return Finding::ok(Check::DeadLetters, name, "no dead letters");
    }
    let what = format!("{} to be looked at", counted(messages, "dead letter"));
    let remedy = "`nats stream view CHAT_DEAD` says why each was given up; docs/webhooks.md says how to put them back";
    Finding::warning(Check::DeadLetters, name, what, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn found() -> Found {
        Found { epoch: Some(Epoch(uuid::Uuid::nil())), replicas: 1, ..Found::default() }
    }

    fn worst(name: &'static str, found: Result<Found, Unseen>, servers: usize) -> Finding {
        let findings = judge(&[Seen { name, found }], servers);
        findings.into_iter().max_by_key(|finding| finding.severity).expect("something is always said")
    }

    #[test]
    fn a_single_server_with_one_copy_is_well() {
        for stream in Stream::ALL {
            assert_eq!(worst(stream.name(), Ok(found()), 1).severity, Severity::Ok);
        }
    }

    #[test]
    fn what_would_forget_events_is_a_problem() {
        let drifted = Found { drift: vec!["max_age is 60s, not 0ns".to_owned()], ..found() };
        let finding = worst("CHAT_EVENTS", Ok(drifted), 1);
        assert_eq!((finding.check, finding.severity), (Check::Stream, Severity::Problem));
        assert!(finding.remedy.expect("one").contains("nats/streams/chat-events.json"));
    }

    #[test]
    fn only_the_accounts_may_be_missing() {
        assert_eq!(worst("CHAT_PUSH", Err(Unseen::Missing), 1).severity, Severity::Problem);
        assert_eq!(worst("KV_CHAT_ACCOUNTS", Err(Unseen::Missing), 1).severity, Severity::Note);
        assert_eq!(worst("KV_CHAT_ACCOUNTS", Err(Unseen::Denied(String::new())), 1).severity, Severity::Problem);
        assert_eq!(file_of("KV_CHAT_ACCOUNTS"), "buckets/chat-accounts.json");
    }

    #[test]
    fn copies_are_counted_against_the_servers() {
        let judged = |replicas, servers, lagging: &[&str]| {
            let lagging = lagging.iter().map(|name| (*name).to_owned()).collect();
            worst("CHAT_MARKS", Ok(Found { replicas, lagging, ..found() }), servers).severity
        };
        assert_eq!(judged(3, 3, &[]), Severity::Ok);
        assert_eq!(judged(1, 3, &[]), Severity::Warning);
        assert_eq!(judged(2, 2, &[]), Severity::Warning);
        assert_eq!(judged(3, 1, &[]), Severity::Note);
        assert_eq!(judged(3, 3, &["n2"]), Severity::Warning);
    }

    #[test]
    fn no_epoch_is_a_problem_and_dead_letters_are_a_warning() {
        assert_eq!(worst("CHAT_EVENTS", Ok(Found { epoch: None, ..found() }), 1).check, Check::Epoch);
        let finding = worst("CHAT_DEAD", Ok(Found { messages: 2, ..found() }), 1);
        assert_eq!((finding.check, finding.severity), (Check::DeadLetters, Severity::Warning));
    }
}
