//! The key that this machine may sign tokens with: the development key, one of the configuration, or the data folder's.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use klatch_domain::UserId;
use klatch_edge::token::{AuthConfig, KeyConfig, Secret};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::demo;

/// Signs tokens (JWT, RFC 7519) with HS256, the one algorithm whose verifying key signs too.
pub(crate) struct Signer {
    issuer: String,
    audience: String,
    header: Header,
    key: EncodingKey,
}

/// Why there is nothing to sign with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignerError {
    #[error(
        "there is no key to sign with: add --dev for a development server, run `klatch up` once to make a key in {}, or set \
         an HS256 key in edge.auth.keys",
        folder.display()
    )]
    NoKey { folder: PathBuf },
    #[error("the signing key {} can't be used ({error}): delete it to have a new one made, which ends all tokens signed by it", path.display())]
    Unusable { path: PathBuf, error: io::Error },
    #[error("no token could be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// What a token of ours says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl Signer {
    /// With the key that every `--dev` server takes.
    pub(crate) fn for_development() -> Signer {
        Signer::of(&demo::auth(), demo::SECRET, None)
    }

    /// With the first HS256 key of `auth`, else the one that `klatch up` keeps in `folder`.
    pub(crate) fn find(auth: &AuthConfig, folder: &Path) -> Result<Signer, SignerError> {
        let configured = auth.keys.iter().find_map(|key| match key {
            KeyConfig::HS256 { secret, kid } => Some((text_of(secret)?, kid.clone())),
            _ => None,
        });
        if let Some((secret, kid)) = configured {
            return Ok(Signer::of(auth, &secret, kid));
        }
        let path = key_file(folder);
        match fs::read_to_string(&path) {
            Ok(secret) if auth.keys.is_empty() => Ok(Signer::of(auth, secret.trim(), None)),
            Ok(_) => Err(SignerError::NoKey { folder: folder.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SignerError::NoKey { folder: folder.to_owned() })
            }
            Err(error) => Err(SignerError::Unusable { path, error }),
        }
    }

    /// A token for `user`, good for `lifetime` from now.
    pub(crate) fn sign(&self, user: &UserId, name: Option<&str>, lifetime: Duration) -> Result<String, SignerError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (iat, exp) = (now.as_secs(), now.saturating_add(lifetime).as_secs());
        let claims = Claims { sub: user.as_str(), name, iss: &self.issuer, aud: &self.audience, iat, exp };
        Ok(encode(&self.header, &claims, &self.key)?)
    }

    fn of(auth: &AuthConfig, secret: &str, kid: Option<String>) -> Signer {
        let header = Header { kid, ..Header::default() };
        let key = EncodingKey::from_secret(secret.as_bytes());
        Signer { issuer: auth.issuer.clone(), audience: auth.audience.clone(), header, key }
    }
}

/// The key that `klatch up` signs and verifies with where the configuration names none: made at its first start, readable
/// by its owner only, 244 random bits.
pub(crate) fn own_key(folder: &Path) -> Result<KeyConfig, SignerError> {
    let path = key_file(folder);
    let unusable = |error| SignerError::Unusable { path: path.clone(), error };
    let secret = match fs::read_to_string(&path) {
        Ok(secret) => secret.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path).map_err(unusable)?,
        Err(error) => return Err(unusable(error)),
    };
    Ok(KeyConfig::HS256 { secret: Secret::new(secret), kid: None })
}

fn make_key(path: &Path) -> io::Result<String> {
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    Ok(secret)
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("signing.key")
}

/// A secret shows its text to serde only.
fn text_of(secret: &Secret) -> Option<String> {
    serde_json::to_value(secret).ok()?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use klatch_edge::token::Verifier;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn ada() -> UserId {
        UserId::parse("ada").expect("an id")
    }

    #[test]
    fn what_is_signed_for_development_holds_there_and_nowhere_else() {
        let token = Signer::for_development().sign(&ada(), Some("Ada"), HOUR).expect("signed");
        let person = Verifier::new(&demo::auth()).expect("keys").verify(&token).expect("it holds");
        assert_eq!((person.user_id, person.username.as_str()), (ada(), "Ada"));

        let folder = tempfile::tempdir().expect("a temporary folder");
        let auth = AuthConfig { keys: vec![own_key(folder.path()).expect("made")], ..AuthConfig::default() };
        Verifier::new(&auth).expect("keys").verify(&token).expect_err("another key, another issuer");
    }

    #[test]
    fn the_folders_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let without = AuthConfig::default();
        let error = Signer::find(&without, folder.path()).map(drop).expect_err("no key yet");
        assert!(error.to_string().contains("--dev"), "{error}");

        let key = own_key(folder.path()).expect("made");
        assert_eq!(own_key(folder.path()).expect("read again"), key);
        let mode = fs::metadata(key_file(folder.path())).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let token = Signer::find(&without, folder.path()).expect("a key").sign(&ada(), None, HOUR).expect("signed");
        let auth = AuthConfig { keys: vec![key], ..AuthConfig::default() };
        assert_eq!(Verifier::new(&auth).expect("keys").verify(&token).expect("it holds").username, "ada");
    }
}
