//! The documents under `docs/bus/` are the reference of the bus API: the running daemons must have
//! exactly those members.

use std::collections::{BTreeMap, BTreeSet};

use cpe_bus::names::{CPE_NAME, CPE_PATH, deployment_path};
use quick_xml::events::{BytesStart, Event};

use super::harness::Bus;

const MANAGER: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Manager.xml");
const EVENTS: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Events.xml");
const HOSTS: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Hosts.xml");
const DEPLOYMENT: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Deployment.xml");
pub(crate) const DPE: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Dpe1.xml");

/// By interface.
pub(crate) type Members = BTreeMap<String, BTreeSet<String>>;

/// One line per method argument, signal argument, and property: all that a caller can notice.
fn members(xml: &str) -> Members {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut interfaces = Members::new();
    let (mut interface, mut member, mut position) = (String::new(), String::new(), 0);
    loop {
        let (element, closes) = match reader.read_event().expect("XML") {
            Event::Start(element) => (element.into_owned(), false),
            Event::Empty(element) => (element.into_owned(), true),
            Event::Eof => return interfaces,
            _ => continue,
        };
        let attribute = |name: &str| attribute(&element, name);
        let mut add = |line: String| {
            interfaces
                .entry(interface.clone())
                .or_default()
                .insert(line);
        };
        match element.name().as_ref() {
            "interface" => interface = attribute("name").expect("a name"),
            kind @ ("method" | "signal") => {
                member = format!("{kind} {}", attribute("name").expect("a name"));
                position = 0;
                add(member.clone());
            }
            "arg" => {
                // Signals' arguments have no direction, or say "out".
                let direction = attribute("direction")
                    .filter(|_| member.starts_with("method"))
                    .unwrap_or_default();
                position += 1;
                add(format!(
                    "{member} {position} {direction} {} {}",
                    attribute("name").unwrap_or_default(),
                    attribute("type").expect("a type")
                ));
            }
            "property" => {
                member = format!("property {}", attribute("name").expect("a name"));
                add(format!(
                    "{member} {} {}",
                    attribute("type").expect("a type"),
                    attribute("access").expect("access")
                ));
            }
            "annotation" if !closes || member.starts_with("property") => {
                let value = attribute("value").unwrap_or_default();
                // "true" is the default and need not be said.
                if value != "true" {
                    add(format!(
                        "{member} @{} {value}",
                        attribute("name").unwrap_or_default()
                    ));
                }
            }
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.try_get_attribute(name).expect("attributes")?;
    Some(found.value.into_owned())
}

/// Fails unless the running object has exactly the documented members.
pub(crate) fn compare(documented: &str, running: &Members) {
    for (interface, expected) in members(documented) {
        assert!(expected.len() > 3, "{interface} documents hardly anything");
        assert_eq!(running.get(&interface), Some(&expected), "{interface}");
    }
}

/// What an object on the bus says it has.
pub(crate) async fn introspect(cpe: &super::harness::Cpe, name: &str, path: &str) -> Members {
    let reply = cpe
        .connection
        .call_method(
            Some(name),
            path,
            Some("org.freedesktop.DBus.Introspectable"),
            "Introspect",
            &(),
        )
        .await
        .expect("introspection");
    members(&reply.body().deserialize::<String>().expect("a text"))
}

#[tokio::test]
async fn the_running_daemon_has_exactly_the_documented_members() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.expect("a deployment");
    let root = introspect(&cpe, CPE_NAME, CPE_PATH).await;
    let deployment = introspect(&cpe, CPE_NAME, &deployment_path("shop")).await;
    compare(MANAGER, &root);
    compare(EVENTS, &root);
    compare(HOSTS, &root);
    compare(DEPLOYMENT, &deployment);
    // What introspection shows of an object includes the objects below it.
    let ours = root
        .keys()
        .filter(|interface| interface.starts_with("org.cloudpolicy."));
    let documented = [MANAGER, EVENTS, HOSTS, DEPLOYMENT]
        .map(|xml| members(xml).into_keys().next().expect("an interface"));
    assert_eq!(
        ours.collect::<BTreeSet<_>>(),
        documented.iter().collect::<BTreeSet<_>>()
    );
    assert!(root.contains_key("org.freedesktop.DBus.ObjectManager"));
}
