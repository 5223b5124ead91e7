//! The documentation as `make install` puts it down: its links lead somewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use pulldown_cmark::{Event, Parser, Tag};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Where the links and images of a document lead to that are within the documentation.
fn relative_links(text: &str) -> Vec<String> {
    let links = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.to_string())
        }
        _ => None,
    });
    let inside = links.filter(|link| !link.contains("://") && !link.starts_with(['#', '/']));
    let without_place = inside.map(|link| link.split('#').next().unwrap_or_default().to_owned());
    without_place.collect()
}

#[test]
fn every_link_of_an_installed_document_leads_to_what_is_installed() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed");
    let _ = std::fs::remove_dir_all(&root);
    let made = Command::new("make")
        .arg("--no-print-directory")
        .arg(format!("DESTDIR={}", root.display()))
        .arg("install-files")
        .current_dir(project())
        .output()
        .expect("make");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    let documentation = root.join("usr/share/doc/cpe");
    let mut all = Vec::new();
    files(&documentation, &mut all);
    all.retain(|path| path.extension().is_some_and(|it| it == "md"));
    let (mut links, mut broken) = (0, Vec::new());
    for path in &all {
        let text = std::fs::read_to_string(path).unwrap();
        for link in relative_links(&text) {
            links += 1;
            let target = path.parent().unwrap().join(&link);
            if !target.exists() {
                let from = path.strip_prefix(&documentation).unwrap();
                broken.push(format!("{}: {link}", from.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(all.len() > 20 && links > 100, "{} {links}", all.len());
    std::fs::remove_dir_all(&root).unwrap();
}
