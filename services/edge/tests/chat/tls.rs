//! TLS for clients: people and requests over it, a renewed certificate, and those who don't keep to it.

use std::sync::Arc;
use std::time::Duration;

use klatch_edge::Config;
use klatch_edge::tls::TlsConfig;
use klatch_eventlog::Log;
use klatch_testkit::{Authority, Certificate, eventually};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::people::{Edge, token};

const BOUND: Duration = Duration::from_secs(30);

/// Who believes this authority and no other.
fn believing(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.expect("versions").with_root_certificates(roots).with_no_client_auth())
}

async fn encrypted(change: impl FnOnce(&mut Config)) -> (Edge, Authority, TempDir) {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a temporary folder"));
    let Certificate { cert, key } = authority.issue(folder.path(), "edge");
    let mut edge = Edge::start(&Log::memory(), |config| {
        config.tls = TlsConfig { cert: Some(cert), key: Some(key), look_ms: 20 };
        change(config);
    })
    .await;
    edge.believed = Some(believing(&authority));
    (edge, authority, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_requests_come_over_tls() {
    let (edge, authority, _folder) = encrypted(|_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    ben.join("r", None).await;
    // More than one record of TLS holds.
    let long = "x".repeat(4_000);
    for _ in 0..10 {
        ben.ask("chat.message", json!({"roomId": "r", "message": long})).await.expect("stored");
        assert_eq!(ada.hears("chat.message").await["data"]["message"], long);
    }

    let tcp = TcpStream::connect(edge.address).await.expect("it listens");
    let name = ServerName::from(edge.address.ip());
    let mut tls = TlsConnector::from(believing(&authority)).connect(name, tcp).await.expect("a handshake");
    tls.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("written");
    let mut answer = String::new();
    // With its goodbye: otherwise this would be an error.
    tls.read_to_string(&mut answer).await.expect("a whole answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    edge.stop().await.expect("it drains");
    assert_eq!(ada.closed().await.map(|frame| u16::from(frame.code)), Some(4000));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_slow_reader_comes_whole_and_in_order() {
    const MESSAGES: usize = 2_000;
    let (edge, ..) = encrypted(|config| {
        config.limits = config.limits.clone().with_development_rates();
        config.limits.queue_bytes_max = 64 << 20;
        config.limits.sends_per_second = 1_000_000;
        config.limits.frames_per_second = 1_000_000;
    })
    .await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    ben.join("r", None).await;
    let padding = "y".repeat(3_900);
    for number in 0..MESSAGES {
        let message = format!("{number} {padding}");
        ada.ask("chat.message", json!({"roomId": "r", "message": message})).await.expect("stored");
    }
    for number in 0..MESSAGES {
        let heard = ben.hears("chat.message").await;
        let text = heard["data"]["message"].as_str().expect("text").to_owned();
        assert_eq!(text.split(' ').next(), Some(number.to_string().as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_holds_for_new_connections_and_old_ones_go_on() {
    let (mut edge, _, folder) = encrypted(|_| ()).await;
    let mut ada = edge.connect("ada").await;
    let renewed = Authority::new();
    renewed.issue(folder.path(), "edge");
    edge.believed = Some(believing(&renewed));
    let token = token("ben");
    let mut ben = eventually(BOUND, "the new certificate", || edge.dial(Some(&token))).await;
    ben.hears("chat.welcome").await;
    ada.ask("chat.ping", json!({})).await.expect("the old connection goes on");
}

#[tokio::test]
async fn who_does_not_encrypt_is_told_so() {
    let (mut edge, ..) = encrypted(|_| ()).await;
    let mut plain = TcpStream::connect(edge.address).await.expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    let mut answer = String::new();
    let read = tokio::time::timeout(BOUND, plain.read_to_string(&mut answer)).await.expect("an end");
    read.expect("a clean end");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("wss://"), "{answer}");
    edge.believed = None;
    assert!(edge.dial(None).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_ended() {
    let (edge, ..) = encrypted(|config| config.request_head_ms_max = 100).await;
    for begun in [&b""[..], &[22], &[22, 3, 1, 0x10, 0]] {
        let mut idler = TcpStream::connect(edge.address).await.expect("it listens");
        idler.write_all(begun).await.expect("written");
        let ended = tokio::time::timeout(BOUND, idler.read(&mut [0; 64])).await;
        // By a reset, where something was sent that nobody read.
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{begun:?}: {ended:?}");
    }
    edge.connect("ada").await;
}
