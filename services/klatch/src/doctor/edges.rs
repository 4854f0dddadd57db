//! What the edges say of themselves at `/readyz`.

use serde_json::Value;

use super::finding::{Check, Finding};
use crate::health;

/// An edge's answer, or why there is none.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) url: String,
    pub(super) answer: Result<(bool, Value), String>,
}

pub(super) async fn gather(urls: &[String]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for url in urls {
        let answer = health::readiness(url).await.map_err(|error| error.to_string());
        seen.push(Seen { url: url.clone(), answer });
    }
    seen
}

pub(super) fn judge(edges: &[Seen]) -> Vec<Finding> {
    edges.iter().map(of_one).collect()
}

fn of_one(Seen { url, answer }: &Seen) -> Finding {
    let about = format!("edge {url}");
    match answer {
        Ok((true, _)) => Finding::ok(Check::Edge, about, "ready"),
        Ok((false, report)) => {
            let conditions = report["conditions"].as_object().into_iter().flatten();
            let reasons = conditions.filter_map(|(name, it)| Some(format!("{name}: {}", it["reason"].as_str()?)));
            let what = format!("not ready ({})", reasons.collect::<Vec<_>>().join("; "));
            Finding::problem(Check::Edge, about, what, "mend what it names; it becomes ready by itself")
        }
        Err(why) => {
            let remedy = "start `klatch edge` (or `klatch up`), or see that this machine reaches it";
            Finding::problem(Check::Edge, about, why, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn an_edge_that_is_not_ready_says_why() {
        let report = json!({ "conditions": { "log": { "state": "notReady", "reason": "no connection" } } });
        let finding = of_one(&Seen { url: "http://e".to_owned(), answer: Ok((false, report)) });
        assert_eq!(finding.severity, Severity::Problem);
        assert_eq!(finding.what, "not ready (log: no connection)");
    }
}
