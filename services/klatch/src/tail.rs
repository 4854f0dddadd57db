//! `klatch tail`: what is said in a room, as it is said.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use klatch_client::{Client, Event, Happened, Joined, TimelineEvent};
use klatch_domain::{MessageItem, RoomId};
use klatch_service::shutdown;

use crate::AnyError;
use crate::send::{Who, parse_room};

/// Show what is said in a room, as it is said
///
/// Begins with the newest messages, and goes on until Ctrl-C, through every reconnect, without a gap and without a repeat.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch tail --dev --user ben --room lobby
  klatch tail --token \"$TOKEN\" --room lobby --last 200")]
pub(crate) struct Args {
    /// The room
    #[arg(long, value_name = "ID")]
    room: String,
    /// How many of the newest messages to begin with
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    last: usize,
    #[command(flatten)]
    who: Who,
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let room = parse_room(&args.room)?;
    let shutdown = shutdown::on_signals()?;
    let following = async {
        let client = args.who.connect(file).await?;
        follow(&client, &room, args.last).await
    };
    match shutdown.run_until_cancelled(following).await {
        Some(ended) => ended.map(|()| ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

async fn follow(client: &Client, room: &RoomId, last: usize) -> Result<(), AnyError> {
    let events = client.events();
    client.join_with_limit(room, None, Some(last.max(1))).await?;
    while let Some(event) = events.next().await {
        match event {
            Event::Joined(joined) | Event::Reset(joined) => show_page(&joined, last)?,
            Event::Timeline(event) => show(&event)?,
            Event::Offline { ending, retry_in } => {
                eprintln!("klatch: connection lost ({ending}); again in {:.1} s", retry_in.as_secs_f32());
            }
            Event::Detached { why, .. } => return Err(format!("not in the room any more: {why:?}").into()),
            Event::Stopped(ending) => return Err(format!("the server won't have us: {ending}").into()),
            _ => {}
        }
    }
    Ok(())
}

fn show_page(joined: &Joined, last: usize) -> Result<(), AnyError> {
    let skipped = joined.events.len().saturating_sub(last);
    for item in &joined.events[skipped..] {
        show(&TimelineEvent::parse(item)?)?;
    }
    Ok(())
}

fn show(event: &TimelineEvent) -> io::Result<()> {
    let line = match &event.what {
        Happened::Message(MessageItem::Said(said)) => {
            format!("{} {}: {}", said.sent.timestamp, said.sent.username, said.sent.message)
        }
        Happened::Message(_) => String::from("(deleted)"),
        Happened::Edited(edited) => format!("{} edited {}: {}", edited.timestamp, edited.message_id, edited.message),
        Happened::Deleted(deleted) => format!("{} deleted {}", deleted.timestamp, deleted.message_id),
        Happened::MemberChanged(changed) => {
            format!("{} {}: {:?}", changed.timestamp, changed.username, changed.change)
        }
        Happened::RoomUpdated(updated) => format!("{} the room was changed", updated.timestamp),
    };
    // What people wrote must not steer the terminal.
    let line: String = line.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
    writeln!(io::stdout(), "{:>8} {line}", event.seq.to_string())
}
