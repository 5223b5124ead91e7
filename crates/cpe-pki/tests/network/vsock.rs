//! Virtual machines' own ports, where this machine can have one itself.

use cpe_bus::Error;
use cpe_bus::peer::{Name, PeerAddress};

use crate::world::{Agent, Dpe, World, echo};

/// A port of this machine itself (CID 1), which needs no virtual machine.
fn own_port() -> PeerAddress {
    format!("vsock:1:{}", 20_000 + std::process::id() % 20_000)
        .parse()
        .unwrap()
}

/// Says that this machine cannot bind CID 1, also where `make test` shows it at its end. Anything
/// else that goes wrong is a failure.
fn is_not_tested(error: &Error) {
    let text = error.message();
    let missing = [
        "Cannot assign requested address",
        "Address family not supported",
    ];
    assert!(missing.iter().any(|word| text.contains(word)), "{text}");
    test_kit::not_tested_here(&format!(
        "vsock, since the kernel has no loopback of it (modprobe vsock_loopback): {text}"
    ));
}

#[tokio::test]
async fn an_agent_and_its_dpe_talk_over_vsock_as_over_tcp() {
    let mut world = World::new();
    let agents = world.issue("agent", &Name::agent("shop", "web1"), 90);
    let dpe = Dpe::new(&world.issue("dpe", &Name::dpe("shop"), 90), "shop");
    let agent = match Agent::start_at(&agents, own_port()).await {
        Ok(agent) => agent,
        Err(error) => return is_not_tested(&error),
    };
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    assert_eq!(echo(&connection, "hello").await.unwrap(), "hello");
    let much = "x".repeat(4 << 20);
    let (one, other) = tokio::join!(echo(&connection, &much), echo(&connection, &much));
    assert!(one.unwrap() == much && other.unwrap() == much);
    let reason = dpe.refused(&agent, "web2").await;
    assert!(reason.contains("assembly web1 of shop"), "{reason}");
    agent.refuses("refuses our certificate").await;
}

#[tokio::test]
async fn who_cannot_be_reached_over_vsock_is_named() {
    let mut world = World::new();
    let dpe = Dpe::new(&world.issue("dpe", &Name::dpe("shop"), 90), "shop");
    // No virtual machine of any host has this number.
    match dpe
        .connect_at(&"vsock:4294967290".parse().unwrap(), "web1")
        .await
    {
        Err(Error::NotReady(text)) => assert!(text.contains("vsock:4294967290"), "{text}"),
        other => panic!("{other:?}"),
    }
}
