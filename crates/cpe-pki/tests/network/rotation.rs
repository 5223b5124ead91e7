//! New files count without a restart.

use std::time::Duration;

use cpe_bus::identity::{CA, IDENTITY, LOOK, REVOKED};
use cpe_bus::peer::Name;
use cpe_pki::{Authority, Error, State};

use crate::world::{Agent, Dpe, Stalled, World, echo, ends_within};

/// Until when a running connection has ended for what is new in the files.
const SOON: Duration = Duration::from_secs(LOOK.as_secs() * 2 + 1);

#[tokio::test]
async fn a_revoked_agent_is_cut_off_where_it_is_connected() {
    let (mut world, agent, dpe) = World::with_both().await;
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    world
        .authority
        .revoke(&Name::agent("shop", "web1"), None)
        .unwrap();
    assert!(ends_within(&connection, SOON).await);
}

#[tokio::test]
async fn a_revoked_dpe_is_cut_off_by_the_agent() {
    let (mut world, agent, dpe) = World::with_both().await;
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    // Only the agent has heard of it.
    let old = std::fs::read(world.path("dpe").join(REVOKED)).unwrap();
    world.authority.revoke(&Name::dpe("shop"), None).unwrap();
    std::fs::write(world.path("dpe").join(REVOKED), old).unwrap();
    assert!(ends_within(&connection, SOON).await);
}

#[tokio::test]
async fn a_new_certificate_ends_no_connection_and_is_shown_from_then_on() {
    let (mut world, agent, dpe) = World::with_both().await;
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    world.issue("agent", &Name::agent("shop", "web1"), 90);
    world.issue("dpe", &Name::dpe("shop"), 90);
    let again = dpe.connect(&agent, "web1").await.unwrap();
    assert!(!ends_within(&connection, SOON).await);
    assert_eq!(echo(&connection, "still").await.unwrap(), "still");
    // The former ones are not missed.
    let all: Vec<_> = world.authority.list().to_vec();
    for old in &all[..2] {
        let name: Name = old.name.parse().unwrap();
        let serial = Some(old.serial.as_str());
        assert_eq!(world.authority.revoke(&name, serial).unwrap(), 1);
    }
    assert!(ends_within(&connection, SOON).await);
    assert!(!ends_within(&again, SOON).await);
    assert!(dpe.connect(&agent, "web1").await.is_ok());
}

#[tokio::test]
async fn a_ca_that_is_taken_away_is_believed_no_longer() {
    let (world, agent, dpe) = World::with_both().await;
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    let other = World::new();
    let folder = world.path("dpe");
    std::fs::write(folder.join(CA), other.authority.certificate()).unwrap();
    std::fs::write(folder.join(REVOKED), other.authority.revoked().unwrap()).unwrap();
    assert!(ends_within(&connection, SOON).await);
}

#[tokio::test]
async fn who_is_revoked_in_the_middle_of_a_handshake_is_cut_off() {
    let (mut world, agent, dpe) = World::with_both().await;
    // The agent has begun by the old list, and waits for the DPE's certificate.
    let stalled = Stalled::on_the_way_to(&agent).await;
    let connecting = {
        let (dpe, address) = (Dpe(dpe.0.clone()), stalled.address.clone());
        tokio::spawn(async move { dpe.connect_at(&address, "web1").await })
    };
    stalled.has_stalled().await;
    let old = std::fs::read(world.path("dpe").join(REVOKED)).unwrap();
    world.authority.revoke(&Name::dpe("shop"), None).unwrap();
    std::fs::write(world.path("dpe").join(REVOKED), old).unwrap();
    // It reads the new list for somebody else, so that no later change of it tells.
    let reason = dpe.refused(&agent, "web1").await;
    assert!(reason.contains("our certificate is revoked"), "{reason}");
    stalled.go_on();
    if let Ok(connection) = connecting.await.unwrap() {
        assert!(ends_within(&connection, SOON).await);
    }
}

#[tokio::test]
async fn a_revocation_keeps_the_list_of_the_other_ca() {
    let mut old = World::new();
    let mut new = World::new();
    let agent = old.issue("agent", &Name::agent("shop", "web1"), 90);
    old.issue("dpe", &Name::dpe("shop"), 90);
    new.issue("dpe", &Name::dpe("shop"), 90);
    old.authority.remember(&new.path("dpe")).unwrap();
    new.authority.remember(&agent).unwrap();
    let both = |a: String, b: String| format!("{a}{b}");
    let lists = both(
        old.authority.revoked().unwrap(),
        new.authority.revoked().unwrap(),
    );
    let cas = both(
        old.authority.certificate().into(),
        new.authority.certificate().into(),
    );
    for folder in [&agent, &new.path("dpe"), &old.path("pki")] {
        std::fs::write(folder.join(REVOKED), &lists).unwrap();
    }
    for folder in [&agent, &new.path("dpe")] {
        std::fs::write(folder.join(CA), &cas).unwrap();
    }
    let listening = Agent::start(&agent).await;
    // With the new certificate, to an agent with an old one.
    let dpe = Dpe::new(&new.path("dpe"), "shop");
    assert!(dpe.connect(&listening, "web1").await.is_ok());

    // Each revokes something; both lists are everywhere, whoever was last.
    new.issue("other", &Name::agent("shop", "web2"), 90);
    for _ in 0..2 {
        let spare = Name::agent("shop", "web2");
        new.issue("other", &spare, 90);
        new.authority.revoke(&spare, None).unwrap();
        assert!(dpe.connect(&listening, "web1").await.is_ok());
        old.issue("other", &spare, 90);
        old.authority.revoke(&spare, None).unwrap();
        assert!(dpe.connect(&listening, "web1").await.is_ok());
    }
    let text = std::fs::read_to_string(agent.join(REVOKED)).unwrap();
    assert_eq!(text.matches("BEGIN X509 CRL").count(), 2, "{text}");
    // And what is revoked is obeyed, after a revocation of the other one, too.
    old.authority
        .revoke(&Name::agent("shop", "web1"), None)
        .unwrap();
    let spare = Name::agent("shop", "web3");
    new.issue("other", &spare, 90);
    new.authority.revoke(&spare, None).unwrap();
    let reason = dpe.refused(&listening, "web1").await;
    assert!(reason.contains("revoked"), "{reason}");
    // What is handed over takes an older list of the other one back nowhere.
    new.issue("dpe", &Name::dpe("shop"), 90);
    std::fs::write(new.path("dpe").join(CA), &cas).unwrap();
    let reason = dpe.refused(&listening, "web1").await;
    assert!(reason.contains("revoked"), "{reason}");
}

#[tokio::test]
async fn files_that_cannot_be_read_leave_in_force_what_was() {
    let (world, agent, dpe) = World::with_both().await;
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    for name in [IDENTITY, CA, REVOKED] {
        let path = world.path("agent").join(name);
        let old = std::fs::read(&path).unwrap();
        for bad in [
            "",
            "-----BEGIN CERTIFICATE-----\n!",
            "-----BEGIN X509 CRL-----\n!",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(dpe.connect(&agent, "web1").await.is_ok(), "{name} {bad}");
        }
        std::fs::write(&path, old).unwrap();
    }
    assert!(!ends_within(&connection, SOON).await);
}

#[tokio::test]
async fn who_is_revoked_stays_out_when_the_list_is_lost() {
    let (mut world, agent, dpe) = World::with_both().await;
    world.authority.revoke(&Name::dpe("shop"), None).unwrap();
    let reason = dpe.refused(&agent, "web1").await;
    assert!(reason.contains("our certificate is revoked"), "{reason}");
    std::fs::remove_file(world.path("agent").join(REVOKED)).unwrap();
    let reason = dpe.refused(&agent, "web1").await;
    assert!(reason.contains("our certificate is revoked"), "{reason}");
}

#[tokio::test]
async fn an_agent_that_never_had_a_list_goes_by_certificates_alone() {
    let mut world = World::new();
    let folder = world.issue("agent", &Name::agent("shop", "web1"), 90);
    std::fs::remove_file(folder.join(REVOKED)).unwrap();
    let agent = Agent::start(&folder).await;
    let folder = world.issue("dpe", &Name::dpe("shop"), 90);
    let dpe = Dpe::new(&folder, "shop");
    assert!(dpe.connect(&agent, "web1").await.is_ok());
}

#[test]
fn what_a_command_left_is_finished_by_the_next_one() {
    let mut world = World::new();
    let web1 = Name::agent("shop", "web1");
    let folder = world.issue("agent", &web1, 90);
    let old = std::fs::read(folder.join(REVOKED)).unwrap();
    world.authority.revoke(&web1, None).unwrap();
    let new = std::fs::read(folder.join(REVOKED)).unwrap();
    assert_ne!(old, new);
    // Killed after the index was written, and before the list was.
    std::fs::write(folder.join(REVOKED), &old).unwrap();
    let index = world.path("pki/index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    let published = text.replace("\"published\": 2", "\"published\": 1");
    assert_ne!(published, text);
    std::fs::write(&index, published).unwrap();
    let pki = world.path("pki");
    drop(world.authority);
    let mut authority = Authority::open(&pki).unwrap();
    assert_ne!(std::fs::read(folder.join(REVOKED)).unwrap(), old);
    assert_eq!(authority.list()[0].state(i64::MAX), State::Revoked);
    assert!(matches!(
        authority.revoke(&web1, None),
        Err(Error::NotFound(_))
    ));
}

#[test]
fn an_existing_ca_is_taken_if_it_can_be_used() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let ca = |params: &CertificateParams| params.self_signed(&key).unwrap().pem();
    let adopt = |ca: &str, key: &KeyPair| Authority::adopt(&pki, ca, &key.serialize_pem());
    let is_refused = |ca: &str, key: &KeyPair| matches!(adopt(ca, key), Err(Error::Invalid(_)));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    assert!(is_refused(&ca(&params), &key), "signs no lists");
    params.key_usages.push(KeyUsagePurpose::CrlSign);
    assert!(
        is_refused(&ca(&params), &KeyPair::generate().unwrap()),
        "another key"
    );
    assert!(adopt(&ca(&params), &key).is_ok());
    assert!(matches!(adopt(&ca(&params), &key), Err(Error::Exists(_))));
}

#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new();
    let folder = world.issue("agent", &Name::agent("shop", "web1"), 90);
    let mode = |path: std::path::PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.path("pki")), 0o700);
    for secret in ["ca.key", "index.json"] {
        assert_eq!(mode(world.path("pki").join(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(folder.join(IDENTITY)), 0o600);
    assert_eq!(mode(folder.join(CA)), 0o644);
    // Of a group that may read it, and nobody else.
    let issued = world.authority.issue(&Name::dpe("shop"), 1).unwrap();
    let to = cpe_pki::Recipient {
        folder: world.path("dpe"),
        group: Some(rustix::process::getegid().as_raw()),
    };
    world.authority.hand_over(&issued, &to).unwrap();
    assert_eq!(mode(world.path("dpe").join(IDENTITY)), 0o640);
}
