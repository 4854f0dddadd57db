//! The keys: one pair that signs access tokens (EdDSA, RFC 8037), and one under which codes are hashed. Made once, by
//! whichever copy comes first, and shared by all through the bucket. Where there are several pairs the last one signs, and
//! tokens of the others hold on to their end.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use klatch_domain::{Timestamp, UserId};
use klatch_wire::account::{Hidden, PublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bucket::{Bucket, BucketError, Change};
use crate::record;
use crate::registrations::Registration;

/// Pairs at most; who turns keys over removes old ones.
const PAIRS_MAX: usize = 8;

/// As they lie in the bucket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredKeys {
    /// The newest last.
    signing: Vec<StoredPair>,
    /// For the hashes of codes, in base64.
    codes: Hidden,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredPair {
    /// PKCS#8 version 1, in base64.
    pkcs8: Hidden,
    created: Timestamp,
}

/// The keys can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the keys in the bucket can't be used: {0}")]
pub(crate) struct BadKeys(String);

/// The keys as they are now.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: RwLock<Arc<Keys>>,
}

struct Keys {
    signing: EncodingKey,
    kid: String,
    public: Vec<PublicKey>,
    codes: hmac::Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("kid", &self.kid).field("pairs", &self.public.len()).finish()
    }
}

/// What an access token says.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    name: &'a str,
    iat: i64,
    exp: i64,
    /// No two tokens are the same.
    jti: uuid::Uuid,
}

impl KeyRing {
    /// Takes the keys that are there, or makes them. Of copies that make them at once one is first, and all take its.
    pub(crate) async fn open(bucket: &Bucket, now: Timestamp) -> Result<KeyRing, BucketError> {
        loop {
            let held = bucket.get::<StoredKeys>(record::KEYS).await?;
            let stored = match held.value {
                Some(stored) => stored,
                None => {
                    let fresh = StoredKeys::fresh(now).map_err(damaged)?;
                    match bucket.change(&[Change::put(record::KEYS.to_owned(), held.revision, &fresh)]).await {
                        Ok(()) => fresh,
                        Err(BucketError::Conflict) => continue,
                        Err(error) => return Err(error),
                    }
                }
            };
            let keys = Keys::read(&stored).map_err(damaged)?;
            return Ok(KeyRing { keys: RwLock::new(Arc::new(keys)) });
        }
    }

    /// Takes newer keys.
    pub(crate) fn replace(&self, stored: &StoredKeys) -> Result<(), BadKeys> {
        let keys = Arc::new(Keys::read(stored)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// What tokens are verified with.
    pub(crate) fn public(&self) -> Vec<PublicKey> {
        self.keys().public.clone()
    }

    /// An access token.
    pub(crate) fn sign(
        &self,
        (issuer, audience): (&str, &str),
        user: &UserId,
        now: Timestamp,
        lifetime_s: u64,
    ) -> Result<Hidden, jsonwebtoken::errors::Error> {
        let keys = self.keys();
        let iat = now.as_ms().div_euclid(1_000);
        let exp = iat.saturating_add(i64::try_from(lifetime_s).unwrap_or(i64::MAX));
        let header = Header { kid: Some(keys.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let jti = uuid::Uuid::new_v4();
        let claims = Claims { iss: issuer, aud: audience, sub: user.as_str(), name: user.as_str(), iat, exp, jti };
        encode(&header, &claims, &keys.signing).map(Hidden::new)
    }

    /// The secret of the refresh token that comes after this one: the same whoever is asked and however often, and nothing
    /// that could be known without the key.
    pub(crate) fn next_secret(&self, session: &str, secret: &str) -> String {
        let of = format!("the one after {session}.{secret}");
        BASE64URL_NOPAD.encode(hmac::sign(&self.keys().codes, of.as_bytes()).as_ref())
    }

    /// The hash of a registration's code: of no use to whoever reads the bucket but for its key, for there are only a
    /// million codes.
    pub(crate) fn hash_code(&self, registration: &uuid::Uuid, code: &str) -> String {
        BASE64URL_NOPAD.encode(hmac::sign(&self.keys().codes, &coded(registration, code)).as_ref())
    }

    /// Whether it is the registration's code.
    pub(crate) fn is_code(&self, registration: &Registration, code: &str) -> bool {
        let Ok(hash) = BASE64URL_NOPAD.decode(registration.code.as_bytes()) else { return false };
        // In a time that doesn't depend on where they differ.
        hmac::verify(&self.keys().codes, &coded(&registration.id, code), &hash).is_ok()
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StoredKeys {
    fn fresh(now: Timestamp) -> Result<StoredKeys, BadKeys> {
        let mut codes = [0; 32];
        aws_lc_rs::rand::fill(&mut codes).map_err(|_| BadKeys("no randomness".to_owned()))?;
        Ok(StoredKeys { signing: vec![StoredPair::fresh(now)?], codes: Hidden::new(BASE64.encode(&codes)) })
    }
}

impl StoredPair {
    fn fresh(now: Timestamp) -> Result<StoredPair, BadKeys> {
        let unmade = |_| BadKeys("no pair could be made".to_owned());
        let pair = Ed25519KeyPair::generate().map_err(unmade)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(unmade)?;
        Ok(StoredPair { pkcs8: Hidden::new(BASE64.encode(pkcs8.as_ref())), created: now })
    }

    fn read(&self) -> Result<(EncodingKey, PublicKey), BadKeys> {
        let bad = |why: &str| BadKeys(why.to_owned());
        let der = BASE64.decode(self.pkcs8.reveal().as_bytes()).map_err(|_| bad("pkcs8 is no base64"))?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| bad("pkcs8 is no key on Ed25519"))?;
        Ok((EncodingKey::from_ed_der(&der), public(pair.public_key().as_ref())))
    }
}

impl Keys {
    fn read(stored: &StoredKeys) -> Result<Keys, BadKeys> {
        if stored.signing.len() > PAIRS_MAX {
            return Err(BadKeys(format!("more than {PAIRS_MAX} pairs")));
        }
        let pairs = stored.signing.iter().map(StoredPair::read).collect::<Result<Vec<_>, _>>()?;
        let (signing, public): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let (Some(signing), Some(last)) = (signing.into_iter().last(), public.last()) else {
            return Err(BadKeys("there is none".to_owned()));
        };
        let codes = BASE64.decode(stored.codes.reveal().as_bytes()).ok().filter(|key| key.len() >= 32);
        let codes = codes.ok_or_else(|| BadKeys("the key for codes is short or no base64".to_owned()))?;
        let kid = last.kid.clone();
        Ok(Keys { signing, kid, public, codes: hmac::Key::new(hmac::HMAC_SHA256, &codes) })
    }
}

fn public(key: &[u8]) -> PublicKey {
    let x = BASE64URL_NOPAD.encode(key);
    // RFC 7638, 3.1 and RFC 8037, A.3: the required members by name, without spaces.
    let kid = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    PublicKey {
        kty: "OKP".into(),
        crv: "Ed25519".into(),
        alg: "EdDSA".into(),
        key_use: "sig".into(),
        kid: BASE64URL_NOPAD.encode(&kid),
        x,
    }
}

fn coded(registration: &uuid::Uuid, code: &str) -> Vec<u8> {
    [registration.as_bytes(), code.as_bytes()].concat()
}

fn damaged(bad: BadKeys) -> BucketError {
    BucketError::Damaged { key: record::KEYS.to_owned(), cause: bad.to_string() }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    use serde_json::Value;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(seconds * 1_000)
    }

    fn ring(stored: &StoredKeys) -> KeyRing {
        KeyRing { keys: RwLock::new(Arc::new(Keys::read(stored).unwrap())) }
    }

    #[test]
    fn a_thumbprint_is_what_the_rfc_computes() {
        // RFC 8037, A.2 and A.3.
        let x = BASE64URL_NOPAD.decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(public(&x).kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn the_last_pair_signs_and_the_others_are_shown_too() {
        let mut stored = StoredKeys::fresh(at(0)).unwrap();
        let keys = ring(&stored);
        let old = keys.public();
        stored.signing.push(StoredPair::fresh(at(1)).unwrap());
        keys.replace(&stored).unwrap();
        let public = keys.public();
        assert_eq!((public.len(), &public[..1]), (2, &old[..]));

        let user = UserId::parse("ada").unwrap();
        let token = keys.sign(("me", "you"), &user, at(4_102_444_000), 900).unwrap();
        let header = decode_header(token.reveal()).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::EdDSA, Some(&*public[1].kid)));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["you"]);
        let key = |public: &PublicKey| DecodingKey::from_ed_components(&public.x).unwrap();
        let claims = decode::<Value>(token.reveal(), &key(&public[1]), &validation).unwrap().claims;
        assert_eq!((&claims["sub"], &claims["iss"]), (&Value::from("ada"), &Value::from("me")));
        assert_eq!(claims["exp"].as_i64(), Some(4_102_444_900));
        assert!(decode::<Value>(token.reveal(), &key(&public[0]), &validation).is_err());
    }

    #[test]
    fn a_code_fits_its_own_registration_alone() {
        let keys = ring(&StoredKeys::fresh(at(0)).unwrap());
        let (one, other) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
        let registration = |id, code: String| Registration {
            id,
            user_id: UserId::parse("ada").unwrap(),
            email: None,
            password: String::new(),
            code,
            expires: at(0),
            tries_left: 1,
        };
        let waiting = registration(one, keys.hash_code(&one, "123456"));
        assert!(keys.is_code(&waiting, "123456"));
        assert!(!keys.is_code(&waiting, "123457"));
        assert!(!keys.is_code(&registration(other, waiting.code), "123456"));
        assert!(!keys.is_code(&registration(one, "no hash".into()), "123456"));
    }

    #[test]
    fn unusable_keys_are_refused_and_shown_to_nobody() {
        let stored = StoredKeys { signing: Vec::new(), codes: Hidden::new(BASE64.encode(&[7; 32])) };
        assert!(Keys::read(&stored).is_err());
        let good = StoredKeys::fresh(at(0)).unwrap();
        let secret = good.signing[0].pkcs8.reveal().to_owned();
        assert!(!format!("{:?}", ring(&good)).contains(&secret));
    }
}
