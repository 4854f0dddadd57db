//! `klatch token mint|inspect`: make a token, or say what one says and whether it holds.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use jsonwebtoken::dangerous::insecure_decode;
use klatch_domain::UserId;
use klatch_edge::token::{AuthConfig, Verifier};
use serde_json::Value;

use crate::settings::{self, DataFlag, Settings};
use crate::signer::{self, Signer};
use crate::{AnyError, demo};

/// Make tokens, or look into them
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Mint(Mint),
    Inspect(Inspect),
}

/// Print a token for a person, and nothing else
///
/// Signed with the development key (--dev), with the first HS256 key of edge.auth.keys, or with the key that `klatch up`
/// made in its data folder.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch token mint --user ada --dev                       one that a `klatch up --dev` takes
  klatch token mint --user ada --name 'Ada Lovelace' --lifetime 90m
  curl -s -H \"authorization: Bearer $(klatch token mint --user ada --dev)\" …")]
pub(crate) struct Mint {
    /// The person's id: 1 to 64 bytes, your own
    #[arg(long, value_name = "ID")]
    user: String,
    /// The name that others see [default: the id]
    #[arg(long)]
    name: Option<String>,
    /// For a server that was started with --dev
    #[arg(long)]
    dev: bool,
    /// How long it holds, like 90s, 30m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = parse_lifetime)]
    lifetime: Duration,
    #[command(flatten)]
    data: DataFlag,
}

/// Say what a token says, and whether a server with these settings takes it
#[derive(clap::Args)]
#[command(after_help = "\
Exit code: 0 if it holds, 1 if not.

Examples:
  klatch token inspect --dev \"$TOKEN\"
  klatch token mint --user ada --dev | klatch token inspect --dev")]
pub(crate) struct Inspect {
    /// The token; read from standard input if left out
    token: Option<String>,
    /// As a server that was started with --dev sees it
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    data: DataFlag,
}

pub(crate) fn run(command: Command, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    match command {
        Command::Mint(args) => mint(&args, file),
        Command::Inspect(args) => inspect(args, file),
    }
}

fn mint(args: &Mint, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let user = parse_user(&args.user)?;
    let signer = signer(args.dev, &args.data, file)?;
    let token = signer.sign(&user, args.name.as_deref(), args.lifetime)?;
    writeln!(io::stdout(), "{token}")?;
    Ok(ExitCode::SUCCESS)
}

/// The signer that these flags and settings name.
pub(crate) fn signer(dev: bool, data: &DataFlag, file: Option<&Path>) -> Result<Signer, AnyError> {
    if dev {
        return Ok(Signer::for_development());
    }
    let settings = settings::read(file, data.layers())?.value;
    Ok(Signer::find(&settings.edge.auth, &settings.data)?)
}

pub(crate) fn parse_user(text: &str) -> Result<UserId, AnyError> {
    let user = UserId::parse(text).map_err(|error| format!("--user {text:?} is no user id: {error}"))?;
    if user.is_reserved() {
        return Err(format!("--user {text:?}: ids that begin with ~ are made by the server only").into());
    }
    Ok(user)
}

fn inspect(args: Inspect, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let mut token = args.token.unwrap_or_default();
    if token.is_empty() {
        io::stdin().read_to_string(&mut token)?;
    }
    let token = token.trim();
    let said = insecure_decode::<Value>(token)
        .map_err(|error| format!("this is no JSON Web Token ({error}): it looks like eyJ….eyJ….…"))?;
    writeln!(io::stdout(), "header: {}", serde_json::to_string(&said.header)?)?;
    writeln!(io::stdout(), "claims: {:#}", said.claims)?;

    let auth = if args.dev { demo::auth() } else { auth_of(&settings::read(file, args.data.layers())?.value)? };
    match Verifier::new(&auth)?.verify(token) {
        Ok(person) => {
            writeln!(io::stdout(), "holds: for {} ({}), until {}", person.user_id, person.username, person.expires)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            writeln!(
                io::stdout(),
                "does not hold: {why} (issuer {:?}, audience {:?} are wanted)",
                auth.issuer,
                auth.audience
            )?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn auth_of(settings: &Settings) -> Result<AuthConfig, AnyError> {
    let mut auth = settings.edge.auth.clone();
    if auth.keys.is_empty() && settings.data.exists() {
        auth.keys.push(signer::own_key(&settings.data)?);
    }
    Ok(auth)
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write it like 90s, 30m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_a_number_and_a_unit() {
        assert_eq!(parse_lifetime("90m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_lifetime("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "h", "12", "1.5h", "-1h", "1y", "12é"] {
            assert!(parse_lifetime(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_user_id_is_parsed_before_anything_is_signed() {
        assert!(parse_user("ada").is_ok());
        assert!(parse_user("").is_err());
        assert!(parse_user("~system").is_err());
        assert!(parse_user("a\nb").is_err());
    }
}
