//! The documentation of the bus is XML that every reader takes.

use std::path::Path;

#[test]
fn no_comment_has_what_xml_forbids_in_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bus");
    let mut looked_at = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for comment in text.split("<!--").skip(1) {
            let (comment, _) = comment.split_once("-->").unwrap();
            let wrong = comment.lines().find(|line| line.contains("--"));
            assert_eq!(wrong, None, "{}: `--` in a comment", path.display());
        }
        looked_at += 1;
    }
    assert!(looked_at >= 5, "{looked_at}");
}
