//! Who is asking: JSON Web Tokens, verified offline.
//!
//! A key is pinned to its algorithm; nothing is taken from the token's own header but the `kid` that picks among
//! keys of that very algorithm. `exp`, `iss`, `aud` and `sub` must be there (jsonwebtoken checks `iss` and `aud` only
//! where they are present, unless they are required).

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use klatch_domain::commands::Actor;
use klatch_domain::{Timestamp, UserId};
use klatch_wire::Code;
use klatch_wire::native::server::{Failure, User};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest name that a token may claim, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Clocks may differ by so much, in seconds.
const LEEWAY_S: u64 = 5;

/// Text that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// Compares in a time that depends on the lengths alone.
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(other).into()
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

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
}

impl Default for AuthConfig {
    fn default() -> Self {
        AuthConfig {
            issuer: "klatch".into(),
            audience: "klatch".into(),
            trust_client_identity: false,
            keys: Vec::new(),
        }
    }
}

/// A key and the one algorithm that it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "algorithm", deny_unknown_fields)]
pub enum KeyConfig {
    /// HMAC with SHA-256 under a shared secret of at least 32 bytes.
    HS256 {
        /// The secret.
        secret: Secret,
        /// Which tokens it is for, where there are several.
        #[serde(default)]
        kid: Option<String>,
    },
    /// Ed25519 under a public key in PEM.
    EdDSA {
        /// The key.
        public_pem: String,
        /// Which tokens it is for, where there are several.
        #[serde(default)]
        kid: Option<String>,
    },
    /// ECDSA on P-256 under a public key in PEM.
    ES256 {
        /// The key.
        public_pem: String,
        /// Which tokens it is for, where there are several.
        #[serde(default)]
        kid: Option<String>,
    },
    /// RSA PKCS#1 v1.5 with SHA-256 under a public key in PEM.
    RS256 {
        /// The key.
        public_pem: String,
        /// Which tokens it is for, where there are several.
        #[serde(default)]
        kid: Option<String>,
    },
}

/// Why the keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    /// Nobody could ever sign in.
    #[error("auth.keys is empty: name a key that tokens are verified with, or start with --dev")]
    None,
    /// A secret that can be guessed.
    #[error("auth.keys: an HS256 secret has at least 32 bytes (RFC 7518, 3.2)")]
    ShortSecret,
    /// Not a public key.
    #[error("auth.keys: not a public key in PEM: {0}")]
    NotAKey(jsonwebtoken::errors::Error),
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
}

impl From<BadToken> for Failure {
    fn from(bad: BadToken) -> Self {
        let code = match bad {
            BadToken::Expired => Code::TokenExpired,
            BadToken::Invalid(_) => Code::NotAuthenticated,
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

struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Verifies tokens.
pub struct Verifier {
    keys: Vec<Key>,
    issuer: String,
    audience: String,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("issuer", &self.issuer).field("keys", &self.keys.len()).finish()
    }
}

impl Verifier {
    /// Reads the keys.
    pub fn new(config: &AuthConfig) -> Result<Self, BadKeys> {
        if config.keys.is_empty() {
            return Err(BadKeys::None);
        }
        let keys = config.keys.iter().map(read_key).collect::<Result<_, _>>()?;
        Ok(Verifier { keys, issuer: config.issuer.clone(), audience: config.audience.clone() })
    }

    /// Whom the token names.
    pub fn verify(&self, token: &str) -> Result<Person, BadToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(BadToken::Invalid("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Invalid("it is no JSON Web Token"))?;
        let mut refusal = BadToken::Invalid("no key here is for its algorithm and kid");
        for key in self.keys.iter().filter(|key| key.algorithm == header.alg) {
            if key.kid.is_some() && key.kid != header.kid {
                continue;
            }
            match self.verify_with(key, token) {
                Ok(person) => return Ok(person),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    fn verify_with(&self, key: &Key, token: &str) -> Result<Person, BadToken> {
        let mut validation = Validation::new(key.algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        let claims =
            jsonwebtoken::decode::<Claims>(token, &key.key, &validation).map_err(|e| explain(e.kind()))?.claims;
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
}

fn read_key(config: &KeyConfig) -> Result<Key, BadKeys> {
    let (kid, algorithm, key) = match config {
        KeyConfig::HS256 { secret, kid } => {
            if secret.as_bytes().len() < 32 {
                return Err(BadKeys::ShortSecret);
            }
            (kid, Algorithm::HS256, Ok(DecodingKey::from_secret(secret.as_bytes())))
        }
        KeyConfig::EdDSA { public_pem, kid } => {
            (kid, Algorithm::EdDSA, DecodingKey::from_ed_pem(public_pem.as_bytes()))
        }
        KeyConfig::ES256 { public_pem, kid } => {
            (kid, Algorithm::ES256, DecodingKey::from_ec_pem(public_pem.as_bytes()))
        }
        KeyConfig::RS256 { public_pem, kid } => {
            (kid, Algorithm::RS256, DecodingKey::from_rsa_pem(public_pem.as_bytes()))
        }
    };
    Ok(Key { kid: kid.clone(), algorithm, key: key.map_err(BadKeys::NotAKey)? })
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
    use jsonwebtoken::{EncodingKey, Header, encode};
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
        assert!(matches!(Verifier::new(&config(vec![])), Err(BadKeys::None)));
    }
}
