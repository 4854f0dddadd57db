//! What a service that runs alone says of itself at `telemetry.listen`, before it has reached its broker.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use klatch_service::tether;
use klatch_testkit::{eventually, free_port};

const SAYS_WITHIN: Duration = Duration::from_secs(30);

fn readyz(port: u16) -> Result<String, String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    connection.write_all(request).map_err(|error| error.to_string())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    Ok(answer)
}

/// A container's health check asks at once, and an upgrade goes on when it says yes.
#[tokio::test]
async fn no_service_is_ready_before_it_has_reached_its_broker() {
    for service in ["projector", "accounts", "notifier"] {
        let (broker, port) = (free_port(), free_port());
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut command = tether::command(env!("CARGO_BIN_EXE_klatch"));
        command.args([service, "--nats", &format!("nats://127.0.0.1:{broker}")]);
        command.env("KLATCH_TELEMETRY__LISTEN", format!("127.0.0.1:{port}")).env("KLATCH_DATA", data.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = tether::spawn(command).expect("klatch starts");
        let says = eventually(SAYS_WITHIN, &format!("{service} to say how it is"), || async { readyz(port) }).await;
        assert!(says.starts_with("HTTP/1.1 503") && says.contains("broker"), "{service}: {says}");
        process.kill().expect("it runs");
        process.wait().expect("it was killed");
    }
}
