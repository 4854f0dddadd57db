//! One trace for all that becomes of a frame, sent by OTLP (HTTP, protobuf) where `OTEL_EXPORTER_OTLP_ENDPOINT` or
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set; the other standard variables (`OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`,
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_…`, `OTEL_SDK_DISABLED`) mean what they mean everywhere.
//!
//! A span is a `tracing` span with the target [`TARGET`]. Where nothing collects, such a span is disabled at its callsite:
//! it costs one read of an atomic, and nothing is put into or looked for in a message's headers. No span holds what was
//! said, a token, or who said it.

mod traceparent;

use std::env;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use traceparent::Traceparent;

/// What spans of a trace have as their target: `tracing::trace_span!(target: traces::TARGET, …)`.
pub const TARGET: &str = "klatch::trace";

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// So long the last traces may take: a collector that is gone must not keep a process from its end.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Why traces that are asked for can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// A protocol that is not spoken here.
    #[error("{variable} is {found}: traces go out by http/protobuf only (port 4318 of most collectors)")]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
    },
    /// The endpoint, or another variable, can't be meant.
    #[error("traces can't be sent: {0}")]
    Exporter(String),
}

/// Whether spans are collected in this process.
#[inline]
pub fn are_on() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

/// Where the present span stands in its trace; none outside of a trace.
#[inline]
pub fn current() -> Option<Traceparent> {
    if are_on() { of(&Span::current()) } else { None }
}

/// Where this span stands in its trace.
pub fn of(span: &Span) -> Option<Traceparent> {
    let context = span.context();
    let place = context.span().span_context().clone();
    let (trace, own) =
        (u128::from_be_bytes(place.trace_id().to_bytes()), u64::from_be_bytes(place.span_id().to_bytes()));
    Traceparent::new(trace, own, place.trace_flags().to_u8())
}

/// Puts a new span behind another one, of this process or another. Without one it begins a trace, or stays where it is.
pub fn put_behind(span: &Span, before: Option<Traceparent>) {
    let Some(before) = before else { return };
    let place = SpanContext::new(
        TraceId::from_bytes(before.trace().to_be_bytes()),
        SpanId::from_bytes(before.span().to_be_bytes()),
        TraceFlags::new(before.flags()),
        true,
        TraceState::default(),
    );
    // It fails where the span has begun, or nothing collects.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(place));
}

/// Sends what is left. Blocks until it is sent, for a second at most.
pub fn flush() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(FLUSH_WITHIN)
    {
        tracing::warn!(%error, "the last traces were not sent");
    }
}

/// Begins to collect, if the environment asks for it. `service` is what the process is called unless `OTEL_SERVICE_NAME`
/// says otherwise.
pub(crate) fn begin(service: &'static str) -> Result<Option<Tracer>, TracesError> {
    if !is_asked_for(|name| env::var(name).ok()) {
        return Ok(None);
    }
    for variable in PROTOCOLS {
        match env::var(variable) {
            Ok(found) if !found.is_empty() && found != "http/protobuf" => {
                return Err(TracesError::Protocol { variable, found });
            }
            _ => {}
        }
    }
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build();
    let exporter = exporter.map_err(|error| TracesError::Exporter(error.to_string()))?;
    let mut resource = Resource::builder();
    if env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let tracer = provider.tracer("klatch");
    let _ = PROVIDER.set(provider);
    Ok(Some(tracer))
}

fn is_asked_for(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, value: &str| variable(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let is_set = |name: &&str| variable(name).is_some_and(|found| !found.trim().is_empty());
    ENDPOINTS.iter().any(is_set) && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_variables_turn_them_on_and_off() {
        let asked = |set: &[(&str, &str)]| {
            is_asked_for(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(!asked(&[]));
        assert!(!asked(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]));
        assert!(asked(&[endpoint]));
        assert!(asked(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]));
        assert!(!asked(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!asked(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }

    #[test]
    fn where_nothing_collects_there_is_no_trace() {
        let span = tracing::trace_span!(target: TARGET, "frame");
        assert!(span.is_disabled() && !are_on());
        span.in_scope(|| assert_eq!(current(), None));
    }
}
