//! A person who goes on talking through faults, as a good client does: reconnects to any edge, resumes from where they
//! were, and sends what was not acknowledged again under the same key.

use rand::rngs::StdRng;

use crate::checker::history::{Answer, Position};
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

    /// Says one thing more, and comes back with the answer that settles it: stored, or refused for good.
    pub async fn say(&mut self) -> Answer {
        self.said += 1;
        let text = format!("{} says {}", self.person, self.said);
        let key = Key(format!("{}-{}", self.person, self.said));
        loop {
            let room = self.room.clone();
            match self.present().await.send(&room, &key, &text).await {
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
