//! One small configuration through every layer.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Sample {
    /// Where everything is kept.
    data: PathBuf,
    /// What the door does.
    door: Door,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Door {
    /// Addresses to listen on.
    listen: Vec<std::net::SocketAddr>,
    /// How many may be inside at once.
    guests_max: u32,
    /// What opens it.
    api_key: Option<String>,
    /// Whether it squeaks.
    #[serde(rename = "squeaksLoudly")]
    squeaks: bool,
}

impl Default for Sample {
    fn default() -> Sample {
        Sample { data: "./data".into(), door: Door::default() }
    }
}

impl Default for Door {
    fn default() -> Door {
        let listen = vec!["127.0.0.1:5004".parse().expect("an address")];
        Door { listen, guests_max: 100, api_key: None, squeaks: false }
    }
}

const ALIASES: &[Alias] =
    &[Alias { variable: "PORT", key: "door.listen", convert: |port| format!("127.0.0.1:{port}") }];

const ENVIRONMENT: Environment<'static> =
    Environment { prefix: "SAMPLE", aliases: ALIASES, not_settings: &["SAMPLE_CONFIG"] };

fn environment(variables: &[(&str, &str)]) -> Vec<Layer> {
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    ENVIRONMENT.layers::<Sample>(variables).expect("layers")
}

fn file(text: &str) -> Layer {
    Layer::toml("sample.toml", text).expect("good TOML")
}

fn setting(loaded: &Loaded<Sample>, key: &str) -> (String, String) {
    let found = loaded.settings.iter().find(|setting| setting.key == key).expect("a setting of that key");
    (found.value.clone(), found.origin.clone())
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.to_owned(), origin.to_owned())
}

#[test]
fn later_layers_win_and_every_value_knows_where_it_came_from() {
    let mut layers = vec![file("data = \"/file\"\n[door]\nguests_max = 7\nsqueaksLoudly = true")];
    layers.extend(environment(&[
        ("SAMPLE_DOOR__GUESTS_MAX", "8"),
        ("SAMPLE_DOOR__API_KEY", "0042"),
        ("SAMPLE_CONFIG", "elsewhere.toml"),
        ("SAMPLE_PORT", "tcp://10.0.0.1:5004"),
        ("SAMPLE_DATA", ""),
        ("HOME", "/root"),
    ]));
    layers.push(Layer::one("--data", "data", "/flag"));
    let loaded = load::<Sample>(layers).expect("all is well");

    assert_eq!(loaded.value.data, PathBuf::from("/flag"));
    assert_eq!(loaded.value.door.guests_max, 8);
    assert_eq!(loaded.value.door.api_key.as_deref(), Some("0042"));
    assert!(loaded.value.door.squeaks);
    assert_eq!(setting(&loaded, "data"), pair("\"/flag\"", "--data"));
    assert_eq!(setting(&loaded, "door.guests_max"), pair("\"8\"", "SAMPLE_DOOR__GUESTS_MAX"));
    assert_eq!(setting(&loaded, "door.squeaksLoudly"), pair("true", "sample.toml"));
    assert_eq!(setting(&loaded, "door.listen"), pair("[\"127.0.0.1:5004\"]", "default"));
    assert_eq!(setting(&loaded, "door.api_key"), pair("(hidden)", "SAMPLE_DOOR__API_KEY"));
}

#[test]
fn lists_come_with_commas_and_the_scheme_wins_over_an_alias() {
    let loaded = load::<Sample>(environment(&[("SAMPLE_DOOR__LISTEN", "127.0.0.1:1, 127.0.0.1:2"), ("PORT", "9")]));
    let listen = loaded.expect("all is well").value.door.listen;
    assert_eq!(listen.iter().map(|address| address.port()).collect::<Vec<_>>(), [1, 2]);

    let loaded = load::<Sample>(environment(&[("PORT", "9")])).expect("all is well");
    assert_eq!(setting(&loaded, "door.listen"), pair("[\"127.0.0.1:9\"]", "PORT"));
}

#[test]
fn lists_come_in_brackets_too() {
    let variable = ("SAMPLE_DOOR__LISTEN", r#"["127.0.0.1:1", "127.0.0.1:2"]"#);
    let listen = load::<Sample>(environment(&[variable])).expect("all is well").value.door.listen;
    assert_eq!(listen.iter().map(|address| address.port()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn variables_know_no_case() {
    let loaded = load::<Sample>(environment(&[("SAMPLE_DOOR__SQUEAKS_LOUDLY", "true")])).expect("all is well");
    assert!(loaded.value.door.squeaks);
}

#[test]
fn every_unknown_key_is_told_with_the_nearest_there_is() {
    let mut layers = vec![file("dta = \"x\"\nguests_max = 1\n[door]\nguest_max = 7\nzzz = 1")];
    layers.extend(environment(&[("SAMPLE_DOOR__LISTN", "x")]));
    let error = load::<Sample>(layers).expect_err("five mistakes");
    assert_eq!(
        error.0,
        [
            "sample.toml: there is no setting `door.guest_max`; did you mean `door.guests_max`?",
            "sample.toml: there is no setting `door.zzz`; `klatch config init` lists all there are",
            "sample.toml: there is no setting `dta`; did you mean `data`?",
            "sample.toml: there is no setting `guests_max`; did you mean `door.guests_max`?",
            "SAMPLE_DOOR__LISTN: there is no setting `door.listn`; did you mean `door.listen`?",
        ]
    );
}

#[test]
fn a_wrong_value_is_told_with_its_key_and_its_origin() {
    let error = load::<Sample>([file("[door]\nguests_max = \"many\"")]).expect_err("not a number");
    assert_eq!(
        error.to_string(),
        "door.guests_max (from sample.toml): invalid type: found string \"many\", expected u32"
    );
    let error = load::<Sample>(environment(&[("SAMPLE_DOOR__LISTEN", "here")])).expect_err("no address");
    assert_eq!(error.to_string(), "door.listen.0 (from SAMPLE_DOOR__LISTEN): invalid socket address syntax");
    let error = Layer::toml("sample.toml", "door = [").expect_err("no TOML");
    assert!(error.to_string().starts_with("sample.toml: TOML parse error at line 1"), "{error}");
}

#[test]
fn the_example_documents_every_setting_and_uncommented_says_the_defaults() {
    let text = example::<Sample>();
    assert_eq!(
        text,
        "# Where everything is kept.\n# data = \"./data\"\n\n# What the door does.\n[door]\n\n# What opens it.\n# api_key =\n\n\
         # How many may be inside at once.\n# guests_max = 100\n\n# Addresses to listen on.\n# listen = [\"127.0.0.1:5004\"]\n\n\
         # Whether it squeaks.\n# squeaksLoudly = false\n"
    );
    let uncommented = text.lines().filter(|line| !line.ends_with(" =") && !line.ends_with('.'));
    let uncommented: String = uncommented.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect();
    assert_eq!(load::<Sample>([file(&uncommented)]).expect("all is well").value, Sample::default());
    assert_eq!(load::<Sample>([file(&text)]).expect("all is well").value, Sample::default());
}

#[test]
fn a_secret_in_a_list_of_tables_is_hidden_too() {
    let hooks = serde_json::json!([{ "name": "crm", "secrets": ["whsec_x"], "more": { "api_key": "k" } }]);
    let value = Value::serialize(hooks).expect("a value");
    assert_eq!(shown("webhooks", &value), r#"[{"more":{"api_key":"(hidden)"},"name":"crm","secrets":"(hidden)"}]"#);
}
