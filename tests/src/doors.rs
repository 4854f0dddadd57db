//! The edges to connect to, as they are now, and the tokens that people have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use klatch_testkit::{eventually, free_port};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::checker::Recorder;
use crate::checker::name::{Edge, Person};
use crate::cluster::READY_WITHIN;
use crate::device::{Device, Door};
use crate::program::development_token;

/// The edges to connect to, as they are now. Shared with whoever connects while they are killed and started.
#[derive(Debug, Clone)]
pub struct Doors {
    recorder: Recorder,
    doors: Arc<Mutex<Vec<Door>>>,
    tokens: Arc<Mutex<BTreeMap<Person, String>>>,
}

impl Doors {
    /// One door that leads to any edge: a balancer's.
    pub fn balanced(recorder: &Recorder, address: &str) -> Self {
        let door = Door { edge: Edge("any.0".to_owned()), address: address.to_owned() };
        Self { recorder: recorder.clone(), doors: Arc::new(Mutex::new(vec![door])), tokens: Arc::default() }
    }

    /// Of so many edges, none of which was started yet.
    pub(crate) fn new(recorder: &Recorder, edges: usize) -> Doors {
        let doors = (0..edges).map(|number| Door {
            edge: Edge(format!("edge-{number}.0")),
            address: format!("127.0.0.1:{}", free_port()),
        });
        Doors { recorder: recorder.clone(), doors: Arc::new(Mutex::new(doors.collect())), tokens: Arc::default() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.locked().len()
    }

    /// One of them.
    pub fn door(&self, edge: usize) -> Door {
        self.locked()[edge].clone()
    }

    /// Connects a person to an edge.
    pub async fn connect(&self, edge: usize, person: &Person) -> Result<Device, String> {
        let token = self.token(person).await;
        Device::connect(&self.recorder, &self.door(edge), person, &token).await
    }

    /// Connects a person to any edge that takes them, in an order of chance; for at most a minute.
    pub async fn connect_anywhere(&self, choices: &mut StdRng, person: &Person) -> Device {
        let token = self.token(person).await;
        let mut edge = choices.random_range(0..self.count());
        eventually(READY_WITHIN, &format!("any edge to take {person}"), || {
            edge = (edge + 1) % self.count();
            let door = self.door(edge);
            let token = &token;
            async move { Device::connect(&self.recorder, &door, person, token).await }
        })
        .await
    }

    /// A person's token, made by the program itself once.
    pub async fn token(&self, person: &Person) -> String {
        if let Some(token) = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(person) {
            return token.clone();
        }
        let id = person.0.clone();
        let minting = tokio::task::spawn_blocking(move || development_token(&id));
        let token = minting.await.expect("a token is made");
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.entry(person.clone()).or_insert(token).clone()
    }

    /// The door of an edge that is about to start: the same address under a fresh name.
    pub(crate) fn reopen(&self, edge: usize) -> Door {
        let mut doors = self.locked();
        let door = &mut doors[edge];
        let (place, start) = door.edge.0.rsplit_once('.').expect("names have a number");
        let start: u32 = start.parse().expect("names end in a number");
        door.edge = Edge(format!("{place}.{}", start + 1));
        door.clone()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
