//! What is there after the run: the log, event by event, and the digests of what was folded from it.

use std::time::Duration;

use async_nats::jetstream;
use futures_util::TryStreamExt;
use klatch_domain::Address;
use klatch_eventlog::subject;
use serde_json::{Value, json};

use crate::checker::Recorder;
use crate::checker::history::{Fold, Observation, Slot};
use crate::checker::name::{Epoch, Projector, Room, Seq};
use crate::cluster::{Cluster, query};
use crate::device::Device;

const STREAM: &str = "CHAT_EVENTS";
/// Where the stream's metadata has its epoch.
const EPOCH_KEY: &str = "klatch.epoch";

impl Cluster {
    /// The stream that holds everything.
    pub async fn stream(&self) -> jetstream::stream::Stream {
        stream(self.broker.client().await).await
    }

    /// The stream's life.
    pub async fn epoch(&self) -> Epoch {
        epoch_of(&self.stream().await)
    }

    /// The last sequence of a room's timeline; 0 where there is none.
    pub async fn last_of(&self, room: &Room) -> Seq {
        last_of(&self.stream().await, room).await
    }

    /// Waits until each of these devices, attached to the room, was given the end of its timeline, and notes that all is
    /// quiet. No send may be under way.
    pub async fn settle(&self, room: &Room, devices: &[&Device], bound: Duration) {
        let last = self.last_of(room).await;
        for device in devices {
            device.until_reached(room, last, bound).await;
        }
        self.recorder.note(Observation::Settled { room: room.clone(), seq: last });
    }

    /// Notes the whole log; [`note_log`].
    pub async fn read_back(&self) {
        note_log(&self.recorder, self.broker.client().await).await;
    }

    /// Asks the (first) projector for its digest after everything up to `at` (or the stream's end), and notes it.
    pub async fn note_digest(&self, how: Fold, at: Option<Seq>) -> (Seq, String) {
        self.note_digest_of(0, how, at).await
    }

    /// The same of any projector. No other may run: whichever is free answers.
    pub async fn note_digest_of(&self, number: usize, how: Fold, at: Option<Seq>) -> (Seq, String) {
        note_digest(&self.recorder, &self.broker.client().await, self.projector_name(number), how, at).await
    }
}

/// The stream that holds everything, by any connection to its broker.
pub async fn stream(client: async_nats::Client) -> jetstream::stream::Stream {
    let stream = jetstream::new(client).get_stream(STREAM).await;
    stream.unwrap_or_else(|error| panic!("no stream {STREAM}: {error}"))
}

/// Notes the whole log ([`Observation::Stored`], [`Observation::Replayed`]).
///
/// What is no JSON object is passed over, as by everybody who reads the log: nobody may be shown it.
///
/// # Panics
/// When something lies on a subject of no room.
pub async fn note_log(recorder: &Recorder, client: async_nats::Client) {
    let stream = stream(client).await;
    let epoch = epoch_of(&stream);
    let last = stream.cached_info().state.last_sequence;
    let from_start = jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(from_start).await.expect("an ordered consumer can be made");
    let mut messages = consumer.messages().await.expect("it delivers");
    let mut pending = stream.cached_info().state.messages;
    while pending > 0 {
        let Some(message) = messages.try_next().await.expect("the log can be read") else { break };
        let info = message.info().expect("a delivered message says where it is from");
        pending = info.pending;
        note_stored(recorder, &epoch, Seq(info.stream_sequence), &message.subject, &message.payload);
    }
    recorder.note(Observation::Replayed { epoch, last: Seq(last) });
}

/// Asks whichever projector answers for its digest after everything up to `at` (or the stream's end), and notes it under
/// the name that the caller gives it.
pub async fn note_digest(
    recorder: &Recorder,
    client: &async_nats::Client,
    projector: Projector,
    how: Fold,
    at: Option<Seq>,
) -> (Seq, String) {
    let at = match at {
        Some(at) => at,
        None => Seq(stream(client.clone()).await.cached_info().state.last_sequence),
    };
    let answer = query(client, "digest", &json!({"at": at, "minSeq": at})).await;
    let epoch = Epoch(answer["epoch"].as_str().expect("a digest has an epoch").to_owned());
    let position = Seq(answer["at"].as_u64().expect("a digest has a position"));
    let digest = answer["digest"].as_str().expect("a digest is text").to_owned();
    recorder.note(Observation::Folded { projector, how, epoch, position, digest: digest.clone() });
    (position, digest)
}

/// The last sequence of a room's timeline; 0 where there is none.
pub async fn last_of(stream: &jetstream::stream::Stream, room: &Room) -> Seq {
    let room = klatch_domain::RoomId::parse(&room.0).expect("a room of these tests has an id");
    let subject = subject::event(&Address::Timeline(room));
    match stream.get_last_raw_message_by_subject(&subject).await {
        Ok(message) => Seq(message.sequence),
        Err(_) => Seq(0),
    }
}

fn epoch_of(stream: &jetstream::stream::Stream) -> Epoch {
    let metadata = &stream.cached_info().config.metadata;
    let epoch = metadata.get(EPOCH_KEY);
    Epoch(epoch.unwrap_or_else(|| panic!("no epoch in {metadata:?}")).clone())
}

fn note_stored(recorder: &Recorder, epoch: &Epoch, seq: Seq, subject: &str, payload: &[u8]) {
    let address = subject::parse_event(subject).unwrap_or_else(|| panic!("{seq} lies on {subject}"));
    let Ok(mut stored) = serde_json::from_slice::<Value>(payload) else { return };
    if !stored.is_object() {
        return;
    }
    let slot = match &address {
        Address::Timeline(_) => Slot::Timeline,
        Address::Member(_, user) => Slot::Member(user.as_str().into()),
        Address::Info(_) => Slot::Info,
    };
    let (epoch, room) = (epoch.clone(), Room::from(address.room().as_str()));
    let event = stored["event"].as_str().unwrap_or_default().to_owned();
    let data = stored["data"].take();
    recorder.note(Observation::Stored { epoch, seq, room, slot, event, data });
}
