//! What a guest agent is to run before a service starts, as an operation carries it.

use std::collections::BTreeMap;

use cpe_status::Configure;
use cpe_status::limits::MAX_CONFIGURE;

use crate::Result;
use crate::fields::Reader;

/// The longest content with the line feed at its end, in bytes.
const MAX_CONTENT: usize = MAX_CONFIGURE + 1;
/// The longest path, and the longest interpreter with its arguments, in bytes.
const MAX_PATH: usize = 1024;

pub(super) fn to_map(configure: &Configure) -> BTreeMap<String, String> {
    let pairs = match configure {
        Configure::Path(path) => vec![("path", path)],
        Configure::Content { interpreter, text } => {
            vec![("interpreter", interpreter), ("content", text)]
        }
    };
    let owned = |(name, value): (&str, &String)| (name.to_owned(), value.clone());
    pairs.into_iter().map(owned).collect()
}

/// Reads what an operation has under `configure`.
pub(super) fn read(reader: &Reader<'_>) -> Result<Option<Configure>> {
    let mut map = reader.map("configure", 3, MAX_CONTENT)?;
    if map.is_empty() {
        return Ok(None);
    }
    let mut take = |name| map.remove(name).filter(|value| !value.is_empty());
    let is_path = |text: &str| {
        text.starts_with('/') && text.len() <= MAX_PATH && !text.chars().any(char::is_control)
    };
    match (take("path"), take("interpreter"), take("content")) {
        (Some(path), None, None) if is_path(&path) => Ok(Some(Configure::Path(path))),
        (None, Some(interpreter), Some(text)) if is_path(&interpreter) => {
            Ok(Some(Configure::Content { interpreter, text }))
        }
        _ => Err(reader.invalid(
            "configure",
            "an absolute `path`, or `content` with an `interpreter`, which is an absolute path",
            "something else",
        )),
    }
}
