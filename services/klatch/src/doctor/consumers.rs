//! The durable consumers: the notifier's, and one for each webhook.

use klatch_eventlog::{Consumer, Inspection, Stream, Unseen};

use super::finding::{Check, Finding, counted};

/// A consumer of ours, or why it was not seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) of_stream: &'static str,
    pub(super) found: Result<Found, Unseen>,
}

/// What a consumer is like.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// What differs from its file.
    pub(super) drift: Vec<String>,
    /// What nobody has taken yet.
    pub(super) waiting: u64,
}

pub(super) async fn gather(inspection: &Inspection) -> Vec<Seen> {
    let mut seen = vec![look(inspection, &Consumer::Notifier { after: None }).await];
    let of_stream = Stream::Push.name();
    match inspection.consumers(of_stream).await {
        Ok(names) => {
            for consumer in names.iter().filter_map(|name| Consumer::named(name)) {
                seen.push(look(inspection, &consumer).await);
            }
        }
        // Told with the stream itself.
        Err(Unseen::Missing) => {}
        Err(why) => seen.push(Seen { name: "webhooks".to_owned(), of_stream, found: Err(why) }),
    }
    seen
}

async fn look(inspection: &Inspection, consumer: &Consumer) -> Seen {
    let (of_stream, name) = (consumer.stream().name(), consumer.name());
    let found = inspection.consumer(of_stream, &name).await;
    let found = found.map(|info| Found { waiting: info.num_pending, drift: consumer.differences(info.config) });
    Seen { name, of_stream, found }
}

pub(super) fn judge(consumers: &[Seen]) -> Vec<Finding> {
    consumers.iter().map(of_one).collect()
}

fn of_one(Seen { name, of_stream, found }: &Seen) -> Finding {
    let about = format!("consumer {name} of {of_stream}");
    match found {
        Ok(Found { drift, waiting }) if drift.is_empty() => Finding::ok(
            Check::Consumer,
            about,
            format!("as its file says, {} to be taken", counted(*waiting, "message")),
        ),
        Ok(Found { drift, .. }) => {
            let remedy = format!(
                "`nats consumer edit {of_stream} {name}` to what nats/consumers says, or `nats consumer rm {of_stream} \
                 {name}` and start the notifier, which makes it anew from then on"
            );
            Finding::problem(Check::Consumer, about, drift.join("; "), &remedy)
        }
        Err(Unseen::Missing) => {
            let remedy = "start `klatch notifier` (or `klatch up`), if other systems are to be told of messages";
            Finding::note(Check::Consumer, about, "it is not there: no notifier ever ran", remedy)
        }
        Err(why) => Finding::unseen(Check::Consumer, about, why),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn judged(found: Result<Found, Unseen>) -> Severity {
        of_one(&Seen { name: "notifier".to_owned(), of_stream: "CHAT_EVENTS", found }).severity
    }

    #[test]
    fn one_that_would_lose_jobs_is_a_problem_and_none_is_not() {
        assert_eq!(judged(Ok(Found::default())), Severity::Ok);
        let drift = vec!["max_deliver is 1, not -1".to_owned()];
        assert_eq!(judged(Ok(Found { drift, waiting: 0 })), Severity::Problem);
        assert_eq!(judged(Err(Unseen::Missing)), Severity::Note);
        assert_eq!(judged(Err(Unseen::Denied(String::new()))), Severity::Problem);
    }
}
