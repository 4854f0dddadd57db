//! What `--dev` adds: two people to try Klatch with, whose tokens anybody can make. On loopback only.

use std::net::IpAddr;
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

/// `--dev` where others could register with a broker of theirs.
#[derive(Debug, thiserror::Error)]
#[error("--dev lets anybody have any account, so it is for a broker on this machine only: {0} is not one")]
pub(crate) struct NotThisMachine(String);

/// `--dev` where others than this machine could reach the server.
#[derive(Debug, thiserror::Error)]
#[error("--dev lets anybody sign in as anybody, so it is for loopback addresses only: {0} is not one")]
pub(crate) struct NotLoopback(std::net::SocketAddr);

/// Who is believed under `--dev`.
pub(crate) fn auth() -> AuthConfig {
    let key = KeyConfig::HS256 { secret: Secret::new(SECRET), kid: None };
    AuthConfig { issuer: String::from("klatch-dev"), keys: vec![key], accounts: Some(true), ..AuthConfig::default() }
}

/// Puts the development key, the demo people and higher rates into the settings, and believes whoever names themselves.
pub(crate) fn apply(settings: &mut Settings) -> Result<(), crate::AnyError> {
    if let Some(address) = settings.edge.listen.iter().find(|address| !address.ip().is_loopback()) {
        return Err(NotLoopback(*address).into());
    }
    settings.edge.auth = AuthConfig { trust_client_identity: true, ..auth() };
    settings.edge.demo = people()?;
    settings.edge.limits = std::mem::take(&mut settings.edge.limits).with_development_rates();
    with_development_codes(&mut settings.accounts);
    Ok(())
}

/// The same for accounts alone, whose broker is at `servers`.
pub(crate) fn apply_to_accounts(accounts: &mut klatch_accounts::Config, servers: &str) -> Result<(), NotThisMachine> {
    match servers.split(',').map(str::trim).find(|server| !is_this_machine(server)) {
        Some(elsewhere) => Err(NotThisMachine(elsewhere.to_owned())),
        None => {
            with_development_codes(accounts);
            Ok(())
        }
    }
}

fn with_development_codes(accounts: &mut klatch_accounts::Config) {
    accounts.dev_codes = true;
    accounts.rates = std::mem::take(&mut accounts.rates).for_development();
}

/// Whether `nats://host:port`, with or without the scheme and somebody's name, leads to this machine.
fn is_this_machine(server: &str) -> bool {
    let authority = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).trim_end_matches('/');
    let name = host.rsplit_once(':').filter(|(name, _)| !name.contains(':') || name.ends_with(']'));
    let name = name.map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
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

    #[test]
    fn development_codes_are_for_a_broker_on_this_machine_only() {
        let mut accounts = klatch_accounts::Config::default();
        for elsewhere in
            ["nats://10.0.0.5:4222", "127.0.0.1:4222, nats://localhost.example.com", "nats://a:b@nats:4222", ""]
        {
            assert!(apply_to_accounts(&mut accounts, elsewhere).is_err(), "{elsewhere:?}");
        }
        assert!(!accounts.dev_codes);
        let here = "nats://127.0.0.1:4222, localhost, nats://a:b@[::1]:4222/, [::1]";
        apply_to_accounts(&mut accounts, here).expect("all of them are this machine");
        assert!(accounts.dev_codes);
    }
}
