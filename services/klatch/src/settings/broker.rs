//! Which NATS server to use, as whom, and how its connection is made.

use std::path::PathBuf;
use std::time::Duration;

use klatch_eventlog::{Credentials, Options, Tls, subject};
use klatch_service::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::broker::{Access, User};

/// A broker that starts beside us (compose, a unit file) may recover a large store first.
const SERVICES_WAIT: Duration = Duration::from_secs(60);
/// Somebody at a command line wants to know.
const PEOPLE_WAIT: Duration = Duration::from_secs(10);

/// Which NATS server to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BrokerSettings {
    /// The address of a server (2.15 or newer, JetStream on) that is there already, like "nats://10.0.0.5:4222" or
    /// "tls://nats.example.com:4222"; several with commas. Without it `klatch up` runs its own, and the other services look
    /// on 127.0.0.1:4222.
    pub(crate) url: Option<String>,
    /// The NATS user to connect as: edge, projector, accounts, notifier or operator, where the server has the users of
    /// nats/users.conf.
    pub(crate) user: Option<String>,
    /// That user's password.
    pub(crate) password: Option<Secret>,
    /// A .creds file, in place of user and password.
    pub(crate) credentials: Option<PathBuf>,
    /// What the subjects begin with that answers come to. Without it "_INBOX_" and the user's name, or "_INBOX" where no
    /// user is set.
    pub(crate) inbox_prefix: Option<String>,
    /// As whom a projector's eraser connects, which alone may delete messages. Without a user or credentials here, as the
    /// projector itself.
    pub(crate) eraser: EraserSettings,
    /// How the connection is encrypted. Any of these makes TLS a must, as does an address with tls://.
    pub(crate) tls: TlsSettings,
    /// The nats-server program for `klatch up` to run, where it is not to look for one.
    pub(crate) nats_server: Option<PathBuf>,
    /// How many servers of a cluster hold each stream, where Klatch creates it: 1, 3 or 5.
    pub(crate) replicas: usize,
}

/// As whom the eraser connects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EraserSettings {
    /// The NATS user: eraser, where the server has the users of nats/users.conf.
    pub(crate) user: Option<String>,
    /// That user's password.
    pub(crate) password: Option<Secret>,
    /// A .creds file, in place of user and password.
    pub(crate) credentials: Option<PathBuf>,
    /// As broker.inbox_prefix.
    pub(crate) inbox_prefix: Option<String>,
}

/// TLS to the broker. The files are PEM, and read anew at each reconnect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsSettings {
    /// Who signs the server's certificate. Without it the authorities that the system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// Our own certificate, where the server asks for one.
    pub(crate) cert: Option<PathBuf>,
    /// Its key.
    pub(crate) key: Option<PathBuf>,
}

/// Settings that can't be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBroker {
    #[error("{0}.user and {0}.password belong together: one of them is not set")]
    HalfUser(&'static str),
    #[error("{0}.credentials takes the place of {0}.user and {0}.password: set either")]
    TwoWays(&'static str),
    #[error("broker.tls.cert and broker.tls.key belong together: one of them is not set")]
    HalfCertificate,
}

/// As whom to connect.
#[derive(Debug, Default)]
struct Identity {
    credentials: Option<Credentials>,
    inbox_prefix: Option<String>,
}

impl Default for BrokerSettings {
    fn default() -> BrokerSettings {
        BrokerSettings {
            url: None,
            user: None,
            password: None,
            credentials: None,
            inbox_prefix: None,
            eraser: EraserSettings::default(),
            tls: TlsSettings::default(),
            nats_server: None,
            replicas: 1,
        }
    }
}

impl BrokerSettings {
    /// How `user` opens the log: at the broker that `access` leads to, under its passwords; else as these settings say.
    pub(super) fn options(&self, user: User, access: Option<&Access>) -> Result<Options, BadBroker> {
        let told = self.identity(user)?;
        let passwords = access.and_then(|access| access.passwords.as_ref());
        let Identity { credentials, inbox_prefix } = match passwords.and_then(|passwords| passwords.of(user)) {
            Some(password) if told.credentials.is_none() => {
                Identity::of_user(user.name().to_owned(), password.reveal().to_owned(), None)
            }
            _ => told,
        };
        let mut options = Options {
            name: format!("klatch-{}", user.name()),
            credentials,
            inbox_prefix,
            tls: self.tls.tls()?,
            streams: user.streams(),
            missing: user.missing(),
            replicas: self.replicas,
            open_deadline: if user == User::Operator { PEOPLE_WAIT } else { SERVICES_WAIT },
            ..Options::default()
        };
        if let Some(url) = access.map(|access| &access.url).or(self.url.as_ref()) {
            options.servers = url.clone();
        }
        Ok(options)
    }

    fn identity(&self, user: User) -> Result<Identity, BadBroker> {
        if user == User::Eraser {
            let EraserSettings { user, password, credentials, inbox_prefix } = &self.eraser;
            let own = Identity::read("broker.eraser", user, password, credentials, inbox_prefix)?;
            if own.credentials.is_some() {
                return Ok(own);
            }
        }
        Identity::read("broker", &self.user, &self.password, &self.credentials, &self.inbox_prefix)
    }
}

impl Identity {
    fn read(
        table: &'static str,
        user: &Option<String>,
        password: &Option<Secret>,
        credentials: &Option<PathBuf>,
        inbox_prefix: &Option<String>,
    ) -> Result<Identity, BadBroker> {
        match (user, password, credentials) {
            (None, None, None) => Ok(Identity { credentials: None, inbox_prefix: inbox_prefix.clone() }),
            (None, None, Some(file)) => {
                Ok(Identity { credentials: Some(Credentials::File(file.clone())), inbox_prefix: inbox_prefix.clone() })
            }
            (Some(user), Some(password), None) => {
                Ok(Identity::of_user(user.clone(), password.reveal().to_owned(), inbox_prefix.clone()))
            }
            (_, _, None) => Err(BadBroker::HalfUser(table)),
            (_, _, Some(_)) => Err(BadBroker::TwoWays(table)),
        }
    }

    fn of_user(user: String, password: String, inbox_prefix: Option<String>) -> Identity {
        let inbox_prefix = inbox_prefix.unwrap_or_else(|| format!("_INBOX_{}", subject::escape(&user)));
        Identity { credentials: Some(Credentials::UserPassword { user, password }), inbox_prefix: Some(inbox_prefix) }
    }
}

impl TlsSettings {
    fn tls(&self) -> Result<Option<Tls>, BadBroker> {
        let identity = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => return Err(BadBroker::HalfCertificate),
        };
        let tls = Tls { ca: self.ca.clone(), identity };
        Ok((tls != Tls::default()).then_some(tls))
    }
}

#[cfg(test)]
mod tests {
    use klatch_eventlog::{Missing, Stream};

    use super::*;

    fn settings(toml: &str) -> BrokerSettings {
        let layer = klatch_service::config::Layer::toml("klatch.toml", toml).expect("TOML");
        klatch_service::config::load::<BrokerSettings>([layer]).expect("all is well").value
    }

    fn as_whom(options: &Options) -> (&str, &str, Option<&str>) {
        match &options.credentials {
            Some(Credentials::UserPassword { user, password }) => (user, password, options.inbox_prefix.as_deref()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_eraser_has_a_user_of_its_own_or_its_projectors() {
        let one = settings("user = \"projector\"\npassword = \"p\"");
        for user in [User::Projector, User::Eraser] {
            let options = one.options(user, None).expect("good");
            assert_eq!(as_whom(&options), ("projector", "p", Some("_INBOX_projector")));
        }
        let two = settings("user = \"projector\"\npassword = \"p\"\n[eraser]\nuser = \"eraser\"\npassword = \"e\"\n");
        assert_eq!(as_whom(&two.options(User::Eraser, None).expect("good")), ("eraser", "e", Some("_INBOX_eraser")));
        assert_eq!(as_whom(&two.options(User::Projector, None).expect("good")).0, "projector");
    }

    #[test]
    fn only_the_projector_creates_streams_and_each_looks_at_its_own() {
        let options = |user| BrokerSettings::default().options(user, None).expect("good");
        for user in User::ALL {
            let creates = options(user).missing == Missing::Create;
            assert_eq!(creates, user == User::Projector, "{user:?}");
            assert!(options(user).streams.contains(&Stream::Events), "{user:?}");
        }
        assert_eq!(options(User::Projector).streams, Stream::ALL);
        assert!(!options(User::Edge).streams.contains(&Stream::Push));
        assert!(options(User::Edge).credentials.is_none() && options(User::Edge).inbox_prefix.is_none());
    }

    #[test]
    fn what_can_not_be_meant_is_said() {
        for (toml, why) in [
            ("user = \"edge\"", BadBroker::HalfUser("broker")),
            ("password = \"x\"", BadBroker::HalfUser("broker")),
            ("user = \"edge\"\npassword = \"x\"\ncredentials = \"a.creds\"", BadBroker::TwoWays("broker")),
            ("[eraser]\nuser = \"eraser\"", BadBroker::HalfUser("broker.eraser")),
            ("[tls]\ncert = \"a.pem\"", BadBroker::HalfCertificate),
        ] {
            assert_eq!(settings(toml).options(User::Eraser, None).err(), Some(why), "{toml}");
        }
    }

    #[test]
    fn tls_is_a_must_once_a_file_of_it_is_named() {
        let tls = |toml: &str| settings(toml).options(User::Edge, None).expect("good").tls;
        assert_eq!(tls(""), None);
        assert_eq!(tls("[tls]\nca = \"ca.pem\""), Some(Tls { ca: Some("ca.pem".into()), identity: None }));
        let both = tls("[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"").expect("TLS");
        assert_eq!(both.identity, Some(("c.pem".into(), "k.pem".into())));
    }
}
