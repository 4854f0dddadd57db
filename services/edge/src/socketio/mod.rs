//! Socket.IO: the default namespace and those that a dialect names; over WebSocket, long-polling, and from one to the
//! other.
//!
//! The library (socketioxide) has the protocol: handshakes, heartbeats, packets, acknowledgements. What is said to whom
//! is the rooms' and the interpreter's, as for every other client.

mod inbox;
mod link;
mod session;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use klatch_domain::UserId;
use klatch_wire::Code;
use klatch_wire::dialects::{self, Claim, Door};
use klatch_wire::native::server::Failure;
use serde_json::{Value, json};
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo, TransportType};
use tokio::sync::mpsc;

use crate::http::credential;
use crate::hub::Hub;
use crate::interpreter::{Caller, Interpreter};
use crate::outbox::Outbox;
use crate::stream::Wire;
use inbox::{Inbox, Incoming};
use link::{Link, Links};
use session::Session;

/// Where clients find it.
const PATH: &str = "/socket.io/";
/// Where a client is that names no namespace (Socket.IO protocol 5).
const DEFAULT_NAMESPACE: &str = "/";

/// Between heartbeats, and how long one may stay unanswered. A waiting poll is answered within the former, which must be
/// less than any request may take (`accept`).
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// A client that has connected must name a namespace within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Packets that the library holds for a connection: events, of which we give it few at a time, and the acknowledgements
/// of as many events as a client may have waiting.
const PACKETS_MAX: usize = 1024;
/// Bytes that a connection holds to read into.
const READ_BUFFER: usize = 1024;
/// An event may come with so many attachments before it ends the connection; none is taken.
const ATTACHMENTS_MAX: usize = 4;
const ATTACHMENT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a poll's answer that are put together at most: what the library holds of a connection.
const POLL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is served at [`PATH`].
pub(crate) fn routes(hub: &Arc<Hub>) -> Router {
    let limits = &hub.config.limits;
    let attachments = ParserConfig::common()
        .max_incoming_binaries(ATTACHMENTS_MAX)
        .max_incoming_binary_buf_size(ATTACHMENT_BYTES_MAX);
    let (service, io) = SocketIo::builder()
        .ping_interval(PING_EVERY)
        .ping_timeout(PONG_WITHIN)
        .connect_timeout(CONNECT_WITHIN)
        .max_payload(limits.frame_bytes_max as u64)
        .ws_max_message_size(limits.frame_bytes_max)
        .ws_max_frame_size(limits.frame_bytes_max)
        .max_buffer_size(PACKETS_MAX)
        .ws_read_buffer_size(READ_BUFFER)
        .with_parser(attachments)
        .build_svc();
    let links = Links::default();
    for namespace in namespaces() {
        let (at_door, inside, links) = (hub.clone(), hub.clone(), links.clone());
        let entered = move |socket: SocketRef| enter(socket, inside);
        let admitted = move |socket: SocketRef, auth: TryData<Value>| admit(socket, auth, namespace, at_door, links);
        io.ns(namespace, entered.with(admitted));
    }
    Router::new().route_service(PATH, service).layer(middleware::from_fn_with_state((hub.clone(), links), carry))
}

/// The default one, and those of the dialects.
fn namespaces() -> BTreeSet<&'static str> {
    let named = dialects::ALL.iter().flat_map(|dialect| dialect.doors()).filter_map(|door| match door {
        Door::Namespace(name) => Some(*name),
        Door::Token | Door::Plain | Door::WebSocket(_) => None,
    });
    named.chain([DEFAULT_NAMESPACE]).collect()
}

/// Around the library: who may come at all, which TCP connection carries a session, and what of its events a poll took.
async fn carry(State((hub, links)): State<(Arc<Hub>, Links)>, request: Request, next: Next) -> Response {
    if !credential::may_bring_cookie(&hub, request.headers()) {
        return refusal(StatusCode::FORBIDDEN, 4, "Forbidden");
    }
    let query = request.uri().query().unwrap_or_default();
    let sid = query.split('&').find_map(|pair| pair.strip_prefix("sid="));
    if sid.is_none() && hub.draining.is_cancelled() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, 3, "this server stops");
    }
    let link = sid.map(|sid| links.open(sid));
    if link.as_ref().is_some_and(|link| link.is_cut()) {
        return refusal(StatusCode::BAD_REQUEST, 1, "Session ID unknown");
    }
    let is_poll = request.method() == Method::GET && !query.split('&').any(|pair| pair == "transport=websocket");
    match link {
        Some(link) if is_poll => poll(&link, request, next).await,
        link => {
            let wire = wire_of(request.extensions());
            let response = next.run(request).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS
                && let Some(wire) = wire
            {
                // Before the answer is written: what follows it are frames.
                wire.upgrades();
                if let Some(link) = link {
                    link.carried_by(&wire);
                }
            }
            response
        }
    }
}

/// A poll: it comes after the last answer has, and it ends when the session does.
async fn poll(link: &Link, request: Request, next: Next) -> Response {
    link.poll_came();
    let response = tokio::select! {
        response = next.run(request) => response,
        () = link.cut_off() => return refusal(StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
    };
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, POLL_BYTES_MAX).await {
        Ok(body) => {
            link.poll_answered(&body);
            Response::from_parts(parts, Body::from(body))
        }
        Err(_) => {
            // What it held is lost: the client must not go on as if nothing were missing.
            link.cut();
            refusal(StatusCode::BAD_REQUEST, 1, "Session ID unknown")
        }
    }
}

/// As Engine.IO words it (`{code, message}`).
fn refusal(status: StatusCode, code: u8, message: &str) -> Response {
    (status, axum::Json(json!({ "code": code, "message": message }))).into_response()
}

fn wire_of(extensions: &axum::http::Extensions) -> Option<Arc<Wire>> {
    extensions.get::<Weak<Wire>>().and_then(Weak::upgrade)
}

/// What waits between the middleware, where events begin to come, and the handler, from which on something can be said.
#[derive(Clone)]
struct Opening(Arc<Mutex<Option<Opened>>>);

struct Opened {
    inbox: Inbox,
    incoming: mpsc::Receiver<Incoming>,
    outbox: Arc<Outbox>,
    interpreter: Interpreter,
}

/// The connect middleware: a token that doesn't hold, or one connection too many, fails the connection. From here on what
/// the client says is taken, and what it hears without asking is heard: before its connection is answered.
async fn admit(
    socket: SocketRef,
    TryData(auth): TryData<Value>,
    namespace: &'static str,
    hub: Arc<Hub>,
    links: Links,
) -> Result<(), String> {
    let identified = identify(&socket, auth.ok().as_ref(), namespace, &hub).await;
    let (door, caller) = identified.map_err(|failure| failure.message)?;
    let link = links.open(socket.id.as_str());
    if socket.transport_type() == TransportType::Websocket
        && let Some(wire) = wire_of(&socket.req_parts().extensions)
    {
        link.carried_by(&wire);
    }
    let limits = &hub.config.limits;
    let (inbox, incoming) = Inbox::new(limits.frames_burst as usize, limits.queue_bytes_max, link);
    socket.on_fallback(inbox.clone());
    socket.on_disconnect(inbox.clone());
    let outbox = Arc::new(Outbox::new(limits.queue_bytes_max));
    let mut interpreter = Interpreter::new(hub.clone(), outbox.clone(), door);
    match interpreter.begin(caller).await {
        Ok(()) => {}
        Err(failure) if failure.code == Code::TooManyConnections => return Err(failure.message),
        // It stays, and is told why it is nobody.
        Err(failure) => drop(interpreter.refuse("", &failure)),
    }
    let opened = Opened { inbox, incoming, outbox, interpreter };
    socket.extensions.insert(Opening(Arc::new(Mutex::new(Some(opened)))));
    Ok(())
}

/// The connect handler.
async fn enter(socket: SocketRef, hub: Arc<Hub>) {
    let opening = socket.extensions.remove::<Opening>();
    let opened = opening.and_then(|Opening(opened)| opened.lock().unwrap_or_else(PoisonError::into_inner).take());
    let Some(Opened { inbox, incoming, outbox, interpreter }) = opened else { return };
    let session = Session { hub: hub.clone(), socket, outbox, incoming, inbox };
    hub.tasks.spawn(session.serve(interpreter));
}

/// Who comes in, and where. What can be known without asking anybody is known here.
async fn identify(
    socket: &SocketRef,
    auth: Option<&Value>,
    namespace: &'static str,
    hub: &Hub,
) -> Result<(Door, Caller), Failure> {
    let parts = socket.req_parts();
    let given = match auth.and_then(|auth| auth.get("token")) {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) => {
            let token = token.strip_prefix("Bearer ").unwrap_or(token);
            Some(hub.verifier.verify_anew(token).await?)
        }
        Some(_) => return Err(Failure::new(Code::NotAuthenticated, "auth.token is no string")),
    };
    let door = match (namespace, &given) {
        (DEFAULT_NAMESPACE, Some(_)) => Door::Token,
        (DEFAULT_NAMESPACE, None) => Door::Plain,
        (namespace, _) => Door::Namespace(namespace),
    };
    let person = match given {
        Some(person) => Some(person),
        None => credential::authenticate(hub, &parts.uri, &parts.headers).await?,
    };
    let caller = match person {
        Some(person) => Caller::Proven(person),
        None if namespace != DEFAULT_NAMESPACE => {
            claimed(parts.uri.query().unwrap_or_default()).map_or(Caller::Nobody, Caller::Claims)
        }
        None => Caller::Nobody,
    };
    Ok((door, caller))
}

/// Seed 002's `?userId=`.
fn claimed(query: &str) -> Option<Claim> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let id = pairs.into_iter().find(|(name, _)| name == "userId")?.1;
    Some(Claim { user_id: Some(UserId::parse(&id).ok()?), username: None, token: None })
}
