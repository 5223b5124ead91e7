//! The exit statuses of `cpectl`. What they mean is read from the list of `cpectl --help`.

use super::Table;

/// Where the list is.
const SOURCE: &str = include_str!("../../../cpectl/src/failure.rs");

/// What to do, by status.
const ADVICE: &[&str] = &[
    "Nothing",
    "Read the message: it says what failed and what to do",
    "`cpectl COMMAND --help`",
    "Correct what is named, with line and column; nothing was changed",
    "`cpectl list`, `cpectl status NAME`: on the right host, with the right name?",
    "Nothing was changed. Look at what it is now (`cpectl history NAME`), or do what the message proposes",
    "As root, as a member of group `cpe`, or with a role in cpe-access(5)",
    "Try again. If it stays so: `systemctl status cpe`, `cpectl status NAME`",
    "It goes on all the same: `cpectl status NAME`, `cpectl explain NAME`; wait longer with `--timeout`",
    "`cpectl explain NAME` names each cause and its remedy; of `check`: do what it proposes",
    "`cpectl status NAME`, `cpectl events -d NAME`: was it done? If not, do it again",
];

pub(super) fn table() -> Table {
    let rows = statuses().into_iter().map(|(status, meaning)| {
        let advice = status.parse().ok().and_then(|at: usize| ADVICE.get(at));
        [status, meaning, (*advice.unwrap_or(&"")).to_owned()]
    });
    Table::new(
        "exits",
        ["status", "what it means", "what to do"],
        rows.collect(),
    )
}

/// Each status with its meaning, as `cpectl --help` has them.
fn statuses() -> Vec<(String, String)> {
    let list = SOURCE
        .split_once("Exit status:\n")
        .and_then(|(_, rest)| rest.split_once("\";"))
        .map_or("", |(list, _)| list);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in list.lines() {
        match (line.trim().split_once("  "), found.last_mut()) {
            (Some((status, meaning)), _) => found.push((status.to_owned(), meaning.to_owned())),
            (None, Some((_, meaning))) => *meaning = format!("{meaning} {}", line.trim()),
            (None, None) => {}
        }
    }
    found
}
