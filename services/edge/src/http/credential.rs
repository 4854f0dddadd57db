//! Who is asking over HTTP: a token in a header, a subprotocol or a cookie, and never in an address.

use axum::http::{HeaderMap, Uri, header};
use klatch_wire::Code;
use klatch_wire::native::server::Failure;

use crate::hub::Hub;
use crate::token::Person;

/// A subprotocol that carries a token: browsers can send no header with a WebSocket.
const BEARER_PROTOCOL: &str = "klatch.bearer.";
/// The cookie that carries a token.
const COOKIE: &str = "access_token";
/// Names that a token must not have in an address: addresses are logged.
const QUERY_TOKENS: [&str; 3] = ["token", "access_token", "jwt"];

/// Where a token was found.
#[derive(Debug, PartialEq, Eq)]
enum Credential<'a> {
    None,
    /// In a header that only a program can set.
    Explicit(&'a str),
    /// In a cookie, which a browser sends by itself, whoever's page asks.
    Cookie(&'a str),
}

/// Who is asking; nobody yet, where there is no token: it may come in the first frame.
pub(crate) async fn authenticate(hub: &Hub, uri: &Uri, headers: &HeaderMap) -> Result<Option<Person>, Failure> {
    let query = uri.query().unwrap_or_default();
    let names_token = |pair: &str| QUERY_TOKENS.contains(&pair.split('=').next().unwrap_or_default());
    if query.split('&').any(names_token) {
        let why = "a token does not belong into an address: use the Authorization header, a cookie or a subprotocol";
        return Err(Failure::new(Code::InvalidField, why));
    }
    let cookie = cookie(headers);
    if !may_bring_cookie(hub, headers) {
        return Err(Failure::new(Code::Forbidden, "this origin may not connect with a cookie"));
    }
    match credential(headers, cookie) {
        Credential::None => Ok(None),
        Credential::Explicit(token) | Credential::Cookie(token) => Ok(Some(hub.verifier.verify_anew(token).await?)),
    }
}

/// A browser sends its cookie whoever's page asks: so it matters whose page it is.
pub(crate) fn may_bring_cookie(hub: &Hub, headers: &HeaderMap) -> bool {
    cookie(headers).is_none() || is_origin_allowed(&hub.config.origins, headers)
}

fn credential<'a>(headers: &'a HeaderMap, cookie: Option<&'a str>) -> Credential<'a> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let explicit = bearer.or_else(|| protocols(headers).find_map(|protocol| protocol.strip_prefix(BEARER_PROTOCOL)));
    match (explicit, cookie) {
        (Some(token), _) => Credential::Explicit(token),
        (None, Some(token)) => Credential::Cookie(token),
        (None, None) => Credential::None,
    }
}

pub(super) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// No `Origin`: not a browser. The server's own: the page. Else it must be on the list, to the letter.
pub(super) fn is_origin_allowed(allowed: &[String], headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_own = host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, at)| at.eq_ignore_ascii_case(host)));
    is_own || allowed.iter().any(|allowed| allowed == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_wherever_a_client_can_put_one() {
        let found = |pairs: &[(header::HeaderName, &str)]| {
            let headers = headers(pairs);
            match credential(&headers, cookie(&headers)) {
                Credential::None => "none".to_owned(),
                Credential::Explicit(token) => format!("explicit {token}"),
                Credential::Cookie(token) => format!("cookie {token}"),
            }
        };
        assert_eq!(found(&[]), "none");
        assert_eq!(found(&[(header::AUTHORIZATION, "bearer T")]), "explicit T");
        assert_eq!(found(&[(header::SEC_WEBSOCKET_PROTOCOL, "klatch.v1, klatch.bearer.T")]), "explicit T");
        assert_eq!(found(&[(header::COOKIE, "a=b; access_token=T; c=d")]), "cookie T");
        assert_eq!(found(&[(header::COOKIE, "access_token=C"), (header::AUTHORIZATION, "Bearer T")]), "explicit T");
    }

    #[test]
    fn only_listed_origins_and_the_servers_own_may_bring_a_cookie() {
        let allowed = ["https://chat.example.com".to_owned()];
        let may = |origin: &str| {
            is_origin_allowed(&allowed, &headers(&[(header::ORIGIN, origin), (header::HOST, "127.0.0.1:5004")]))
        };
        assert!(may("https://chat.example.com") && may("http://127.0.0.1:5004"));
        for foreign in ["https://chat.example.com.evil.org", "http://evil.org", "null", "https://chat.example.com:8443"]
        {
            assert!(!may(foreign), "{foreign}");
        }
        assert!(is_origin_allowed(&allowed, &headers(&[])));
    }
}
