//! What lies in the bucket: the keys, and the values under them, as JSON.
//!
//! | key | value | goes |
//! |---|---|---|
//! | `account.<name>` | [`Account`] | never |
//! | `email.<address>` | [`EmailOwner`]: whose account has this address | never |
//! | `registration.<name>` | [`Registrations`](crate::registrations::Registrations) that wait for their code | by itself |
//! | `registered.<address>` | [`RegisteredNames`]: under which names | by itself |
//! | `session.<id>` | [`Session`]: a refresh token | by itself, or at logout |
//! | `sessions.<name>` | [`Sessions`] of an account, so that they stay few | never |
//! | `keys` | the keys that sign | never |
//!
//! A registration becomes an account in one atomic batch: `registration` goes, `account` and `email` come, each guarded
//! by the revision that was read. So there is no in-between: a crash leaves the registration or the account, a code is
//! good once, and neither a name nor an address is ever two people's.

use klatch_domain::{Timestamp, UserId};
use klatch_eventlog::subject;
use serde::{Deserialize, Serialize};

use crate::name::{Email, Folded};

/// The one key of the keys.
pub(crate) const KEYS: &str = "keys";
/// Every account's key.
pub(crate) const ACCOUNTS: &str = "account.>";

pub(crate) fn account(name: &Folded) -> String {
    format!("account.{}", name.token())
}

/// The name in small letters of the account under this key.
pub(crate) fn account_name(key: &str) -> Option<String> {
    subject::unescape(key.strip_prefix("account.")?)
}

pub(crate) fn email(email: &Email) -> String {
    format!("email.{}", email.token())
}

pub(crate) fn registration(name: &Folded) -> String {
    format!("registration.{}", name.token())
}

pub(crate) fn registered(email: &Email) -> String {
    format!("registered.{}", email.token())
}

pub(crate) fn sessions(name: &Folded) -> String {
    format!("sessions.{}", name.token())
}

pub(crate) fn session(id: &str) -> String {
    format!("session.{id}")
}

/// An account: verified, so somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    /// The name as it was registered, and the user id.
    pub(crate) user_id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<Email>,
    /// Argon2id, as a PHC string.
    pub(crate) password: String,
    pub(crate) created: Timestamp,
}

/// Whose account has an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmailOwner {
    pub(crate) user_id: UserId,
}

/// Under which names somebody has lately registered with an address: only to find their registrations by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegisteredNames {
    pub(crate) names: Vec<Folded>,
}

/// A refresh token that gave another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spent {
    /// As in [`Session`].
    pub(crate) secret: String,
    pub(crate) at: Timestamp,
}

/// What a refresh token stands for. Only the newest one holds; the one before is answered alike for a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) user_id: UserId,
    /// SHA-256 of the newest token's secret part, in base64url.
    pub(crate) secret: String,
    /// What the newest token was given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spent: Option<Spent>,
    pub(crate) began: Timestamp,
    pub(crate) expires: Timestamp,
}

/// The newest sessions of an account, in the order in which they began; some may be over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sessions {
    pub(crate) ids: Vec<String>,
}
