//! Settings from environment variables.

use figment::value::{Dict, Value};
use serde::Serialize;

use super::{ConfigError, Layer};

/// A variable outside the scheme that sets a key: one that other software has taught people, like `PORT`.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// The variable.
    pub variable: &'static str,
    /// The key it sets.
    pub key: &'static str,
    /// From the variable's text to the setting's.
    pub convert: fn(&str) -> String,
}

/// How variables map to keys.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// `KLATCH` for variables like `KLATCH_EDGE__LISTEN`.
    pub prefix: &'a str,
    /// Variables outside the scheme. `<prefix>_…` wins over an alias of the same key.
    pub aliases: &'a [Alias],
    /// Variables with the prefix that are no settings.
    pub not_settings: &'a [&'a str],
}

impl Environment<'_> {
    /// One layer for each variable of `variables` that is a setting, in the order in which they are to be put on.
    ///
    /// An empty variable counts as not set.
    pub fn layers<T: Default + Serialize>(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Vec<Layer>, ConfigError> {
        let defaults = Layer::defaults(&T::default())?;
        let mut by_alias = Vec::new();
        let mut by_scheme = Vec::new();
        for (variable, text) in variables {
            if text.is_empty() {
                continue;
            }
            if let Some(alias) = self.aliases.iter().find(|alias| alias.variable == variable) {
                let value = typed(alias.key, &(alias.convert)(&text), defaults.values());
                by_alias.push(Layer::one_value(&variable, alias.key, value));
            } else if let Some(name) = self.setting(&variable) {
                let key = spelled(&name, defaults.values());
                let value = typed(&key, &text, defaults.values());
                by_scheme.push(Layer::one_value(&variable, &key, value));
            }
        }
        by_alias.append(&mut by_scheme);
        Ok(by_alias)
    }

    fn setting(&self, variable: &str) -> Option<String> {
        let name = variable.strip_prefix(self.prefix)?.strip_prefix('_')?;
        if self.not_settings.contains(&variable) || is_service_link(name) {
            return None;
        }
        Some(name.to_ascii_lowercase().replace("__", "."))
    }
}

/// Kubernetes sets `<NAME>_SERVICE_HOST`, `<NAME>_PORT` and the like in every pod for a Service of our name
/// (kubernetes.io, "Accessing the Service", environment variables): not meant for us.
fn is_service_link(name: &str) -> bool {
    name.starts_with("SERVICE_") || name == "PORT" || name.starts_with("PORT_")
}

/// The key as the types spell it: variables know neither case nor single underscores (`frame_bytes_max` may be
/// `frameBytesMax`). What is unknown stays as it is, to be told as such.
fn spelled(name: &str, defaults: &Dict) -> String {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let Some((known, value)) = defaults.iter().find(|(known, _)| plain(known) == plain(first)) else {
        return name.to_owned();
    };
    match value {
        _ if rest.is_empty() => known.clone(),
        Value::Dict(_, below) => format!("{known}.{}", spelled(rest, below)),
        _ => format!("{known}.{rest}"),
    }
}

/// The variable's text, as a list where the default is one: written with commas, or in brackets as in TOML where its items
/// are tables. Numbers and bools are found by the types that want them.
fn typed(key: &str, text: &str, defaults: &Dict) -> Value {
    let is_list = find(key, defaults).is_some_and(|default| matches!(default, Value::Array(..)));
    if !is_list {
        return text.into();
    }
    if let (true, Ok(list @ Value::Array(..))) = (text.starts_with('['), text.parse::<Value>()) {
        return list;
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(Value::from).collect::<Vec<_>>().into()
}

fn find<'v>(key: &str, values: &'v Dict) -> Option<&'v Value> {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let value = values.get(first)?;
    if rest.is_empty() { Some(value) } else { value.find_ref(rest) }
}
