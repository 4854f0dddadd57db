//! `GET /chat/ws`: who is asking, from where, and the upgrade.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use fastwebsockets::upgrade::{UpgradeFut, is_upgrade_request, upgrade as accept};
use hyper_util::rt::TokioIo;
use klatch_wire::native::server::{self, Failure};
use klatch_wire::{CloseCode, Code};
use tokio::net::TcpStream;

use super::problem::Problem;
use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::session::Session;
use crate::socket::{self, frame};
use crate::token::Person;

/// The subprotocol that the server speaks.
const PROTOCOL: &str = "klatch.v1";
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

/// The upgrade.
pub(super) async fn upgrade(State(hub): State<Arc<Hub>>, mut request: Request) -> Response {
    if !is_upgrade_request(&request) {
        let headers = [(header::UPGRADE, "websocket"), (header::CONNECTION, "Upgrade")];
        return (StatusCode::UPGRADE_REQUIRED, headers, "this is a WebSocket: see chat.* in the documentation\n")
            .into_response();
    }
    let person = match authenticate(&hub, request.uri(), request.headers()).await {
        Ok(person) => person,
        Err(failure) => return Problem::from(failure).into_response(),
    };
    let speaks = protocols(request.headers()).any(|protocol| protocol == PROTOCOL);
    match accept(&mut request) {
        Ok((response, upgraded)) => {
            hub.tasks.spawn(serve(hub.clone(), upgraded, person));
            let mut response = response.map(axum::body::Body::new);
            if speaks {
                let protocol = HeaderValue::from_static(PROTOCOL);
                response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
            }
            response
        }
        Err(error) => Problem::from(Failure::new(Code::InvalidFrame, error.to_string())).into_response(),
    }
}

/// Who is asking; nobody yet, where there is no token: it may come in the first frame.
async fn authenticate(hub: &Hub, uri: &Uri, headers: &HeaderMap) -> Result<Option<Person>, Failure> {
    let query = uri.query().unwrap_or_default();
    let names_token = |pair: &str| QUERY_TOKENS.contains(&pair.split('=').next().unwrap_or_default());
    if query.split('&').any(names_token) {
        let why = "a token does not belong into an address: use the Authorization header, a cookie or a subprotocol";
        return Err(Failure::new(Code::InvalidField, why));
    }
    let cookie = cookie(headers);
    if cookie.is_some() && !is_origin_allowed(&hub.config.origins, headers) {
        return Err(Failure::new(Code::Forbidden, "this origin may not connect with a cookie"));
    }
    match credential(headers, cookie) {
        Credential::None => Ok(None),
        Credential::Explicit(token) | Credential::Cookie(token) => Ok(Some(hub.verifier.verify_anew(token).await?)),
    }
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

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
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

async fn serve(hub: Arc<Hub>, upgraded: UpgradeFut, person: Option<Person>) {
    let upgraded = match upgraded.await {
        Ok(socket) => socket.into_inner().into_inner(),
        Err(error) => return tracing::debug!(%error, "an upgrade did not happen"),
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        return tracing::error!("an upgraded connection is no TCP stream");
    };
    let outbox = Arc::new(Outbox::new(hub.config.limits.queue_bytes_max));
    let mut session = Session::new(hub.clone(), outbox.clone());
    if let Some(person) = person
        && let Err(failure) = session.admit(person)
    {
        outbox.answer(frame::text(&server::error(None, &failure)));
        outbox.close(CloseCode::TooManyConnections);
    }
    socket::serve(hub, parts.io.into_inner(), parts.read_buf, outbox, session).await;
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
