//! `klatch send`: say something in a room, and know that it is stored.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use klatch_client::Client;
use klatch_domain::RoomId;

use crate::AnyError;
use crate::settings::DataFlag;
use crate::token;

/// Long enough for one command; the token is used once.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// Say something in a room
///
/// Ends when the message is stored, and prints its sequence and id. The room is joined first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch send --dev --user ada --room lobby 'Hello!'
  date | klatch send --token \"$TOKEN\" --room lobby")]
pub(crate) struct Args {
    /// What to say; read from standard input if left out
    message: Option<String>,
    /// The room
    #[arg(long, value_name = "ID")]
    room: String,
    #[command(flatten)]
    who: Who,
}

/// As whom to connect, and where.
#[derive(clap::Args)]
pub(crate) struct Who {
    /// The server's WebSocket
    #[arg(long, default_value = "ws://127.0.0.1:5004/chat/ws", env = "KLATCH_URL")]
    url: String,
    /// The token to sign in with
    #[arg(long, env = "KLATCH_TOKEN", hide_env_values = true, required_unless_present = "user")]
    token: Option<String>,
    /// Sign in as this person, with a token made on the spot (see `klatch token mint`)
    #[arg(long, value_name = "ID", conflicts_with = "token")]
    user: Option<String>,
    /// The server was started with --dev
    #[arg(long, requires = "user")]
    dev: bool,
    #[command(flatten)]
    data: DataFlag,
}

impl Who {
    /// Signs in.
    pub(crate) async fn connect(&self, file: Option<&Path>) -> Result<Client, AnyError> {
        let token = match (&self.token, &self.user) {
            (None, Some(user)) => {
                let user = token::parse_user(user)?;
                token::signer(self.dev, &self.data, file)?.sign(&user, None, TOKEN_LIFETIME)?
            }
            (token, _) => token.clone().unwrap_or_default(),
        };
        let client = Client::builder(&self.url).token(token).connect().await;
        client.map_err(|error| format!("{}: {error}", self.url).into())
    }
}

pub(crate) fn parse_room(text: &str) -> Result<RoomId, AnyError> {
    RoomId::parse(text).map_err(|error| format!("--room {text:?} is no room id: {error}").into())
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let room = parse_room(&args.room)?;
    let mut message = args.message.unwrap_or_default();
    if message.is_empty() {
        io::stdin().read_to_string(&mut message)?;
        message.truncate(message.trim_end().len());
    }
    let client = args.who.connect(file).await?;
    client.join(&room, None).await?;
    let stored = client.send(&room, message).await?;
    client.close().await;
    let id = stored.message_id.map(|id| id.to_string()).unwrap_or_default();
    writeln!(io::stdout(), "{} {id}", stored.seq)?;
    Ok(ExitCode::SUCCESS)
}
