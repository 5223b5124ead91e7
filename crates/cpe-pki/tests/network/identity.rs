//! Certificates that are accepted, and all the ways in which one is not.

use std::time::Duration;

use cpe_bus::Error;
use cpe_bus::identity::{CA, IDENTITY, REVOKED};
use cpe_bus::peer::{Access, Credentials, Door, Name, PeerAddress, Side};
use cpe_pki::Authority;

use crate::world::{Agent, Dpe, World, echo};

#[tokio::test]
async fn an_agent_and_its_dpe_talk_to_each_other() {
    let (_world, agent, dpe) = World::with_both().await;
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    assert_eq!(echo(&connection, "hello").await.unwrap(), "hello");
    // More than the network takes at once, in both directions at the same time.
    let much = "x".repeat(4 << 20);
    let (one, other) = tokio::join!(echo(&connection, &much), echo(&connection, &much));
    assert!(one.unwrap() == much && other.unwrap() == much);
    assert!(agent.refusals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_agent_of_another_assembly_is_not_taken_for_it() {
    let (_world, agent, dpe) = World::with_both().await;
    let reason = dpe.refused(&agent, "web2").await;
    assert!(
        reason.contains("assembly web1 of shop; assembly web2"),
        "{reason}"
    );
    agent.refuses("refuses our certificate").await;
}

#[tokio::test]
async fn the_dpe_of_another_deployment_is_not_let_in() {
    let (mut world, agent, _) = World::with_both().await;
    let folder = world.issue("bank", &Name::dpe("bank"), 90);
    // It asks for the right agent: only the agent can refuse it.
    let other = Dpe::new(&folder, "bank");
    let reason = other.refused(&agent, "web1").await;
    assert!(reason.contains("assembly web1 of shop"), "{reason}");
    // The same one, if it does not care who answers.
    let text = std::fs::read_to_string(folder.join(IDENTITY)).unwrap();
    let careless = careless::connect(&agent.address, &text, world.authority.certificate());
    careless.await;
    agent
        .refuses("the DPE of bank; the DPE of shop is expected")
        .await;
}

#[tokio::test]
async fn an_agent_cannot_play_a_dpe() {
    let (mut world, agent, _) = World::with_both().await;
    let folder = world.issue("web2", &Name::agent("shop", "web2"), 90);
    let text = std::fs::read_to_string(folder.join(IDENTITY)).unwrap();
    careless::connect(&agent.address, &text, world.authority.certificate()).await;
    agent.refuses("for another purpose").await;
    // Nor does a DPE's folder with it do anything.
    let reason = Dpe::new(&folder, "shop").refused(&agent, "web1").await;
    assert!(reason.contains("cannot show who it is"), "{reason}");
}

#[tokio::test]
async fn another_ca_is_not_believed() {
    let (_world, agent, dpe) = World::with_both().await;
    let mut foreign = World::new();
    let folder = foreign.issue("dpe", &Name::dpe("shop"), 90);
    let reason = Dpe::new(&folder, "shop").refused(&agent, "web1").await;
    assert!(reason.contains("not believed"), "{reason}");
    let folder = foreign.issue("agent", &Name::agent("shop", "web1"), 90);
    let other = Agent::start(&folder).await;
    let reason = dpe.refused(&other, "web1").await;
    assert!(reason.contains("not believed"), "{reason}");
    // A DPE that believes both, and is not believed.
    std::fs::remove_file(folder.join(REVOKED)).unwrap();
    let both = foreign.issue("both", &Name::dpe("shop"), 90);
    let cas = [
        foreign.authority.certificate(),
        _world.authority.certificate(),
    ]
    .concat();
    std::fs::write(both.join(CA), cas).unwrap();
    std::fs::remove_file(both.join(REVOKED)).unwrap();
    let reason = Dpe::new(&both, "shop").refused(&agent, "web1").await;
    assert!(
        reason.contains("does not believe the CA of our certificate"),
        "{reason}"
    );
}

#[tokio::test]
async fn who_shows_no_certificate_is_not_let_in() {
    let (world, agent, _) = World::with_both().await;
    careless::connect(&agent.address, "", world.authority.certificate()).await;
    agent.refuses("shows no certificate").await;
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_on_both_sides() {
    let (mut world, agent, dpe) = World::with_both().await;
    world.authority.revoke(&Name::dpe("shop"), None).unwrap();
    let reason = dpe.refused(&agent, "web1").await;
    assert!(reason.contains("our certificate is revoked"), "{reason}");
    agent.refuses("its certificate is revoked").await;
    world.issue("dpe", &Name::dpe("shop"), 90);
    assert!(dpe.connect(&agent, "web1").await.is_ok());
    let web1 = Name::agent("shop", "web1");
    world.authority.revoke(&web1, None).unwrap();
    let reason = dpe.refused(&agent, "web1").await;
    assert!(reason.contains("its certificate is revoked"), "{reason}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let (world, agent, _) = World::with_both().await;
    let expired = careless::identity(&world, &Name::dpe("shop"), -1);
    careless::connect(&agent.address, &expired, world.authority.certificate()).await;
    agent.refuses("has expired").await;
    let early = careless::identity(&world, &Name::dpe("shop"), 30);
    careless::connect(&agent.address, &early, world.authority.certificate()).await;
    agent.refuses("not valid yet").await;
}

#[tokio::test]
async fn an_agent_without_a_certificate_never_listens_on_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = Credentials::new(folder.path(), Side::Agent);
    let address: PeerAddress = "tcp:127.0.0.1:1".parse().unwrap();
    let open = async || Door::open(&address, &Access::default(), &credentials).await;
    let refused = open().await;
    match refused {
        Err(Error::NotReady(text)) => assert!(text.contains("identity.pem"), "{text}"),
        other => panic!("{other:?}"),
    }
    // Nor with that of a DPE.
    let mut authority = Authority::init(&folder.path().join("pki"), "test").unwrap();
    let issued = authority.issue(&Name::dpe("shop"), 1).unwrap();
    let to = cpe_pki::Recipient {
        folder: folder.path().to_owned(),
        group: None,
    };
    authority.hand_over(&issued, &to).unwrap();
    match open().await {
        Err(Error::NotReady(text)) => assert!(text.contains("of an agent is needed"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let (world, agent, _) = World::with_both().await;
    let identity = world.path("dpe").join(IDENTITY);
    let mode = std::fs::Permissions::from_mode;
    std::fs::set_permissions(&identity, mode(0o644)).unwrap();
    let dpe = Dpe::new(&world.path("dpe"), "shop");
    let reason = dpe.refused(&agent, "web1").await;
    assert!(reason.contains("open to everybody"), "{reason}");
    std::fs::set_permissions(&identity, mode(0o640)).unwrap();
    assert!(dpe.connect(&agent, "web1").await.is_ok());
}

#[tokio::test]
async fn nothing_shows_a_private_key() {
    let (mut world, _agent, dpe) = World::with_both().await;
    let issued = world.authority.issue(&Name::dpe("shop"), 1).unwrap();
    let key = issued.identity().split("PRIVATE KEY").nth(1).unwrap();
    let key = key.lines().nth(1).unwrap().to_owned();
    dpe.0.name().await.unwrap();
    let shown = format!("{issued:?} {:?} {:?}", world.authority, dpe.0);
    assert!(!shown.contains(&key) && !shown.contains("BEGIN"), "{shown}");
    // A file that is damaged is not quoted either.
    let folder = world.path("dpe");
    std::fs::write(
        folder.join(IDENTITY),
        format!("-----BEGIN PRIVATE KEY-----\n{key}!\n"),
    )
    .unwrap();
    let fault = Dpe::new(&folder, "shop")
        .0
        .name()
        .await
        .unwrap_err()
        .to_string();
    assert!(!fault.contains(&key), "{fault}");
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A TLS client that checks nothing and shows what it is given.
mod careless {
    use std::sync::Arc;

    use cpe_bus::peer::{Name, PeerAddress};
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
    use time::{Duration, OffsetDateTime};
    use tokio::io::AsyncReadExt;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use crate::world::World;

    /// Connects as web1's DPE would, and waits until the agent has hung up.
    pub(super) async fn connect(address: &PeerAddress, identity: &str, ca: &str) {
        let PeerAddress::Tcp { host, port } = address else {
            panic!("{address}");
        };
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(ca.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let chain = CertificateDer::pem_slice_iter(identity.as_bytes());
        let chain: Vec<_> = chain.map(Result::unwrap).collect();
        let config = match PrivateKeyDer::from_pem_slice(identity.as_bytes()) {
            Ok(key) => builder.with_client_auth_cert(chain, key).unwrap(),
            Err(_) => builder.with_no_client_auth(),
        };
        let socket = (host.as_str(), port.unwrap());
        let socket = tokio::net::TcpStream::connect(socket).await.unwrap();
        let name = Name::agent("shop", "web1").dns().unwrap();
        let name = ServerName::try_from(name).unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, socket);
        if let Ok(mut stream) = connected.await {
            // The refusal, not a word of D-Bus.
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said).await;
            assert!(said.is_empty(), "{said:?}");
        }
    }

    /// A certificate of the world's CA that begins in so many days, and ends a day later; one that
    /// begins in the past has ended an hour ago.
    pub(super) fn identity(world: &World, name: &Name, days: i64) -> String {
        let ca_key = std::fs::read_to_string(world.path("pki/ca.key")).unwrap();
        let ca_key = KeyPair::from_pem(&ca_key).unwrap();
        let issuer = Issuer::from_ca_cert_pem(world.authority.certificate(), ca_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(name.uri().try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let begin = OffsetDateTime::now_utc() + Duration::days(days);
        params.not_before = begin;
        params.not_after = begin + Duration::hours(23);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        format!("{}{}", certificate.pem(), key.serialize_pem())
    }
}
