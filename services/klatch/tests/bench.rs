//! `klatch bench` as a person meets it: every row gives figures, and an interrupted run leaves nothing behind. Never how
//! fast anything is: that is for a machine that does nothing else.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use klatch_service::tether;
use klatch_testkit::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(120);

fn bench(arguments: &[&str], folder: &Path) -> Command {
    let mut command = tether::command(env!("CARGO_BIN_EXE_klatch"));
    command.arg("bench").args(arguments).arg("--folder").arg(folder);
    // Where `.tools/bin` is to be found.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    let mut command = bench(arguments, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = tether::spawn(command).expect("klatch starts");
    child.wait_with_output().expect("klatch ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).expect("the folder is there").next().is_none()
}

/// Of the processes that run, those that name the folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("temporary folders have plain names");
    let command_lines = fs::read_dir("/proc").expect("Linux").flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(text(&line).replace('\0', " "))
    });
    command_lines.filter(|line| line.contains(folder)).collect()
}

#[test]
fn every_row_gives_a_figure_its_limits_and_their_ratio() {
    let folder = TempDir::new().expect("a temporary folder");
    let results = TempDir::new().expect("a temporary folder");
    let json = results.path().join("bench.json");
    let output = run(&["--quick", "--markdown", "--json", json.to_str().expect("a plain name")], folder.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(is_empty(folder.path()), "something was left in the folder");

    let table = text(&output.stdout);
    let json: Value = serde_json::from_slice(&fs::read(json).expect("written")).expect("JSON");
    let lines = json["rows"].as_array().expect("rows");
    let listed = text(&run(&["--list"], folder.path()).stdout);
    for name in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        let of_row: Vec<&Value> = lines.iter().filter(|line| line["row"] == name).collect();
        assert!(!of_row.is_empty(), "{name} gave nothing");
        assert!(table.contains(&format!("| `{name}` |")), "{name} is not in the table:\n{table}");
        for line in of_row {
            for figure in ["klatch", "limit", "ratio"] {
                let value = line[figure].as_f64();
                assert!(value.is_some_and(|value| value.is_finite() && value > 0.0), "{figure} of {line:#}");
            }
        }
    }
}

#[tokio::test]
async fn an_interrupted_run_leaves_no_process_and_no_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = bench(&["--quick", "idle"], folder.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running: Child = tether::spawn(command).expect("klatch starts");
    eventually(BOUND, "the broker of a measurement", || async {
        let found = processes_of(folder.path());
        if found.iter().any(|line| line.contains("nats-server")) { Ok(()) } else { Err(found.join("\n")) }
    })
    .await;
    kill_process(Pid::from_child(&running), Signal::INT).expect("ours");
    let status = eventually(BOUND, "its end", || {
        let ended = running.try_wait().expect("a child can be asked");
        async move { ended.ok_or("it runs") }
    })
    .await;
    assert_eq!(status.code(), Some(130));
    assert!(is_empty(folder.path()), "something was left in the folder");
    assert_eq!(processes_of(folder.path()), Vec::<String>::new());
}

#[test]
fn a_row_that_is_not_there_is_named() {
    let folder = TempDir::new().expect("a temporary folder");
    let output = run(&["latensy"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("\"latensy\"") && text(&output.stderr).contains("--list"));
}
