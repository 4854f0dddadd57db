//! One trace of a message, as a collector sees it: from the edge through the log's headers to the projector, the notifier,
//! the webhook and back to those who listen. Real processes; the collector speaks OTLP over HTTP.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klatch_service::tether;
use klatch_testkit::{NatsServer, eventually, free_port};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(120);
const KLATCH: &str = env!("CARGO_BIN_EXE_klatch");
const TEXT: &str = "words-that-no-span-may-hold";

/// What came by HTTP: the path, the header `traceparent`, the body.
type Posted = (String, Option<String>, Vec<u8>);

/// Takes whatever is posted to it: traces as a collector, and webhooks.
struct Collector {
    port: u16,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let book = Arc::clone(&posted);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let book = Arc::clone(&book);
                std::thread::spawn(move || {
                    while let Some(posted) = take(&connection) {
                        book.lock().expect("no panic").push(posted);
                    }
                });
            }
        });
        Collector { port, posted }
    }

    fn of(&self, path: &str) -> Vec<Posted> {
        self.posted.lock().expect("no panic").iter().filter(|posted| posted.0 == path).cloned().collect()
    }

    /// The names of all spans, by their trace; each with its service.
    fn traces(&self) -> HashMap<Vec<u8>, BTreeSet<(String, String)>> {
        let mut traces: HashMap<Vec<u8>, BTreeSet<(String, String)>> = HashMap::new();
        for (_, _, body) in self.of("/v1/traces") {
            let request = ExportTraceServiceRequest::decode(&*body).expect("OTLP");
            for of_process in request.resource_spans {
                let attributes = of_process.resource.map(|resource| resource.attributes).unwrap_or_default();
                let service = attributes.into_iter().find(|attribute| attribute.key == "service.name");
                let service = format!("{:?}", service.and_then(|attribute| attribute.value));
                for span in of_process.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    traces.entry(span.trace_id).or_default().insert((service.clone(), span.name));
                }
            }
        }
        traces
    }
}

/// One request, answered; none where the connection is over.
fn take(connection: &TcpStream) -> Option<Posted> {
    let mut reader = BufReader::new(connection);
    let (mut path, mut length, mut trace) = (String::new(), 0, None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        }
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some((name, value)) if name.eq_ignore_ascii_case("traceparent") => trace = Some(value.to_owned()),
            _ => {}
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut connection = connection;
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    Some((path, trace, body))
}

/// A klatch that is killed when dropped.
struct Klatch(Child);

impl Klatch {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Klatch {
        let mut command = tether::command(KLATCH);
        command.args(arguments).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Klatch(tether::spawn(command).expect("klatch starts"))
    }
}

impl Drop for Klatch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An edge, a projector and a notifier of their own, through which something was said.
struct System {
    // Killed before the folder that they write to goes.
    _running: Vec<Klatch>,
    _data: TempDir,
    nats: NatsServer,
}

async fn say(collector: &Collector, traced: bool) -> System {
    let nats = NatsServer::start().await;
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = data.path().display().to_string();
    let (url, listen) = (nats.url(), format!("127.0.0.1:{}", free_port()));
    let endpoint = format!("http://127.0.0.1:{}", collector.port);
    let webhooks = format!(
        r#"[{{ name = "crm", url = "{endpoint}/hook", secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] }}]"#
    );
    let mut variables = vec![
        ("KLATCH_NOTIFIER__WEBHOOKS", webhooks.as_str()),
        ("KLATCH_NOTIFIER__OUTGOING__ALLOW_HTTP", "true"),
        ("KLATCH_NOTIFIER__OUTGOING__ALLOW_NETWORKS", r#"["127.0.0.0/8"]"#),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    if traced {
        variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    }
    let notifier = Klatch::start(&["notifier", "--nats", &url], &variables);
    let projector = Klatch::start(&["projector", "--nats", &url, "--data", &folder], &variables);
    let edge = Klatch::start(&["edge", "--dev", "--nats", &url, "--listen", &listen], &variables);
    eventually(BOUND, "the edge to be ready", || async {
        let asked = Command::new(KLATCH).args(["health", "--url", &format!("http://{listen}")]).output();
        let asked = asked.expect("klatch starts");
        if asked.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&asked.stdout).into_owned()) }
    })
    .await;
    // At its first start the notifier tells of what is said from then on.
    let jetstream = async_nats::jetstream::new(nats.client().await);
    eventually(BOUND, "the notifier's consumer", || async {
        let stream = jetstream.get_stream("CHAT_EVENTS").await.map_err(|error| error.to_string())?;
        stream.consumer_info("notifier").await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    let socket = format!("ws://{listen}/chat/ws");
    let sent = Command::new(KLATCH)
        .args(["send", "--dev", "--user", "ada", "--room", "lobby", "--url", &socket, TEXT])
        .output()
        .expect("klatch starts");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    System { _running: vec![notifier, projector, edge], _data: data, nats }
}

#[tokio::test]
async fn one_trace_goes_from_the_edge_to_projector_notifier_webhook_and_delivery() {
    let collector = Collector::start();
    let _system = say(&collector, true).await;
    let wanted =
        ["edge.request", "edge.append", "edge.deliver", "projector.fold", "notifier.expand", "notifier.deliver"];
    let trace = eventually(BOUND, "one trace over all services", || async {
        let traces = collector.traces();
        let whole = traces.iter().find(|(_, spans)| wanted.iter().all(|name| spans.iter().any(|span| span.1 == *name)));
        whole.map(|(trace, spans)| (trace.clone(), spans.clone())).ok_or_else(|| format!("{traces:?}"))
    })
    .await;
    let services: BTreeSet<&String> = trace.1.iter().map(|(service, _)| service).collect();
    assert_eq!(services.len(), 3, "edge, projector and notifier say who they are: {services:?}");
    let hex: String = trace.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let hooks = collector.of("/hook");
    let told = hooks.iter().filter_map(|(_, trace, _)| trace.as_ref()).find(|trace| trace.contains(&hex));
    assert!(told.is_some(), "the webhook is told of trace {hex}: {:?}", hooks.iter().map(|hook| &hook.1));
    for (_, _, body) in collector.of("/v1/traces") {
        let held = body.windows(TEXT.len()).any(|window| window == TEXT.as_bytes());
        assert!(!held, "a span holds what was said");
    }
}

#[tokio::test]
async fn without_the_variable_there_are_no_spans_and_no_headers() {
    let collector = Collector::start();
    let system = say(&collector, false).await;
    eventually(BOUND, "the webhook", || async {
        if collector.of("/hook").is_empty() { Err("nothing") } else { Ok(()) }
    })
    .await;
    assert!(collector.of("/v1/traces").is_empty());
    assert!(collector.of("/hook").iter().all(|(_, trace, _)| trace.is_none()));
    let jetstream = async_nats::jetstream::new(system.nats.client().await);
    let stream = jetstream.get_stream("CHAT_EVENTS").await.expect("the log");
    let last = stream.cached_info().state.last_sequence;
    for seq in 1..=last {
        let stored = stream.get_raw_message(seq).await.expect("stored");
        assert!(stored.headers.get("traceparent").is_none(), "{:?}", stored.headers);
    }
}
