//! The micro service `klatch-accounts`: requests in, answers out. Every copy joins the same queue group, so each request
//! is answered by one of them.

use std::sync::Arc;
use std::time::Duration;

use async_nats::service::{Request, Service, ServiceExt};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use futures_util::StreamExt;
use klatch_eventlog::subject;
use klatch_wire::account::{RETRY_AFTER_MS, SERVICE, name};
use klatch_wire::native::server::Failure;
use tokio_util::task::TaskTracker;

use crate::desk::Desk;

/// For how long the service waits for requests under way when it stops.
const DRAIN: Duration = Duration::from_millis(400);

/// The service, answering.
#[derive(Debug)]
pub(crate) struct Serving {
    service: Service,
    tasks: TaskTracker,
}

impl Serving {
    /// Registers the service and its endpoints.
    pub(crate) async fn start(client: &Client, desk: &Arc<Desk>) -> Result<Serving, async_nats::Error> {
        let builder = client.service_builder().description("Registration, sign-in, and the keys of access tokens");
        let service = builder.start(SERVICE, env!("CARGO_PKG_VERSION")).await?;
        let tasks = TaskTracker::new();
        for name in name::ALL {
            let mut endpoint = service.endpoint_builder().name(name).add(subject::account(name)).await?;
            let (desk, requests) = (Arc::clone(desk), tasks.clone());
            tasks.spawn(async move {
                while let Some(request) = endpoint.next().await {
                    let desk = Arc::clone(&desk);
                    requests.spawn(async move {
                        let answer = desk.answer(name, &request.message.payload).await;
                        respond(&request, answer).await;
                    });
                }
            });
        }
        Ok(Serving { service, tasks })
    }

    /// Takes no more requests, and waits a little for those under way.
    pub(crate) async fn stop(self) {
        // Stopping only sends to tasks of our own.
        let _ = self.service.stop().await;
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(requests = self.tasks.len(), "requests were still under way and get no answer");
        }
    }
}

async fn respond(request: &Request, answer: Result<Vec<u8>, Failure>) {
    let responded = match answer {
        Ok(body) => request.respond(Ok(body.into())).await,
        Err(failure) => {
            let mut headers = HeaderMap::new();
            // Not by the crate's own error type: its code is a number, ours are words.
            headers.insert(async_nats::service::NATS_SERVICE_ERROR, one_line(&failure.message));
            headers.insert(async_nats::service::NATS_SERVICE_ERROR_CODE, failure.code.as_str());
            if let Some(ms) = failure.retry_after_ms {
                headers.insert(RETRY_AFTER_MS, ms.to_string());
            }
            request.respond_with_headers(Ok(Bytes::new()), headers).await
        }
    };
    if let Err(error) = responded {
        tracing::debug!(%error, "an answer found no way");
    }
}

/// A header's value has no line breaks.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
