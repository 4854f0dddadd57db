//! The guard against addresses in every form, and over a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn outgoing(change: impl FnOnce(&mut OutgoingConfig)) -> Outgoing {
    let mut config = OutgoingConfig { request_ms_max: 2_000, ..OutgoingConfig::default() };
    change(&mut config);
    Outgoing::new(&config).unwrap()
}

fn on_loopback(change: impl FnOnce(&mut OutgoingConfig)) -> Outgoing {
    outgoing(|config| {
        config.allow_http = true;
        config.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
        change(config);
    })
}

async fn ask(outgoing: &Outgoing, url: &str) -> Result<Answer, Failure> {
    outgoing.send(http::Request::get(url).body(Bytes::new()).unwrap()).await
}

/// A server that counts requests; gives its port.
async fn server() -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[7; 4096]));
    let endless = move || async move { Body::from_stream(stream::repeat_with(chunk)) };
    let counted = |State(count): State<Arc<AtomicUsize>>| async move {
        count.fetch_add(1, Ordering::Relaxed);
        "hello"
    };
    let app = Router::new()
        .route("/", get(counted))
        .route("/redirect", get(|| async { Redirect::temporary("/") }))
        .route("/endless", get(endless))
        .route("/silent", get(std::future::pending::<()>))
        .with_state(Arc::clone(&count));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, count)
}

/// A server that answers one request with a status and less than it announced, and then hangs up, or else says nothing more.
async fn half_a_server(hangs_up: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let read = socket.read(&mut [0; 4096]).await.unwrap();
        assert!(read > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await.unwrap();
        if !hangs_up {
            std::future::pending::<()>().await;
        }
    });
    port
}

#[tokio::test]
async fn a_private_address_is_refused_in_every_form_and_nothing_is_sent() {
    let (port, count) = server().await;
    let outgoing = outgoing(|config| config.allow_http = true);
    let forms = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[::127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.64.0.1",
    ];
    for form in forms {
        let answer = ask(&outgoing, &format!("http://{form}:{port}/")).await;
        let refused = matches!(answer, Err(Failure::Refused(Refused::Private { .. })));
        assert!(refused, "{form}: {answer:?}");
    }
    // Whether this is a name at all, is each system's own business.
    assert!(ask(&outgoing, &format!("http://localhost.:{port}/")).await.is_err());
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_the_operator_names_is_reached_by_address_and_by_name() {
    let (port, count) = server().await;
    let outgoing = on_loopback(|_| {});
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let answer = ask(&outgoing, &format!("http://{host}:{port}/")).await.unwrap();
        assert_eq!((answer.status, &answer.body[..], answer.whole), (StatusCode::OK, &b"hello"[..], true), "{host}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 3);
    let answer = ask(&outgoing, &format!("http://[::1]:{port}/")).await;
    assert!(matches!(answer, Err(Failure::Refused(Refused::Private { .. }))), "another network: {answer:?}");
}

#[test]
fn of_several_addresses_only_the_allowed_ones_are_connected_to() {
    let rules = Rules { allow_http: false, allow_networks: Vec::new() };
    let found = ["10.0.0.1:0", "8.8.8.8:0", "[::1]:0"].map(|address| address.parse::<SocketAddr>().unwrap());
    assert_eq!(rules.choose("mixed.example", found.into_iter()), Ok(vec!["8.8.8.8:0".parse().unwrap()]));
    let refused = rules.choose("rebound.example", found.into_iter().take(1)).unwrap_err();
    assert!(refused.to_string().starts_with("rebound.example is at 10.0.0.1"), "{refused}");
}

#[tokio::test]
async fn http_and_what_is_no_http_are_refused_unless_allowed() {
    let outgoing = outgoing(|_| {});
    for (url, why) in [
        ("http://example.com/", Refused::Scheme("http".into())),
        ("ftp://example.com/", Refused::Scheme("ftp".into())),
        ("file:///etc/passwd", Refused::Scheme("file".into())),
        ("https://ada:secret@example.com/", Refused::Credentials),
    ] {
        assert_eq!(outgoing.check(&Url::parse(url).unwrap()), Err(why), "{url}");
    }
    assert_eq!(outgoing.check(&Url::parse("https://example.com/").unwrap()), Ok(()));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (port, count) = server().await;
    let answer = ask(&on_loopback(|_| {}), &format!("http://127.0.0.1:{port}/redirect")).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn of_an_endless_answer_only_so_much_is_read() {
    let (port, _) = server().await;
    let outgoing = on_loopback(|config| config.response_bytes_max = 10_000);
    let answer = ask(&outgoing, &format!("http://127.0.0.1:{port}/endless")).await.unwrap();
    assert_eq!((answer.body.len(), answer.whole), (10_000, false));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_stalls_after_its_status_is_one() {
    let outgoing = on_loopback(|config| config.request_ms_max = 500);
    for hangs_up in [true, false] {
        let port = half_a_server(hangs_up).await;
        let answer = ask(&outgoing, &format!("http://127.0.0.1:{port}/")).await.unwrap();
        assert_eq!((answer.status, answer.whole), (StatusCode::OK, false));
        assert_eq!(&answer.body[..], b"first");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let (port, _) = server().await;
    let outgoing = on_loopback(|config| config.request_ms_max = 100);
    let answer = ask(&outgoing, &format!("http://127.0.0.1:{port}/silent")).await;
    assert!(matches!(answer, Err(Failure::TimedOut(_))), "{answer:?}");
}
