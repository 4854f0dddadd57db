//! Promise 9: a dead edge leaves no ghost online after two lease periods.

use std::collections::BTreeMap;

use super::attachment::{Attachment, Heard};
use super::history::{Answer, Command, Observation, Service};
use super::name::{Moment, Person, Room, Session};
use super::run::Run;

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Somebody was shown as attached long after their last session ended.
    #[error(
        "{observer} saw {person} in {room} at {seen}; their last session ended at {ended}, and they had until {until}"
    )]
    Ghost {
        /// Who saw it.
        observer: Session,
        /// Who was seen.
        person: Person,
        /// Where.
        room: Room,
        /// When.
        seen: Moment,
        /// When their last session ended.
        ended: Moment,
        /// When they should have been gone.
        until: Moment,
    },
}

/// A time in which somebody was shown to somebody else as attached.
#[derive(Debug, Clone, Copy)]
struct Sight<'h> {
    observer: Session,
    person: &'h Person,
    room: &'h Room,
    /// From the earliest moment that it can tell of …
    from: Moment,
    /// … to the last. What was answered to one question tells of one moment between the two.
    to: Moment,
    lasting: bool,
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let presence = Presence::of(run);
    let sights = sights_by_answer(run).into_iter().chain(sights_by_frames(run));
    sights.filter_map(|sight| presence.judge(&sight)).collect()
}

/// How many times somebody was shown as attached.
pub fn sights(run: &Run<'_>) -> usize {
    sights_by_answer(run).len() + sights_by_frames(run).len()
}

/// Who was really attached when, and how long somebody couldn't be told.
#[derive(Debug)]
struct Presence<'h> {
    attached: BTreeMap<(&'h Person, &'h Room), Vec<(Moment, Moment)>>,
    troubled: Vec<(Moment, Moment)>,
    grace_ms: u64,
}

const FOR_EVER: Moment = Moment(u64::MAX);

impl<'h> Presence<'h> {
    fn of(run: &Run<'h>) -> Self {
        let mut attached: BTreeMap<_, Vec<(Moment, Moment)>> = BTreeMap::new();
        for attachment in &run.attachments {
            let end = attachment.over().map_or(FOR_EVER, |over| over.at);
            attached.entry((attachment.person, attachment.room)).or_default().push((attachment.asked.at, end));
        }
        // A join whose answer never came may have attached all the same, until its connection ended.
        for call in &run.calls {
            if let (Command::Join { room, .. }, None | Some((Answer::Unclear, _))) = (call.command, call.answer) {
                let end = end_of_session(run, call.session);
                attached.entry((call.person, room)).or_default().push((call.asked.at, end));
            }
        }
        attached.values_mut().for_each(|times| times.sort_unstable());
        Self { attached, troubled: troubled(run), grace_ms: 2 * run.lease_ms }
    }

    fn judge(&self, sight: &Sight<'h>) -> Option<Violation> {
        let times = self.attached.get(&(sight.person, sight.room))?;
        let mut covered = Moment(0);
        let mut gaps = Vec::new();
        for &(from, to) in times {
            if from > covered && covered > Moment(0) {
                gaps.push((covered, from));
            }
            covered = covered.max(to);
        }
        gaps.push((covered, FOR_EVER));
        gaps.into_iter().filter(|(ended, _)| *ended != FOR_EVER).find_map(|(ended, back)| {
            let until = self.gone_by(ended);
            let within = |moment: Moment| moment > until && moment < back;
            let seen = if sight.lasting {
                // Somewhere in a lasting sight is enough.
                let last = sight.to.min(Moment(back.0.saturating_sub(1)));
                (last >= sight.from && within(last)).then_some(last)
            } else {
                (within(sight.from) && within(sight.to)).then_some(sight.from)
            };
            seen.map(|seen| Violation::Ghost {
                observer: sight.observer,
                person: sight.person.clone(),
                room: sight.room.clone(),
                seen,
                ended,
                until,
            })
        })
    }

    /// Two lease periods after the end; from the end of a trouble on, if there was one in between: without the broker no
    /// edge can know, and one that was frozen or cut off says late that its people are gone.
    fn gone_by(&self, ended: Moment) -> Moment {
        let mut until = Moment(ended.0 + self.grace_ms);
        for &(down, up) in &self.troubled {
            if down <= until && up >= ended {
                until = Moment(up.0.saturating_add(self.grace_ms));
            }
        }
        until
    }
}

/// When somebody couldn't be told: a broker was dead, or something was frozen or cut off. One time lasts from the first of
/// such troubles to the end of the last that overlaps it.
fn troubled(run: &Run<'_>) -> Vec<(Moment, Moment)> {
    let mut times: Vec<(Moment, Moment)> = Vec::new();
    let mut troubles: Vec<&Service> = Vec::new();
    for entry in &run.history.entries {
        match &entry.what {
            Observation::Died { service: service @ Service::Broker } | Observation::Hindered { service } => {
                if troubles.is_empty() {
                    times.push((entry.at, FOR_EVER));
                }
                troubles.push(service);
            }
            Observation::Started { service: service @ Service::Broker } | Observation::Freed { service } => {
                let Some(over) = troubles.iter().position(|one| *one == service) else { continue };
                troubles.remove(over);
                if let (true, Some((_, up))) = (troubles.is_empty(), times.last_mut()) {
                    *up = entry.at;
                }
            }
            _ => {}
        }
    }
    times
}

fn end_of_session(run: &Run<'_>, session: Session) -> Moment {
    let edge = run.connections.get(&session).map(|connection| connection.edge);
    let end = run.history.entries.iter().find(|entry| match &entry.what {
        Observation::Closed { session: closed } => *closed == session,
        Observation::Died { service: Service::Edge(dead) } => Some(dead) == edge,
        _ => false,
    });
    end.map_or(FOR_EVER, |entry| entry.at)
}

/// What was answered to a question for who is there, and to joins.
fn sights_by_answer<'h>(run: &Run<'h>) -> Vec<Sight<'h>> {
    let mut sights = Vec::new();
    for call in &run.calls {
        let (room, people, answered) = match (call.command, call.answer) {
            (Command::Presence { room }, Some((Answer::Present { people }, noted))) => (room, people, noted),
            (Command::Join { room, .. }, Some((Answer::Joined(joined), noted))) => (room, &joined.users, noted),
            _ => continue,
        };
        let (observer, from, to) = (call.session, call.asked.at, answered.at);
        sights.extend(people.iter().map(|person| Sight { observer, person, room, from, to, lasting: false }));
    }
    sights
}

/// What an attached session has to believe from the frames that came: from the list that it joined with, or a
/// `chat.userJoined`, until `chat.userLeft`.
fn sights_by_frames<'h>(run: &Run<'h>) -> Vec<Sight<'h>> {
    let last = run.history.entries.last().map(|entry| entry.at).unwrap_or_default();
    run.attachments.iter().flat_map(|attachment| sights_of(attachment, last)).collect()
}

fn sights_of<'h>(attachment: &Attachment<'h>, last: Moment) -> Vec<Sight<'h>> {
    let mut sights = Vec::new();
    let mut here: BTreeMap<&'h Person, Moment> = BTreeMap::new();
    here.extend(attachment.joined.users.iter().map(|person| (person, attachment.began.at)));
    let (observer, room) = (attachment.session, attachment.room);
    let sight = |person, from, to| Sight { observer, person, room, from, to, lasting: true };
    for (noted, heard) in &attachment.heard {
        match heard {
            Heard::Passing("chat.userJoined", Some(person)) => {
                here.entry(person).or_insert(noted.at);
            }
            Heard::Passing("chat.userLeft", Some(person)) => {
                // Who came and went in one moment was shown to nobody: what was held back behind a slow answer comes at once.
                let from = here.remove(person).filter(|from| *from < noted.at);
                sights.extend(from.map(|from| sight(person, from, noted.at)));
            }
            _ => {}
        }
    }
    // A session on an edge that died tells nothing of the time after.
    let end = attachment.over().map_or(last, |over| over.at);
    sights.extend(here.into_iter().map(|(person, from)| sight(person, from, end)));
    sights
}
