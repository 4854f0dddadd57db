//! Signatures as Standard Webhooks says (standard-webhooks.com, specification 1.0): HMAC-SHA256 over
//! `{id}.{timestamp}.{body}`, in base64 behind `v1,`; several secrets make several signatures, separated by spaces.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "whsec_";
/// "Between 24 bytes (192 bits) and 64 bytes (512 bits)".
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that a receiver shares with us. No log shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SigningSecret {
    key: Vec<u8>,
}

/// Not `whsec_` and enough bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook's secret is \"{PREFIX}\" and 24 to 64 bytes in base64, as `echo whsec_$(openssl rand -base64 32)` makes it"
)]
pub struct BadSecret;

impl SigningSecret {
    /// Reads `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(BadSecret)?;
        let key = BASE64.decode(encoded.as_bytes()).map_err(|_| BadSecret)?;
        if KEY_BYTES.contains(&key.len()) { Ok(SigningSecret { key }) } else { Err(BadSecret) }
    }
}

impl TryFrom<String> for SigningSecret {
    type Error = BadSecret;
    fn try_from(text: String) -> Result<Self, BadSecret> {
        SigningSecret::parse(&text)
    }
}

impl From<SigningSecret> for String {
    fn from(secret: SigningSecret) -> String {
        format!("{PREFIX}{}", BASE64.encode(&secret.key))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// What `webhook-signature` says of a request: one signature for each secret. `timestamp` is in seconds.
pub(crate) fn signatures(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let sign = |secret: &SigningSecret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.key);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_as_the_specifications_own_example() {
        // From the tests of the specification's libraries.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = signatures(std::slice::from_ref(&secret), id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let twice = signatures(&[secret.clone(), secret], id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(twice, format!("{signed} {signed}"));
    }

    #[test]
    fn a_secret_is_long_enough_comes_back_as_it_was_and_is_never_shown() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = SigningSecret::parse(text).unwrap();
        assert_eq!(format!("{secret:?}"), "<secret>");
        assert_eq!(String::from(secret), text);
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64 at all, no!"]
        {
            assert_eq!(SigningSecret::parse(bad), Err(BadSecret), "{bad}");
        }
    }
}
