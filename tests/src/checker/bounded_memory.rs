//! Promise 8: memory stays bounded. Every process stays below a limit with a name, whatever is done to it.

use super::history::{Observation, Service};
use super::name::Moment;
use super::run::Run;

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A process held more memory than it may.
    #[error("{service:?} held {rss_bytes} bytes at {at}; its limit is {limit_bytes}")]
    Over {
        /// Which one.
        service: Service,
        /// When.
        at: Moment,
        /// What it held: its resident set.
        rss_bytes: u64,
        /// What it may hold.
        limit_bytes: u64,
    },
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let over = samples(run).filter(|(_, _, rss_bytes, limit_bytes)| rss_bytes > limit_bytes);
    over.map(|(at, service, rss_bytes, limit_bytes)| Violation::Over {
        service: service.clone(),
        at,
        rss_bytes,
        limit_bytes,
    })
    .collect()
}

/// How many samples there were.
pub fn sampled(run: &Run<'_>) -> usize {
    samples(run).count()
}

fn samples<'h>(run: &Run<'h>) -> impl Iterator<Item = (Moment, &'h Service, u64, u64)> {
    run.history.entries.iter().filter_map(|entry| match &entry.what {
        Observation::Held { service, rss_bytes, limit_bytes } => Some((entry.at, service, *rss_bytes, *limit_bytes)),
        _ => None,
    })
}
