//! WebSockets: who is asking, from where, and the upgrade.
//!
//! `/chat/ws` in Klatch's own words; `/ws` the same, behind a gateway that has checked the person; others, like `/`, in
//! those of the dialects that name them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fastwebsockets::upgrade::{UpgradeFut, is_upgrade_request, upgrade as accept};
use hyper_util::rt::TokioIo;
use klatch_domain::UserId;
use klatch_wire::dialects::{self, Door};
use klatch_wire::native::server::{self, Failure};
use klatch_wire::{CloseCode, Code};

use super::credential::{authenticate, protocols};
use super::problem::Problem;
use super::{InternalKey, page};
use crate::client::{Client, Tongue};
use crate::hub::Hub;
use crate::interpreter::{Caller, Interpreter};
use crate::outbox::Outbox;
use crate::session::Session;
use crate::socket::{self, Connection, Upgraded, frame};
use crate::stream::Stream;
use crate::token::Person;
use crate::voice::Voice;

/// The subprotocol that the server speaks.
const PROTOCOL: &str = "klatch.v1";

/// Where the page is, for whoever asks without an upgrade.
const ROOT: &str = "/";

/// Headers in which a gateway says who is asking.
const GATEWAY_USER: &str = "x-user-id";
const GATEWAY_USERNAME: &str = "x-username";

/// `GET /chat/ws`.
pub(super) async fn native(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let person = match authenticate(&hub, request.uri(), request.headers()).await {
        Ok(person) => person,
        Err(failure) => return refused(&request, failure),
    };
    upgrade(&hub, request, |hub, socket| serve_native(hub, socket, person))
}

/// `GET /ws`: a gateway of the operator's has checked the person and says who it is.
pub(super) async fn behind_gateway(
    key: Result<InternalKey, Problem>,
    State(hub): State<Arc<Hub>>,
    request: Request,
) -> Response {
    if let Err(problem) = key {
        return problem.into_response();
    }
    let person = match named_by_gateway(request.headers()) {
        Ok(person) => person,
        Err(failure) => return Problem::from(failure).into_response(),
    };
    upgrade(&hub, request, |hub, socket| serve_native(hub, socket, Some(person)))
}

/// `GET /`: clients of a dialect where it is an upgrade, else the page.
async fn root(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    if !is_upgrade_request(&request) {
        return page::page(request.method().clone(), request.uri().clone(), request.headers().clone()).await;
    }
    foreign(hub, request, ROOT).await
}

/// The paths of dialects.
pub(super) fn doors() -> Router<Arc<Hub>> {
    let doors = dialects::ALL.iter().flat_map(|dialect| dialect.doors());
    let named = doors.filter_map(|door| match door {
        Door::WebSocket(path) => Some(*path),
        Door::Token | Door::Plain | Door::Namespace(_) => None,
    });
    let others: BTreeSet<_> = named.filter(|path| *path != ROOT).collect();
    others.into_iter().fold(Router::new().route(ROOT, get(root)), |router, path| {
        router.route(path, get(move |State(hub), request| foreign(hub, request, path)))
    })
}

async fn foreign(hub: Arc<Hub>, request: Request, path: &'static str) -> Response {
    let caller = match authenticate(&hub, request.uri(), request.headers()).await {
        Ok(Some(person)) => Caller::Proven(person),
        Ok(None) => Caller::Nobody,
        Err(failure) => return Problem::from(failure).into_response(),
    };
    upgrade(&hub, request, move |hub, socket| serve_foreign(hub, socket, Door::WebSocket(path), caller))
}

fn refused(request: &Request, failure: Failure) -> Response {
    if is_upgrade_request(request) { Problem::from(failure).into_response() } else { no_upgrade() }
}

fn no_upgrade() -> Response {
    let headers = [(header::UPGRADE, "websocket"), (header::CONNECTION, "Upgrade")];
    (StatusCode::UPGRADE_REQUIRED, headers, "this is a WebSocket: see chat.* in the documentation\n").into_response()
}

fn upgrade<F: Future<Output = ()> + Send + 'static>(
    hub: &Arc<Hub>,
    mut request: Request,
    serve: impl FnOnce(Arc<Hub>, UpgradeFut) -> F,
) -> Response {
    if !is_upgrade_request(&request) {
        return no_upgrade();
    }
    let speaks = protocols(request.headers()).any(|protocol| protocol == PROTOCOL);
    match accept(&mut request) {
        Ok((response, upgraded)) => {
            hub.tasks.spawn(serve(hub.clone(), upgraded));
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

/// The gateway's word is the operator's own: the key came with it.
fn named_by_gateway(headers: &HeaderMap) -> Result<Person, Failure> {
    // Twice the same header is nobody's word: a client may have sent one, which the gateway passed on.
    let text = |name: &str| {
        let mut all = headers.get_all(name).iter();
        let one = all.next().filter(|_| all.next().is_none())?;
        std::str::from_utf8(one.as_bytes()).ok()
    };
    let id = text(GATEWAY_USER).and_then(|id| UserId::parse(id).ok()).filter(|id| !id.is_reserved());
    let bad = || Failure::new(Code::NotAuthenticated, format!("{GATEWAY_USER} is missing or no user id"));
    let user_id = id.ok_or_else(bad)?;
    if headers.get_all(GATEWAY_USERNAME).iter().count() > 1 {
        return Err(Failure::new(Code::NotAuthenticated, format!("{GATEWAY_USERNAME} came twice")));
    }
    let username = text(GATEWAY_USERNAME).filter(|name| !name.is_empty()).unwrap_or(user_id.as_str()).to_owned();
    Person::believed(user_id, username)
}

async fn serve_native(hub: Arc<Hub>, upgraded: UpgradeFut, person: Option<Person>) {
    let Some(upgraded) = connection_of(upgraded).await else { return };
    let outbox = Arc::new(Outbox::new(hub.config.limits.queue_bytes_max));
    let mut session = Session::new(hub.clone(), outbox.clone(), Voice::NATIVE);
    match person.map(|person| session.admit(person, None)) {
        None => {}
        Some(Ok(())) => session.welcome(),
        Some(Err(failure)) => {
            outbox.answer(frame::text(&server::error(None, &failure)));
            outbox.close(CloseCode::TooManyConnections);
        }
    }
    attend(hub, upgraded, outbox, Tongue::Native, Client::Native(session));
}

async fn serve_foreign(hub: Arc<Hub>, upgraded: UpgradeFut, door: Door, caller: Caller) {
    let Some(upgraded) = connection_of(upgraded).await else { return };
    let outbox = Arc::new(Outbox::new(hub.config.limits.queue_bytes_max));
    let mut interpreter = Interpreter::new(hub.clone(), outbox.clone(), door);
    if let Err(failure) = interpreter.begin(caller).await {
        interpreter.refuse("", &failure);
        if failure.code == Code::TooManyConnections {
            outbox.close(CloseCode::TooManyConnections);
        }
    }
    let (tongue, client) = (Tongue::Foreign(interpreter.dialect()), Client::Foreign(interpreter));
    attend(hub, upgraded, outbox, tongue, client);
}

/// The connection's own task, beside that of its upgrade, which ends.
fn attend(hub: Arc<Hub>, upgraded: Upgraded, outbox: Arc<Outbox>, tongue: Tongue, client: Client) {
    let connection = Connection::new(hub.clone(), upgraded, outbox, tongue, Box::new(client));
    hub.tasks.spawn(socket::serve(connection));
}

/// The connection, once it is upgraded.
async fn connection_of(upgraded: UpgradeFut) -> Option<Upgraded> {
    let upgraded = match upgraded.await {
        Ok(socket) => socket.into_inner().into_inner(),
        Err(error) => {
            tracing::debug!(%error, "an upgrade did not happen");
            return None;
        }
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else {
        tracing::error!("an upgraded connection is none of ours");
        return None;
    };
    let Some((transport, slot)) = parts.io.into_inner().into_transport() else {
        tracing::error!("an upgraded connection is held by somebody else");
        return None;
    };
    Some(Upgraded { transport, leftover: parts.read_buf, slot })
}
