//! What `--dev` adds: two people to try Klatch with, whose tokens anybody can make. On loopback only.

use std::time::Duration;

use klatch_domain::UserId;
use klatch_edge::config::DemoPerson;
use klatch_edge::token::{AuthConfig, KeyConfig, Secret};

use crate::settings::Settings;
use crate::signer::{Signer, SignerError};

/// The same in every copy of Klatch, so that `klatch token mint --dev` needs no data folder. Named so that nobody takes it
/// for a secret.
pub(crate) const SECRET: &str = "klatch-development-key-never-use-in-production";

const PEOPLE: [(&str, &str); 2] = [("ada", "Ada"), ("ben", "Ben")];
/// Longer than a page stays open.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// `--dev` where others than this machine could reach the server.
#[derive(Debug, thiserror::Error)]
#[error("--dev lets anybody sign in as anybody, so it is for loopback addresses only: {0} is not one")]
pub(crate) struct NotLoopback(std::net::SocketAddr);

/// Who is believed under `--dev`.
pub(crate) fn auth() -> AuthConfig {
    let key = KeyConfig::HS256 { secret: Secret::new(SECRET), kid: None };
    AuthConfig { issuer: String::from("klatch-dev"), keys: vec![key], ..AuthConfig::default() }
}

/// Puts the development key, the demo people and higher rates into the settings, and believes whoever names themselves.
pub(crate) fn apply(settings: &mut Settings) -> Result<(), crate::AnyError> {
    if let Some(address) = settings.edge.listen.iter().find(|address| !address.ip().is_loopback()) {
        return Err(NotLoopback(*address).into());
    }
    settings.edge.auth = AuthConfig { trust_client_identity: true, ..auth() };
    settings.edge.demo = people()?;
    settings.edge.limits = std::mem::take(&mut settings.edge.limits).with_development_rates();
    Ok(())
}

fn people() -> Result<Vec<DemoPerson>, SignerError> {
    let signer = Signer::for_development();
    let person = |(id, name): (&str, &str)| {
        let user = UserId::parse(id)
            .map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidSubject)
            .map_err(jsonwebtoken::errors::Error::from)?;
        let token = signer.sign(&user, Some(name), LIFETIME)?;
        Ok(DemoPerson { user_id: id.to_owned(), username: name.to_owned(), token })
    };
    PEOPLE.into_iter().map(person).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_is_for_loopback_only() {
        let mut settings = Settings::default();
        apply(&mut settings).expect("127.0.0.1 is loopback");
        assert_eq!(settings.edge.demo.len(), 2);
        settings.edge.listen.push("0.0.0.0:5004".parse().expect("an address"));
        let error = apply(&mut settings).expect_err("everybody could sign in");
        assert!(error.to_string().contains("0.0.0.0:5004"), "{error}");
    }
}
