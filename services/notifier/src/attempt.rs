//! One try to deliver a job.

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use klatch_domain::Event;
use klatch_eventlog::{Log, ReadError};
use klatch_service::outgoing::Outgoing;
use klatch_service::traces::{self, Traceparent};
use time::OffsetDateTime;

use crate::announcement;
use crate::config::Webhook;
use crate::job::Job;
use crate::signature::signatures;
use crate::verdict::{Verdict, judge};

/// What became of a try.
#[derive(Debug)]
pub(crate) enum Tried {
    /// The request was made, or refused.
    Sent(Verdict),
    /// The message is not in the log any more: it was deleted and erased, and nobody is to be told what it said.
    Withdrawn,
    /// Another message lies where this one should: the log is not the one that the job was made from.
    Misplaced,
}

/// Reads the message and makes the request. The error says that the log can't be read: no request was made.
pub(crate) async fn attempt(log: &Log, outgoing: &Outgoing, webhook: &Webhook, job: &Job) -> Result<Tried, ReadError> {
    let Some(stored) = log.get(job.seq).await? else { return Ok(Tried::Withdrawn) };
    let Ok(Event::MessageSent(sent)) = stored.event() else { return Ok(Tried::Misplaced) };
    if sent.message_id != job.message_id {
        return Ok(Tried::Misplaced);
    }
    let body = announcement::message_sent(stored.at, &sent, job.receiver_id.as_ref());
    let request = signed(webhook, job, body, OffsetDateTime::now_utc().unix_timestamp());
    let answer = match request {
        Ok(request) => outgoing.send(request).await,
        Err(error) => {
            return Ok(Tried::Sent(Verdict::Never { reason: format!("no request can be made of it: {error}") }));
        }
    };
    Ok(Tried::Sent(judge(&answer, OffsetDateTime::now_utc())))
}

fn signed(webhook: &Webhook, job: &Job, body: Bytes, now: i64) -> Result<Request<Bytes>, http::Error> {
    let id = job.message_id.as_str();
    let signature = signatures(&webhook.secrets, id, now, &body);
    let mut request = Request::post(webhook.url.as_str());
    if let Some(trace) = traces::current() {
        request = request.header(Traceparent::HEADER, trace.to_string());
    }
    request
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", signature)
        .body(body)
}
