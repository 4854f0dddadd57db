//! The loop: it waits for the socket, the owner and the clock, hands what comes to the session, and performs what the
//! session wants done.

use std::future::{Future, pending};
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, Received};
use crate::ending::Ending;
use crate::inbox::SpaceWatch;
use crate::limits::Limits;
use crate::session::{Action, Command, Session};

type Opening = Pin<Box<dyn Future<Output = Result<Connection, Ending>> + Send>>;

enum Link {
    None,
    Opening(Opening),
    Open(Box<Connection>),
}

enum Heard {
    Opened(Result<Connection, Ending>),
    Received(Received),
}

impl Link {
    /// What comes of it next; nothing, ever, where there is none. Cancel-safe.
    async fn next(&mut self) -> Heard {
        match self {
            Link::None => pending().await,
            Link::Opening(opening) => Heard::Opened(opening.await),
            Link::Open(connection) => Heard::Received(connection.next().await),
        }
    }
}

/// Runs until the session is over or its owner is gone.
pub(crate) async fn drive(
    mut session: Session,
    mut commands: mpsc::Receiver<Command>,
    space: SpaceWatch,
    url: String,
    limits: Limits,
) {
    let mut link = Link::None;
    loop {
        perform(&mut session, &mut link, &url, &limits);
        if session.is_over() {
            return;
        }
        let wake = session.wake_at();
        tokio::select! {
            command = commands.recv() => session.command(command.unwrap_or(Command::Close), Instant::now()),
            heard = link.next() => take(&mut session, &mut link, heard),
            () = space.space() => session.space(Instant::now()),
            () = async { sleep_until(wake.unwrap_or_else(Instant::now)).await }, if wake.is_some() => {
                session.tick(Instant::now());
            }
        }
    }
}

fn take(session: &mut Session, link: &mut Link, heard: Heard) {
    let now = Instant::now();
    match heard {
        Heard::Opened(Ok(connection)) => *link = Link::Open(Box::new(connection)),
        Heard::Opened(Err(ending)) | Heard::Received(Received::Ended(ending)) => {
            *link = Link::None;
            session.ended(ending, now);
        }
        Heard::Received(Received::Text(text)) => session.text(&text, now),
        Heard::Received(Received::SignOfLife) => session.heard(now),
    }
}

fn perform(session: &mut Session, link: &mut Link, url: &str, limits: &Limits) {
    loop {
        let actions = session.actions();
        if actions.is_empty() {
            return;
        }
        for action in actions {
            match action {
                Action::Open(token) => {
                    *link = Link::Opening(Box::pin(Connection::open(url.to_owned(), token, limits.clone())));
                }
                Action::Shut => *link = Link::None,
                Action::Send(text) => {
                    let Link::Open(connection) = link else { continue };
                    if !connection.send(text) {
                        *link = Link::None;
                        session.ended(Ending::silent("the server reads nothing"), Instant::now());
                    }
                }
            }
        }
    }
}
