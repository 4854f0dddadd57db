//! The micro service `klatch-projector`: queries in, answers out.
//!
//! A query waits for its `minSeq`, then for its turn, then reads on a blocking thread. What it finds damaged is reported,
//! and the views are rebuilt; the asker gets `unavailable`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::service::{Request, Service, ServiceExt};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use futures_util::StreamExt;
use klatch_domain::{Position, Seq};
use klatch_eventlog::{Log, subject};
use klatch_wire::Code;
use klatch_wire::query::{
    DigestRequest, DigestResponse, HISTORY_BYTES_MAX, HistoryRequest, MemberRequest, MembersRequest, Progress,
    RoomsRequest, SERVICE, StatusResponse, UnreadRequest, name,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::board::{AtLeast, Board, folded_to};
use crate::config::Config;
use crate::eraser;
use crate::numbers::Numbers;
use crate::store::checkpoint::SCHEMA;
use crate::store::{Damage, guarded};
use crate::views::retention::Retention;
use crate::views::{Failure, Reading, history, members, rooms, unread};
use crate::workshop::Workshop;

/// Left of the largest message that the broker takes: for headers, what surrounds the items, and one item on top.
const BYTES_AROUND: usize = 128 * 1024;
/// Orders of the eraser are counted up to this for the status.
const ORDERS_COUNTED_MAX: usize = 10_000;
/// For how long the service waits for queries under way when it stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Answers queries. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    log: Log,
    board: Arc<Board>,
    numbers: Numbers,
    patience: Duration,
    waiting: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    bytes_max: usize,
    retention: Retention,
    workshop: Workshop,
}

impl Desk {
    /// A desk that answers from the board's views.
    pub(crate) fn new(log: &Log, board: &Arc<Board>, numbers: &Numbers, config: &Config) -> Desk {
        let payload_max = log.client().map_or(HISTORY_BYTES_MAX, async_nats::Client::max_payload);
        Desk {
            log: log.clone(),
            board: Arc::clone(board),
            numbers: numbers.clone(),
            patience: Duration::from_millis(config.min_seq_wait_ms_max),
            waiting: Arc::new(Semaphore::new(config.queries_waiting_max.max(1))),
            reading: Arc::new(Semaphore::new(config.queries_in_flight_max.max(1))),
            bytes_max: payload_max.saturating_sub(BYTES_AROUND).max(BYTES_AROUND),
            retention: Retention { messages_max: config.history_messages_max, age_s_max: config.history_age_s_max },
            workshop: config.workshop,
        }
    }

    /// Answers a query by its name.
    pub(crate) async fn answer(&self, query: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let begun = Instant::now();
        let busy = |_| Failure::refused(Code::Unavailable, "too many queries wait");
        let _waiting = self.waiting.try_acquire().map_err(busy)?;
        let answer = match query {
            name::HISTORY => self.read(parse(body)?, |it: &HistoryRequest| seq(it.min_seq), history::page).await,
            name::ROOMS => {
                let needed = |it: &RoomsRequest| AtLeast { seq: it.min_seq, mark: it.min_mark };
                self.read(parse(body)?, needed, json(rooms::page)).await
            }
            name::MEMBERS => self.read(parse(body)?, |it: &MembersRequest| seq(it.min_seq), json(members::page)).await,
            name::MEMBER => self.read(parse(body)?, |it: &MemberRequest| seq(it.min_seq), json(members::one)).await,
            name::UNREAD => {
                let needed = |it: &UnreadRequest| AtLeast { seq: it.min_seq, mark: it.min_mark };
                self.read(parse(body)?, needed, json(unread::rooms)).await
            }
            name::DIGEST => self.digest(&parse(body)?).await,
            name::STATUS => self.status().await,
            _ => Err(Failure::refused(Code::InvalidField, "there is no such query")),
        };
        self.numbers.queries.inc();
        self.numbers.queries_refused.inc_by(u64::from(answer.is_err()));
        self.numbers.query_seconds.observe(begun.elapsed().as_secs_f64());
        answer
    }

    async fn read<R: Send + Sync + 'static>(
        &self,
        request: R,
        needed: impl Fn(&R) -> AtLeast,
        view: impl FnOnce(&Reading, &R) -> Result<Vec<u8>, Failure> + Send + 'static,
    ) -> Result<Vec<u8>, Failure> {
        let state = folded_to(&self.board, needed(&request), self.patience).await?;
        let Some(store) = state.store else { return Err(unavailable()) };
        let _turn = self.reading.acquire().await.map_err(|_| unavailable())?;
        let reading = Reading {
            store,
            position: Position { epoch: state.epoch, seq: state.seq },
            now: self.log.now(),
            bytes_max: self.bytes_max,
            retention: self.retention,
        };
        let read = self.workshop.blocking(move || {
            // A panic of sled is damage too; a refusal is none, and passes through.
            guarded(|| match view(&reading, &request) {
                Err(Failure::Damaged(damage)) => Err(damage),
                answer => Ok(answer),
            })
        });
        match read.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(damage)) => Err(self.report(state.generation, damage)),
            Err(_) => Err(unavailable()),
        }
    }

    fn report(&self, generation: u64, damage: Damage) -> Failure {
        tracing::error!(%damage, "a query found the views damaged");
        self.board.report(generation, damage);
        unavailable()
    }

    async fn digest(&self, request: &DigestRequest) -> Result<Vec<u8>, Failure> {
        let min_seq = request.min_seq.max(request.at.unwrap_or_default());
        let state = folded_to(&self.board, seq(min_seq), self.patience).await?;
        let at = request.at.unwrap_or(state.seq);
        let gone = || Failure::refused(Code::HistoryGone, "the digest of that position is not kept any more");
        let digest = self.board.digest_at(at).ok_or_else(gone)?.to_string();
        encode(&DigestResponse { epoch: state.epoch, at, digest, schema: SCHEMA, seq: state.seq })
    }

    async fn status(&self) -> Result<Vec<u8>, Failure> {
        let state = self.board.state();
        let end = self.log.last_seq().await.unwrap_or(state.end);
        let to_erase = match state.store {
            None => 0,
            Some(store) => {
                let count = self.workshop.blocking(move || guarded(|| eraser::waiting(&store, ORDERS_COUNTED_MAX)));
                count.await.map_err(|_| unavailable())?.map_err(|damage| self.report(state.generation, damage))?
            }
        };
        encode(&StatusResponse {
            phase: state.phase,
            epoch: state.epoch,
            seq: state.seq,
            end,
            folded: state.folded,
            undecodable: state.undecodable,
            to_erase,
            schema: SCHEMA,
        })
    }
}

fn seq(seq: Seq) -> AtLeast {
    AtLeast { seq, mark: Seq::ZERO }
}

fn unavailable() -> Failure {
    Failure::refused(Code::Unavailable, "the history can't be read now")
}

fn parse<R: DeserializeOwned>(body: &[u8]) -> Result<R, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::refused(Code::InvalidField, error.to_string()))
}

fn encode(answer: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(answer).map_err(|error| Failure::refused(Code::Internal, error.to_string()))
}

fn json<R, A: Serialize>(
    view: impl FnOnce(&Reading, &R) -> Result<A, Failure>,
) -> impl FnOnce(&Reading, &R) -> Result<Vec<u8>, Failure> {
    move |reading, request| encode(&view(reading, request)?)
}

/// The service, answering.
#[derive(Debug)]
pub(crate) struct Serving {
    service: Service,
    tasks: TaskTracker,
}

impl Serving {
    /// Registers the service and its endpoints.
    pub(crate) async fn start(client: &Client, desk: Desk) -> Result<Serving, async_nats::Error> {
        let board = Arc::clone(&desk.board);
        // A query goes to any one projector; this is asked of each.
        let stats = move |endpoint: String, _| if endpoint == name::STATUS { progress(&board) } else { Value::Null };
        let builder = client.service_builder().description("Folds the event log; answers what edges ask of it");
        let builder = builder.stats_handler(stats);
        let service = builder.start(SERVICE, env!("CARGO_PKG_VERSION")).await?;
        let tasks = TaskTracker::new();
        for query in name::ALL {
            let mut endpoint = service.endpoint_builder().name(query).add(subject::query(query)).await?;
            let (desk, queries) = (desk.clone(), tasks.clone());
            tasks.spawn(async move {
                while let Some(request) = endpoint.next().await {
                    let desk = desk.clone();
                    queries.spawn(async move {
                        let answer = desk.answer(query, &request.message.payload).await;
                        respond(&request, answer).await;
                    });
                }
            });
        }
        Ok(Serving { service, tasks })
    }

    /// Takes no more queries, and waits a little for those under way.
    pub(crate) async fn stop(self) {
        // Stopping only sends to tasks of our own.
        let _ = self.service.stop().await;
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(queries = self.tasks.len(), "queries were still under way and get no answer");
        }
    }
}

/// How far this projector is, as it stands on its board: what the service's stats say of the endpoint `status`.
fn progress(board: &Board) -> Value {
    let state = board.state();
    serde_json::json!(Progress {
        phase: state.phase,
        epoch: state.epoch,
        seq: state.seq,
        undecodable: state.undecodable,
        schema: SCHEMA
    })
}

async fn respond(request: &Request, answer: Result<Vec<u8>, Failure>) {
    let responded = match answer {
        Ok(body) => request.respond(Ok(body.into())).await,
        Err(failure) => {
            let (code, message) = match failure {
                Failure::Refused { code, message } => (code, message),
                Failure::Damaged(_) => (Code::Unavailable, "the history can't be read now".to_owned()),
            };
            let mut headers = HeaderMap::new();
            // Not by the crate's own error type: its code is a number, ours are words.
            headers.insert(async_nats::service::NATS_SERVICE_ERROR, one_line(&message));
            headers.insert(async_nats::service::NATS_SERVICE_ERROR_CODE, code.as_str());
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
