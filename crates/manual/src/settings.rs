//! The keys of a settings file, as the installed one shows them: each with its default and what it
//! is, commented out.

use std::fmt::Write;

/// The file as Markdown: its head as a description, its keys as tables.
pub(crate) fn markdown(file: &str) -> String {
    let (head, keys) = file.split_once("\n\n").unwrap_or((file, ""));
    let mut text = String::from("## Description\n\n");
    for line in head.lines() {
        let _ = writeln!(text, "{}", line.trim_start_matches("# "));
    }
    text += "\n## Keys\n\n";
    let mut is_in_table = false;
    for line in keys.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        match (section(line), entry(line)) {
            (Some(name), _) => {
                let _ = write!(text, "\n### [{name}]\n\n");
                is_in_table = false;
            }
            (_, Some((key, value, meaning))) => {
                if !is_in_table {
                    text +=
                        "| key | what it means | default | example |\n| --- | --- | --- | --- |\n";
                    is_in_table = true;
                }
                let meaning = meaning.replace('|', "\\|");
                let is_example = meaning.starts_with("not set");
                let value = format!("`{value}`");
                let (default, example) = match is_example {
                    true => ("", value.as_str()),
                    false => (value.as_str(), ""),
                };
                let _ = writeln!(text, "| `{key}` | {meaning} | {default} | {example} |");
            }
            _ if line.trim().is_empty() => {
                text.push('\n');
                is_in_table = false;
            }
            _ => {
                let _ = writeln!(text, "{line}");
                is_in_table = false;
            }
        }
    }
    text
}

fn section(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']')
}

/// Key, value and meaning of `key = value   # meaning`.
fn entry(line: &str) -> Option<(&str, &str, &str)> {
    let (key, rest) = line.split_once(" = ")?;
    let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let (value, meaning) = rest.split_once(" # ").unwrap_or((rest, ""));
    is_key.then(|| (key, value.trim(), meaning.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_defaults_and_meanings() {
        let file = "# Settings of it(8).\n\n# bus = \"system\"   # which bus\n\n# [limits]\n# most = 3     # of all\n# list = \"a\"   # not set: none\n";
        let text = markdown(file);
        assert!(text.starts_with("## Description\n\nSettings of it(8).\n"));
        assert!(
            text.contains("| `bus` | which bus | `\"system\"` |  |"),
            "{text}"
        );
        assert!(text.contains("### [limits]\n\n| key"), "{text}");
        assert!(
            text.contains("| `list` | not set: none |  | `\"a\"` |"),
            "{text}"
        );
        assert!(text.contains("| `most` | of all | `3` |  |"), "{text}");
    }
}
