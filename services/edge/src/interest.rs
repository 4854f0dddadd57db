//! What this edge listens to, and why: a room's live subjects are subscribed while a local session is attached to
//! it, once for all of them. One noun, so that it can get cleverer for an edge with very many small rooms.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use klatch_domain::{Known, RoomId, RoomInfo};
use klatch_eventlog::ReadError;

use crate::room::{Room, Surroundings};

/// The rooms that are attached on this edge.
#[derive(Debug)]
pub(crate) struct Interest {
    rooms: Mutex<HashMap<RoomId, Arc<Slot>>>,
    surroundings: Arc<Surroundings>,
}

/// A room's place: whoever comes first opens it, whoever comes meanwhile waits.
#[derive(Debug, Default)]
struct Slot {
    opening: tokio::sync::Mutex<()>,
    room: Mutex<Weak<Room>>,
}

impl Interest {
    /// Nothing yet.
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        Interest { rooms: Mutex::new(HashMap::new()), surroundings: Arc::new(surroundings) }
    }

    /// The room, subscribed. It stays so for as long as somebody holds it.
    pub(crate) async fn open(&self, id: &RoomId) -> Result<Arc<Room>, ReadError> {
        let slot = self.lock().entry(id.clone()).or_default().clone();
        let _opening = slot.opening.lock().await;
        if let Some(room) = slot.following() {
            return Ok(room);
        }
        let room = Room::open(id.clone(), self.surroundings.clone()).await?;
        *slot.room() = Arc::downgrade(&room);
        self.sweep();
        Ok(room)
    }

    /// The room's state, if the room is attached here and its state is followed.
    pub(crate) fn info_of(&self, id: &RoomId) -> Option<Known<RoomInfo>> {
        self.room(id)?.info()
    }

    /// The room, if it is attached here.
    pub(crate) fn room(&self, id: &RoomId) -> Option<Arc<Room>> {
        self.lock().get(id)?.following()
    }

    /// All rooms that are attached here.
    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        self.lock().values().filter_map(|slot| slot.following()).collect()
    }

    /// Forgets the places of rooms that nobody holds any more, once they are as many as the others.
    fn sweep(&self) {
        let mut rooms = self.lock();
        let gone = rooms.values().filter(|slot| slot.room().strong_count() == 0).count();
        if gone * 2 > rooms.len() {
            rooms.retain(|_, slot| slot.room().strong_count() > 0 || Arc::strong_count(slot) > 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<Slot>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The room, while its feed goes on.
    fn following(&self) -> Option<Arc<Room>> {
        self.room().upgrade().filter(|room| !room.is_lost())
    }

    fn room(&self) -> MutexGuard<'_, Weak<Room>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
