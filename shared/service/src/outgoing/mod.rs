//! Requests to other people's servers, at addresses that others have a say in: webhooks, push endpoints, keys.
//!
//! Such an address may be chosen to make us ask our own network something (server-side request forgery). So: https unless
//! the operator allows http; a name is resolved, what it resolves to is checked, and exactly what was checked is connected
//! to; addresses that are not public are refused unless the operator names their network; a redirect is an answer, never
//! followed; no proxy of the environment's is used. A request has a limit on its time, and on how much of the answer is
//! taken.

mod network;

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Idle connections to one server that are kept for the next request, and for how long.
const IDLE_CONNECTIONS_MAX: usize = 4;
const IDLE_MAX: Duration = Duration::from_secs(30);

/// What requests to other people's servers may do. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutgoingConfig {
    /// Whether an address may begin with http://. Everybody on the way can then read and change what is sent.
    pub allow_http: bool,
    /// Networks that may be reached although they are not public, like ["10.1.0.0/16", "127.0.0.1/32"].
    pub allow_networks: Vec<IpNet>,
    /// Milliseconds until a connection must stand.
    pub connect_ms_max: u64,
    /// Milliseconds until all of an answer must be there, connecting included.
    pub request_ms_max: u64,
    /// Bytes of an answer that are read; the rest is dropped, and the connection with it.
    pub response_bytes_max: usize,
}

impl Default for OutgoingConfig {
    fn default() -> Self {
        OutgoingConfig {
            allow_http: false,
            allow_networks: Vec::new(),
            connect_ms_max: 5_000,
            request_ms_max: 15_000,
            response_bytes_max: 64 * 1024,
        }
    }
}

/// Why a request is not made: nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither https nor, where allowed, http.
    #[error("{0}:// is not allowed")]
    Scheme(String),
    /// A name and password in the address would end up in logs.
    #[error("an address may not hold a name or password")]
    Credentials,
    /// Nothing to connect to.
    #[error("an address needs a host")]
    NoHost,
    /// All that the name stands for is not public, and not allowed.
    #[error("{host} is at {address}, which is not public, and no network of outgoing.allow_networks holds it")]
    Private {
        /// As it was given.
        host: String,
        /// The first address that it stands for.
        address: IpAddr,
    },
}

/// A request without an answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Not made.
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    /// The limit on its time passed before there was a status. What it asked for may have been done.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Anything else between us and the server. What it asked for may have been done.
    #[error("{0}")]
    Unreachable(String),
}

/// What a server said. Any status is an answer, a redirect too.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as far as it was read.
    pub body: Bytes,
    /// Whether that is all of it: else it was too long, or broke off, or did not end in time.
    pub whole: bool,
}

/// Makes requests as the configuration allows. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Outgoing {
    client: reqwest::Client,
    rules: Arc<Rules>,
    within: Duration,
    response_bytes_max: usize,
}

impl Outgoing {
    /// Fails only where the system's certificates can't be read.
    pub fn new(config: &OutgoingConfig) -> Result<Outgoing, Failure> {
        let rules = Arc::new(Rules {
            allow_http: config.allow_http,
            allow_networks: config.allow_networks.iter().map(IpNet::trunc).collect(),
        });
        let within = Duration::from_millis(config.request_ms_max);
        let client = reqwest::Client::builder()
            .user_agent(concat!("klatch/", env!("CARGO_PKG_VERSION")))
            .https_only(!config.allow_http)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .dns_resolver(Resolver(Arc::clone(&rules)))
            .connect_timeout(Duration::from_millis(config.connect_ms_max))
            .timeout(within)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .build()
            .map_err(|error| Failure::Unreachable(innermost(&error)))?;
        Ok(Outgoing { client, rules, within, response_bytes_max: config.response_bytes_max })
    }

    /// Whether a request to this address could be made at all: its scheme, and its host where that is an address. What a
    /// name stands for is checked with each request.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        self.rules.check(url)
    }

    /// Makes a request, and reads the answer. Once there is a status there is an answer: that the rest of it breaks off, or
    /// does not come in time, undoes nothing that the server did.
    pub async fn send(&self, request: http::Request<Bytes>) -> Result<Answer, Failure> {
        let request = reqwest::Request::try_from(request).map_err(|error| Failure::Unreachable(innermost(&error)))?;
        // An address in the place of a name never meets the resolver.
        self.check(request.url())?;
        let mut response = self.client.execute(request).await.map_err(|error| self.failure(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        let mut whole = false;
        while body.len() < self.response_bytes_max {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => {
                    whole = true;
                    break;
                }
                Err(_) => break,
            }
        }
        body.truncate(self.response_bytes_max);
        Ok(Answer { status, headers, body: body.into(), whole })
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        let mut cause: Option<&dyn Error> = Some(error);
        while let Some(error) = cause {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                return Failure::Refused(refused.clone());
            }
            cause = error.source();
        }
        if error.is_timeout() { Failure::TimedOut(self.within) } else { Failure::Unreachable(innermost(error)) }
    }
}

/// The cause behind the causes: what is in front of it only says that a request failed.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

/// What may be reached.
#[derive(Debug)]
struct Rules {
    allow_http: bool,
    allow_networks: Vec<IpNet>,
}

impl Rules {
    fn check(&self, url: &Url) -> Result<(), Refused> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            other => return Err(Refused::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let address = match url.host() {
            None => return Err(Refused::NoHost),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        };
        if self.allow(address) { Ok(()) } else { Err(Refused::Private { host: address.to_string(), address }) }
    }

    fn allow(&self, address: IpAddr) -> bool {
        let really = network::undressed(address);
        network::is_public(address) || self.allow_networks.iter().any(|network| network.contains(&really))
    }

    /// Of what a name stands for, what may be reached.
    fn choose(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let (allowed, refused): (Vec<_>, Vec<_>) = found.partition(|address| self.allow(address.ip()));
        match refused.first() {
            Some(first) if allowed.is_empty() => Err(Refused::Private { host: host.to_owned(), address: first.ip() }),
            _ => Ok(allowed),
        }
    }
}

/// reqwest connects to what this gives it, and to nothing else.
struct Resolver(Arc<Rules>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            // The port is the address's own; reqwest puts it in.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = rules.choose(name.as_str(), found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
