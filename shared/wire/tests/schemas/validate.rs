//! As much of JSON Schema (draft 7) as the generated schemas use, so that an example proves its schema.

use serde_json::Value;

/// Panics, with the place, where the value does not fit the schema.
pub(crate) fn check(root: &Value, value: &Value) {
    check_against(root, root, value);
}

/// The same for one of the schema's parts.
pub(crate) fn check_against(root: &Value, schema: &Value, value: &Value) {
    if let Err(why) = fits(root, schema, value) {
        panic!("{why}\nin {value:#}");
    }
}

fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Some(schema) = schema.as_object() else {
        return if schema == &Value::Bool(true) { Ok(()) } else { Err(format!("no schema: {schema}")) };
    };
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap_or_default().trim_start_matches('#');
                let target = root.pointer(pointer).ok_or_else(|| format!("{rule} leads nowhere"))?;
                fits(root, target, value)?;
            }
            "allOf" => array(rule).iter().try_for_each(|one| fits(root, one, value))?,
            "anyOf" => {
                let whys: Vec<String> = array(rule).iter().filter_map(|one| fits(root, one, value).err()).collect();
                if whys.len() == array(rule).len() {
                    return Err(whys.join("; "));
                }
            }
            "oneOf" => {
                let fitting = array(rule).iter().filter(|one| fits(root, one, value).is_ok()).count();
                if fitting != 1 {
                    let whys: Vec<String> = array(rule).iter().filter_map(|one| fits(root, one, value).err()).collect();
                    return Err(format!("{fitting} of one fit: {}", whys.join("; ")));
                }
            }
            "const" if rule != value => return Err(format!("{value} is not {rule}")),
            "enum" if !array(rule).contains(value) => return Err(format!("{value} is none of {rule}")),
            "type" if !is_of(rule, value) => return Err(format!("{value} is no {rule}")),
            "required" => {
                let missing = array(rule).iter().find(|name| value.get(name.as_str().unwrap_or_default()).is_none());
                if let (Some(missing), true) = (missing, value.is_object()) {
                    return Err(format!("{missing} is missing"));
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        fits(root, rule, value).map_err(|why| format!("{name}: {why}"))?;
                    }
                }
            }
            "additionalProperties" if rule == &Value::Bool(false) => {
                let known = |name: &String| schema.get("properties").is_some_and(|all| all.get(name).is_some());
                let more = value.as_object().into_iter().flatten().find(|(name, _)| !known(name));
                if let Some((name, _)) = more {
                    return Err(format!("{name} is not known"));
                }
            }
            "items" => array(value).iter().try_for_each(|item| fits(root, rule, item))?,
            _ => {}
        }
    }
    Ok(())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_of(rule: &Value, value: &Value) -> bool {
    let one = |rule: &Value| match rule.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    };
    rule.as_array().map_or_else(|| one(rule), |rules| rules.iter().any(one))
}

#[test]
fn it_does_refuse() {
    let root = serde_json::json!({
        "definitions": {"Name": {"type": "string"}},
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"$ref": "#/definitions/Name"}, "b": {"oneOf": [{"const": 1}, {"enum": [2, 3]}]}},
    });
    let fits = |text: &str| fits(&root, &root, &serde_json::from_str(text).unwrap()).is_ok();
    assert!(fits(r#"{"a":"x"}"#) && fits(r#"{"a":"x","b":3}"#));
    for bad in ["{}", "[]", r#"{"a":1}"#, r#"{"a":"x","b":4}"#, r#"{"a":"x","c":1}"#] {
        assert!(!fits(bad), "{bad}");
    }
}
