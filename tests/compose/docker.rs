//! The Docker engine, by its own command line: what is done to containers here is what an operator would type.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The name that every container, volume and network of these tests goes by.
const PROJECT: &str = "klatch-test";

/// One `docker compose` project.
#[derive(Debug)]
pub(crate) struct Docker {
    /// `docker-compose`, or `docker compose`.
    compose: Vec<String>,
    /// The folder of `.env` and certificates.
    secrets: PathBuf,
    variables: Vec<(String, String)>,
}

impl Docker {
    /// The engine that `make test-compose` prepared. `variables` are for the compose files.
    pub(crate) fn prepared(variables: Vec<(String, String)>) -> Docker {
        let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: make test-compose"));
        let compose = told("KLATCH_TEST_COMPOSE").split_whitespace().map(str::to_owned).collect();
        Docker { compose, secrets: PathBuf::from(told("KLATCH_TEST_SECRETS")), variables }
    }

    /// The folder of `.env` and certificates.
    pub(crate) fn secrets(&self) -> &Path {
        &self.secrets
    }

    /// `docker compose` with these arguments.
    pub(crate) fn compose(&self, arguments: &[&str]) -> String {
        let (program, first) = self.compose.split_first().expect("a command");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository");
        let mut command = Command::new(program);
        command.args(first).arg("--env-file").arg(self.secrets.join(".env")).args(["--project-name", PROJECT]);
        command.args(["-f", "compose.yaml", "-f", "tests/compose/compose.test.yaml"]).args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(repository);
        run(command)
    }

    /// The container of a service. Fails the test if there is none.
    pub(crate) fn container(&self, service: &str) -> String {
        let of_project = format!("label=com.docker.compose.project={PROJECT}");
        let of_service = format!("label=com.docker.compose.service={service}");
        let ids = docker(&["ps", "--all", "--quiet", "--filter", &of_project, "--filter", &of_service]);
        ids.lines().next().unwrap_or_else(|| panic!("{service} has no container")).to_owned()
    }

    /// `docker VERB … CONTAINER`.
    pub(crate) fn order(&self, verb: &[&str], service: &str) -> String {
        let container = self.container(service);
        docker(&[verb, &[&container]].concat())
    }

    /// Takes a service's container off the network, or puts it back under its name.
    pub(crate) fn cut_off(&self, service: &str) {
        docker(&["network", "disconnect", &format!("{PROJECT}_default"), &self.container(service)]);
    }

    /// Puts it back under its name.
    pub(crate) fn reconnect(&self, service: &str) {
        let network = format!("{PROJECT}_default");
        docker(&["network", "connect", "--alias", service, &network, &self.container(service)]);
    }

    /// Removes a service's container and its volume, running or not.
    pub(crate) fn wipe(&self, service: &str) {
        docker(&["rm", "--force", &self.container(service)]);
        docker(&["volume", "rm", &format!("{PROJECT}_{service}")]);
    }

    /// What the engine says about a container, by a Go template.
    pub(crate) fn inspect(&self, service: &str, template: &str) -> String {
        self.order(&["inspect", "--format", template], service).trim().to_owned()
    }
}

fn docker(arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(arguments);
    run(command)
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}
