//! `klatch-domain` and `klatch-wire` know no I/O, no clock and no runtime. Said of the dependency tree as cargo
//! resolves it, and of the sources; a target without any I/O to build them for isn't on every machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that do I/O, keep time or run tasks.
const IMPURE: [&str; 20] = [
    "tokio",
    "tokio-util",
    "async-nats",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "hyper",
    "axum",
    "reqwest",
    "sled",
    "rusqlite",
    "tempfile",
    "rustls",
    "native-tls",
    "tracing",
    "tracing-subscriber",
    "chrono",
    "rand",
    "crossbeam-channel",
];

/// What the standard library offers of the same kind.
const IMPURE_PATHS: [&str; 10] = [
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "now_utc",
    "new_v4",
    "now_v7",
];

fn crates() -> [(&'static str, PathBuf); 2] {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("shared/").to_owned();
    [("klatch-domain", shared.join("domain")), ("klatch-wire", shared.join("wire"))]
}

#[test]
fn the_dependencies_do_no_io() {
    for (name, folder) in crates() {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
            .args(["--package", name])
            .current_dir(&folder)
            .output()
            .expect("cargo runs: it runs this test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).expect("package names are ASCII");
        let names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(names.contains(&"serde_json"), "the tree was not read: {tree}");
        let impure: Vec<&&str> = names.iter().filter(|name| IMPURE.contains(name)).collect();
        assert!(impure.is_empty(), "{name} depends on {impure:?}");
    }
}

#[test]
fn the_sources_do_no_io() {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a source folder") {
            let path = entry.expect("a source file").path();
            if path.is_dir() {
                walk(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                // To write into memory is no I/O.
                let line = line.replace("std::io::Write;", "");
                if IMPURE_PATHS.iter().any(|impure| line.contains(impure)) {
                    found.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    let mut found = Vec::new();
    for (_, folder) in crates() {
        walk(&folder.join("src"), &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}
