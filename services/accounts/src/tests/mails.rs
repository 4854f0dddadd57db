//! Mails, as a mail server gets them.

use std::net::SocketAddr;

use klatch_service::{Health, Metrics};
use klatch_testkit::{NatsServer, eventually};
use klatch_wire::account::{Hidden, RegisterRequest, VerifyRequest, Who, name};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::scene::{BOUND, PASSWORD};
use crate::{Config, Encryption, MailConfig, run};

/// A mail server (RFC 5321) that says yes to everything but its first `refusals` mails, whatever is for busy.example, which
/// it puts off for ever, and whatever is for gone.example, which it refuses.
async fn mail_server(refusals: usize) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mails) = mpsc::channel(64);
    tokio::spawn(async move {
        for n in 0.. {
            let Ok((socket, _)) = listener.accept().await else { return };
            tokio::spawn(take_mail(socket, n < refusals, sender.clone()));
        }
    });
    (address, mails)
}

async fn take_mail(socket: TcpStream, refuses: bool, mails: mpsc::Sender<String>) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut mail: Option<String> = None;
    write.write_all(b"220 test\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match (&mut mail, line.as_str()) {
            (Some(mailed), ".") => {
                let _ = mails.send(std::mem::take(mailed)).await;
                mail = None;
                "250 taken\r\n"
            }
            (Some(mailed), line) => {
                mailed.push_str(line);
                mailed.push('\n');
                continue;
            }
            (None, "DATA") => {
                mail = Some(String::new());
                "354 go on\r\n"
            }
            (None, line) if refuses && line.starts_with("MAIL") => "451 later\r\n",
            (None, line) if line.starts_with("RCPT") && line.contains("@busy.example") => "451 later\r\n",
            (None, line) if line.starts_with("RCPT") && line.contains("@gone.example") => "550 never\r\n",
            (None, "QUIT") => "221 bye\r\n",
            (None, _) => "250 yes\r\n",
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

struct Service {
    _server: NatsServer,
    client: async_nats::Client,
    mails: mpsc::Receiver<String>,
    metrics: Metrics,
    _stop: tokio_util::sync::DropGuard,
}

impl Service {
    async fn start(refusals: usize) -> Service {
        let server = NatsServer::start().await;
        let (address, mails) = mail_server(refusals).await;
        let mail = MailConfig {
            host: Some(address.ip().to_string()),
            port: Some(address.port()),
            encryption: Encryption::None,
            from: "Klatch <klatch@example.com>".into(),
            ..MailConfig::default()
        };
        let config = Config { mail, rates: Config::default().rates.for_development(), ..Config::default() };
        let client = server.client().await;
        let (health, shutdown) = (Health::new(), CancellationToken::new());
        let ready = health.condition("accounts", "starting");
        let stop = shutdown.clone().drop_guard();
        let metrics = Metrics::new();
        let numbers = metrics.clone();
        tokio::spawn(async move { run(config, client, shutdown, ready, &numbers).await });
        assert!(health.settled().await.ready);
        Service { client: server.client().await, _server: server, mails, metrics, _stop: stop }
    }

    async fn ask(&self, name: &str, request: &impl serde::Serialize) -> bool {
        let payload = serde_json::to_vec(request).unwrap();
        let reply = self.client.request(klatch_eventlog::subject::account(name), payload.into()).await.unwrap();
        reply.headers.is_none_or(|headers| headers.get("Nats-Service-Error-Code").is_none())
    }

    async fn register_only(&self, username: &str, email: &str) {
        let (username, email) = (username.to_owned(), Some(email.to_owned()));
        let request = RegisterRequest { username, email, password: Hidden::new(PASSWORD), source: None };
        assert!(self.ask(name::REGISTER, &request).await);
    }

    async fn register(&mut self, username: &str, email: &str) -> String {
        self.register_only(username, email).await;
        tokio::time::timeout(BOUND, self.mails.recv()).await.expect("a mail comes").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_comes_by_mail_and_who_is_there_already_is_told_so_there() {
    let mut service = Service::start(0).await;
    let mail = service.register("ada", "ada@example.com").await;
    assert!(mail.contains("To: ada@example.com") && mail.contains("From: Klatch <klatch@example.com>"), "{mail}");
    let code = mail.lines().map(str::trim).find(|line| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit()));
    let otp = Hidden::new(code.unwrap_or_else(|| panic!("no code in {mail}")));
    assert!(service.ask(name::VERIFY, &VerifyRequest { who: Who::Username("ada".into()), otp, source: None }).await);

    let mail = service.register("other", "ada@example.com").await;
    assert!(mail.contains("Subject: You have an account already") && mail.contains("\"ada\""), "{mail}");
    let mail = service.register("Ada", "new@example.com").await;
    assert!(mail.contains("To: new@example.com") && mail.contains("Subject: This name is taken"), "{mail}");
    assert!(!mail.contains("ada@example.com"), "the owner's address is nobody's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_is_sent_again() {
    let mut service = Service::start(1).await;
    let mail = service.register("ada", "ada@example.com").await;
    assert!(mail.contains("Your code"), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_wait_to_be_sent_again_delay_no_other() {
    let mut service = Service::start(0).await;
    for n in 0..8 {
        service.register_only(&format!("busy{n}"), &format!("{n}@busy.example")).await;
    }
    let mail = service.register("ada", "ada@example.com").await;
    assert!(mail.contains("To: ada@example.com"), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_for_good_is_given_up_at_once() {
    let service = Service::start(0).await;
    service.register_only("ada", "ada@gone.example").await;
    // Tried again, it would be given up after 26 seconds.
    eventually(BOUND, "the mail to be given up", || async {
        let numbers = service.metrics.encode();
        if numbers.contains("klatch_accounts_mails_lost_total 1") { Ok(()) } else { Err(numbers) }
    })
    .await;
}
