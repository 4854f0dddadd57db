//! An edge was away, everybody comes back at the same moment and wants what was said meanwhile.

use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt};
use klatch_domain::Position;
use serde_json::json;

use super::TEXT;
use crate::Bench;
use crate::bare::{Bare, Hub};
use crate::broker::Sync;
use crate::error::Error;
use crate::figure::{Unit, median};
use crate::frames;
use crate::groundwork::Groundwork;
use crate::socket::{Socket, contains};
use crate::system::{System, status};
use crate::table::{Goal, Line};
use crate::target::{Person, Target, room, user};

/// In a room.
const MEMBERS: usize = 10;

/// Until the last has resumed, beside a bare server until the last is connected.
pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>, Error> {
    let wanted = bench.size(10_000, 200);
    let count = wanted.min(bench.connections_max);
    let mut system = System::without_edge(bench, Sync::Later).await?;
    let rooms = count.div_ceil(MEMBERS);
    let mut ground = Groundwork::over(system.broker().client().await?);
    for number in 0..rooms {
        ground.room(&room(number), (number * MEMBERS..count.min((number + 1) * MEMBERS)).map(user)).await?;
    }
    ground.finish().await?;
    system.until_live().await?;
    let client = system.broker().client().await?;
    let mut reads = Vec::new();
    let pairs = bench
        .alternate(
            async |_| {
                system.end_edge().await?;
                let left_at = status(&client).await.map_err(|said| failed("the projector's position", &said))?;
                let since = Position { epoch: left_at.epoch, seq: left_at.seq };
                let mut ground = Groundwork::over(client.clone());
                for number in 0..rooms {
                    ground.say(&room(number), &user(number * MEMBERS), TEXT).await?;
                }
                ground.finish().await?;
                system.until_live().await?;
                system.start_edge().await?;
                let target = system.target();
                let asked = Questions::listen(&client).await?;
                let begun = Instant::now();
                let back = all_at_once(count, async |person| resume(&target, person, since).await).await?;
                let took = begun.elapsed().as_secs_f64();
                reads.push(asked.count().await? as f64 / count as f64);
                drop(back);
                Ok(took)
            },
            async |_| {
                let hub = Bare::start(bench, Hub::FastWebSockets).await?;
                let target = hub.target();
                let begun = Instant::now();
                let connected = all_at_once(count, async |person| target.join(person, None).await).await?;
                let took = begun.elapsed().as_secs_f64();
                drop(connected);
                Ok(took)
            },
        )
        .await?;
    Ok(vec![Line {
        what: format!("{count} clients come back at once: until all have resumed"),
        unit: Unit::Seconds,
        pairs,
        against: "bare fastwebsockets, until all are connected".to_owned(),
        goal: Goal::None,
        note: format!("rooms of {MEMBERS}; {:.2} requests to the broker for each; no goal was set", median(&reads)),
    }])
}

async fn all_at_once(count: usize, each: impl AsyncFn(&Person) -> Result<Socket, Error>) -> Result<Vec<Socket>, Error> {
    let each = &each;
    futures_util::stream::iter(0..count)
        .map(|number| async move { each(&Person::new(number, &room(number / MEMBERS))).await })
        .buffer_unordered(count)
        .try_collect()
        .await
}

/// Comes back, and has what was said meanwhile.
async fn resume(target: &Target, person: &Person, since: Position) -> Result<Socket, Error> {
    let mut socket = target.open(person, None).await?;
    let data = json!({"roomId": person.room, "since": {"epoch": since.epoch, "seq": since.seq}});
    let join = json!({"event": "chat.join", "id": "back", "data": data});
    socket.send(&frames::text(join.to_string().as_bytes())).await?;
    let joined = socket.next_with("\"event\":\"chat.joined\"").await?;
    if !contains(&joined, "\"recovered\":true") || !contains(&joined, TEXT) {
        return Err(failed("a resume", &String::from_utf8_lossy(&joined)));
    }
    Ok(socket)
}

/// What is asked of JetStream, heard by one who listens.
struct Questions(async_nats::Subscriber);

impl Questions {
    async fn listen(client: &async_nats::Client) -> Result<Questions, Error> {
        let broker = |cause: String| Error::Broker { doing: "listening", cause };
        let heard = client.subscribe("$JS.API.>").await.map_err(|error| broker(error.to_string()))?;
        client.flush().await.map_err(|error| broker(error.to_string()))?;
        Ok(Questions(heard))
    }

    async fn count(mut self) -> Result<usize, Error> {
        let broker = |cause: String| Error::Broker { doing: "listening", cause };
        // Ends the stream once what was heard before is taken.
        self.0.drain().await.map_err(|error| broker(error.to_string()))?;
        Ok(self.0.count().await)
    }
}

fn failed(what: &str, said: &str) -> Error {
    Error::Refused { what: what.to_owned(), said: said.to_owned() }
}
