//! `docs/reference.md` has every event, state, error, problem, exit status and message.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use manual::tables;
use regex::Regex;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn names(mark: &str) -> BTreeSet<String> {
    let tables = tables::all();
    let table = tables.iter().find(|table| table.mark == mark);
    let table = table.expect("there is a table of that mark");
    table.names().map(str::to_owned).collect()
}

/// What a pattern's group finds in a text.
fn found(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("a pattern is right");
    pattern
        .captures_iter(text)
        .map(|found| found[1].to_owned())
        .collect()
}

/// All Rust below a folder, without tests.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("sources can be read") {
            let path = entry.expect("sources can be read").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "rs" && !path.ends_with("tests.rs") => {
                    let file = std::fs::read_to_string(&path).expect("sources can be read");
                    text += file
                        .split("\n#[cfg(test)]\nmod tests {")
                        .next()
                        .unwrap_or_default();
                }
                _ => {}
            }
        }
    }
    text
}

#[test]
fn the_page_has_the_tables_of_the_code() {
    let path = root().join("docs/reference.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut expected = page.clone();
    for table in tables::all() {
        let begin = format!("<!-- {}: made of the code -->\n", table.mark);
        let (before, rest) = expected
            .split_once(&begin)
            .expect("docs/reference.md has a place for each table");
        let (_, after) = rest.split_once("<!-- end -->").expect("a table has an end");
        let table = table.markdown();
        expected = format!("{before}{begin}\n{table}\n<!-- end -->{after}");
    }
    if std::env::var_os("RECORD_REFERENCE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/reference.md is not what the code says: look at `RECORD_REFERENCE=1 cargo test -p manual`, then at `git diff`"
        );
    }
}

#[test]
fn every_row_says_what_it_means_and_what_to_do() {
    for table in tables::all() {
        let all: Vec<&str> = table.names().collect();
        let once: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), once.len(), "{}: a name stands twice", table.mark);
        assert!(table.head.contains(&"what it means") && table.head.contains(&"what to do"));
        for row in &table.rows {
            assert_eq!(row.len(), table.head.len());
            assert!(
                row.iter()
                    .all(|cell| cell.len() > 1 || cell.parse::<u8>().is_ok()),
                "{row:?}"
            );
            assert!(
                !row.iter()
                    .any(|cell| cell.contains('\n') || cell.contains("TODO"))
            );
        }
    }
}

#[test]
fn no_type_of_states_is_left_out() {
    let source = std::fs::read_to_string(root().join("crates/cpe-status/src/state.rs")).unwrap();
    let types = found(r"(?m)^states! \{\n(?: +///.*\n)+ +([A-Za-z]+) \{$", &source);
    assert_eq!(types.len(), source.matches("\nstates! {").count());
    let marks: BTreeSet<String> = tables::all().into_iter().map(|table| table.mark).collect();
    for name in &types {
        assert!(marks.contains(name), "no table has the words of {name}");
    }
}

#[test]
fn no_error_of_the_bus_is_left_out() {
    let source = std::fs::read_to_string(root().join("crates/cpe-bus/src/error.rs")).unwrap();
    let known = found(r"(?m)^    ([A-Za-z]+)\(String\),$", &source);
    let told: BTreeSet<String> = names("errors")
        .into_iter()
        .map(|name| name.replace("org.cloudpolicy.Error.", ""))
        .collect();
    assert!(!told.is_empty());
    assert_eq!(told, known);
    for entry in std::fs::read_dir(root().join("docs/bus")).unwrap() {
        let xml = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for name in found(r"org\.cloudpolicy\.Error\.([A-Z][a-z][A-Za-z]*)", &xml) {
            assert!(told.contains(&name), "docs/bus names {name}");
        }
    }
}

#[test]
fn no_problem_of_the_gateway_is_left_out() {
    let text = sources(&root().join("crates/cpe-gateway/src"));
    let made = found(r#"Problem::new\([ \n]*[^,()]+,[ \n]*"([a-z-]+)""#, &text);
    let calls = text.matches("Problem::new(").count();
    let literal = Regex::new(r#"Problem::new\([ \n]*[^,()]+,[ \n]*""#).unwrap();
    assert_eq!(
        literal.find_iter(&text).count(),
        calls,
        "a kind is no literal"
    );
    assert_eq!(names("problems"), made);
}

#[test]
fn no_exit_status_is_left_out() {
    let text = sources(&root().join("crates/cpectl/src"));
    let kinds = found(r"(?m)^    [A-Z][A-Za-z]+ = ([0-9]+),$", &text);
    let mut told = names("exits");
    assert!(told.remove("0"), "success is told");
    assert_eq!(told, kinds);
    let text = sources(&root().join("crates/policy-simulate/src"));
    let mut told = names("simulate-exits");
    assert!(told.remove("0"), "success is told");
    assert_eq!(told, found(r"(?m): i32 = ([0-9]+);$", &text));
}

#[test]
fn no_message_id_is_left_out() {
    let ours = [
        "cpe",
        "dpe",
        "cpe-agent",
        "cpe-notify",
        "cpe-gateway",
        "cpe-fence",
    ];
    let mut known = names("messages");
    known.extend(
        cpe_bus::events::EventKind::ALL
            .iter()
            .map(|kind| kind.message_id().to_owned()),
    );
    let mut told = 0;
    for name in ours {
        let text = sources(&root().join("crates").join(name).join("src"));
        for id in found(r#""([0-9a-f]{32})""#, &text) {
            assert!(
                known.contains(&id),
                "{name} logs MESSAGE_ID {id}, which no table has"
            );
            told += 1;
        }
    }
    assert!(
        told >= 9,
        "only {told} ids are found: does the pattern still fit?"
    );
}
