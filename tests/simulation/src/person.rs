//! A person with a device: asks for this and that, comes back when the connection is lost, and sends what was not
//! acknowledged again under the same key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use klatch_tests::checker::history::{Answer, Deed, Position, Which};
use klatch_tests::checker::name::{Key, Person, Room, Seq};
use klatch_tests::device::Device;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use crate::world::{Said, World};

/// The rooms of the world: one that anybody makes by coming in, and one that its maker lets people into, who read it from
/// their coming on.
const LOBBY: &str = "lobby";
const DEN: &str = "den";
/// Tries of one thing.
const TRIES_MAX: usize = 8;

/// Somebody, with one device.
pub(crate) struct Human {
    world: Arc<World>,
    choices: StdRng,
    name: Person,
    number: usize,
    people: usize,
    device: Option<Device>,
    /// Where they want to be, and how far they got there.
    places: BTreeMap<Room, Option<Position>>,
    said: u64,
    pause_ms_max: u64,
}

impl Human {
    /// A person: of `people`, the one whose number this is; with more devices than people, somebody's second one.
    pub(crate) fn new(world: Arc<World>, choices: StdRng, number: usize, people: usize, pause_ms_max: u64) -> Self {
        let places = BTreeMap::from([(Room::from(LOBBY), None)]);
        let name = person(number % people);
        Human { world, choices, name, number, people, device: None, places, said: 0, pause_ms_max }
    }

    /// Does so many things.
    pub(crate) async fn live(&mut self, requests: usize) {
        if self.number == 0 {
            self.found_den().await;
        }
        for _ in 0..requests {
            let pause = self.choices.random_range(0..=self.pause_ms_max);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.act().await;
        }
    }

    /// Connected, and in the rooms where they want to be, as far as that can be had now.
    pub(crate) async fn present(&mut self) -> &Device {
        let lost = self.device.take_if(|device| device.is_closed());
        if let Some(lost) = lost {
            self.remember(&lost);
        }
        if self.device.is_none() {
            let pace = if self.choices.random_ratio(1, 6) { self.choices.random_range(1..40) } else { 0 };
            let pace = Duration::from_millis(pace);
            self.device = Some(self.world.connect(&mut self.choices, &self.name, pace).await);
        }
        let device = self.device.as_ref().expect("just connected");
        for (room, place) in std::mem::take(&mut self.places) {
            if device.place(&room).is_some() {
                self.places.insert(room, place);
                continue;
            }
            self.world.step();
            match device.join(&room, place.clone()).await {
                Answer::Joined(_) | Answer::Unclear => drop(self.places.insert(room, place)),
                _ => {}
            }
        }
        self.device.as_ref().expect("just connected")
    }

    /// How far the device got is where the next one goes on.
    fn remember(&mut self, device: &Device) {
        for (room, place) in &mut self.places {
            *place = device.place(room).or(place.take());
        }
    }

    /// What there is to be read at the end, all of it.
    pub(crate) async fn look_around(&mut self) {
        for _ in 0..TRIES_MAX {
            let rooms: Vec<Room> = self.places.keys().cloned().collect();
            let device = self.present().await;
            let mut is_clear = !matches!(device.rooms().await, Answer::Unclear);
            for room in &rooms {
                for which in [Which::Newest, Which::After(Seq(0))] {
                    is_clear &= !matches!(device.page(room, which, 200).await, Answer::Unclear);
                }
                is_clear &= !matches!(device.presence(room).await, Answer::Unclear);
                is_clear &= !matches!(device.members(room).await, Answer::Unclear);
            }
            if is_clear {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        self.world.remark(format!("{} could not look around", self.name));
    }

    async fn found_den(&mut self) {
        for _ in 0..TRIES_MAX {
            let second = person(1);
            let rules = json!({"type": "group", "name": "The den", "participants": [second],
                "settings": {"access": "private", "history": "joined"}});
            self.world.step();
            let device = self.present().await;
            if !matches!(device.create(&Room::from(DEN), rules).await, Answer::Unclear) {
                break;
            }
        }
        self.places.insert(Room::from(DEN), None);
    }

    async fn act(&mut self) {
        self.world.step();
        let drawn = self.choices.random_range(0..100);
        let Some(room) = self.some_room() else {
            self.places.insert(Room::from(LOBBY), None);
            return;
        };
        match drawn {
            0..40 => self.send(&room).await,
            40..48 => self.edit().await,
            48..54 => self.delete().await,
            54..66 => self.read().await,
            66..73 => self.page(&room).await,
            73..80 => drop(self.present().await.rooms().await),
            80..83 => self.leave(&room).await,
            // Of somebody's two devices the other is told of an exit by a frame that the recording has no word for.
            83..84 if self.number % self.people >= self.people / 2 => drop(self.present().await.exit(&room).await),
            84..92 => self.govern(&room).await,
            92..95 => drop(self.present().await.presence(&room).await),
            95..96 => drop(self.present().await.members(&room).await),
            96..98 => drop(self.places.entry(Room::from(DEN)).or_default()),
            _ => self.hang_up(),
        }
    }

    fn some_room(&mut self) -> Option<Room> {
        let index = self.choices.random_range(0..self.places.len().max(1));
        self.places.keys().nth(index).cloned()
    }

    /// Says one thing more, until it is clear what came of it, or patience ends.
    async fn send(&mut self, room: &Room) {
        self.said += 1;
        let text = format!("{} says {} on {}", self.name, self.said, self.number);
        let key = Key(format!("{}-{}-{}", self.name, self.number, self.said));
        for _ in 0..TRIES_MAX {
            match self.present().await.send(room, &key, &text).await {
                Answer::Stored { message: Some(message), at } => {
                    self.world.heard_of(Said { room: room.clone(), message, seq: at.seq });
                    // Once more: a client that did not hear the answer does the same.
                    if self.choices.random_ratio(1, 10) {
                        self.present().await.send(room, &key, &text).await;
                    }
                    return;
                }
                Answer::Unclear => self.world.step(),
                _ => {
                    self.places.remove(room);
                    self.places.entry(Room::from(LOBBY)).or_default();
                    return;
                }
            }
        }
    }

    async fn edit(&mut self) {
        let Some(Said { room, message, seq }) = self.world.any_said(&mut self.choices) else { return };
        self.said += 1;
        let text = format!("{} edits {} on {}", self.name, self.said, self.number);
        self.present().await.edit(&room, &message, seq, &text).await;
    }

    async fn delete(&mut self) {
        let Some(Said { room, message, seq }) = self.world.any_said(&mut self.choices) else { return };
        self.present().await.delete(&room, &message, seq).await;
    }

    async fn read(&mut self) {
        let Some(Said { room, seq, .. }) = self.world.any_said(&mut self.choices) else { return };
        let device = self.present().await;
        device.read(&room, seq).await;
        device.rooms().await;
    }

    async fn page(&mut self, room: &Room) {
        let seq = self.world.any_said(&mut self.choices).map_or(Seq(1), |said| said.seq);
        let which =
            [Which::Newest, Which::Before(seq), Which::After(seq), Which::Around(seq)][self.choices.random_range(0..4)];
        let limit = self.choices.random_range(1..20);
        self.present().await.page(room, which, limit).await;
    }

    async fn leave(&mut self, room: &Room) {
        let device = self.present().await;
        let place = device.place(room);
        device.leave(room).await;
        // They come back there later, from where they left, by another connection.
        self.places.insert(room.clone(), place);
        self.hang_up();
    }

    async fn govern(&mut self, room: &Room) {
        let deeds = [Deed::Kick, Deed::Kick, Deed::Kick, Deed::Ban, Deed::Unban, Deed::Invite, Deed::Mute];
        let deed = deeds[self.choices.random_range(0..deeds.len())];
        let whom = person(self.choices.random_range(0..self.people));
        self.present().await.govern(room, deed, &whom).await;
    }

    fn hang_up(&mut self) {
        if let Some(device) = self.device.take() {
            self.remember(&device);
        }
    }
}

fn person(number: usize) -> Person {
    Person::from(["ada", "ben", "cleo", "dan", "eve", "fay"][number % 6])
}
