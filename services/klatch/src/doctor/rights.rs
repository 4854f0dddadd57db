//! As whom doctor is connected, and whether the server asks at all.

use klatch_eventlog::{Inspection, Unseen};
use serde::Deserialize;

use super::finding::{Check, Finding};
use crate::broker::User;

const ABOUT: &str = "NATS users";

/// What the server knows us as.
#[derive(Debug)]
pub(super) struct Rights {
    /// Whether it lets in those alone who say who they are.
    pub(super) asks: bool,
    pub(super) user: Result<String, Unseen>,
}

#[derive(Deserialize)]
struct Answer {
    data: Me,
}

#[derive(Deserialize)]
struct Me {
    #[serde(default)]
    user: String,
}

pub(super) async fn gather(inspection: &Inspection) -> Rights {
    let user = inspection.ask("$SYS.REQ.USER.INFO").await.map(|answer: Answer| answer.data.user);
    Rights { asks: inspection.client().server_info().auth_required, user }
}

/// Each right that is wanting is told where it was wanted; here, only who we are.
pub(super) fn judge(rights: &Rights) -> Vec<Finding> {
    let finding = match &rights.user {
        _ if !rights.asks => {
            let remedy = "give it the users of nats/users.conf, unless nothing but Klatch reaches it: docs/security.md";
            Finding::warning(Check::Users, ABOUT, "the server lets everybody do everything", remedy)
        }
        Err(why) => Finding::unseen(Check::Users, ABOUT, why),
        Ok(user) if user == User::Operator.name() => Finding::ok(Check::Users, ABOUT, "connected as the operator"),
        Ok(user) => {
            let what = format!("connected as {user:?}, not as the operator: it may not see everything");
            let remedy = "set broker.user = \"operator\" and its password for people at a command line";
            Finding::note(Check::Users, ABOUT, what, remedy)
        }
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn who_we_are_is_told() {
        let judged = |asks, user| judge(&Rights { asks, user })[0].severity;
        assert_eq!(judged(true, Ok("operator".to_owned())), Severity::Ok);
        assert_eq!(judged(true, Ok("edge".to_owned())), Severity::Note);
        assert_eq!(judged(false, Ok(String::new())), Severity::Warning);
        assert_eq!(judged(true, Err(Unseen::Denied("no".to_owned()))), Severity::Problem);
    }
}
