//! Servers with certificates.

use std::sync::{Arc, Mutex};

use cpe_bus::EventKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::server::{self, Answer, Seen, Server};
use crate::{Daemon, event, status, until};

/// A server whose certificate is for `name`, and the certificate of its authority in PEM.
async fn start(name: &str) -> (Server, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let server = Server {
        port,
        seen: Arc::clone(&seen),
    };
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                let answer: Arc<Answer> = Arc::new(|_| server::status(200));
                tokio::spawn(server::serve(stream, Arc::clone(&seen), answer));
            }
        }
    });
    (server, authority.pem())
}

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_its_name() {
    let (right, pem) = start("localhost").await;
    let (wrong, other) = start("example.org").await;
    let daemon = Daemon::new();
    daemon.write("right.pem", &pem);
    daemon.write("other.pem", &other);
    for (name, server, authority) in [
        ("right", &right, "right.pem"),
        ("stranger", &right, "other.pem"),
        ("wrong-name", &wrong, "other.pem"),
    ] {
        let port = server.port;
        daemon.write(
            &format!("{name}.toml"),
            &format!("type = \"http\"\nurl = \"https://localhost:{port}/\"\nca_file = \"{authority}\"\nattempts = 2\nafter = 0\n"),
        );
    }
    let sinks = daemon.start();
    let id = daemon.log.record(event(EventKind::ServiceFailed));
    until("it arrived", async || {
        status(&sinks, "right").await.delivered == 1
    })
    .await;
    for name in ["stranger", "wrong-name"] {
        until("it is refused", async || {
            status(&sinks, name).await.dead == 1
        })
        .await;
        let error = status(&sinks, name).await.last_error;
        assert!(error.contains("certificate"), "{name}: {error}");
    }
    assert_eq!((right.ids(), wrong.ids().len()), (vec![id], 0));
}
