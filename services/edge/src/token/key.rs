//! A key, the one algorithm that it is good for, and what a token that it signed must say.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use klatch_service::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Keys of one set that are looked at.
const KEYS_MAX: usize = 64;
/// RSA keys are this long at least, in bits (RFC 7518, 3.3).
const RSA_BITS_MIN: usize = 2_048;

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
    #[error(
        "auth.keys is empty and there is no auth.jwks_url: name one, or believe Klatch's own accounts (auth.accounts)"
    )]
    None,
    /// Not an address that keys may come from.
    #[error("auth.jwks_url: {0}")]
    Url(String),
    /// A secret that can be guessed.
    #[error("auth.keys: an HS256 secret has at least 32 bytes (RFC 7518, 3.2)")]
    ShortSecret,
    /// Not a public key.
    #[error("auth.keys: not a public key in PEM: {0}")]
    NotAKey(jsonwebtoken::errors::Error),
}

/// What the tokens of somebody who issues them must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issuance {
    /// `iss`.
    pub(super) issuer: String,
    /// `aud`, or one of it.
    pub(super) audience: String,
}

/// A key that tokens are verified with.
pub(super) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
    issuance: Arc<Issuance>,
}

impl Key {
    /// A key of the configuration.
    pub(super) fn configured(config: &KeyConfig, issuance: &Arc<Issuance>) -> Result<Key, BadKeys> {
        let (kid, algorithm, key) = match config {
            KeyConfig::HS256 { secret, kid } => {
                let secret = secret.reveal().as_bytes();
                if secret.len() < 32 {
                    return Err(BadKeys::ShortSecret);
                }
                (kid, Algorithm::HS256, Ok(DecodingKey::from_secret(secret)))
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
        let key = key.map_err(BadKeys::NotAKey)?;
        Ok(Key { kid: kid.clone(), algorithm, key, issuance: Arc::clone(issuance) })
    }

    /// The keys of a JSON Web Key Set (RFC 7517) that tokens can be verified with. Others are passed over: they are for
    /// somebody else, or not for signatures. None of them is ever a shared secret: a set is for everybody to read.
    pub(super) fn of_set(keys: &[Value], issuance: &Arc<Issuance>) -> Vec<Key> {
        keys.iter().take(KEYS_MAX).filter_map(|key| Key::of_jwk(key, issuance)).collect()
    }

    fn of_jwk(jwk: &Value, issuance: &Arc<Issuance>) -> Option<Key> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
            return None;
        }
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::RSA(rsa) if rsa_bits(&rsa.n) >= RSA_BITS_MIN => {
                (Algorithm::RS256, KeyAlgorithm::RS256)
            }
            _ => return None,
        };
        // Where the key says what it is for, it is for nothing else.
        if jwk.common.key_algorithm.is_some_and(|said| said != named) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Key { kid: jwk.common.key_id, algorithm, key, issuance: Arc::clone(issuance) })
    }

    /// Whether a token with this header may be this key's. The header picks among keys; it never says what to do.
    pub(super) fn may_have_signed(&self, header: &Header) -> bool {
        self.algorithm == header.alg && (self.kid.is_none() || self.kid == header.kid)
    }

    pub(super) fn is_named(&self) -> bool {
        self.kid.is_some()
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.key
    }

    pub(super) fn issuance(&self) -> &Issuance {
        &self.issuance
    }
}

/// The length of a modulus in base64url, leading zeros (which the standard forbids) included.
fn rsa_bits(modulus: &str) -> usize {
    modulus.len() * 6
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 8037, A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn algorithms(keys: &[Value]) -> Vec<Algorithm> {
        let issuance = Arc::new(Issuance { issuer: "i".into(), audience: "a".into() });
        Key::of_set(keys, &issuance).iter().map(Key::algorithm).collect()
    }

    #[test]
    fn a_key_of_a_set_is_good_for_one_algorithm() {
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "1"});
        let named = json!({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "1", "alg": "EdDSA", "use": "sig"});
        let ec = json!({"kty": "EC", "crv": "P-256", "kid": "2",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        assert_eq!(algorithms(&[ed, named, ec]), [Algorithm::EdDSA, Algorithm::EdDSA, Algorithm::ES256]);
    }

    #[test]
    fn what_is_not_for_verifying_is_passed_over() {
        let okp = |more: Value| {
            let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "1"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        let foreign = [
            okp(json!({"alg": "HS256"})),
            okp(json!({"alg": "ES256"})),
            okp(json!({"alg": "RSA-OAEP"})),
            okp(json!({"use": "enc"})),
            okp(json!({"crv": "X25519"})),
            okp(json!({"x": "!"})),
            json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75", "alg": "HS256"}),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!({"kty": "new"}),
            json!(7),
        ];
        assert_eq!(algorithms(&foreign), []);
        let many = vec![okp(json!({})); KEYS_MAX + 1];
        assert_eq!(algorithms(&many).len(), KEYS_MAX);
    }
}
