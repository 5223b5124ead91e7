//! The man pages have everything that they are about, and `man` has nothing to say about them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use manual::{pages, tables};
use regex::Regex;

/// A page as somebody reads it: without what is roff.
fn text(name: &str) -> String {
    let pages = pages::all().expect("the pages can be made");
    let page = pages.iter().find(|page| page.name == name);
    let roff = page.expect("there is a page of that name").roff();
    [
        ("\\fB", ""),
        ("\\fI", ""),
        ("\\fR", ""),
        ("\\:", ""),
        ("\\-", "-"),
        ("\\*(Aq", "'"),
    ]
    .iter()
    .fold(roff, |text, (from, to)| text.replace(from, to))
}

fn tags(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().zip(text.lines().skip(1));
    lines
        .filter(|(line, _)| *line == ".TP")
        .map(|(_, tag)| tag)
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_event_state_and_error_is_in_a_page_with_what_to_do() {
    let (events, states, errors) = (text("cpe-events"), text("cpe-states"), text("cpe-errors"));
    for table in tables::all() {
        let page = match table.mark.as_str() {
            "events" => &events,
            "errors" | "problems" | "exits" | "simulate-exits" | "messages" => &errors,
            _ => &states,
        };
        for row in &table.rows {
            let at = table
                .head
                .iter()
                .position(|head| *head == "what to do")
                .unwrap();
            let advice = row[at].replace('`', "");
            assert!(
                tags(page).contains(row[0].as_str()),
                "no page has {}",
                row[0]
            );
            assert!(
                page.contains(&format!("what to do: {advice}\n")),
                "{advice}"
            );
        }
    }
}

#[test]
fn every_route_is_in_its_page() {
    let contract = std::fs::read_to_string(root().join("docs/openapi.json")).unwrap();
    let contract: serde_json::Value = serde_json::from_str(&contract).unwrap();
    let page = text("cpe-rest");
    let mut count = 0;
    for (path, methods) in contract["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let route = format!("{} {path}", method.to_uppercase());
            assert!(
                tags(&page).contains(route.as_str()),
                "cpe-rest(7) has no {route}"
            );
            count += 1;
        }
    }
    assert!(count > 20, "only {count} routes are found");
}

#[test]
fn every_key_of_the_installed_settings_is_in_its_page() {
    let keys = Regex::new("(?m)^# ([a-z_]+) = ").unwrap();
    for (file, name) in [
        ("cpe.toml", "cpe.toml"),
        ("gateway.toml", "cpe-gateway.toml"),
    ] {
        let path = root().join("systemd/etc/cpe").join(file);
        let settings = std::fs::read_to_string(path).unwrap();
        let page = text(name);
        for key in keys.captures_iter(&settings) {
            assert!(
                tags(&page).contains(&key[1]),
                "{name}(5) has no {}",
                &key[1]
            );
        }
    }
}

#[test]
fn every_element_and_attribute_of_documents_is_in_its_page() {
    let schema = std::fs::read_to_string(root().join("docs/deployment.rng")).unwrap();
    let page = text("cpe-deployment");
    let words: BTreeSet<&str> = page
        .split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c))
        .collect();
    let names = Regex::new("<(?:element|attribute) name=\"([^\"]+)\"").unwrap();
    let names: BTreeSet<&str> = names
        .captures_iter(&schema)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert!(names.len() > 50, "only {} names are found", names.len());
    let missing: Vec<&&str> = names
        .iter()
        .filter(|name| !words.contains(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "cpe-deployment(5) does not have {missing:?}"
    );
}

#[test]
fn man_has_nothing_to_say_about_any_page() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    for section in ["man5", "man7"] {
        std::fs::create_dir_all(folder.join(section)).unwrap();
    }
    let status = Command::new(env!("CARGO_BIN_EXE_manual"))
        .arg(&folder)
        .status()
        .unwrap();
    assert!(status.success());
    for page in pages::all().unwrap() {
        let path = folder.join(page.path());
        let output = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(&path)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .stdin(Stdio::null())
            .output()
            .expect("man can be run: `make packages` installs man-db");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.is_empty(),
            "{}: {said}",
            page.name
        );
        assert!(output.stdout.len() > 1000, "{} is nearly empty", page.name);
    }
}
