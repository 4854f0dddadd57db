//! What accounts can be told.

use klatch_service::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the accounts. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What `iss` is in the tokens that are signed here. Edges learn it from here.
    pub issuer: String,
    /// What `aud` is in them.
    pub audience: String,
    /// Seconds until an access token ends: 900 to 3600. Edges verify it without asking, so nothing ends it sooner.
    pub token_lifetime_s: u64,
    /// Seconds until somebody who was not seen has to sign in again: the life of a refresh token.
    pub session_lifetime_s: u64,
    /// Bytes that a password has at least.
    pub password_bytes_min: usize,
    /// Passwords that are hashed at the same time; each takes 19 MiB of memory and a core.
    pub hashes_at_once: usize,
    /// Requests under way, waiting for their hash too; further ones are `unavailable`.
    pub requests_waiting_max: usize,
    /// How codes reach people.
    pub mail: MailConfig,
    /// How often may be tried.
    pub rates: Rates,
    /// Every code is 123456 and is printed: development only, so no file and no variable can say it.
    #[serde(skip)]
    pub dev_codes: bool,
    /// How many servers of a cluster hold the bucket, where it is created here; the binary passes `broker.replicas` on.
    #[serde(skip)]
    pub replicas: usize,
}

/// How codes reach people: by one SMTP server, which relays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The server's name. Without one nobody can register.
    pub host: Option<String>,
    /// Its port; without one the usual port of `encryption`: 465, 587 or 25.
    pub port: Option<u16>,
    /// How the connection is kept secret.
    pub encryption: Encryption,
    /// The user to sign in there as.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Who the mails are from, like `Klatch <chat@example.com>`.
    pub from: String,
    /// Mails that wait to be sent, and as many more that wait to be sent once again; when there are as many, further
    /// registrations are `unavailable`.
    pub waiting_max: usize,
}

/// How a connection to the mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// TLS after STARTTLS, and nothing without.
    StartTls,
    /// Not at all: for a server on this machine.
    None,
}

/// How often may be tried, for each copy of the service. What is over that is answered `rate_limited`, whether there is
/// such an account or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Requests a minute from one address; for IPv6, from one /64.
    pub source_per_minute: u32,
    /// Passwords and codes a minute for one account.
    pub account_per_minute: u32,
    /// Registrations an hour under one name, and to one e-mail address.
    pub registrations_per_hour: u32,
    /// Searches for people a minute by one person.
    pub searches_per_minute: u32,
}

impl Rates {
    /// The same, each a hundred times: for development and tests.
    pub fn for_development(self) -> Self {
        Rates {
            source_per_minute: self.source_per_minute.saturating_mul(100),
            account_per_minute: self.account_per_minute.saturating_mul(100),
            registrations_per_hour: self.registrations_per_hour.saturating_mul(100),
            searches_per_minute: self.searches_per_minute.saturating_mul(100),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            issuer: "klatch-accounts".into(),
            audience: "klatch".into(),
            token_lifetime_s: 3_600,
            session_lifetime_s: 30 * 24 * 3_600,
            password_bytes_min: 8,
            hashes_at_once: 2,
            requests_waiting_max: 256,
            mail: MailConfig::default(),
            rates: Rates::default(),
            dev_codes: false,
            replicas: 1,
        }
    }
}

impl Default for MailConfig {
    fn default() -> Self {
        MailConfig {
            host: None,
            port: None,
            encryption: Encryption::Tls,
            username: None,
            password: None,
            from: "Klatch <klatch@localhost>".into(),
            waiting_max: 256,
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Rates { source_per_minute: 60, account_per_minute: 10, registrations_per_hour: 5, searches_per_minute: 120 }
    }
}
