//! `cpectl token`: needs no daemon, and shows a token once.

use std::path::Path;
use std::process::{Command, Output};

fn token(file: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cpectl"))
        .args(["token", "--file"])
        .arg(file)
        .args(arguments)
        .output()
        .expect("cpectl")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_token_is_shown_once_listed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let made = token(&file, &["new", "ci", "--note", "pipeline"]);
    assert!(made.status.success(), "{made:?}");
    let shown = text(&made.stdout);
    let secret = shown.trim().strip_prefix("cpe_ci_").expect("a token");
    assert_eq!(secret.len(), 64);
    assert!(!text(&made.stderr).contains(secret));
    assert!(!std::fs::read_to_string(&file).unwrap().contains(secret));
    let listed = text(&token(&file, &["list"]).stdout);
    assert!(
        listed.contains("ci") && listed.contains("pipeline"),
        "{listed}"
    );
    assert_eq!(token(&file, &["new", "ci"]).status.code(), Some(5));
    assert_eq!(token(&file, &["new", "C I"]).status.code(), Some(2));
    let absent = token(&file, &["revoke", "web"]);
    assert_eq!(absent.status.code(), Some(4));
    assert!(text(&absent.stderr).contains("there are: ci"), "{absent:?}");
    assert!(token(&file, &["revoke", "ci"]).status.success());
    assert!(!text(&token(&file, &["list"]).stdout).contains("pipeline"));
}

#[test]
fn tokens_that_are_made_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let file = &file;
            scope.spawn(move || assert!(token(file, &["new", &format!("t{n}")]).status.success()));
        }
    });
    let kept = text(&token(&file, &["--json", "list"]).stdout);
    for n in 0..8 {
        assert!(kept.contains(&format!("\"t{n}\"")), "{kept}");
    }
}
