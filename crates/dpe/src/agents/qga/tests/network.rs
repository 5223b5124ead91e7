//! What a guest without our agent tells of its name and its addresses.

use super::*;

impl Stream {
    /// What is told when the guest is connected.
    async fn first_facts(&mut self) -> BTreeMap<String, String> {
        match self.input().await {
            Input::AgentConnected { hello, .. } => hello.facts,
            other => panic!("{other:?}"),
        }
    }
}

/// As the guest agent says it.
fn interface(name: &str, addresses: &[&str]) -> Value {
    let one = |address: &&str| json!({"ip-address": address, "prefix": 24});
    let addresses: Vec<Value> = addresses.iter().map(one).collect();
    json!({"name": name, "hardware-address": "52:54:00:12:34:56", "ip-addresses": addresses})
}

/// Values as a document's references have them.
fn values(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    all.iter().map(own).collect()
}

#[tokio::test]
async fn a_guest_agent_is_asked_for_name_and_addresses_again_and_again() {
    let played = PlayedGuestAgent::default();
    let network = Arc::clone(&played.network);
    let all = json!([
        interface("lo", &["127.0.0.1", "::1"]),
        interface("ens3", &["192.0.2.200", "2001:db8::200", "fe80::1"]),
        interface("a name that is none", &["192.0.2.201"]),
        {"name": "ens4"},
        interface("ens5", &["nonsense", "192.0.2.205"]),
    ]);
    *network.lock().unwrap() = (Some("web1.example".into()), Some(all));
    let world = World::new(played);
    let mut stream = world.stream("shop", 1);
    let mut told = values(&[
        ("hostname", "web1.example"),
        ("ipaddress", "192.0.2.200"),
        ("ipaddress4", "192.0.2.200"),
        ("ipaddress6", "2001:db8::200"),
        ("ipaddress.ens3", "192.0.2.200"),
        ("ipaddress.ens5", "192.0.2.205"),
    ]);
    assert_eq!(stream.first_facts().await, told);

    // Another address, and a name that is none; also while an operation is under way.
    stream
        .execute(world.operation("1:1:0:u", Task::Start, 0))
        .await;
    let now = json!([interface("ens3", &["192.0.2.99"])]);
    *network.lock().unwrap() = (Some("no name".into()), Some(now));
    told = values(&[
        ("ipaddress", "192.0.2.99"),
        ("ipaddress4", "192.0.2.99"),
        ("ipaddress.ens3", "192.0.2.99"),
    ]);
    let mut inputs = [stream.input().await, stream.input().await];
    inputs.sort_by_key(|input| matches!(input, Input::FactsChanged { .. }));
    let [
        Input::OperationCompleted { .. },
        Input::FactsChanged { facts, .. },
    ] = &inputs
    else {
        panic!("{inputs:?}");
    };
    assert_eq!(*facts, told);
    // What stays is not told again.
    let quiet = tokio::time::timeout(CHECK + Duration::from_secs(2), async {
        while let Some(Input::Heartbeat { .. }) = stream.inputs.recv().await {}
    });
    assert!(quiet.await.is_err(), "it is told again");
}

#[tokio::test]
async fn a_guest_whose_agent_may_not_tell_is_asked_itself() {
    let kernels = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let addresses = std::process::Command::new("ip")
        .args(["-o", "addr", "show", "up", "scope", "global"])
        .output()
        .unwrap();
    let addresses = String::from_utf8(addresses.stdout).unwrap();
    // Both calls blocked; one that is allowed, and fails.
    for network in [(None, None), (Some("own".into()), Some(Value::Null))] {
        let played = PlayedGuestAgent::default();
        *played.network.lock().unwrap() = network.clone();
        let world = World::new(played);
        let facts = world.stream("shop", 1).first_facts().await;
        let name = network.0.as_deref().unwrap_or(kernels.trim());
        assert_eq!(facts.get("hostname").map(String::as_str), Some(name));
        assert_eq!(
            facts.contains_key("ipaddress"),
            addresses.contains(" inet"),
            "{facts:?}"
        );
        for (name, address) in &facts {
            let is_there = || addresses.contains(&format!(" {address}/"));
            assert!(name == "hostname" || is_there(), "{name}: {address}");
        }
    }
}
