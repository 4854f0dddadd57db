//! Codes on their way to people: by mail, on a task of its own, so that no answer's time tells what is in the mail; or, in
//! development, on the screen.
//!
//! A mail tells the owner of an address what no answer tells: that they have an account already, or that a name is taken.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use klatch_domain::UserId;
use klatch_wire::Code;
use klatch_wire::native::server::Failure;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::bucket::{Bucket, BucketError};
use crate::config::{Config, Encryption, MailConfig};
use crate::name::{Email, Folded};
use crate::numbers::Numbers;
use crate::record::{self, Account, EmailOwner};

/// Mails sent at the same time.
const SENT_AT_ONCE: usize = 4;
/// One try takes so long at most.
const SENT_WITHIN: Duration = Duration::from_secs(20);
/// Pauses before further tries: all of it is over long before the code is.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// The mail settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadMail {
    /// Not an address.
    #[error("accounts.mail.from is no address like \"Klatch <chat@example.com>\": {0}")]
    From(lettre::address::AddressError),
    /// TLS can't be set up.
    #[error("accounts.mail: {0}")]
    Transport(lettre::transport::smtp::Error),
}

/// A code for somebody.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) user_id: UserId,
    pub(crate) email: Email,
    pub(crate) code: String,
}

/// How codes get out.
#[derive(Debug)]
pub(crate) enum Post {
    /// On the screen.
    Printed,
    /// By mail.
    Mailed(mpsc::Sender<Letter>),
    /// Not at all.
    None,
}

/// A place for a letter, taken before anything is stored.
#[derive(Debug)]
pub(crate) enum Stamp<'a> {
    Printed(&'a UserId),
    Mailed(mpsc::Permit<'a, Letter>, &'a UserId, Email),
}

impl Post {
    /// A place for the letter to somebody, or why their code would not reach them.
    pub(crate) fn stamp<'a>(&'a self, user: &'a UserId, email: Option<&Email>) -> Result<Stamp<'a>, Failure> {
        match (self, email) {
            (Post::Printed, _) => Ok(Stamp::Printed(user)),
            (Post::Mailed(letters), Some(email)) => {
                let full = |_| Failure::new(Code::Unavailable, "too many mails wait to be sent: try again later");
                Ok(Stamp::Mailed(letters.try_reserve().map_err(full)?, user, email.clone()))
            }
            (Post::Mailed(_), None) => {
                Err(Failure::new(Code::InvalidField, "email is missing: the code is sent there"))
            }
            (Post::None, _) => {
                Err(Failure::new(Code::Unavailable, "this server can send no codes: it has no accounts.mail"))
            }
        }
    }
}

impl Stamp<'_> {
    /// Sends the code.
    pub(crate) fn send(self, code: &str) {
        match self {
            Stamp::Printed(user) => tracing::info!(%user, code, "a code for a registration"),
            Stamp::Mailed(place, user, email) => {
                place.send(Letter { user_id: user.clone(), email, code: code.to_owned() });
            }
        }
    }
}

/// Sends mails through one server.
#[derive(Debug)]
pub(crate) struct Mailer {
    letters: mpsc::Receiver<Letter>,
    /// Letters taken from the queue: those that are being sent, and those that wait to be sent again.
    taken_max: usize,
    sender: Arc<Sender>,
}

#[derive(Debug)]
struct Sender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    bucket: Bucket,
    numbers: Numbers,
    /// Held while a mail is sent, and not while it waits to be sent again: what can't be sent delays nothing else.
    places: Semaphore,
}

/// A mail was not sent.
#[derive(Debug)]
enum Trouble {
    /// Perhaps later.
    Now(String),
    /// Not at all: the server says so for good, or it is no mail.
    ForGood(String),
}

impl Trouble {
    fn passing(cause: impl ToString) -> Trouble {
        Trouble::Now(cause.to_string())
    }

    fn lasting(cause: impl ToString) -> Trouble {
        Trouble::ForGood(cause.to_string())
    }
}

impl Post {
    /// As configured; with a mailer to run where there is a server for mails.
    pub(crate) fn open(config: &Config, bucket: &Bucket, numbers: &Numbers) -> Result<(Post, Option<Mailer>), BadMail> {
        if config.dev_codes {
            return Ok((Post::Printed, None));
        }
        let Some(host) = config.mail.host.as_deref().filter(|host| !host.is_empty()) else {
            tracing::warn!("nobody can register: there is no accounts.mail.host to send codes through");
            return Ok((Post::None, None));
        };
        let taken_max = config.mail.waiting_max.max(1);
        let (post, letters) = mpsc::channel(taken_max);
        let sender = Sender {
            transport: transport(host, &config.mail)?,
            from: config.mail.from.parse().map_err(BadMail::From)?,
            bucket: bucket.clone(),
            numbers: numbers.clone(),
            places: Semaphore::new(SENT_AT_ONCE),
        };
        Ok((Post::Mailed(post), Some(Mailer { letters, taken_max, sender: Arc::new(sender) })))
    }
}

fn transport(host: &str, config: &MailConfig) -> Result<AsyncSmtpTransport<Tokio1Executor>, BadMail> {
    let builder = match config.encryption {
        Encryption::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(BadMail::Transport)?,
        Encryption::StartTls => {
            AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(BadMail::Transport)?
        }
        Encryption::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
    };
    let mut builder = builder.timeout(Some(SENT_WITHIN));
    if let Some(port) = config.port {
        builder = builder.port(port);
    }
    if let (Some(user), Some(password)) = (&config.username, &config.password)
        && !user.is_empty()
    {
        builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
    }
    Ok(builder.build())
}

impl Mailer {
    /// Sends what comes, until the shutdown: what still waits then is not sent, and whoever waits for it registers again.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let letters = futures_util::stream::poll_fn(|context| self.letters.poll_recv(context));
        let sending = letters.for_each_concurrent(self.taken_max, |letter| {
            let sender = Arc::clone(&self.sender);
            async move { sender.deliver(letter).await }
        });
        shutdown.run_until_cancelled(sending).await;
    }
}

impl Sender {
    async fn deliver(&self, letter: Letter) {
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
            match (self.try_deliver(&letter).await, pause) {
                (Ok(()), _) => {
                    self.numbers.mails.inc();
                    return;
                }
                (Err(Trouble::Now(why)), Some(pause)) => {
                    tracing::warn!(why, again_in_s = pause.as_secs(), "a mail could not be sent");
                    tokio::time::sleep(pause).await;
                }
                (Err(Trouble::Now(why) | Trouble::ForGood(why)), _) => {
                    tracing::error!(why, "a mail is given up on");
                    self.numbers.mails_lost.inc();
                    return;
                }
            }
        }
    }

    async fn try_deliver(&self, letter: &Letter) -> Result<(), Trouble> {
        let _place = self.places.acquire().await.map_err(Trouble::passing)?;
        let text = self.text(letter).await.map_err(Trouble::passing)?;
        let to = letter.email.as_str().parse().map_err(|_| Trouble::lasting("the address is none"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(text.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text.body)
            .map_err(Trouble::lasting)?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            // Of the client's own making is what this server can't be told at all, like an address in its own script.
            Err(error) if error.is_permanent() || error.is_client() => Err(Trouble::lasting(error)),
            Err(error) => Err(Trouble::passing(error)),
        }
    }

    async fn text(&self, letter: &Letter) -> Result<Text, BucketError> {
        let owner = self.bucket.get::<EmailOwner>(&record::email(&letter.email)).await?.value;
        let name = record::account(&Folded::of(&letter.user_id));
        let is_taken = self.bucket.get::<Account>(&name).await?.value.is_some();
        Ok(match owner {
            Some(owner) => Text::already_registered(&owner.user_id),
            None if is_taken => Text::name_taken(&letter.user_id),
            None => Text::code(&letter.user_id, &letter.code),
        })
    }
}

struct Text {
    subject: &'static str,
    body: String,
}

impl Text {
    fn code(user: &UserId, code: &str) -> Text {
        let body = format!(
            "The code for your new account \"{user}\" is\r\n\r\n    {code}\r\n\r\nIt is good for ten minutes, once. \
             If you did not register, ignore this mail: without the code nothing happens.\r\n"
        );
        Text { subject: "Your code", body }
    }

    fn already_registered(owner: &UserId) -> Text {
        let body = format!(
            "Somebody, probably you, wanted to register with this e-mail address. It has an account already, \
             \"{owner}\": sign in with that. If it wasn't you, ignore this mail: nothing happened.\r\n"
        );
        Text { subject: "You have an account already", body }
    }

    fn name_taken(user: &UserId) -> Text {
        let body = format!(
            "You wanted to register the name \"{user}\". Somebody else has it: please choose another. \
             If it wasn't you, ignore this mail: nothing happened.\r\n"
        );
        Text { subject: "This name is taken", body }
    }
}
