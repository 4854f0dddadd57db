//! Configuration: parsed once, into types, from defaults < file < environment < flags.
//!
//! - A key that no type knows is an error that names the nearest one that exists; all of them are told at once.
//! - Each value remembers where it came from, for `config show --origin`.
//! - The environment spells `edge.max_frame_bytes` as `<PREFIX>_EDGE__MAX_FRAME_BYTES`: two underscores go one level down.
//!   Lists are written with commas, or in brackets like in the file.

mod environment;
mod example;
mod known;
mod layer;

use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use environment::{Alias, Environment};
pub use example::example;
pub use layer::Layer;

use known::Known;

/// A configuration, and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The configuration.
    pub value: T,
    /// Every value by its key, in the order of the keys.
    pub settings: Vec<Setting>,
}

/// One value of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Like `edge.listen`.
    pub key: String,
    /// As it would stand in a TOML file; `(hidden)` for a secret, `(not set)` for none.
    pub value: String,
    /// Like `default`, `klatch.toml`, `KLATCH_EDGE__LISTEN`, `--listen`.
    pub origin: String,
}

/// What is wrong with a configuration, one sentence a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    fn of(problem: impl Into<String>) -> ConfigError {
        ConfigError(vec![problem.into()])
    }
}

/// Puts `layers` over the defaults of `T`, the later over the earlier, and reads the result.
///
/// Every problem with keys is told at once; of wrong values the first one is.
pub fn load<T>(layers: impl IntoIterator<Item = Layer>) -> Result<Loaded<T>, ConfigError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let defaults = Layer::defaults(&T::default())?;
    let known = Known::from_defaults(defaults.values());
    let mut problems = Vec::new();
    let mut merged = Figment::from(defaults);
    for layer in layers {
        problems.extend(known.problems(&layer));
        merged = merged.merge(layer);
    }
    if !problems.is_empty() {
        return Err(ConfigError(problems));
    }
    // Lossy: a variable's text becomes the number or bool that its key wants.
    let value = merged.extract_lossy().map_err(told)?;
    let settings = settings_of(&merged)?;
    Ok(Loaded { value, settings })
}

fn told(error: figment::Error) -> ConfigError {
    let problems = error.into_iter().map(|error| {
        let origin = error.metadata.as_ref().map_or("the configuration", |from| from.name.as_ref()).to_owned();
        match error.path.join(".") {
            key if key.is_empty() => format!("{origin}: {}", error.kind),
            key => format!("{key} (from {origin}): {}", error.kind),
        }
    });
    ConfigError(problems.collect())
}

fn settings_of(merged: &Figment) -> Result<Vec<Setting>, ConfigError> {
    let mut profiles = merged.data().map_err(told)?;
    let values = profiles.remove(&Profile::Default).unwrap_or_default();
    let mut settings = Vec::new();
    collect(merged, "", &values, &mut settings);
    Ok(settings)
}

fn collect(merged: &Figment, above: &str, values: &Dict, settings: &mut Vec<Setting>) {
    for (name, value) in values {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Dict(_, below) if !below.is_empty() => collect(merged, &key, below, settings),
            value => {
                let origin = merged.get_metadata(value.tag()).map_or("default", |from| from.name.as_ref());
                settings.push(Setting { value: shown(&key, value), origin: origin.to_owned(), key });
            }
        }
    }
}

fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::Empty(..) => String::from("(not set)"),
        _ if is_secret(key) => String::from("(hidden)"),
        // JSON of scalars and lists of them is TOML, too.
        value => serde_json::to_value(value).map_or_else(|_| format!("{value:?}"), |value| hiding(value).to_string()),
    }
}

/// Without the secrets of the tables in a list.
fn hiding(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value::{Array, Object, String};
    match value {
        Array(items) => Array(items.into_iter().map(hiding).collect()),
        Object(table) => {
            let hide = |(key, value): (std::string::String, _)| match is_secret(&key) {
                true => (key, String("(hidden)".to_owned())),
                false => (key, hiding(value)),
            };
            Object(table.into_iter().map(hide).collect())
        }
        plain => plain,
    }
}

/// Rather one too many hidden than one too few shown.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    ["key", "keys", "secret", "secrets", "password", "token", "credentials"].iter().any(|word| name.ends_with(word))
}

#[cfg(test)]
mod tests;
