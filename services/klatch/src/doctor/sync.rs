//! Whether what was acknowledged is on the disk: `sync_interval: always`.

use std::path::Path;

use super::finding::{Check, Finding};

const ABOUT: &str = "sync_interval";

/// What the configuration says that our own broker was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sync {
    /// This, or nothing of it.
    Own(Option<String>),
    /// Somebody else's broker: a server does not show it to clients.
    Unknown,
}

/// `own` is the data folder of the `klatch up` whose broker this is.
pub(super) fn gather(own: Option<&Path>) -> Sync {
    match own.map(|data| std::fs::read_to_string(data.join("broker/broker.conf"))) {
        Some(Ok(config)) => Sync::Own(read(&config)),
        _ => Sync::Unknown,
    }
}

fn read(config: &str) -> Option<String> {
    let mut values = config.lines().filter_map(|line| line.trim().strip_prefix("sync_interval"));
    values.next_back().map(|value| value.trim_start_matches([':', '=', ' ']).trim().to_owned())
}

pub(super) fn judge(sync: &Sync) -> Vec<Finding> {
    let finding = match sync {
        Sync::Own(Some(value)) if value == "always" => {
            Finding::ok(Check::Sync, ABOUT, "always: what was acknowledged is on the disk")
        }
        Sync::Own(value) => {
            let what =
                format!("{}: a power failure loses what was acknowledged", value.as_deref().unwrap_or("not set"));
            let remedy = "restart `klatch up`, which writes its broker's configuration anew";
            Finding::problem(Check::Sync, ABOUT, what, remedy)
        }
        Sync::Unknown => {
            let remedy = "look for sync_interval: always within jetstream { … } of each server's configuration, as in \
                          nats/broker.conf";
            Finding::note(Check::Sync, ABOUT, "a server does not show it to clients", remedy)
        }
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn our_own_brokers_configuration_is_read() {
        assert_eq!(read(include_str!("../../../../nats/broker.conf")), Some("always".to_owned()));
        assert_eq!(read("jetstream {\n  # sync_interval: always\n}"), None);
        assert_eq!(read("  sync_interval = 2m"), Some("2m".to_owned()));
    }

    #[test]
    fn anything_but_always_is_a_problem() {
        let judged = |sync| judge(&sync)[0].severity;
        assert_eq!(judged(Sync::Own(Some("always".to_owned()))), Severity::Ok);
        assert_eq!(judged(Sync::Own(Some("2m".to_owned()))), Severity::Problem);
        assert_eq!(judged(Sync::Own(None)), Severity::Problem);
        assert_eq!(judged(Sync::Unknown), Severity::Note);
    }
}
