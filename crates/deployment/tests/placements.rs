//! The measure of a document by which a host refuses what a DPE could not carry.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

fn placements(services: &str, configuration: &str) -> u64 {
    let assemblies: String = (0..20)
        .map(|n| format!(r#"<assembly name="a{n}" address="unix:/run/a{n}.sock"/>"#))
        .collect();
    let document = format!(
        r#"<deployable name="shop"><assemblies>{assemblies}</assemblies><services>{services}</services>
           <configuration><resources>{configuration}</resources></configuration></deployable>"#
    );
    deployment::read(document.as_bytes()).unwrap().placements()
}

const CLASS: &str = r#"class="ocf" provider="heartbeat" type="Dummy""#;

#[test]
fn every_service_counts_in_every_assembly_and_instances_count_more() {
    let service = |name: &str, more: &str| format!(r#"<service name="{name}" {CLASS} {more}/>"#);
    assert_eq!(placements("", ""), 0);
    let two = service("a", "") + &service("b", "");
    assert_eq!(placements(&two, ""), 40);
    assert_eq!(placements(&service("a", r#"instances="10""#), ""), 40);
    assert_eq!(placements(&service("a", r#"instances="all""#), ""), 60);
}

#[test]
fn clones_of_the_configuration_count_as_many_instances_as_they_ask_for() {
    let clone = |meta: &str| {
        let pairs: String = meta
            .split_whitespace()
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                format!(r#"<nvpair id="{name}" name="{name}" value="{value}"/>"#)
            })
            .collect();
        format!(
            r#"<clone id="c"><meta_attributes id="m">{pairs}</meta_attributes><primitive id="p" {CLASS}/></clone>"#
        )
    };
    assert_eq!(placements("", &clone("")), 60);
    assert_eq!(placements("", &clone("clone-max=2")), 60);
    assert_eq!(placements("", &clone("clone-max=90")), 200);
    assert_eq!(
        placements("", &clone("clone-max=90 globally-unique=true")),
        1800
    );
}
