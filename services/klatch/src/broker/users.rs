//! Who connects to the broker: the NATS users of `nats/users.conf`, and their passwords at a broker of our own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use klatch_eventlog::{Missing, Stream};
use klatch_service::Secret;
use uuid::Uuid;

/// The users, for a nats-server's configuration to take in.
pub(super) const CONFIG: &str = include_str!("../../../../nats/users.conf");
/// Beside the streams; readable by its owner only.
const PASSWORDS_FILE: &str = "passwords.json";

/// A NATS user: a service, or somebody at a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Edge,
    Projector,
    Eraser,
    Accounts,
    Notifier,
    /// Whoever runs `klatch verify` or the `nats` command.
    Operator,
    /// Another system that is told of messages.
    Listener,
}

impl User {
    pub(crate) const ALL: [User; 7] =
        [User::Edge, User::Projector, User::Eraser, User::Accounts, User::Notifier, User::Operator, User::Listener];

    /// As it stands in `nats/users.conf`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            User::Edge => "edge",
            User::Projector => "projector",
            User::Eraser => "eraser",
            User::Accounts => "accounts",
            User::Notifier => "notifier",
            User::Operator => "operator",
            User::Listener => "listener",
        }
    }

    /// The variable that `nats/users.conf` takes the password from.
    pub(super) fn variable(self) -> String {
        format!("KLATCH_BROKER_PASSWORD_{}", self.name().to_ascii_uppercase())
    }

    /// The streams that this one works with.
    pub(crate) fn streams(self) -> Vec<Stream> {
        match self {
            User::Edge => vec![Stream::Events, Stream::Marks, Stream::Presence],
            User::Projector => Stream::ALL.to_vec(),
            User::Notifier => vec![Stream::Events, Stream::Push, Stream::Dead],
            User::Eraser | User::Operator | User::Accounts | User::Listener => vec![Stream::Events],
        }
    }

    /// One service creates them, for whoever may create a stream can have it filled from any other.
    pub(crate) fn missing(self) -> Missing {
        if self == User::Projector { Missing::Create } else { Missing::Await }
    }
}

/// Passwords that can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the broker's passwords in {} can't be used ({error}): run as the user who runs `klatch up`, or, while it is stopped, \
     delete the file to have new ones made",
    path.display()
)]
pub(crate) struct PasswordsError {
    path: PathBuf,
    error: io::Error,
}

/// The passwords of one broker, by the user's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passwords(BTreeMap<String, Secret>);

impl Passwords {
    /// Those of a broker that keeps its streams in `store`; none where it has no users.
    pub(super) fn find(store: &Path) -> Result<Option<Passwords>, PasswordsError> {
        let path = store.join(PASSWORDS_FILE);
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from)),
        };
        read.map(|passwords| Some(Passwords(passwords))).map_err(|error| PasswordsError { path, error })
    }

    /// The same; those that are missing are made, 244 random bits each.
    pub(super) fn find_or_make(store: &Path) -> Result<Passwords, PasswordsError> {
        let mut passwords = Passwords::find(store)?.unwrap_or(Passwords(BTreeMap::new()));
        let known = passwords.0.len();
        for user in User::ALL {
            let made = || Secret::new(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()));
            passwords.0.entry(user.name().to_owned()).or_insert_with(made);
        }
        if passwords.0.len() > known {
            let path = store.join(PASSWORDS_FILE);
            passwords.write(&path).map_err(|error| PasswordsError { path, error })?;
        }
        Ok(passwords)
    }

    /// A user's; none where that user is newer than the file.
    pub(crate) fn of(&self, user: User) -> Option<&Secret> {
        self.0.get(user.name())
    }

    /// Whole or not at all, and never readable by others in between.
    fn write(&self, path: &Path) -> io::Result<()> {
        let half = path.with_extension("new");
        let _ = fs::remove_file(&half);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&half)?;
        serde_json::to_writer_pretty(&mut file, &self.0)?;
        file.flush()?;
        file.sync_all()?;
        fs::rename(half, path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_names_each_user_and_takes_each_password_from_its_variable() {
        for user in User::ALL {
            let lines = format!("user: \"{}\"\n      password: ${}\n", user.name(), user.variable());
            assert!(CONFIG.contains(&lines), "{user:?}");
        }
        assert_eq!(CONFIG.matches("password: ").count(), User::ALL.len());
    }

    #[test]
    fn passwords_are_made_once_and_for_their_owner_alone() {
        let store = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Passwords::find(store.path()).expect("none is fine"), None);
        let made = Passwords::find_or_make(store.path()).expect("made");
        assert_eq!(Passwords::find_or_make(store.path()).expect("found"), made);
        assert_ne!(made.of(User::Edge), made.of(User::Operator));
        let mode = fs::metadata(store.path().join(PASSWORDS_FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{made:?}").contains(made.of(User::Edge).expect("an edge's").reveal()));
    }

    #[test]
    fn a_user_that_came_later_gets_a_password_and_the_others_keep_theirs() {
        let store = tempfile::tempdir().expect("a temporary folder");
        let path = store.path().join(PASSWORDS_FILE);
        fs::write(&path, r#"{"edge":"kept"}"#).expect("written");
        let passwords = Passwords::find_or_make(store.path()).expect("made");
        assert_eq!(passwords.of(User::Edge).map(Secret::reveal), Some("kept"));
        assert!(passwords.of(User::Listener).is_some());
        fs::write(&path, "{").expect("written");
        let error = Passwords::find(store.path()).expect_err("half a file");
        assert!(error.to_string().contains("delete the file"), "{error}");
    }
}
