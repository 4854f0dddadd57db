//! The accounts, asked over NATS: passwords, codes, people. Tokens are verified without them.

use std::time::Duration;

use klatch_eventlog::subject;
use klatch_wire::Code;
use klatch_wire::account::RETRY_AFTER_MS;
use klatch_wire::native::server::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hub::Hub;

/// Longer than a password waits for its turn to be hashed, shorter than an HTTP request may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

impl Hub {
    /// Asks the accounts. Where there are none it is `not_found`, where none answers `unavailable`.
    pub(crate) async fn ask_accounts<Q: Serialize, A: DeserializeOwned>(
        &self,
        name: &str,
        request: &Q,
    ) -> Result<A, Failure> {
        if !self.config.auth.has_accounts() {
            return Err(Failure::new(Code::NotFound, "this server has no accounts: its operator gives the tokens"));
        }
        let away = || Failure::new(Code::Unavailable, "the accounts don't answer just now: try again");
        let client = self.log.client().ok_or_else(away)?;
        let payload = serde_json::to_vec(request).expect("requests have string keys");
        let asked = client.request(subject::account(name), payload.into());
        let answered = tokio::time::timeout(ANSWERS_WITHIN, asked).await;
        let reply = answered.map_err(|_| away())?.map_err(|_| away())?;
        let text = |name: &str| Some(reply.headers.as_ref()?.get_last(name)?.as_str());
        if let Some(code) = text("Nats-Service-Error-Code") {
            let code = Code::parse(code).unwrap_or(Code::Internal);
            let mut failure = Failure::new(code, text("Nats-Service-Error").unwrap_or_default());
            failure.retry_after_ms = text(RETRY_AFTER_MS).and_then(|ms| ms.parse().ok());
            return Err(failure);
        }
        serde_json::from_slice(&reply.payload).map_err(|error| {
            tracing::error!(name, %error, "the accounts' answer can't be read");
            Failure::new(Code::Internal, "the accounts' answer can't be read: this is a fault of the server")
        })
    }
}
