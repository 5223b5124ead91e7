//! What the rules need of a `Cargo.toml`, read line by line: names, dependencies, targets.

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The table in which it stands: `package`, `[bin]`.
    pub(crate) table: &'a str,
    /// The first part of its key: `serde` of `serde.workspace`.
    pub(crate) key: &'a str,
    /// Its value; a text without its quotes.
    pub(crate) value: &'a str,
    /// Line, from 1.
    pub(crate) line: usize,
}

/// The entries of a manifest. What continues on further lines is left out.
pub(crate) fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut table = "";
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            table = header;
        } else if let Some((key, value)) = line.split_once('=')
            && key.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            let key = key.trim();
            found.push(Entry {
                table,
                key: key.split('.').next().unwrap_or(key),
                value: value.trim().trim_matches('"'),
                line: index + 1,
            });
        }
    }
    found
}

/// The name of the package.
pub(crate) fn name(text: &str) -> Option<Entry<'_>> {
    let is_name = |entry: &Entry<'_>| entry.table == "package" && entry.key == "name";
    entries(text).into_iter().find(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_their_table_and_line() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\nserde.workspace = true\n";
        let found = entries(text);
        assert_eq!((found[0].table, found[0].value), ("package", "a"));
        assert_eq!((found[1].key, found[1].line), ("serde", 5));
        assert_eq!(name(text).map(|entry| entry.value), Some("a"));
    }
}
