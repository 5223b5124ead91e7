//! What differs between two documents, by meaning.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::{Change, Deployment, changes};

fn read(text: &str) -> Deployment {
    deployment::read(text.as_bytes()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn example(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

/// One line for each change, one for each detail.
fn told(from: &str, to: &str) -> Vec<String> {
    let lines = |change: &Change| {
        let head = format!("{} {} {}", change.kind, change.name, change.how.as_str());
        let details = change.details.iter().map(|detail| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
            let secret = if detail.secret { " (secret)" } else { "" };
            let (from, to) = (value(&detail.from), value(&detail.to));
            format!("  {}{secret}: {from} → {to}", detail.name)
        });
        [head].into_iter().chain(details).collect::<Vec<_>>()
    };
    let all = changes(&read(from), &read(to));
    all.iter().flat_map(lines).collect()
}

const SHOP: &str = r#"<deployable name="shop">
  <assemblies>
    <assembly name="web1" address="unix:/run/web1.sock"/>
    <assembly name="web2" address="unix:/run/web2.sock"><fencing mode="manager"/></assembly>
  </assemblies>
  <services>
    <service name="db" class="ocf" provider="heartbeat" type="Dummy">
      <parameters><parameter name="state" value="/run/db"/><parameter name="password" value="old"/></parameters>
    </service>
    <service name="web" class="ocf" provider="heartbeat" type="Dummy"/>
  </services>
  <constraints><service_dependency first="db" then="web"/></constraints>
</deployable>"#;

#[test]
fn comments_white_space_and_what_says_the_same_are_no_change() {
    let other = SHOP
        .replace("  ", "\t")
        .replace("<services>", "<!-- new --><services>");
    let other = other.replace("first=\"db\" then=\"web\"", "then=\"web\" first=\"db\"");
    assert!(told(SHOP, &other).is_empty());
}

#[test]
fn what_was_added_removed_and_changed_is_named() {
    let other = SHOP
        .replace("web2", "web3")
        .replace("/run/db", "/run/data")
        .replace("\"old\"", "\"new\"")
        .replace("name=\"web\" class", "name=\"web\" enabled=\"false\" class")
        .replace(
            "<service_dependency first=\"db\" then=\"web\"/>",
            "<colocation service=\"web\" with=\"db\" score=\"50\"/>",
        );
    let expected = [
        "assembly web2 removed",
        "assembly web3 added",
        "service db changed",
        "  parameter password (secret): old → new",
        "  parameter state: /run/db → /run/data",
        "service web changed",
        "  enabled: true → false",
        "constraint db before web removed",
        "constraint web with db added",
    ];
    assert_eq!(told(SHOP, &other), expected);
}

#[test]
fn elements_of_the_configuration_are_compared_by_their_ids() {
    let from = example("fencing-devices.xml");
    let to = from
        .replace(
            "id=\"opt-stonith-action\" name=\"stonith-action\" value=\"reboot\"",
            "id=\"x\" name=\"stonith-action\" value=\"off\"",
        )
        .replace(
            "name=\"priority\" value=\"10\"",
            "name=\"priority\" value=\"20\"",
        )
        .replace(
            "id=\"ledger-monitor\" name=\"monitor\" interval=\"10s\"",
            "id=\"ledger-monitor\" name=\"monitor\" interval=\"5s\"",
        )
        .replace(
            "id=\"ipmi-node1-password\" name=\"password\" value=\"secret\"",
            "id=\"ipmi-node1-password\" name=\"password\" value=\"other\"",
        )
        .replace(
            "id=\"ipmi-node2-away\" rsc=\"ipmi-node2\" node=\"node2\" score=\"-INFINITY\"",
            "id=\"ipmi-node2-away\" rsc=\"ipmi-node2\" node=\"node2\" score=\"-5\"",
        );
    let expected = [
        "option stonith-action changed",
        "  value: reboot → off",
        "primitive ipmi-node1 changed",
        "  instance_attributes password (secret): secret → other",
        "primitive ledger changed",
        "  meta_attributes priority: 10 → 20",
        "  operations op monitor/10s interval: 10s → -",
        "  operations op monitor/10s name: monitor → -",
        "  operations op monitor/10s timeout: 20s → -",
        "  operations op monitor/5s interval: - → 5s",
        "  operations op monitor/5s name: - → monitor",
        "  operations op monitor/5s timeout: - → 20s",
        "rsc_location ipmi-node2-away changed",
        "  score: -INFINITY → -5",
    ];
    assert_eq!(told(&from, &to), expected);
}

#[test]
fn what_a_parameter_follows_and_the_levels_of_fencing_are_said() {
    let following = |reference: &str| {
        let value = "<parameter name=\"state\" value=\"/run/db\"/>";
        let parameter = format!("<parameter name=\"state\">{reference}</parameter>");
        SHOP.replace(value, &parameter)
    };
    let from = following("<reference assembly=\"web2\" parameter=\"hostname\"/>");
    let to = following("<reference assembly=\"web2\" attribute=\"site\" on_change=\"reload\"/>");
    let expected = [
        "service db changed",
        "  parameter state: hostname of web2 (on_change restart) → \
         attribute site of web2 (on_change reload)",
    ];
    assert_eq!(told(&from, &to), expected);
    let from = example("fencing-devices.xml");
    let to = from.replacen("pdu-left,pdu-right", "pdu-right", 1);
    let expected = [
        "assembly node1 changed",
        "  fencing level 2: pdu-left pdu-right → pdu-right",
    ];
    assert_eq!(told(&from, &to), expected);
}

/// No example differs from itself, and one that was changed differs.
#[test]
fn every_example_differs_from_itself_in_nothing() {
    for name in [
        "galera.xml",
        "promotable.xml",
        "raw-configuration.xml",
        "three-tier.xml",
        "original-form.xml",
    ] {
        let text = example(name);
        assert!(told(&text, &text).is_empty(), "{name}");
    }
    assert!(
        !told(
            &example("three-tier.xml"),
            &example("three-tier-modified.xml")
        )
        .is_empty()
    );
}
