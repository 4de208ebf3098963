//! The TOML file: its values by key, each with its position.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;

/// A position in the file, printed as `PATH:LINE:COLUMN`.
#[derive(Clone, Debug)]
pub(super) struct TextPosition {
    path: PathBuf,
    line: usize,
    column: usize,
}

/// A key of the file with its values.
#[derive(Debug)]
pub(super) struct FileEntry {
    /// Name of the setting as far as the file goes, without dashes in front.
    pub(super) setting: String,
    /// Its values as they would be written on the command line.
    pub(super) values: Vec<String>,
    /// The value is an array, and so the setting has to be a list.
    pub(super) is_array: bool,
    /// The position of the key.
    pub(super) position: TextPosition,
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Vec<FileEntry>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(path, &text)
}

/// Parses the text of a file; `_` in keys is as good as `-`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<FileEntry>, ConfigError> {
    // An editor's byte order mark is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let not_toml = |source| ConfigError::NotToml {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let table = DeTable::parse(text).map_err(not_toml)?;
    let mut wrong = Vec::new();
    let mut entries = Vec::new();
    let mut flat = flatten("", table.get_ref());
    flat.sort_by_key(|(_, start, _)| *start);
    for (setting, start, value) in flat {
        let position = TextPosition::of(path, text, start);
        let items: Vec<&DeValue<'_>> = match value {
            DeValue::Array(items) => items.iter().map(Spanned::get_ref).collect(),
            value => vec![value],
        };
        let values: Option<Vec<String>> = items.into_iter().map(written).collect();
        match values {
            Some(values) => entries.push(FileEntry {
                setting,
                values,
                is_array: matches!(value, DeValue::Array(_)),
                position,
            }),
            None => wrong.push(format!(
                "{position}: `{setting}` must be a string, a number, true, false or a list of these"
            )),
        }
    }
    if wrong.is_empty() {
        Ok(entries)
    } else {
        Err(ConfigError::Invalid(wrong))
    }
}

/// `[rooms]` and `policy` beneath it mean `rooms-policy`, and so for every table.
fn flatten<'a>(prefix: &str, table: &'a DeTable<'a>) -> Vec<(String, usize, &'a DeValue<'a>)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref().replace('_', "-"));
        match value.get_ref() {
            DeValue::Table(inner) => flat.extend(flatten(&format!("{name}-"), inner)),
            value => flat.push((name, key.span().start, value)),
        }
    }
    flat
}

/// A value as it would be written on the command line.
fn written(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(true) => Some("on".to_owned()),
        DeValue::Boolean(false) => Some("off".to_owned()),
        _ => None,
    }
}

impl TextPosition {
    /// Line and column, from one and in characters, of the byte at `start`.
    fn of(path: &Path, text: &str, start: usize) -> Self {
        let before = text.get(..start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for TextPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}:{}",
            self.path.display(),
            self.line,
            self.column
        )
    }
}
