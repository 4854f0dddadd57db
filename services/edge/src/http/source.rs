//! The address that a request comes from, for what is limited by it.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::hub::Hub;

/// The other end of the connection, as every request on it has it among its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The address of whoever asks: the other end of the connection, or what the operator's proxies say.
pub(super) struct SourceAddress(pub(super) Option<IpAddr>);

impl FromRequestParts<Arc<Hub>> for SourceAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>().map(|Peer(peer)| peer.ip());
        Ok(SourceAddress(forwarded(&parts.headers, hub.config.proxies).or(peer)))
    }
}

/// Each proxy adds the address that it was asked from: the outermost of ours is the first that is not the client itself.
fn forwarded(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let hop = hops[hops.len().checked_sub(proxies)?..].first()?;
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_own_proxies_added_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "198.51.100.66, 192.0.2.1".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.1".parse().unwrap());
        let at = |proxies| forwarded(&headers, proxies).map(|address| address.to_string());
        assert_eq!(at(0), None);
        assert_eq!(at(1).as_deref(), Some("10.0.0.1"));
        assert_eq!(at(2).as_deref(), Some("192.0.2.1"));
        assert_eq!(at(4), None);
        headers.insert("x-forwarded-for", "[2001:db8::1]:4711".parse().unwrap());
        assert_eq!(forwarded(&headers, 1).unwrap().to_string(), "2001:db8::1");
    }
}
