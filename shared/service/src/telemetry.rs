//! What the process says of itself: log lines, for people on a terminal and as JSON otherwise; traces, where the
//! environment asks for them; where its numbers can be fetched.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

use crate::traces::{self, TracesError};

/// How and how much is logged. Logs go to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// What is logged, as a tracing filter: a level, or per target, like "info,klatch_edge=debug".
    pub filter: String,
    /// "human", "json", or "auto": human on a terminal, JSON otherwise.
    pub format: Format,
    /// Where /livez, /readyz and /metrics are answered, apart from what clients reach, like "127.0.0.1:9464". Nowhere unless
    /// it is set; an edge answers them beside everything else too. Nobody is asked who they are there, and two services on
    /// one machine need two addresses.
    pub listen: Option<SocketAddr>,
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
    /// Traces are asked for, and can't be sent.
    #[error(transparent)]
    Traces(#[from] TracesError),
}

impl Default for TelemetryConfig {
    fn default() -> TelemetryConfig {
        // async-nats tells of each lost connection at info; our own conditions say the same with a reason.
        TelemetryConfig { filter: String::from("info,async_nats=warn"), format: Format::Auto, listen: None }
    }
}

/// Begins to log and, where the environment asks for it, to trace, for the rest of the process's life. `service` is what
/// traces call the process.
pub fn init(config: &TelemetryConfig, service: &'static str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    match traces::begin(service)? {
        // One filter over all: what it turns off costs a read of an atomic.
        None => tracing_subscriber::registry().with(filter).with(lines(config.format)).try_init()?,
        Some(tracer) => {
            let of_traces = Targets::new().with_target(traces::TARGET, LevelFilter::TRACE);
            let spans = tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_target(false)
                .with_filter(of_traces);
            tracing_subscriber::registry().with(lines(config.format).with_filter(filter)).with(spans).try_init()?;
            tracing::info!("traces go out by OTLP");
        }
    }
    Ok(())
}

fn lines<S>(format: Format) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    if format.is_human(io::stderr().is_terminal()) {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    }
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
        let error = init(&config, "test").expect_err("loud is no level");
        assert!(error.to_string().contains("telemetry.filter"), "{error}");
    }
}
