//! The system's client against servers that are none. Real ones: `tests/tests/system/ssh.rs`.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::peer::{Credentials, HANDSHAKE_TIMEOUT, Meter, Side, connect_to};

/// A DPE's folder with a key and a known host, of which neither is looked at here.
fn credentials() -> (tempfile::TempDir, Arc<Credentials>) {
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    std::fs::create_dir(&ssh).unwrap();
    for name in ["id_ed25519", "known_hosts"] {
        std::fs::write(ssh.join(name), "").unwrap();
        let mode = PermissionsExt::from_mode(0o640);
        std::fs::set_permissions(ssh.join(name), mode).unwrap();
    }
    let deployment = "shop".to_owned();
    let credentials = Credentials::new(folder.path(), Side::Dpe { deployment });
    (folder, credentials)
}

/// Connects to whatever answers there; returns why that fails.
async fn refused(port: u16) -> Error {
    let (_folder, credentials) = credentials();
    let address = format!("ssh:cpe@127.0.0.1:{port}").parse().unwrap();
    let guest = Guest::new(&address, "web1", &credentials);
    connect_to(&guest, &Meter::default()).await.unwrap_err()
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Reads until the other side closes.
async fn drain(stream: &mut TcpStream) {
    let mut part = [0; 4096];
    while let Ok(1..) = stream.read(&mut part).await {}
}

#[tokio::test]
async fn it_says_what_the_client_says_of_whoever_is_no_ssh_server() {
    let (listener, port) = listener().await;
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"220 mail.example ready\r\n")
            .await
            .unwrap();
        stream.write_all(&vec![b'x'; 100_000]).await.unwrap();
        drain(&mut stream).await;
    });
    match refused(port).await {
        Error::NotReady(text) => {
            assert!(text.contains("ssh says"), "{text}");
            assert!(text.contains("banner"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    peer.await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_is_not_answered() {
    let (listener, port) = listener().await;
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let begin = Instant::now();
        // Ends only when the client has: its end of the connection is nobody else's.
        drain(&mut stream).await;
        begin.elapsed()
    });
    match refused(port).await {
        Error::NotReady(text) => assert!(text.contains("within 5 s"), "{text}"),
        other => panic!("{other:?}"),
    }
    let silent = tokio::time::timeout(HANDSHAKE_TIMEOUT, peer);
    assert!(silent.await.unwrap().unwrap() >= HANDSHAKE_TIMEOUT / 2);
}

#[tokio::test]
async fn nobody_listens_there() {
    let (listener, port) = listener().await;
    drop(listener);
    match refused(port).await {
        Error::NotReady(text) => assert!(text.contains("no agent listens"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_part_of_an_address_is_an_option() {
    let address = "ssh:cpe@[2001:db8::1]:2222/run/x.sock".parse().unwrap();
    let login = Login::of(&address).unwrap();
    let files = Files {
        folder: "/f".into(),
        known_hosts: "/f/known_hosts".into(),
        keys: vec!["/f/id_rsa".into()],
    };
    let silence = Duration::from_millis(1500);
    let all = arguments(&login, &files, silence, Path::new("/tmp/m/agent"));
    let all: Vec<&str> = all.iter().map(|word| word.to_str().unwrap()).collect();
    let text = all.join(" ");
    for part in [
        "-F none ",
        "-o BatchMode=yes ",
        "-o StrictHostKeyChecking=yes ",
        "-o UserKnownHostsFile=\"/f/known_hosts\" ",
        "-o IdentityFile=\"/f/id_rsa\" ",
        "-o ServerAliveInterval=2 ",
        "-L /tmp/m/agent:/run/x.sock ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.ends_with("-p 2222 -l cpe -- 2001:db8::1"), "{text}");
}
