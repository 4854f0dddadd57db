//! What a running service shows of itself apart from what clients reach: see `telemetry.listen`.

use klatch_service::telemetry::TelemetryConfig;
use klatch_service::{Health, Metrics, surface};
use tokio_util::sync::CancellationToken;

use crate::AnyError;

/// Answers `/livez`, `/readyz` and `/metrics` where the settings say so, until `shutdown`.
pub(crate) async fn serve(
    config: &TelemetryConfig,
    health: &Health,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) -> Result<(), AnyError> {
    if let Some(address) = config.listen {
        surface::serve(address, health.clone(), metrics.clone(), shutdown.clone()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::fs;
    use std::path::Path;

    use klatch_eventlog::Log;

    use super::*;

    /// As `docs/metrics.md` has it.
    fn table(metrics: &Metrics) -> String {
        let mut table = String::from("| metric | kind | what it counts |\n|---|---|---|\n");
        for metric in metrics.catalogue() {
            writeln!(table, "| `{}` | {} | {}. |", metric.name, metric.kind, metric.help).expect("a String takes any");
        }
        table
    }

    async fn everything() -> Metrics {
        let metrics = Metrics::new();
        klatch_edge::register_numbers(&metrics);
        klatch_projector::register_numbers(&metrics);
        klatch_notifier::register_numbers(&metrics);
        klatch_accounts::register_numbers(&metrics);
        Log::memory().count_into(&metrics);
        metrics
    }

    fn docs(path: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(path)
    }

    #[tokio::test]
    async fn the_catalogue_lists_what_is_counted_and_nothing_else() {
        const BEGIN: &str = "<!-- made by the code: UPDATE_SCHEMAS=1 cargo test -p klatch catalogue -->\n";
        let page = fs::read_to_string(docs("metrics.md")).expect("docs/metrics.md");
        let (before, listed) = page.split_once(BEGIN).expect("the line after which the table stands");
        let made = table(&everything().await);
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(docs("metrics.md"), format!("{before}{BEGIN}{made}")).expect("it can be written");
            return;
        }
        assert_eq!(listed, made, "UPDATE_SCHEMAS=1 cargo test -p klatch catalogue writes it anew");
    }

    #[tokio::test]
    async fn the_dashboard_asks_for_nothing_that_is_not_counted() {
        let board = fs::read_to_string(docs("grafana/klatch.json")).expect("docs/grafana/klatch.json");
        let board: serde_json::Value = serde_json::from_str(&board).expect("JSON");
        let known: Vec<String> = everything().await.catalogue().into_iter().map(|metric| metric.name).collect();
        let panels = board["panels"].as_array().expect("panels");
        let asked: Vec<&str> = panels
            .iter()
            .flat_map(|panel| panel["targets"].as_array().expect("targets"))
            .map(|target| target["expr"].as_str().expect("an expression"))
            .collect();
        assert!(asked.len() > 10, "{asked:?}");
        for expression in asked {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let names: Vec<&str> =
                words.filter(|word| word.starts_with("klatch_") || word.starts_with("process_")).collect();
            assert!(!names.is_empty(), "{expression} asks for no metric");
            for name in names {
                let of = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                assert!(known.iter().any(|known| known == name || known == of), "{name} is not counted");
            }
        }
    }
}
