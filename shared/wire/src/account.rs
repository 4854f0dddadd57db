//! What edges ask the accounts: requests and answers of the NATS micro service `klatch-accounts`, as JSON.
//!
//! Each request goes to `chat.account.<name>` ([`name`]), where whichever copy of the service is free takes it. Errors
//! come as those of [`query`](crate::query) do, in the headers `Nats-Service-Error-Code` and `Nats-Service-Error`, with
//! an empty body; beside a [`RateLimited`](crate::Code::RateLimited) stands [`RETRY_AFTER_MS`].
//!
//! No answer tells whether there is an account: register answers a taken name like a free one, login an unknown name
//! like a wrong password, verify like a wrong code.

use core::net::IpAddr;
use std::fmt;

use klatch_domain::UserId;
use serde::{Deserialize, Serialize};

/// The micro service's name, as `nats micro ls` shows it.
pub const SERVICE: &str = "klatch-accounts";
/// The header that says after how many milliseconds a refused request may be tried again.
pub const RETRY_AFTER_MS: &str = "Klatch-Retry-After-Ms";

/// The names of the requests: the last token of their subject.
pub mod name {
    /// A name, a password, perhaps an address: [`RegisterRequest`](super::RegisterRequest).
    pub const REGISTER: &str = "register";
    /// The code that came by mail: [`VerifyRequest`](super::VerifyRequest).
    pub const VERIFY: &str = "verify";
    /// A name and its password for tokens: [`LoginRequest`](super::LoginRequest).
    pub const LOGIN: &str = "login";
    /// A refresh token for newer tokens: [`RefreshRequest`](super::RefreshRequest).
    pub const REFRESH: &str = "refresh";
    /// The end of a refresh token: [`LogoutRequest`](super::LogoutRequest).
    pub const LOGOUT: &str = "logout";
    /// What an account holds of a person: [`MeRequest`](super::MeRequest).
    pub const ME: &str = "me";
    /// The keys that tokens are verified with: no request body, [`JwksResponse`](super::JwksResponse).
    pub const JWKS: &str = "jwks";
    /// People by name: [`PeopleRequest`](super::PeopleRequest).
    pub const PEOPLE: &str = "people";

    /// Every request.
    pub const ALL: [&str; 8] = [REGISTER, VERIFY, LOGIN, REFRESH, LOGOUT, ME, JWKS, PEOPLE];
}

/// The most people in one answer.
pub const PEOPLE_MAX: u32 = 50;

/// Text that is sent and that no log shows: passwords, codes, tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Hidden(text.into())
    }

    /// The text, for whoever it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// Whose account is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Who {
    /// Whoever has this name.
    Username(String),
    /// Whoever has this e-mail address.
    Email(String),
}

/// Asks for an account, which is one once the code that is sent has come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterRequest {
    /// The name, which becomes the user id.
    pub username: String,
    /// Where the code is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The password.
    pub password: Hidden,
    /// The address that the client asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// The registration was taken; whether the name was free, only the mail says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    /// The name, as it was given.
    pub username: UserId,
}

/// Brings a code back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyRequest {
    /// Whose registration.
    pub who: Who,
    /// The code.
    pub otp: Hidden,
    /// The address that the client asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// The registration is an account from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    /// Its user id.
    pub user_id: UserId,
}

/// Asks for tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    /// Whose.
    pub who: Who,
    /// The password.
    pub password: Hidden,
    /// The address that the client asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// Asks for newer tokens. The refresh token is spent by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshRequest {
    /// The newest refresh token of its session. An older one is taken for stolen, and ends the session.
    pub refresh_token: Hidden,
    /// The address that the client asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// Tokens: what login and refresh answer, to clients too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// The access token, a JSON Web Token signed with EdDSA.
    pub token: Hidden,
    /// For newer ones; good once.
    pub refresh_token: Hidden,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// Whose they are.
    pub user: AccountUser,
}

/// A person, as their own account shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountUser {
    /// The user id.
    pub user_id: UserId,
    /// The name; of an account the same.
    pub username: String,
    /// The e-mail address, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Ends a session: its refresh token holds no more. Access tokens go on to their own end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogoutRequest {
    /// The session's refresh token.
    pub refresh_token: Hidden,
    /// The address that the client asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// Asks what an account holds of the person whose token was verified; the answer is an [`AccountUser`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeRequest {
    /// The person.
    pub asker: UserId,
}

/// The keys that access tokens are verified with, and what else such a token must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwksResponse {
    /// What `iss` is.
    pub issuer: String,
    /// What `aud` holds.
    pub audience: String,
    /// The keys; the last one signs.
    pub keys: Vec<PublicKey>,
}

/// A public key on Ed25519, as RFC 8037 writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, base64url.
    pub x: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub key_use: String,
    /// Its thumbprint (RFC 7638).
    pub kid: String,
}

/// Asks for people whose name begins with something, or else has it in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeopleRequest {
    /// Who asks; they are not in the answer.
    pub asker: UserId,
    /// What to look for, in whatever case; nothing finds nobody.
    pub query: String,
    /// At most this many; more than [`PEOPLE_MAX`] counts as that.
    pub limit: u32,
}

/// People: those whose name begins so first, then the others, each by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeopleResponse {
    /// The people.
    pub users: Vec<FoundPerson>,
}

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundPerson {
    /// The user id.
    pub user_id: UserId,
    /// The name.
    pub username: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_shows_in_no_debug_output_but_is_sent() {
        let who = Who::Username("ada".into());
        let request = LoginRequest { who, password: Hidden::new("swordfish"), source: None };
        assert!(!format!("{request:?}").contains("swordfish"));
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(json, r#"{"who":{"username":"ada"},"password":"swordfish"}"#);
        assert_eq!(serde_json::from_str::<LoginRequest>(&json).unwrap(), request);
    }
}
