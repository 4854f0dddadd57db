//! The streams, as data: `nats/streams/*.json`, in the JetStream API's own shape, created or verified at every start.

use async_nats::jetstream::stream::Config;
use klatch_domain::Epoch;
use uuid::Uuid;

/// The metadata key of `CHAT_EVENTS` that holds the epoch.
pub(crate) const EPOCH_KEY: &str = "klatch.epoch";

/// The streams of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Everything that happened.
    Events,
    /// How far each person got.
    Marks,
    /// Who is attached where.
    Presence,
    /// What is still to be delivered.
    Push,
    /// What could not be delivered.
    Dead,
}

impl Stream {
    /// All there are.
    pub const ALL: [Stream; 5] = [Stream::Events, Stream::Marks, Stream::Presence, Stream::Push, Stream::Dead];

    /// What it is called at the server.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Events => "CHAT_EVENTS",
            Stream::Marks => "CHAT_MARKS",
            Stream::Presence => "CHAT_PRESENCE",
            Stream::Push => "CHAT_PUSH",
            Stream::Dead => "CHAT_DEAD",
        }
    }

    fn json(self) -> &'static str {
        match self {
            Stream::Events => include_str!("../../../nats/streams/chat-events.json"),
            Stream::Marks => include_str!("../../../nats/streams/chat-marks.json"),
            Stream::Presence => include_str!("../../../nats/streams/chat-presence.json"),
            Stream::Push => include_str!("../../../nats/streams/chat-push.json"),
            Stream::Dead => include_str!("../../../nats/streams/chat-dead.json"),
        }
    }

    /// As the file in `nats/streams` says.
    pub(crate) fn config(self) -> Config {
        serde_json::from_str(self.json()).expect("the files in nats/streams are checked by a test")
    }

    /// As it is created: with so many copies, and for the events a fresh epoch.
    pub(crate) fn config_to_create(self, replicas: usize) -> Config {
        let mut config = Config { num_replicas: replicas, ..self.config() };
        if self == Stream::Events {
            config.metadata.insert(EPOCH_KEY.to_owned(), Uuid::new_v4().to_string());
        }
        config
    }

    /// What differs between the stream that is there and the file, where it matters; empty where nothing does.
    ///
    /// Copies, placement, compression and description are the operator's to change, and how long dead letters are kept.
    /// Whatever would forget, refuse or rewrite events is not.
    pub fn drift(self, found: &Config) -> Vec<String> {
        let wanted = self.config();
        let mut differences = Vec::new();
        let mut compare = |what: &str, found: String, wanted: String| {
            if found != wanted {
                differences.push(format!("{what} is {found}, not {wanted}"));
            }
        };
        macro_rules! same {
            ($($field:ident),* $(,)?) => {
                $(compare(stringify!($field), format!("{:?}", found.$field), format!("{:?}", wanted.$field));)*
            };
        }
        same!(
            subjects,
            storage,
            retention,
            max_messages_per_subject,
            discard_new_per_subject,
            no_ack,
            sealed,
            deny_delete,
            republish,
            allow_direct,
            allow_atomic_publish,
            allow_message_ttl,
            allow_rollup,
            subject_delete_marker_ttl,
            mirror,
            subject_transform,
            persist_mode,
        );
        if self != Stream::Dead {
            compare("max_age", format!("{:?}", found.max_age), format!("{:?}", wanted.max_age));
            // The server answers 0 as -1, "unlimited", and may answer no sources as an empty list.
            compare("max_messages", found.max_messages.max(0).to_string(), wanted.max_messages.max(0).to_string());
            compare("max_bytes", found.max_bytes.max(0).to_string(), wanted.max_bytes.max(0).to_string());
        }
        compare("sources", found.sources.as_ref().map_or(0, Vec::len).to_string(), "0".to_owned());
        if found.duplicate_window < wanted.duplicate_window {
            compare(
                "duplicate_window",
                format!("{:?}", found.duplicate_window),
                format!("at least {:?}", wanted.duplicate_window),
            );
        }
        differences
    }
}

/// The epoch in the stream's metadata; none where it is missing or no UUID.
pub fn epoch_of(config: &Config) -> Option<Epoch> {
    Some(Epoch(config.metadata.get(EPOCH_KEY)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_nats::jetstream::stream::{RetentionPolicy, StorageType};

    use super::*;
    use crate::subject;

    #[test]
    fn the_files_agree_with_the_code() {
        for stream in Stream::ALL {
            let config = stream.config();
            assert_eq!(config.name, stream.name());
            let subjects = match stream {
                Stream::Events => subject::EVENTS,
                Stream::Marks => subject::MARKS,
                Stream::Presence => subject::PRESENCE,
                Stream::Push => subject::PUSH,
                Stream::Dead => subject::DEAD,
            };
            assert_eq!(config.subjects, [subjects]);
            if matches!(stream, Stream::Push | Stream::Dead) {
                assert!(config.republish.is_none(), "nobody in a room hears of jobs");
                continue;
            }
            let republish = config.republish.expect("edges live on the republish");
            assert_eq!((republish.source.as_str(), republish.destination.as_str()), (subjects, "chat.live.>"));
            assert!(!republish.headers_only);
        }
    }

    #[test]
    fn events_are_kept_for_ever_on_disk_and_can_be_batched_and_erased() {
        let config = Stream::Events.config();
        assert_eq!(config.storage, StorageType::File);
        assert_eq!((config.max_age, config.max_messages, config.max_bytes), (Duration::ZERO, -1, -1));
        assert!(config.allow_atomic_publish && config.allow_direct);
        assert!(!config.allow_rollup && !config.deny_delete);
        assert_eq!(config.duplicate_window, Duration::from_secs(120));
    }

    #[test]
    fn a_drift_that_would_forget_events_is_named() {
        let mut found = Stream::Events.config();
        assert_eq!(Stream::Events.drift(&found), Vec::<String>::new());
        found.num_replicas = 3;
        found.max_messages = 0;
        assert_eq!(Stream::Events.drift(&found), Vec::<String>::new());
        found.max_age = Duration::from_secs(60);
        found.allow_rollup = true;
        let differences = Stream::Events.drift(&found);
        assert_eq!(differences, ["allow_rollup is true, not false", "max_age is 60s, not 0ns"]);
    }

    #[test]
    fn a_job_is_gone_once_it_is_done_and_the_operator_says_how_long_dead_letters_are_kept() {
        let push = Stream::Push.config();
        assert_eq!((push.retention, push.storage), (RetentionPolicy::WorkQueue, StorageType::File));
        let mut found = push.clone();
        found.retention = RetentionPolicy::Limits;
        assert_eq!(Stream::Push.drift(&found), ["retention is Limits, not WorkQueue"]);
        let mut found = Stream::Dead.config();
        (found.max_age, found.max_messages) = (Duration::ZERO, -1);
        assert_eq!(Stream::Dead.drift(&found), Vec::<String>::new());
    }

    #[test]
    fn each_created_log_has_an_epoch_of_its_own() {
        let epochs = [(); 2].map(|()| epoch_of(&Stream::Events.config_to_create(1)).unwrap());
        assert_ne!(epochs[0], epochs[1]);
        assert_eq!(epoch_of(&Stream::Marks.config_to_create(1)), None);
    }
}
