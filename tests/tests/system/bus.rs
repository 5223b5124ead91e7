//! Who may call what, and what bad documents do.

use end_to_end::{Document, Lab, System};

const CALL: &str =
    "busctl call org.cloudpolicy.Cpe1 /org/cloudpolicy/cpe1 org.cloudpolicy.Cpe1.Manager";

#[test]
fn an_unauthorised_caller_can_read_but_change_nothing() {
    let lab = Lab::boot("unauthorised").with_guests(&["a"]);
    lab.deploy(&Document::new("shop", &["a"]).sleeper("db", 100_001));
    let nobody = |call: &str| {
        lab.sh(&format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups {CALL} {call} 2>&1"
        ))
    };
    assert_eq!(nobody("ListDeployments").code, 0);
    for call in [
        "CreateDeployment 'sa{sv}' '<deployable/>' 0",
        "DestroyDeployment sb shop true",
        "UpdateDeployment 'stsa{sv}' shop 0 '<deployable/>' 0",
        "PlanDeployment s '<deployable/>'",
        "ValidateDeployment s '<deployable/>'",
    ] {
        let output = nobody(call);
        assert_ne!(output.code, 0, "{call} was allowed");
        assert!(
            output.stdout.contains("may not do this"),
            "{call}: {output:?}"
        );
    }
    assert_eq!(lab.sleepers(100_001).len(), 1);
    // A member of the group may.
    lab.sh("useradd --system --groups cpe carol").ok();
    let member = lab.sh(&format!("setpriv --reuid=carol --regid=carol --init-groups {CALL} DestroyDeployment sb shop true 2>&1"));
    assert_eq!(member.code, 0, "{member:?}");
}

#[test]
fn a_bad_document_is_refused_with_its_places_and_nothing_is_stored() {
    let lab = Lab::boot("bad-documents");
    for (text, place) in [
        ("", "1:1"),
        ("<deployable name='shop'", "1:"),
        (
            "<deployable name='shop'>\n  <assemblies>\n    <assembly nam='a'/>\n  </assemblies>\n</deployable>",
            "3:",
        ),
        (
            "<!DOCTYPE x [<!ENTITY a 'b'>]>\n<deployable name='shop'/>",
            "1:",
        ),
    ] {
        lab.write("/srv/bad.xml", text);
        let output = lab.cpectl(&["deploy", "/srv/bad.xml"]);
        assert_ne!(output.code, 0);
        assert!(
            output.stderr.contains(place),
            "no place {place} in {output:?}"
        );
        // The daemon itself refuses it too, not only the client.
        let call = lab.sh(&format!(
            "{CALL} CreateDeployment 'sa{{sv}}' \"$(cat /srv/bad.xml)\" 0 2>&1"
        ));
        assert_ne!(call.code, 0, "{call:?}");
    }
    assert_eq!(
        lab.sh(&format!("{CALL} ListDeployments")).ok().trim(),
        "aa{sv} 0"
    );
    assert_eq!(
        lab.sh("systemctl list-units --all --no-legend 'dpe@*'")
            .ok()
            .trim(),
        ""
    );
}

#[test]
fn a_change_with_the_wrong_generation_is_a_conflict() {
    let lab = Lab::boot("conflict").with_guests(&["a"]);
    let document = Document::new("shop", &["a"]).sleeper("db", 100_001);
    lab.deploy(&document);
    let update = |generation: u64| {
        lab.sh(&format!("{CALL} UpdateDeployment 'stsa{{sv}}' shop {generation} \"$(cat /srv/document.xml)\" 0 2>&1"))
    };
    assert_eq!(
        update(1).stdout.trim(),
        "t 1",
        "the same document twice is one generation"
    );
    lab.write(
        "/srv/document.xml",
        &document.sleeper("httpd", 100_002).xml(),
    );
    let conflict = update(7);
    assert_ne!(conflict.code, 0);
    assert!(conflict.stdout.contains("generation"), "{conflict:?}");
    assert_eq!(update(1).stdout.trim(), "t 2");
}
