//! A person who goes on talking through faults, as a good client does: reconnects to any edge, resumes from where they
//! were, and sends what was not acknowledged again under the same key.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::checker::history::{Answer, Deed, Position};
use crate::checker::name::{Key, Person, Room};
use crate::cluster::Doors;
use crate::device::Device;

/// A person with a connection that comes again.
pub struct Talker {
    doors: Doors,
    choices: StdRng,
    person: Person,
    room: Room,
    device: Option<Device>,
    place: Option<Position>,
    said: u64,
    closes: Vec<Option<u16>>,
}

impl Talker {
    /// Connects to any edge and joins the room.
    pub async fn arrive(doors: &Doors, choices: StdRng, person: &str, room: &Room) -> Self {
        let (doors, person, room) = (doors.clone(), Person::from(person), room.clone());
        let mut talker = Self { doors, choices, person, room, device: None, place: None, said: 0, closes: Vec::new() };
        talker.present().await;
        talker
    }

    /// Who it is.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Where they talk.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Says one thing more, and comes back with the answer that settles it: stored, or refused for good.
    pub async fn say(&mut self) -> Answer {
        let (key, text) = self.next_words();
        self.settle(&key, &text).await
    }

    /// Says one thing more; by chance once more after it was acknowledged, or at once through another edge too. Comes back
    /// with how often it was acknowledged. The recording shows whether it became one message.
    pub async fn say_again_and_again(&mut self) -> u64 {
        let (key, text) = self.next_words();
        if self.by_chance(1, 4) {
            let edge = self.choices.random_range(0..self.doors.count());
            let room = self.room.clone();
            // Whoever is not taken there just now says it only once.
            if let Ok(second) = self.doors.connect(edge, &self.person).await {
                let first = self.present().await;
                tokio::join!(first.send(&room, &key, &text), second.send(&room, &key, &text));
            }
        }
        let times = if self.by_chance(1, 4) { 2 } else { 1 };
        for _ in 0..times {
            let said = self.settle(&key, &text).await;
            assert!(matches!(said, Answer::Stored { .. }), "{}: {said:?}", self.person);
        }
        times
    }

    /// Does something to somebody, until it is clear whether it was done.
    pub async fn govern(&mut self, deed: Deed, target: &Person) -> Answer {
        loop {
            let room = self.room.clone();
            match self.present().await.govern(&room, deed, target).await {
                Answer::Unclear => {}
                settled => return settled,
            }
        }
    }

    /// One time in so many.
    pub fn by_chance(&mut self, times: u32, of: u32) -> bool {
        self.choices.random_ratio(times, of)
    }

    /// Leaves the connection: the next thing that they do begins with a new one, and joining.
    pub fn come_again(&mut self) {
        self.device = None;
    }

    fn next_words(&mut self) -> (Key, String) {
        self.said += 1;
        let (person, said) = (&self.person, self.said);
        (Key(format!("{person}-{said}")), format!("{person} says {said}"))
    }

    async fn settle(&mut self, key: &Key, text: &str) -> Answer {
        loop {
            let room = self.room.clone();
            match self.present().await.send(&room, key, text).await {
                Answer::Unclear => {}
                settled => return settled,
            }
        }
    }

    /// The close codes of the connections that were lost; none where one just broke.
    pub fn closes(&self) -> &[Option<u16>] {
        &self.closes
    }

    /// The connection, attached; made anew where it was lost.
    pub async fn present(&mut self) -> &Device {
        loop {
            if let Some(device) = self.device.take() {
                self.place = device.place(&self.room).or(self.place.take());
                if !device.is_closed() && device.place(&self.room).is_some() {
                    return self.device.insert(device);
                }
                self.closes.push(device.close_code());
            }
            let device = self.doors.connect_anywhere(&mut self.choices, &self.person).await;
            match device.join(&self.room, self.place.clone()).await {
                Answer::Joined(_) => return self.device.insert(device),
                // The edge may be cut off from the broker just now, or die the moment after: come again.
                Answer::Unclear => {}
                other => panic!("{} can't join {}: {other:?}", self.person, self.room),
            }
        }
    }
}
