//! The TOML file: its values by key, as they would be written on the command line.

use std::collections::BTreeMap;
use std::path::Path;

use super::ConfigError;

/// Values of the file by key.
pub(super) type FileValues = BTreeMap<String, Vec<String>>;

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<FileValues, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(path, &text)
}

/// What a file says; `_` in keys is as good as `-`.
pub(super) fn parse(path: &Path, text: &str) -> Result<FileValues, ConfigError> {
    let not_toml = |source| ConfigError::NotToml {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let table: toml::Table = text.parse().map_err(not_toml)?;
    let mut values = FileValues::new();
    for (key, value) in flatten(table) {
        let items = match value {
            toml::Value::Array(items) => items,
            value => vec![value],
        };
        let items: Option<Vec<String>> = items.into_iter().map(written).collect();
        let items = items.ok_or_else(|| ConfigError::ValueKind {
            path: path.to_owned(),
            key: key.clone(),
        })?;
        values.insert(key.replace('_', "-"), items);
    }
    Ok(values)
}

/// `[rooms]` and `policy` beneath it mean `rooms-policy`, and so for every table.
fn flatten(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                let inner = flatten(inner).into_iter();
                flat.extend(inner.map(|(name, value)| (format!("{key}-{name}"), value)));
            }
            value => flat.push((key, value)),
        }
    }
    flat
}

/// A value as it would be written on the command line.
fn written(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(true) => Some("on".to_owned()),
        toml::Value::Boolean(false) => Some("off".to_owned()),
        _ => None,
    }
}
