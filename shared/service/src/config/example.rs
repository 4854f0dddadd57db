//! The example file: every setting with what it means and its default, from the types and their docs.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

const WIDTH: usize = 100;

/// A TOML file with every setting of `T` commented out at its default, under its documentation.
///
/// Uncommented whole, it says the same as no file at all; settings without a default are only named.
pub fn example<T: Default + Serialize + JsonSchema>() -> String {
    let root = SchemaGenerator::default().into_root_schema_for::<T>();
    let mut text = String::new();
    if let Ok(Value::Object(defaults)) = serde_json::to_value(T::default()) {
        table(&mut text, "", &defaults, root.as_value(), &root);
    }
    text.trim_start().to_owned()
}

fn table(text: &mut String, name: &str, values: &Map<String, Value>, schema: &Value, root: &Schema) {
    let is_table = |value: &Value| value.as_object().is_some_and(|table| !table.is_empty());
    let (tables, plain): (Vec<_>, Vec<_>) = values.iter().partition(|(_, value)| is_table(value));
    if !name.is_empty() {
        text.push('\n');
        describe(text, schema);
        text.push_str(&format!("[{name}]\n"));
    }
    for (key, value) in plain {
        text.push('\n');
        describe(text, &property(schema, key, root));
        match value {
            Value::Null => text.push_str(&format!("# {key} =\n")),
            value => text.push_str(&format!("# {key} = {value}\n")),
        }
    }
    for (key, value) in tables {
        let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        if let Value::Object(values) = value {
            table(text, &path, values, &property(schema, key, root), root);
        }
    }
}

/// The schema of a property, with what it refers to folded in. Its own description wins over its type's.
fn property(schema: &Value, key: &str, root: &Schema) -> Value {
    let own = schema.pointer(&format!("/properties/{key}")).cloned().unwrap_or_default();
    let Some(name) = referred(&own) else {
        return own;
    };
    let mut whole = root.as_value().pointer(&format!("/$defs/{name}")).cloned().unwrap_or_default();
    if let Some(description) = own.get("description") {
        whole["description"] = description.clone();
    }
    whole
}

fn referred(schema: &Value) -> Option<&str> {
    let direct = schema.get("$ref");
    let optional = || schema.get("anyOf")?.as_array()?.iter().find_map(|choice| choice.get("$ref"));
    direct.or_else(optional)?.as_str()?.strip_prefix("#/$defs/")
}

fn describe(text: &mut String, schema: &Value) {
    let Some(description) = schema.get("description").and_then(Value::as_str) else {
        return;
    };
    for paragraph in description.split("\n\n") {
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH {
                text.push_str(&line);
                text.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(&line);
        text.push('\n');
    }
}
