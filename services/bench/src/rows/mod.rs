//! The rows, in the order of the table.

mod big_room;
mod crowd;
mod everyone;
mod idle;
mod ingest;
mod latency;
mod many;
mod memory;
mod newest;
mod rebuild;
mod reconnect;
mod room_list;
mod small_rooms;
mod stalled;
mod start;
mod synced;

use std::future::Future;
use std::pin::Pin;

use crate::Bench;
use crate::error::Error;
use crate::table::Line;

/// As long as what people write.
const TEXT: &str = "Shall we meet at the corner by the old bakery at half past six, or is that too early for you two?";

/// What a measurement gives. Not `Send`: nothing else runs on the thread that measures.
pub(crate) type Measuring<'a> = Pin<Box<dyn Future<Output = Result<Vec<Line>, Error>> + 'a>>;

/// A row of the table, or a family of them that are measured together.
pub struct Row {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    pub(crate) measure: for<'a> fn(&'a Bench) -> Measuring<'a>,
}

macro_rules! rows {
    ($($name:literal $about:literal $module:ident;)*) => {
        static ROWS: &[Row] = &[$(Row { name: $name, about: $about, measure: |bench| Box::pin($module::measure(bench)) }),*];
    };
}

rows! {
    "memory" "memory of an idle, authenticated, joined connection; in one room, and in rooms of five" memory;
    "idle" "processor time of an idle connection that is pinged" idle;
    "many" "20,000 idle, joined connections on one edge: memory and processor time of each" many;
    "big-room" "processor time a delivery in a room of a thousand, in bursts" big_room;
    "everyone" "one message to 10,000 sockets: the time to the last" everyone;
    "small-rooms" "rooms of five: deliveries for a second of processor time" small_rooms;
    "latency" "from a send, stored, to its delivery" latency;
    "ingest" "acknowledged messages a second" ingest;
    "synced" "the same with every message on the disk before its acknowledgement" synced;
    "rebuild" "making the views anew: events a second" rebuild;
    "newest" "the newest 50 of a room of 1,000 to 1,000,000 messages" newest;
    "start" "starting with 1,000,000 events in the log" start;
    "stalled" "a room in which one reader in twenty has stopped reading: what the others notice" stalled;
    "room-list" "the first page of a list of 10,000 rooms" room_list;
    "crowd" "sending in a room of 100,000 members" crowd;
    "reconnect" "an edge starts, and 10,000 clients come back at once" reconnect;
}

/// Every row.
pub fn rows() -> &'static [Row] {
    ROWS
}

/// Those of these names, in the table's order; all where no name is given.
pub(crate) fn choose(names: &[String]) -> Result<Vec<&'static Row>, Error> {
    if let Some(unknown) = names.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
        return Err(Error::UnknownRow(unknown.clone()));
    }
    Ok(ROWS.iter().filter(|row| names.is_empty() || names.iter().any(|name| name == row.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name_and_measured_in_the_tables_order() {
        let names = |chosen: Vec<&Row>| chosen.iter().map(|row| row.name).collect::<Vec<_>>();
        let chosen = choose(&["latency".to_owned(), "memory".to_owned()]).expect("both are there");
        assert_eq!(names(chosen), ["memory", "latency"]);
        assert_eq!(choose(&[]).expect("all").len(), rows().len());
        let error = choose(&["latensy".to_owned()]).map(names).expect_err("no such row");
        assert!(error.to_string().contains("--list"), "{error}");
    }
}
