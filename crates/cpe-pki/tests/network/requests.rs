//! Certificates whose key is made where it is used: only the request and the answer travel.

use std::sync::Arc;

use cpe_bus::Error;
use cpe_bus::identity::{IDENTITY, LOOK};
use cpe_bus::peer::{Credentials, Name, Side};
use rcgen::{CertificateParams, KeyPair, SanType};

use crate::world::{World, echo, ends_within};

fn web1() -> Name {
    Name::agent("shop", "web1")
}

/// A key, and a request for a certificate of that name.
fn request(name: &Name) -> (KeyPair, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(name.uri().try_into().unwrap())];
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    (key, request)
}

fn of_the_agent(world: &World) -> Arc<Credentials> {
    Credentials::new(&world.path("agent"), Side::Agent)
}

#[tokio::test]
async fn a_certificate_for_a_key_of_ones_own_takes_the_place_of_the_former() {
    let (mut world, agent, dpe) = World::with_both().await;
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    let former = world.authority.list()[0].clone();
    let (key, request) = request(&web1());
    let (certificate, entry) = world.authority.answer(&web1(), 30, &request).unwrap();
    assert_eq!((entry.name.clone(), entry.days()), (web1().uri(), 30));
    assert!(!certificate.contains("PRIVATE KEY"));
    let identity = format!("{certificate}{}", key.serialize_pem());
    of_the_agent(&world)
        .replace(identity.clone())
        .await
        .unwrap();
    let path = world.path("agent").join(IDENTITY);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), identity);
    // The connection that is there stays, and the next one sees the new certificate.
    assert!(!ends_within(&connection, LOOK * 2).await);
    world
        .authority
        .revoke(&web1(), Some(&former.serial))
        .unwrap();
    let again = dpe.connect(&agent, "web1").await.unwrap();
    assert_eq!(echo(&again, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn what_is_not_this_guests_is_not_taken() {
    let (mut world, _agent, _dpe) = World::with_both().await;
    let path = world.path("agent").join(IDENTITY);
    let before = std::fs::read(&path).unwrap();
    let own = of_the_agent(&world);
    let refused = async |identity: String, word: &str| match own.replace(identity).await {
        Err(Error::InvalidArgument(text)) => assert!(text.contains(word), "{word}: {text}"),
        other => panic!("{word}: {other:?}"),
    };
    // Of another assembly.
    let web2 = Name::agent("shop", "web2");
    let (key, asked) = request(&web2);
    let (certificate, _) = world.authority.answer(&web2, 30, &asked).unwrap();
    refused(
        format!("{certificate}{}", key.serialize_pem()),
        "assembly web2",
    )
    .await;
    // Of another key.
    let (_, asked) = request(&web1());
    let (certificate, entry) = world.authority.answer(&web1(), 30, &asked).unwrap();
    refused(format!("{certificate}{}", key.serialize_pem()), "").await;
    // Of a CA that nobody here believes.
    let (key, asked) = request(&web1());
    let mut foreign = World::new();
    let (of_foreign, _) = foreign.authority.answer(&web1(), 30, &asked).unwrap();
    refused(format!("{of_foreign}{}", key.serialize_pem()), "").await;
    // Revoked in the meantime.
    let (key, asked) = request(&web1());
    let (revoked, it) = world.authority.answer(&web1(), 30, &asked).unwrap();
    assert_ne!(it.serial, entry.serial);
    world.authority.revoke(&web1(), Some(&it.serial)).unwrap();
    world.authority.export(&world.path("agent")).unwrap();
    refused(format!("{revoked}{}", key.serialize_pem()), "revoked").await;
    // None at all.
    refused("nothing".to_owned(), "private key").await;
    match own.replace("x".repeat(100_000)).await {
        Err(Error::TooLarge(_)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn only_what_was_asked_for_is_signed() {
    let mut world = World::new();
    let (_, asked) = request(&Name::agent("shop", "web2"));
    for (request, days, word) in [
        (
            asked.as_str(),
            30,
            "is not for a certificate of assembly web1",
        ),
        ("-----BEGIN CERTIFICATE REQUEST-----", 30, "no request"),
        (asked.as_str(), 0, "days"),
        (&"x".repeat(100_000), 30, "at most"),
    ] {
        let refused = world.authority.answer(&web1(), days, request);
        let reason = refused.unwrap_err().to_string();
        assert!(reason.contains(word), "{word}: {reason}");
    }
    assert!(world.authority.list().is_empty());
}
