//! What a webhook's answer means for the job.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use klatch_service::outgoing::{Answer, Failure};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// What becomes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Not now, for this reason; perhaps not before a time that the receiver named.
    Again { reason: String, retry_after: Option<Duration> },
    /// The receiver says that it will never take this again.
    Never { reason: String },
}

/// Any 2xx is delivered, 410 Gone is never, all else is tried again: a redirect, for it is not followed, and 401, 403, 404
/// and 422, too, for that is what a receiver says in the middle of its own deployment or of a change of secret.
pub(crate) fn judge(answer: &Result<Answer, Failure>, now: OffsetDateTime) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return Verdict::Again { reason: failure.to_string(), retry_after: None },
    };
    let reason = format!("it answered {}", answer.status);
    match answer.status {
        status if status.is_success() => Verdict::Delivered,
        StatusCode::GONE => Verdict::Never { reason },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Verdict::Again { reason, retry_after: retry_after(&answer.headers, now) }
        }
        _ => Verdict::Again { reason, retry_after: None },
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    (at - now).try_into().ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2025-11-17 00:00:00 UTC);

    fn judged(status: u16, retry_after: Option<&str>) -> Verdict {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        judge(&Ok(Answer { status, headers, body: Bytes::new(), whole: true }), NOW)
    }

    #[test]
    fn what_each_answer_means() {
        for status in [200, 201, 202, 204] {
            assert_eq!(judged(status, None), Verdict::Delivered, "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 502, 503] {
            assert!(matches!(judged(status, None), Verdict::Again { .. }), "{status}");
        }
        assert_eq!(judged(410, None), Verdict::Never { reason: "it answered 410 Gone".into() });
        let late = judge(&Err(Failure::TimedOut(Duration::from_secs(15))), NOW);
        assert_eq!(late, Verdict::Again { reason: "no answer within 15s".into(), retry_after: None });
    }

    #[test]
    fn only_who_is_overloaded_may_name_a_time() {
        let named = |status, text| match judged(status, Some(text)) {
            Verdict::Again { retry_after, .. } => retry_after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(named(429, "120"), Some(120));
        assert_eq!(named(503, "Mon, 17 Nov 2025 00:02:00 GMT"), Some(120));
        assert_eq!(named(503, "Sun, 16 Nov 2025 00:00:00 GMT"), None);
        assert_eq!(named(429, "soon"), None);
        assert_eq!(named(500, "120"), None);
    }
}
