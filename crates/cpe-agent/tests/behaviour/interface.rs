//! The interface that the agent serves is the one that is documented.

use std::collections::BTreeMap;

use crate::guest::Guest;

const DOCUMENTED: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Agent1.xml");
const INTERFACE: &str = "org.cloudpolicy.Agent1";

#[tokio::test]
async fn it_serves_the_documented_interface() {
    let guest = Guest::start();
    let dpe = guest.connect().await;
    let connection = dpe.agent.inner().connection();
    let reply = connection
        .call_method(
            None::<&str>,
            "/org/cloudpolicy/agent1",
            Some("org.freedesktop.DBus.Introspectable"),
            "Introspect",
            &(),
        )
        .await
        .unwrap();
    let served: String = reply.body().deserialize().unwrap();
    let documented = members(DOCUMENTED);
    assert!(
        documented.len() >= 10,
        "the reader of this test finds too little: {documented:?}"
    );
    assert_eq!(members(&served), documented);
}

/// `method Hello` → `in epoch t`, …: the members of our interface and their arguments, in order.
fn members(xml: &str) -> BTreeMap<String, Vec<String>> {
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut inside = false;
    let mut member = String::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        let comment = rest[start..].starts_with("<!--");
        let close = if comment { "-->" } else { ">" };
        let end = start + rest[start..].find(close).expect("every tag ends") + close.len();
        let tag = rest[start..end].trim_matches(['<', '>', '/']);
        rest = &rest[end..];
        let attribute = |name: &str| {
            let value = tag
                .split_once(&format!(" {name}=\""))
                .and_then(|(_, value)| value.split_once('"'));
            value.map(|(value, _)| value.to_owned()).unwrap_or_default()
        };
        match tag.split_whitespace().next() {
            Some("interface") => inside = attribute("name") == INTERFACE,
            Some(kind @ ("method" | "signal" | "property"))
                if inside && !attribute("name").is_empty() =>
            {
                member = format!("{kind} {}", attribute("name"));
                members.insert(member.clone(), Vec::new());
            }
            Some("arg") if inside => {
                let argument =
                    [attribute("direction"), attribute("name"), attribute("type")].join(" ");
                members.entry(member.clone()).or_default().push(argument);
            }
            _ => {}
        }
    }
    members
}
