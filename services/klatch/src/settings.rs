//! Everything that Klatch can be told, in one tree, and the ways to tell it.

mod broker;

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use klatch_eventlog::Options;
use klatch_service::config::{Alias, ConfigError, Environment, Layer, Loaded, Setting, load};
use klatch_service::telemetry::TelemetryConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AnyError;
use crate::broker::{Access, User, access_to};
pub(crate) use broker::BrokerSettings;

/// Read from the working folder unless another is named.
pub(crate) const FILE_DEFAULT: &str = "klatch.toml";

/// Klatch's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The folder that everything is kept in: the log in broker/, views of it in projector/.
    pub(crate) data: PathBuf,
    /// The NATS server that holds the log.
    pub(crate) broker: BrokerSettings,
    /// What is logged, and how.
    pub(crate) telemetry: TelemetryConfig,
    /// What clients connect to.
    pub(crate) edge: klatch_edge::Config,
    /// What answers for history, rooms and members. Its folder is projector/ below `data` unless it is named.
    pub(crate) projector: klatch_projector::Config,
    /// Who may have an account of Klatch's own, and what their tokens say.
    pub(crate) accounts: klatch_accounts::Config,
    /// What tells other systems of messages: on NATS, and by webhooks.
    pub(crate) notifier: klatch_notifier::Config,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data: PathBuf::from("./klatch-data"),
            broker: BrokerSettings::default(),
            telemetry: TelemetryConfig::default(),
            edge: klatch_edge::Config::default(),
            projector: klatch_projector::Config::default(),
            accounts: klatch_accounts::Config::default(),
            notifier: klatch_notifier::Config::default(),
        }
    }
}

impl Settings {
    /// The accounts' own settings, with what they need of others.
    pub(crate) fn accounts(&self) -> klatch_accounts::Config {
        klatch_accounts::Config { replicas: self.broker.replicas, ..self.accounts.clone() }
    }

    /// How `user` opens the log: at `own`, the broker that this process runs; else where the settings say; else at the
    /// broker of a `klatch up` that runs on the same data folder; else at NATS's usual port on this machine.
    pub(crate) fn log_options(&self, user: User, own: Option<&Access>) -> Result<Options, AnyError> {
        let found = match (own, &self.broker.url) {
            (None, None) => access_to(&self.data)?,
            _ => None,
        };
        Ok(self.broker.options(user, own.or(found.as_ref()))?)
    }
}

const ENVIRONMENT: Environment<'static> = Environment {
    prefix: "KLATCH",
    aliases: &[
        Alias { variable: "KLATCH_NATS_SERVER", key: "broker.nats_server", convert: as_it_is },
        Alias { variable: "PORT", key: "edge.listen", convert: on_loopback },
        Alias { variable: "CORS_ORIGIN", key: "edge.origins", convert: as_it_is },
        Alias { variable: "INTERNAL_API_KEY", key: "edge.internal_api_key", convert: as_it_is },
        Alias { variable: "MAX_MESSAGE_HISTORY", key: "projector.history_messages_max", convert: as_it_is },
        Alias { variable: "MESSAGE_HISTORY_TTL", key: "projector.history_age_s_max", convert: as_it_is },
        Alias { variable: "MAX_CONNECTIONS_PER_USER", key: "edge.limits.connections_per_user_max", convert: as_it_is },
    ],
    // Read by the command line, by the tests of this repository, and by a nats-server with the configuration in nats/.
    not_settings: &[
        "KLATCH_CONFIG",
        "KLATCH_TOKEN",
        "KLATCH_URL",
        "KLATCH_BIN",
        "KLATCH_BROKER_NAME",
        "KLATCH_BROKER_LISTEN",
        "KLATCH_BROKER_STORE",
        "KLATCH_BROKER_PASSWORD_EDGE",
        "KLATCH_BROKER_PASSWORD_PROJECTOR",
        "KLATCH_BROKER_PASSWORD_ERASER",
        "KLATCH_BROKER_PASSWORD_ACCOUNTS",
        "KLATCH_BROKER_PASSWORD_NOTIFIER",
        "KLATCH_BROKER_PASSWORD_OPERATOR",
        "KLATCH_BROKER_PASSWORD_LISTENER",
    ],
};

/// Variables of chat services that Klatch stands in for: their stores and queues are no more.
const IGNORED: &[&str] = &["MONGODB_URI", "REDIS_", "RABBITMQ_"];

fn as_it_is(text: &str) -> String {
    text.to_owned()
}

fn on_loopback(port: &str) -> String {
    format!("127.0.0.1:{port}")
}

/// Flags that several commands share, each of which sets a key.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct DataFlag {
    /// The folder that everything is kept in [default: ./klatch-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// Where clients connect.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ListenFlag {
    /// An address to listen on; may be given several times [default: 127.0.0.1:5004]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
}

/// Which broker.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct NatsFlag {
    /// A NATS server (2.15 or newer, JetStream on) that is there already, like nats://127.0.0.1:4222
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

impl DataFlag {
    pub(crate) fn layers(&self) -> Vec<Layer> {
        self.data.iter().map(|folder| Layer::one("--data", "data", folder)).collect()
    }
}

impl ListenFlag {
    pub(crate) fn layers(&self) -> Vec<Layer> {
        if self.listen.is_empty() { Vec::new() } else { vec![Layer::one("--listen", "edge.listen", &self.listen)] }
    }
}

impl NatsFlag {
    pub(crate) fn layers(&self) -> Vec<Layer> {
        self.nats.iter().map(|url| Layer::one("--nats", "broker.url", url)).collect()
    }
}

/// The settings from defaults, `file` (or klatch.toml where there is one), the environment, and `flags`.
pub(crate) fn read(file: Option<&Path>, flags: Vec<Layer>) -> Result<Loaded<Settings>, ConfigError> {
    let mut layers = Vec::new();
    match file {
        Some(file) => layers.push(Layer::file(file)?),
        None if Path::new(FILE_DEFAULT).exists() => layers.push(Layer::file(Path::new(FILE_DEFAULT))?),
        None => {}
    }
    let variables =
        env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    layers.extend(ENVIRONMENT.layers::<Settings>(variables)?);
    layers.extend(flags);
    let mut loaded = load::<Settings>(layers)?;
    let is_told = |setting: &Setting| setting.key == "projector.dir" && setting.origin != "default";
    if !loaded.settings.iter().any(is_told) {
        loaded.value.projector.dir = loaded.value.data.join("projector");
    }
    Ok(loaded)
}

/// Says once which variables of the environment mean nothing here, for who comes from a service that had them.
pub(crate) fn tell_ignored_variables() {
    let is_ignored = |name: &String| IGNORED.iter().any(|known| name.starts_with(known));
    let names: Vec<String> =
        env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(is_ignored).collect();
    if !names.is_empty() {
        tracing::info!(variables = names.join(", "), "ignored: Klatch keeps everything in its own log");
    }
}

#[cfg(test)]
mod tests {
    use klatch_edge::token::KeyConfig;

    use super::*;

    #[test]
    fn the_variables_that_people_know_still_work() {
        let variables = [
            ("PORT", "5104"),
            ("INTERNAL_API_KEY", "k"),
            ("MAX_CONNECTIONS_PER_USER", "7"),
            ("CORS_ORIGIN", "https://a.example, https://b.example"),
            ("KLATCH_NATS_SERVER", "/opt/nats-server"),
            ("KLATCH_EDGE__LIMITS__FRAME_BYTES_MAX", "1024"),
            ("KLATCH_TOKEN", "not a setting"),
            ("KLATCH_BROKER_PASSWORD_EDGE", "\"not a setting\""),
            ("KLATCH_BROKER__USER", "edge"),
            ("KLATCH_BROKER__PASSWORD", "swordfish"),
            ("KLATCH_BROKER__ERASER__USER", "eraser"),
            ("KLATCH_BROKER__TLS__CA", "/etc/klatch/ca.pem"),
            (
                "KLATCH_NOTIFIER__WEBHOOKS",
                r#"[{ name = "crm", url = "https://crm.example/hook", secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] }]"#,
            ),
            ("KLATCH_EDGE__AUTH__KEYS", r#"[{ algorithm = "HS256", secret = "0123456789abcdef0123456789abcdef" }]"#),
        ];
        let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let layers = ENVIRONMENT.layers::<Settings>(variables).expect("layers");
        let settings = load::<Settings>(layers).expect("all is well").value;
        assert_eq!(settings.edge.listen, ["127.0.0.1:5104".parse().expect("an address")]);
        assert!(settings.edge.internal_api_key.expect("a key").matches(b"k"));
        assert_eq!(settings.edge.limits.connections_per_user_max, 7);
        assert_eq!(settings.edge.origins, ["https://a.example", "https://b.example"]);
        assert_eq!(settings.broker.nats_server, Some("/opt/nats-server".into()));
        assert_eq!(settings.edge.limits.frame_bytes_max, 1024);
        assert_eq!(settings.broker.user.as_deref(), Some("edge"));
        assert_eq!(settings.broker.password, Some(klatch_service::Secret::new("swordfish")));
        assert_eq!(settings.broker.eraser.user.as_deref(), Some("eraser"));
        assert_eq!(settings.broker.tls.ca, Some("/etc/klatch/ca.pem".into()));
        assert_eq!(settings.notifier.webhooks[0].name.as_str(), "crm");
        assert!(matches!(settings.edge.auth.keys[..], [KeyConfig::HS256 { .. }]), "{:?}", settings.edge.auth.keys);
    }

    #[test]
    fn flags_win() {
        let flags = NatsFlag { nats: Some("nats://flag:1".into()) };
        let layers =
            [vec![Layer::toml("klatch.toml", "broker.url = \"nats://file:1\"").expect("TOML")], flags.layers()];
        let settings = load::<Settings>(layers.concat()).expect("all is well").value;
        let servers = |own| settings.log_options(User::Edge, own).expect("good").servers;
        assert_eq!(servers(None), "nats://flag:1");
        assert_eq!(servers(Some(&Access { url: "nats://own:1".into(), passwords: None })), "nats://own:1");
    }
}
