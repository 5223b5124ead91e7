//! The history of a deployment over the command line: back to an older document, editing, waiting,
//! past decisions, and reports; all of it real.

use end_to_end::{Document, Lab, System};

const FIRST: u32 = 100_101;
const SECOND: u32 = 100_102;

fn shop() -> Document {
    Document::new("shop", &["a", "b"]).sleeper("db", FIRST)
}

#[test]
fn it_goes_back_to_an_older_document_and_tells_what_was_decided() {
    let lab = Lab::boot("history").with_guests(&["a", "b"]);
    lab.deploy(&shop());
    lab.deploy(&shop().sleeper("httpd", SECOND));
    assert_eq!(lab.sleepers(SECOND).len(), 1);
    let before = lab.sleepers(FIRST);

    let history = lab.cpectl(&["history", "shop"]).ok();
    assert!(history.contains("service httpd added"), "{history}");
    let diff = lab.cpectl(&["diff", "shop"]);
    assert_eq!(diff.code, 1);
    let unasked = lab.cpectl(&["rollback", "shop", "1"]);
    assert_eq!(unasked.code, 2);

    // cpe dies in between: nothing is lost.
    lab.sh("systemctl kill -s KILL cpe.service").ok();
    lab.wait("cpe answers again", 20, || lab.cpectl(&["list"]).code == 0);
    lab.cpectl(&["rollback", "shop", "1", "--yes", "--wait"])
        .ok();
    lab.cpectl(&["wait", "shop", "--for", "settled", "--timeout", "30s"])
        .ok();
    assert_eq!(lab.sleepers(SECOND), []);
    assert_eq!(lab.sleepers(FIRST), before, "what did not change ran on");
    let history = lab.cpectl(&["history", "shop"]).ok();
    assert!(history.contains("as generation 1"), "{history}");
    let newest = lab.cpectl(&["history", "shop", "-n", "1"]).ok();
    assert!(newest.contains("service httpd removed"), "{newest}");

    let transitions = lab.cpectl(&["transitions", "shop"]).ok();
    assert!(
        transitions.contains("generation 3 was loaded"),
        "{transitions}"
    );
    let first = lab.cpectl(&["input", "shop", "--transition", "1"]).ok();
    assert!(first.starts_with("<cib"), "{first}");
    let report = lab.cpectl(&["report", "shop", "--output", "/tmp/report.tar.gz"]);
    let manifest = report.ok();
    for file in [
        "journal/cpe.txt: journal",
        "journal/dpe.txt: journal",
        "inputs/1.xml: what",
    ] {
        assert!(manifest.contains(file), "{file}: {manifest}");
    }
}
