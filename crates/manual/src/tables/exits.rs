//! The exit statuses of `cpectl` and `policy-simulate`. What they mean is read from the list of
//! `cpectl --help`, and from the constants of the other.

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

/// Where those of `policy-simulate` are.
const SIMULATE: &str = include_str!("../../../policy-simulate/src/failure.rs");

/// What to do, by status of `policy-simulate`.
const SIMULATE_ADVICE: &[(&str, &str)] = &[
    ("0", "Nothing"),
    (
        "1",
        "The decision has a loop or lacks an input: keep the CIB, and report it as a mistake of the policy engine",
    ),
    (
        "4",
        "As root, as a member of group `cpe`, or with a role in cpe-access(5)",
    ),
    ("64", "`policy-simulate --help`"),
    (
        "65",
        "Look at the file that is named: is it a CIB, and can it be read?",
    ),
    ("74", "Look at the file or the disk that is named"),
    ("78", "Correct what is named, with line and column"),
    (
        "102",
        "`systemctl status cpe`; is it the right host? With `-x FILE` no daemon is needed",
    ),
    ("105", "`cpectl list` names those that there are"),
    ("109", "Name one of those that the message lists"),
];

/// Those of `policy-simulate`.
pub(super) fn of_simulate() -> Table {
    let mut found = vec![("0".to_owned(), "done".to_owned())];
    let mut meaning = String::new();
    for line in SIMULATE.lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            meaning = text.trim_end_matches('.').to_owned();
        } else if let Some((_, status)) = line.split_once(": i32 = ") {
            found.push((status.trim_end_matches(';').to_owned(), meaning.clone()));
        }
    }
    found.sort_by_key(|(status, _)| status.parse::<u32>().unwrap_or(0));
    let rows = found.into_iter().map(|(status, meaning)| {
        let known = SIMULATE_ADVICE.iter().find(|(own, _)| *own == status);
        let advice = known.map_or("", |(_, advice)| advice).to_owned();
        [status, meaning, advice]
    });
    Table::new(
        "simulate-exits",
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
