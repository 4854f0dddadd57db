//! One place that values come from: the defaults, a file, a variable, a flag.

use std::fs;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use serde::Serialize;

use super::{ConfigError, told};

/// Values under keys, and the name of the place they come from.
#[derive(Debug, Clone)]
pub struct Layer {
    origin: String,
    values: Dict,
}

impl Layer {
    /// What a TOML file says.
    pub fn file(path: &Path) -> Result<Layer, ConfigError> {
        let origin = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| ConfigError::of(format!("{origin}: {error}")))?;
        Layer::toml(&origin, &text)
    }

    /// What TOML text says, that came from `origin`.
    pub fn toml(origin: &str, text: &str) -> Result<Layer, ConfigError> {
        let values = Toml::from_str(text).map_err(|error| ConfigError::of(format!("{origin}: {error}")))?;
        Ok(Layer { origin: origin.to_owned(), values })
    }

    /// One value under a dotted key, from `origin` (a flag, say).
    ///
    /// # Panics
    /// When `value` is nothing that a configuration can hold: a mistake in the calling code, found by its first test.
    pub fn one(origin: &str, key: &str, value: impl Serialize) -> Layer {
        let value = Value::serialize(value).expect("a flag's value is plain data");
        Layer::one_value(origin, key, value)
    }

    pub(super) fn one_value(origin: &str, key: &str, value: Value) -> Layer {
        let mut levels = key.rsplit('.');
        let innermost = levels.next().unwrap_or(key).to_owned();
        let nested = levels
            .fold(Dict::from([(innermost, value)]), |below, level| Dict::from([(level.to_owned(), below.into())]));
        Layer { origin: origin.to_owned(), values: nested }
    }

    pub(super) fn defaults<T: Serialize>(defaults: &T) -> Result<Layer, ConfigError> {
        match Value::serialize(defaults).map_err(told)? {
            Value::Dict(_, values) => Ok(Layer { origin: String::from("default"), values }),
            other => Err(ConfigError::of(format!("a configuration is a table, not {other:?}"))),
        }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn values(&self) -> &Dict {
        &self.values
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
