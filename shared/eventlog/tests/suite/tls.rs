//! TLS to the broker: who is believed, who is let in, and what a renewed certificate does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use klatch_eventlog::{Log, OpenError, Options, Tls};
use klatch_testkit::{Authority, Certificate, NatsServer, eventually};
use tempfile::TempDir;

use crate::ground::*;

/// A server with TLS that lets in whoever has a certificate of the same authority.
struct Encrypted {
    server: NatsServer,
    authority: Authority,
    folder: TempDir,
}

impl Encrypted {
    async fn start() -> Encrypted {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let Certificate { cert, key } = authority.issue(folder.path(), "server");
        let ca = authority.write(&folder.path().join("ca.pem"));
        let tls = format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}");
        Encrypted { server: NatsServer::builder().extra_config(&tls).start().await, authority, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self, ca: &Path, client: Option<&Certificate>) -> Options {
        let identity = client.map(|client| (client.cert.clone(), client.key.clone()));
        Options { tls: Some(Tls { ca: Some(ca.to_owned()), identity }), ..options(&self.server.url()) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_show_a_certificate_and_believe_no_other_authority() {
    let house = Encrypted::start().await;
    let client = house.authority.issue(house.folder.path(), "client");
    let log = Log::open(house.options(&house.path("ca.pem"), Some(&client))).await.unwrap();
    say(&log, &room("r"), "in secret").await;

    let stranger = Authority::new();
    let strangers_ca = stranger.write(&house.path("stranger-ca.pem"));
    let strangers = stranger.issue(house.folder.path(), "stranger");
    for (what, ca, client) in [
        ("a server of an authority that is not ours", &strangers_ca, Some(&client)),
        ("a client without a certificate", &house.path("ca.pem"), None),
        ("a client with a stranger's certificate", &house.path("ca.pem"), Some(&strangers)),
    ] {
        let options = Options { open_deadline: Duration::from_millis(700), ..house.options(ca, client) };
        let opened = Log::open(options).await;
        assert!(matches!(opened, Err(OpenError::NoServer { .. })), "{what}: {opened:?}");
    }
    let nowhere = house.options(&house.path("nowhere.pem"), None);
    let unreadable = Log::open(nowhere).await.expect_err("no such file").to_string();
    assert!(unreadable.contains("nowhere.pem"), "{unreadable}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encryption_is_never_left_out_where_it_is_asked_for() {
    let server = NatsServer::start().await;
    for (servers, tls) in [(server.url(), Some(Tls::default())), (server.url().replace("nats://", "tls://"), None)] {
        let options = Options { tls, open_deadline: Duration::from_millis(700), ..options(&servers) };
        let opened = Log::open(options).await;
        assert!(matches!(opened, Err(OpenError::NoServer { .. })), "{servers}: {opened:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_authority_breaks_no_connection_and_holds_from_the_next_one_on() {
    let mut house = Encrypted::start().await;
    let client = house.authority.issue(house.folder.path(), "client");
    let log = Log::open(house.options(&house.path("ca.pem"), Some(&client))).await.unwrap();

    // Every file is another one now, signed by another authority.
    house.authority = Authority::new();
    house.authority.write(&house.path("ca.pem"));
    house.authority.issue(house.folder.path(), "server");
    house.authority.issue(house.folder.path(), "client");
    house.server.reload();
    let anew = || async {
        let options =
            Options { open_deadline: Duration::from_secs(1), ..house.options(&house.path("ca.pem"), Some(&client)) };
        Log::open(options).await.map_err(|error| error.to_string())
    };
    eventually(BOUND, "a connection with the new certificates", anew).await;
    say(&log, &room("r"), "over the old connection").await;

    let mut disruptions = log.disruptions();
    house.server.restart().await;
    tokio::time::timeout(BOUND, disruptions.changed()).await.expect("the connection is made again").unwrap();
    say(&log, &room("r"), "over the new one").await;
}
