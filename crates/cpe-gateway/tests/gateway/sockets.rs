//! Real sockets: who calls is known from the connection, and nobody holds one for long.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpe_gateway::settings;
use cpe_gateway::sockets::Sockets;
use cpe_gateway::tls::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::harness::Setting;

/// Serves a setting on a Unix socket in a folder, and with TLS if there are settings for it.
async fn serve(
    setting: &Setting,
    folder: &Path,
    tls: Option<&settings::Tls>,
) -> (watch::Sender<bool>, SocketAddr) {
    let mut sockets = Sockets::default();
    let any = "127.0.0.1:0".parse().unwrap();
    sockets
        .open(Some(&folder.join("http.sock")), Some(any))
        .await
        .unwrap();
    let address = sockets.https[0].local_addr().unwrap();
    let (end, is_ending) = watch::channel(false);
    let tls = tls.map(|tls| Arc::new(Tls::load(tls).unwrap()));
    let limits = setting.app.settings.limits.clone();
    let router = setting.router.clone();
    tokio::spawn(async move {
        cpe_gateway::serve::serve(router, sockets, tls, &limits, is_ending).await;
    });
    (end, address)
}

async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

const ASK: &[u8] = b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_user_at_the_other_end_is_who_calls() {
    let setting = Setting::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (_end, _) = serve(&setting, folder.path(), None).await;
    let mut stream = UnixStream::connect(folder.path().join("http.sock"))
        .await
        .unwrap();
    let uid = stream.peer_cred().unwrap().uid();
    stream.write_all(ASK).await.unwrap();
    let text = read_all(&mut stream).await;
    match uid {
        0 => assert!(text.contains("\"principal\":\"user:root\""), "{text}"),
        _ => assert!(text.contains("\"principal\":\"user:"), "{text}"),
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let setting = Setting::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (_end, _) = serve(&setting, folder.path(), None).await;
    let stream = UnixStream::connect(folder.path().join("http.sock"))
        .await
        .unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let begin = Instant::now();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(b"GET /v1 HTTP/1.1\r\n").await;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if writer.write_all(b"X-Slow: 1\r\n").await.is_err() {
                return;
            }
        }
    });
    read_all(&mut reader).await;
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_secs(8) && took < Duration::from_secs(25),
        "{took:?}"
    );
    writing.abort();
}

#[tokio::test]
async fn what_was_begun_for_one_who_hangs_up_is_done() {
    let mut setting = Setting::new().await;
    let (begun, mut has_begun) = watch::channel(false);
    let (done, mut is_done) = watch::channel(false);
    let slow = move || async move {
        begun.send_replace(true);
        tokio::time::sleep(Duration::from_millis(500)).await;
        done.send_replace(true);
    };
    setting.router = axum::Router::new().route("/v1", axum::routing::get(slow));
    let folder = tempfile::tempdir().unwrap();
    let (_end, _) = serve(&setting, folder.path(), None).await;
    let path = folder.path().join("http.sock");
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    has_begun.wait_for(|it| *it).await.unwrap();
    drop(stream);
    let end = tokio::time::timeout(Duration::from_secs(30), is_done.wait_for(|it| *it)).await;
    assert!(*end.unwrap().unwrap());
}

#[tokio::test]
async fn one_peer_has_not_all_connections() {
    let setting = Setting::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (_end, _) = serve(&setting, folder.path(), None).await;
    let path = folder.path().join("http.sock");
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(UnixStream::connect(&path).await.unwrap());
    }
    // They are accepted in order: the next one finds all places taken, and is closed.
    let mut more = UnixStream::connect(&path).await.unwrap();
    let _ = more.write_all(ASK).await;
    assert_eq!(read_all(&mut more).await, "");
    held.clear();
    let begin = Instant::now();
    loop {
        let mut again = UnixStream::connect(&path).await.unwrap();
        let _ = again.write_all(ASK).await;
        if read_all(&mut again).await.contains("200 OK") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A CA, the gateway's certificate, and one of a caller.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            ca,
        }
    }

    /// Certificate and key.
    fn issue(&self, name: SanType, serial: u64) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn revoked(&self, serials: &[u64]) -> String {
        let now = rcgen::date_time_ymd(2026, 1, 1);
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: now,
            next_update: rcgen::date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// Asks with TLS; empty if the gateway does not let the caller in.
async fn ask(address: SocketAddr, ca: &str, own: Option<&(String, String)>) -> String {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder
                .with_client_auth_cert(vec![certificate], key)
                .unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().unwrap();
    let Ok(mut stream) = connector.connect(name, stream).await else {
        return String::new();
    };
    let _ = stream.write_all(ASK).await;
    read_all(&mut stream).await
}

#[tokio::test]
async fn a_certificate_says_who_calls_until_it_is_revoked() {
    let setting = Setting::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new();
    let own = authority.issue(SanType::DnsName("localhost".try_into().unwrap()), 2);
    std::fs::write(path("certificate.pem"), &own.0).unwrap();
    std::fs::write(path("key.pem"), &own.1).unwrap();
    std::fs::write(path("ca.pem"), &authority.ca).unwrap();
    std::fs::write(path("crl.pem"), authority.revoked(&[])).unwrap();
    let tls = settings::Tls {
        certificate: path("certificate.pem"),
        key: path("key.pem"),
        client_ca: Some(path("ca.pem")),
        client_crl: Some(path("crl.pem")),
    };
    let (_end, address) = serve(&setting, folder.path(), Some(&tls)).await;
    let alice = authority.issue(SanType::URI("urn:ops:alice".try_into().unwrap()), 3);
    let text = ask(address, &authority.ca, Some(&alice)).await;
    assert!(
        text.contains("\"principal\":\"cert:urn:ops:alice\""),
        "{text}"
    );
    let text = ask(address, &authority.ca, None).await;
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
    let stranger = Authority::new().issue(SanType::URI("urn:ops:alice".try_into().unwrap()), 3);
    assert_eq!(ask(address, &authority.ca, Some(&stranger)).await, "");
    // Revoked from the next connection on, without a restart.
    std::fs::write(path("crl.pem"), authority.revoked(&[3])).unwrap();
    assert_eq!(ask(address, &authority.ca, Some(&alice)).await, "");
    // Files that cannot be read leave all as it was.
    std::fs::write(path("certificate.pem"), "nonsense").unwrap();
    assert!(
        ask(address, &authority.ca, None)
            .await
            .starts_with("HTTP/1.1 401")
    );
}

/// Units as they are installed, and what packages do with them.
#[test]
fn it_is_off_until_somebody_switches_it_on_and_is_for_this_host_alone_then() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let mut listens = Vec::new();
    for unit in ["cpe-gateway.socket", "cpe-gateway-tls.socket"] {
        let text = read(&format!("systemd/usr/lib/systemd/system/{unit}"));
        let lines = text.lines().filter(|line| line.starts_with("Listen"));
        listens.extend(lines.map(str::to_owned));
    }
    let expected = [
        "ListenStream=/run/cpe-gateway/http.sock",
        "ListenStream=127.0.0.1:7443",
    ];
    assert_eq!(listens, expected);
    for path in [
        "mk/install.mk",
        "mk/packages/cloud-policy-engine.spec",
        "mk/packages/debian/cpe-gateway.postinst",
        "mk/packages/debian/rules",
    ] {
        let text = read(path);
        let mut lines = text.lines().filter(|line| line.contains("gateway"));
        // Debian's helper enables the units that it is told.
        let words = ["enable", "preset", "systemd_post", "dh_installsystemd"];
        let switches_on = lines.find(|line| words.iter().any(|word| line.contains(word)));
        assert_eq!(switches_on, None, "{path}");
    }
}
