//! The floors of this crate, lowest first: each uses itself and what lies below it. The list is the
//! architecture.

use std::path::Path;

const FLOORS: layers::Floors<'_> = &[&["vocabulary"], &["machines"], &["controller"]];

#[test]
fn nothing_uses_what_lies_above_it() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    layers::assert_order(Path::new(source), FLOORS);
}

#[test]
fn only_the_top_floor_has_methods_of_the_controller() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for floor in ["vocabulary", "machines"] {
        for file in files(&source.join(floor)) {
            let text = std::fs::read_to_string(&file).expect("a file of the source");
            assert!(!text.contains("impl Controller"), "{}", file.display());
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the source");
    let paths = entries.map(|entry| entry.expect("an entry of it").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
