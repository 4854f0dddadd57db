//! A server that is told things, and answers as the test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use klatch_testkit::{eventually, free_port};
use serde_json::Value;
use standardwebhooks::Webhook as Verifier;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::scene::BOUND;

/// What it says to a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Manner {
    Takes,
    Says(u16),
    /// 429, and when to come again.
    Overloaded {
        seconds: u64,
    },
    Redirects,
    /// Never answers, as long as this is so.
    Hangs,
    /// Takes, after a while.
    Slow(Duration),
}

/// A request that came in.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) body: Value,
    pub(super) answered: u16,
    pub(super) at: std::time::Instant,
}

#[derive(Debug, Default)]
struct Book {
    requests: Vec<Request>,
    /// Requests under way by id.
    open: HashMap<String, u32>,
    /// Requests that came in, those included that nobody waited out.
    begun: usize,
    open_now: usize,
    open_most: usize,
    /// Ids that came in while another request had them.
    overlaps: Vec<String>,
}

struct Desk {
    secret: String,
    manner: watch::Sender<Manner>,
    book: Mutex<Book>,
}

/// A receiver on loopback. It believes nothing that is not signed.
pub(super) struct Receiver {
    pub(super) port: u16,
    desk: Arc<Desk>,
    serving: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(super) async fn start(secret: &str, manner: Manner) -> Receiver {
        let mut receiver = Receiver::down(secret, manner);
        receiver.up().await;
        receiver
    }

    /// One that nobody can connect to, until it is up.
    pub(super) fn down(secret: &str, manner: Manner) -> Receiver {
        let desk = Desk { secret: secret.to_owned(), manner: watch::Sender::new(manner), book: Mutex::default() };
        Receiver { port: free_port(), desk: Arc::new(desk), serving: None }
    }

    pub(super) async fn up(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let app = Router::new().route("/hook", post(take)).with_state(Arc::clone(&self.desk));
        self.serving = Some(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(super) fn behave(&self, manner: Manner) {
        self.desk.manner.send_replace(manner);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.desk.book.lock().unwrap().requests.clone()
    }

    /// The most requests that were under way at one time.
    pub(super) fn open_most(&self) -> usize {
        self.desk.book.lock().unwrap().open_most
    }

    /// The ids that it took, in order, repeats included.
    pub(super) fn taken(&self) -> Vec<String> {
        self.requests().into_iter().filter(|request| request.answered == 200).map(|request| request.id).collect()
    }

    /// Waits until each of these was taken.
    pub(super) async fn has_taken(&self, ids: &[String]) {
        eventually(BOUND, "every message to arrive", || async {
            let taken = self.taken();
            let missing: Vec<_> = ids.iter().filter(|id| !taken.contains(id)).collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("{} of {} missing", missing.len(), ids.len())) }
        })
        .await;
    }

    /// Waits until so many requests came in.
    pub(super) async fn was_asked(&self, times: usize) {
        eventually(BOUND, "requests", || async {
            let begun = self.begun();
            if begun >= times { Ok(()) } else { Err(begun) }
        })
        .await;
    }

    /// How many requests came in, those included that are under way or that nobody waited out.
    pub(super) fn begun(&self) -> usize {
        self.desk.book.lock().unwrap().begun
    }

    /// No id was ever in two requests at once.
    pub(super) fn assert_no_overlap(&self) {
        let overlaps = self.desk.book.lock().unwrap().overlaps.clone();
        assert!(overlaps.is_empty(), "{overlaps:?}");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// Counts a request as under way until it is dropped, answered or not.
struct Open {
    desk: Arc<Desk>,
    id: String,
}

impl Open {
    fn new(desk: &Arc<Desk>, id: String) -> Open {
        let mut book = desk.book.lock().unwrap();
        let open = book.open.entry(id.clone()).or_default();
        *open += 1;
        if *open > 1 {
            book.overlaps.push(id.clone());
        }
        book.begun += 1;
        book.open_now += 1;
        book.open_most = book.open_most.max(book.open_now);
        Open { desk: Arc::clone(desk), id }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut book = self.desk.book.lock().unwrap();
        *book.open.get_mut(&self.id).unwrap() -= 1;
        book.open_now -= 1;
    }
}

async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let verified = Verifier::new(&desk.secret).unwrap().verify(&body, &headers);
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let _open = Open::new(&desk, id.clone());
    let manner = desk.manner.borrow().clone();
    match manner {
        Manner::Hangs => {
            let mut changes = desk.manner.subscribe();
            let _ = changes.wait_for(|manner| *manner != Manner::Hangs).await;
        }
        Manner::Slow(pause) => tokio::time::sleep(pause).await,
        _ => {}
    }
    let answer = match (verified, &manner) {
        (Err(error), _) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        (Ok(()), Manner::Says(status)) => StatusCode::from_u16(*status).unwrap().into_response(),
        (Ok(()), Manner::Overloaded { seconds }) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
        }
        (Ok(()), Manner::Redirects) => (StatusCode::FOUND, [(header::LOCATION, "/hook")]).into_response(),
        (Ok(()), _) => StatusCode::OK.into_response(),
    };
    let request = Request {
        id,
        body: serde_json::from_slice(&body).unwrap(),
        answered: answer.status().as_u16(),
        at: std::time::Instant::now(),
    };
    desk.book.lock().unwrap().requests.push(request);
    answer
}
