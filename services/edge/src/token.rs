//! Who is asking: JSON Web Tokens, verified offline.
//!
//! A key is pinned to its algorithm; nothing is taken from the token's own header but the `kid` that picks among
//! keys of that very algorithm. `exp`, `iss`, `aud` and `sub` must be there (jsonwebtoken checks `iss` and `aud` only
//! where they are present, unless they are required).
//!
//! Keys stand in the configuration, or come from elsewhere, now and then or when a token names one that nobody here
//! knows: from our own accounts, from the operator's address (`source.rs`).

mod key;
mod source;

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use klatch_domain::commands::Actor;
use klatch_domain::{Timestamp, UserId};
pub use klatch_service::Secret;
use klatch_wire::Code;
use klatch_wire::account::JwksResponse;
use klatch_wire::native::server::{Failure, User};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use key::{BadKeys, KeyConfig};
pub(crate) use source::keep_keys;

use key::{Issuance, Key};
use source::Source;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest name that a token may claim, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Clocks may differ by so much, in seconds.
const LEEWAY_S: u64 = 5;

/// Who is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must hold.
    pub audience: String,
    /// Whether clients of older protocols (`authenticate`, `?userId=`, no name at all) are whoever they say they are,
    /// without a token. Only where everybody who can connect may be anybody.
    pub trust_client_identity: bool,
    /// The keys that tokens are verified with.
    pub keys: Vec<KeyConfig>,
    /// Where the operator publishes further keys, as a JSON Web Key Set (RFC 7517): https, or http on this machine. Asked
    /// every few minutes, and when a token names a key that is not known.
    pub jwks_url: Option<String>,
    /// Whether tokens of Klatch's own accounts are believed, and `/auth/…` served. Where nothing is said: if there are
    /// neither `keys` nor a `jwks_url`. Beside those, anybody could register the name of somebody whom they know.
    pub accounts: Option<bool>,
}

impl AuthConfig {
    /// Whether tokens of Klatch's own accounts are believed.
    pub fn has_accounts(&self) -> bool {
        self.accounts.unwrap_or(self.keys.is_empty() && self.jwks_url.is_none())
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        AuthConfig {
            issuer: "klatch".into(),
            audience: "klatch".into(),
            trust_client_identity: false,
            keys: Vec::new(),
            jwks_url: None,
            accounts: None,
        }
    }
}

/// Somebody whose token holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The token's `sub`.
    pub user_id: UserId,
    /// The token's `name`, or the id.
    pub username: String,
    /// The token's `picture`.
    pub avatar: Option<String>,
    /// When the token ends.
    pub expires: Timestamp,
}

impl Person {
    /// Somebody who is believed without a token, for as long as their connection lasts.
    pub(crate) fn believed(user_id: UserId, username: String) -> Result<Self, Failure> {
        if username.len() > NAME_BYTES_MAX || username.chars().any(char::is_control) {
            return Err(Failure::new(Code::InvalidField, "username is too long or holds control characters"));
        }
        Ok(Person { user_id, username, avatar: None, expires: Timestamp::from_ms(i64::MAX) })
    }

    /// The same as frames show them.
    pub fn user(&self) -> User {
        User { user_id: self.user_id.clone(), username: self.username.clone() }
    }

    /// The same as the one who acts.
    pub fn actor(&self) -> Actor {
        Actor::Person { user_id: self.user_id.clone(), username: self.username.clone(), avatar: self.avatar.clone() }
    }
}

/// Why a token doesn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It held once.
    #[error("the token has expired")]
    Expired,
    /// It never did, here.
    #[error("the token does not hold: {0}")]
    Invalid(&'static str),
    /// It may, for all that is known here.
    #[error("the token does not hold: no key here is for its algorithm and kid")]
    UnknownKey,
}

impl From<BadToken> for Failure {
    fn from(bad: BadToken) -> Self {
        let code = match bad {
            BadToken::Expired => Code::TokenExpired,
            BadToken::Invalid(_) | BadToken::UnknownKey => Code::NotAuthenticated,
        };
        Failure::new(code, bad.to_string())
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    picture: Option<String>,
}

/// Verifies tokens.
pub struct Verifier {
    configured: Vec<Key>,
    accounts: Option<Source>,
    operator: Option<Source>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |source: &Option<Source>| source.as_ref().map(|source| source.keys().len());
        f.debug_struct("Verifier")
            .field("configured", &self.configured.len())
            .field("accounts", &keys(&self.accounts))
            .field("operator", &keys(&self.operator))
            .finish()
    }
}

impl Verifier {
    /// Reads the keys of the configuration; others come later.
    pub fn new(config: &AuthConfig) -> Result<Self, BadKeys> {
        let issuance = Arc::new(Issuance { issuer: config.issuer.clone(), audience: config.audience.clone() });
        let configured =
            config.keys.iter().map(|key| Key::configured(key, &issuance)).collect::<Result<Vec<_>, _>>()?;
        let operator = config.jwks_url.as_deref().map(|url| Source::at_url(url, issuance)).transpose()?;
        let accounts = config.has_accounts().then(Source::accounts);
        if configured.is_empty() && operator.is_none() && accounts.is_none() {
            return Err(BadKeys::None);
        }
        Ok(Verifier { configured, accounts, operator })
    }

    /// Whom the token names, by the keys that are known now.
    pub fn verify(&self, token: &str) -> Result<Person, BadToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(BadToken::Invalid("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Invalid("it is no JSON Web Token"))?;
        if header.crit.is_some() {
            // RFC 7515, 4.1.11: whoever does not know an extension that counts as critical refuses.
            return Err(BadToken::Invalid("it names critical extensions, and none is known here"));
        }
        let fetched: Vec<_> = self.sources().map(Source::keys).collect();
        let keys = self.configured.iter().chain(fetched.iter().flat_map(|keys| keys.iter()));
        let mut refusal = BadToken::UnknownKey;
        for key in keys.filter(|key| key.may_have_signed(&header)) {
            match verify_with(key, token) {
                Ok(person) => return Ok(person),
                // It is this key's, and over.
                Err(BadToken::Expired) => return Err(BadToken::Expired),
                // A key without a name is tried on every token: that it doesn't fit says nothing.
                Err(why) if key.is_named() || header.kid.is_none() => refusal = why,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// The same; a token whose key is not known here is worth one more look at where keys come from, within a moment.
    pub(crate) async fn verify_anew(&self, token: &str) -> Result<Person, BadToken> {
        match self.verify(token) {
            Err(BadToken::UnknownKey) => {}
            verified => return verified,
        }
        futures_util::future::join_all(self.sources().map(Source::look_again)).await;
        self.verify(token)
    }

    /// The keys of our own accounts, as they publish them; none where there are no accounts, or none answered yet.
    pub(crate) fn published(&self) -> Option<Arc<JwksResponse>> {
        self.accounts.as_ref().and_then(Source::published)
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        self.accounts.iter().chain(&self.operator)
    }
}

fn verify_with(key: &Key, token: &str) -> Result<Person, BadToken> {
    let mut validation = Validation::new(key.algorithm());
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[&key.issuance().issuer]);
    validation.set_audience(&[&key.issuance().audience]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_S;
    let claims =
        jsonwebtoken::decode::<Claims>(token, key.decoding(), &validation).map_err(|e| explain(e.kind()))?.claims;
    let user_id = UserId::parse(&claims.sub).map_err(|_| BadToken::Invalid("its sub is no user id"))?;
    if user_id.is_reserved() {
        return Err(BadToken::Invalid("its sub is reserved for the server"));
    }
    let username = claims.name.filter(|name| !name.is_empty()).unwrap_or(claims.sub);
    if username.len() > NAME_BYTES_MAX || username.chars().any(char::is_control) {
        return Err(BadToken::Invalid("its name is too long or holds control characters"));
    }
    let avatar = claims.picture.filter(|url| url.len() <= 1_024 && url.starts_with("https://"));
    let expires = Timestamp::from_ms(i64::try_from(claims.exp).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000));
    Ok(Person { user_id, username, avatar, expires })
}

fn explain(kind: &ErrorKind) -> BadToken {
    match kind {
        ErrorKind::ExpiredSignature => BadToken::Expired,
        ErrorKind::InvalidSignature => BadToken::Invalid("its signature is not by a key of ours"),
        ErrorKind::InvalidIssuer => BadToken::Invalid("its iss is another"),
        ErrorKind::InvalidAudience => BadToken::Invalid("its aud is another"),
        ErrorKind::ImmatureSignature => BadToken::Invalid("its nbf lies in the future"),
        ErrorKind::MissingRequiredClaim(_) => BadToken::Invalid("it lacks one of exp, iss, aud, sub"),
        _ => BadToken::Invalid("it can't be read"),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "a-test-secret-of-more-than-32-bytes!";
    const YEAR_2100_S: u64 = 4_102_444_800;

    fn verifier() -> Verifier {
        let key = KeyConfig::HS256 { secret: Secret::new(SECRET), kid: None };
        Verifier::new(&AuthConfig { keys: vec![key], ..AuthConfig::default() }).unwrap()
    }

    fn claims(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
        let mut claims = json!({"sub":"ada","name":"Ada","exp":YEAR_2100_S,"iss":"klatch","aud":"klatch"});
        change(claims.as_object_mut().unwrap());
        claims
    }

    fn token(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn verify(claims: &Value) -> Result<Person, BadToken> {
        verifier().verify(&token(Algorithm::HS256, SECRET, claims))
    }

    #[test]
    fn a_good_token_names_its_person() {
        let person = verify(&claims(|_| ())).unwrap();
        assert_eq!((person.user_id.as_str(), person.username.as_str()), ("ada", "Ada"));
    }

    #[test]
    fn each_claim_is_required_and_checked() {
        for missing in ["sub", "exp", "iss", "aud"] {
            assert!(verify(&claims(|c| drop(c.remove(missing)))).is_err(), "without {missing}");
        }
        let wrong = |key: &str, value: Value| verify(&claims(|c| drop(c.insert(key.into(), value)))).unwrap_err();
        assert_eq!(wrong("exp", json!(1_000)), BadToken::Expired);
        assert!(matches!(wrong("iss", json!("evil")), BadToken::Invalid(_)));
        assert!(matches!(wrong("aud", json!(["other"])), BadToken::Invalid(_)));
        assert!(matches!(wrong("nbf", json!(YEAR_2100_S)), BadToken::Invalid(_)));
        assert!(matches!(wrong("sub", json!("~system")), BadToken::Invalid(_)));
        assert!(matches!(wrong("sub", json!("a\nb")), BadToken::Invalid(_)));
    }

    #[test]
    fn neither_another_key_nor_another_algorithm_nor_none_is_believed() {
        let claims = claims(|_| ());
        assert!(verifier().verify(&token(Algorithm::HS256, "another-secret-of-more-than-32-bytes", &claims)).is_err());
        assert!(verifier().verify(&token(Algorithm::HS512, SECRET, &claims)).is_err());
        let good = token(Algorithm::HS256, SECRET, &claims);
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", good.split('.').nth(1).unwrap());
        assert!(verifier().verify(&none).is_err());
        assert!(verifier().verify(&"x".repeat(9_000)).is_err());
    }

    #[test]
    fn a_weak_or_missing_key_is_refused_at_start() {
        let short = KeyConfig::HS256 { secret: Secret::new("short"), kid: None };
        let config = |keys| AuthConfig { keys, ..AuthConfig::default() };
        assert!(matches!(Verifier::new(&config(vec![short])), Err(BadKeys::ShortSecret)));
        let nobody = AuthConfig { accounts: Some(false), ..config(vec![]) };
        assert!(matches!(Verifier::new(&nobody), Err(BadKeys::None)));
    }
}
