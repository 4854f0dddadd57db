//! What the process says of itself: log lines, for people on a terminal and as JSON otherwise.

use std::io::{self, IsTerminal};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How and how much is logged. Logs go to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// What is logged, as a tracing filter: a level, or per target, like "info,klatch_edge=debug".
    pub filter: String,
    /// "human", "json", or "auto": human on a terminal, JSON otherwise.
    pub format: Format,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `Human` if standard error is a terminal, else `Json`.
    Auto,
    /// One coloured line an event.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter makes no sense.
    #[error("telemetry.filter is no tracing filter ({0}): try \"info\" or \"info,klatch_edge=debug\"")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something in this process logs already.
    #[error("logging is set up already")]
    Already(#[from] TryInitError),
}

impl Default for TelemetryConfig {
    fn default() -> TelemetryConfig {
        // async-nats tells of each lost connection at info; our own conditions say the same with a reason.
        TelemetryConfig { filter: String::from("info,async_nats=warn"), format: Format::Auto }
    }
}

/// Begins to log, for the rest of the process's life.
pub fn init(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    if config.format.is_human(io::stderr().is_terminal()) {
        registry.with(lines.with_ansi(io::stderr().is_terminal()).with_target(false)).try_init()?;
    } else {
        registry.with(lines.json().flatten_event(true)).try_init()?;
    }
    Ok(())
}

impl Format {
    fn is_human(self, on_terminal: bool) -> bool {
        match self {
            Format::Auto => on_terminal,
            Format::Human => true,
            Format::Json => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_the_terminal_unless_told() {
        assert!(Format::Auto.is_human(true) && !Format::Auto.is_human(false));
        assert!(Format::Human.is_human(false) && !Format::Json.is_human(true));
    }

    #[test]
    fn a_bad_filter_says_what_a_good_one_looks_like() {
        let config = TelemetryConfig { filter: "klatch=loud".into(), ..Default::default() };
        let error = init(&config).expect_err("loud is no level");
        assert!(error.to_string().contains("telemetry.filter"), "{error}");
    }
}
