//! Which keys there are, and which of them somebody may have meant.

use figment::value::{Dict, Value};

use super::Layer;

/// How alike two keys must be (1 is the same) for one to be suggested for the other.
const LIKENESS_MIN: f64 = 0.6;

/// The keys of a configuration, read off its defaults.
pub(super) struct Known {
    defaults: Dict,
    keys: Vec<String>,
}

impl Known {
    pub(super) fn from_defaults(defaults: &Dict) -> Known {
        let mut keys = Vec::new();
        collect("", defaults, &mut keys);
        Known { defaults: defaults.clone(), keys }
    }

    /// What is wrong with the keys of `layer`.
    pub(super) fn problems(&self, layer: &Layer) -> Vec<String> {
        let mut unknown = Vec::new();
        differ("", layer.values(), &self.defaults, &mut unknown);
        let problem = |key: &String| match self.nearest(key) {
            Some(nearest) => format!("{}: there is no setting `{key}`; did you mean `{nearest}`?", layer.origin()),
            None => {
                format!("{}: there is no setting `{key}`; `klatch config init` lists all there are", layer.origin())
            }
        };
        unknown.iter().map(problem).collect()
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let likeness = |known: &str| {
            let whole = strsim::normalized_damerau_levenshtein(key, known);
            // The right name in the wrong table counts nearly as much.
            let name = strsim::normalized_damerau_levenshtein(last(key), last(known)) * 0.95;
            whole.max(name)
        };
        let best = self.keys.iter().map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 >= LIKENESS_MIN).then_some(best.1)
    }
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

fn collect(above: &str, values: &Dict, keys: &mut Vec<String>) {
    for (name, value) in values {
        let key = join(above, name);
        match value {
            Value::Dict(_, below) if !below.is_empty() => collect(&key, below, keys),
            _ => keys.push(key),
        }
    }
}

/// Keys of `given` that `defaults` lacks. Below an empty table or an unset value any key may stand: its type decides.
fn differ(above: &str, given: &Dict, defaults: &Dict, unknown: &mut Vec<String>) {
    for (name, value) in given {
        let key = join(above, name);
        match (value, defaults.get(name)) {
            (_, None) => unknown.push(key),
            (Value::Dict(_, given), Some(Value::Dict(_, defaults))) if !defaults.is_empty() => {
                differ(&key, given, defaults, unknown);
            }
            _ => {}
        }
    }
}
