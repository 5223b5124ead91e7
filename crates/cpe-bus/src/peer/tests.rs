//! Connections at socket files. Those over networks: `crates/cpe-pki/tests`.

use std::os::unix::fs::PermissionsExt;

use tokio::net::UnixListener;

use super::*;
use crate::Error;

struct Echo;

#[zbus::interface(name = "org.cloudpolicy.Test1")]
impl Echo {
    fn echo(&self, text: &str) -> String {
        text.to_owned()
    }
}

fn address(dir: &tempfile::TempDir) -> PeerAddress {
    PeerAddress::Unix(dir.path().join("agent.sock"))
}

async fn serve(listener: PeerListener) {
    while let Ok(stream) = listener.accept().await {
        let builder = server_builder(stream).unwrap();
        if let Ok(connection) = builder.serve_at("/test", Echo).build().await {
            tokio::spawn(async move {
                let _kept = connection;
                std::future::pending::<()>().await;
            });
        }
    }
}

#[tokio::test]
async fn it_carries_calls_between_two_processes_without_a_bus() {
    let dir = tempfile::tempdir().unwrap();
    let address = address(&dir);
    let listener = PeerListener::bind(&address, &Access::default())
        .await
        .unwrap();
    let mode = std::fs::metadata(dir.path().join("agent.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let server = tokio::spawn(serve(listener));
    let connection = connect(&address, &Meter::default()).await.unwrap();
    let reply = connection
        .call_method(
            None::<&str>,
            "/test",
            Some("org.cloudpolicy.Test1"),
            "Echo",
            &"hello",
        )
        .await;
    assert_eq!(
        reply.unwrap().body().deserialize::<String>().unwrap(),
        "hello"
    );
    server.abort();
}

#[tokio::test]
async fn it_carries_more_than_a_socket_takes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let address = address(&dir);
    let listener = PeerListener::bind(&address, &Access::default())
        .await
        .unwrap();
    let server = tokio::spawn(serve(listener));
    let connection = connect(&address, &Meter::default()).await.unwrap();
    let text = "x".repeat(8 << 20);
    let echo = async || {
        let interface = Some("org.cloudpolicy.Test1");
        let reply = connection
            .call_method(None::<&str>, "/test", interface, "Echo", &text)
            .await;
        reply.unwrap().body().deserialize::<String>().unwrap()
    };
    // Both directions are full at the same time.
    let (one, other) = tokio::join!(echo(), echo());
    assert!(one == text && other == text);
    server.abort();
}

#[tokio::test]
async fn it_follows_no_symbolic_link() {
    let dir = tempfile::tempdir().unwrap();
    let address = address(&dir);
    let access = Access::default();
    let listener = PeerListener::bind(&address, &access).await.unwrap();
    let server = tokio::spawn(serve(listener));
    std::os::unix::fs::symlink("agent.sock", dir.path().join("link.sock")).unwrap();
    std::os::unix::fs::symlink(".", dir.path().join("folder")).unwrap();
    for path in ["link.sock", "folder/agent.sock"] {
        let link = PeerAddress::Unix(dir.path().join(path));
        match connect(&link, &Meter::default()).await {
            Err(Error::AccessDenied(text)) => assert!(text.contains("symbolic link"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(connect(&address, &Meter::default()).await.is_ok());
    server.abort();
}

/// A peer that plays a server's handshake, sends these bytes and waits.
async fn rude(listener: UnixListener, bytes: Vec<u8>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut heard = Vec::new();
    stream.read_buf(&mut heard).await.unwrap();
    let welcome = b"OK 0123456789abcdef0123456789abcdef\r\n";
    stream.write_all(welcome).await.unwrap();
    while !heard.ends_with(b"BEGIN\r\n") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
    }
    stream.write_all(&bytes).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_on_its_header() {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("agent.sock")).unwrap();
    let mut header = vec![b'l', 4, 0, 1];
    header.extend((127_u32 << 20).to_le_bytes());
    header.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    let peer = tokio::spawn(rude(listener, header));
    let connection = connect(&address(&dir), &Meter::default()).await.unwrap();
    // Nothing but the refusal ends it: the peer waits.
    tokio::time::timeout(HANDSHAKE_TIMEOUT, connection.closed())
        .await
        .unwrap();
    peer.abort();
}

/// A peer that answers a handshake with these bytes again and again, and never ends it.
async fn endless(listener: UnixListener, bytes: &'static [u8], pause: Duration) {
    use tokio::io::AsyncWriteExt;
    let (mut stream, _) = listener.accept().await.unwrap();
    while stream.write_all(bytes).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

/// How long a connection to it is tried, and why it is given up.
async fn given_up(bytes: &'static [u8], pause: Duration) -> (Duration, String) {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("agent.sock")).unwrap();
    let peer = tokio::spawn(endless(listener, bytes, pause));
    let begin = std::time::Instant::now();
    let given_up = connect(&address(&dir), &Meter::default()).await;
    peer.abort();
    (begin.elapsed(), given_up.unwrap_err().message().to_string())
}

#[tokio::test]
async fn a_handshake_is_bounded_in_bytes_and_in_time() {
    let (much, little) = tokio::join!(
        given_up(&[b'x'; 1000], Duration::from_millis(1)),
        given_up(b"x", Duration::from_millis(200)),
    );
    assert!(much.0 < HANDSHAKE_TIMEOUT, "{much:?}");
    assert!(much.1.contains("longer than 4096 bytes"), "{much:?}");
    let patience = HANDSHAKE_TIMEOUT + Duration::from_secs(3);
    assert!(
        little.0 >= HANDSHAKE_TIMEOUT && little.0 < patience,
        "{little:?}"
    );
    assert!(little.1.contains("did not answer within"), "{little:?}");
}

#[tokio::test]
async fn it_says_that_no_agent_listens() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        connect(&address(&dir), &Meter::default()).await,
        Err(Error::NotReady(_))
    ));
}

#[tokio::test]
async fn it_replaces_a_dead_socket_but_not_a_living_one() {
    let dir = tempfile::tempdir().unwrap();
    let address = address(&dir);
    let first = PeerListener::bind(&address, &Access::default())
        .await
        .unwrap();
    assert!(matches!(
        PeerListener::bind(&address, &Access::default()).await,
        Err(Error::Busy(_))
    ));
    drop(first);
    PeerListener::bind(&address, &Access::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn it_refuses_users_who_are_not_on_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let address = address(&dir);
    let access = Access {
        allowed_uids: vec![4_000_000_000],
        ..Access::default()
    };
    let server = tokio::spawn(serve(PeerListener::bind(&address, &access).await.unwrap()));
    assert!(matches!(
        connect(&address, &Meter::default()).await,
        Err(Error::Failed(_))
    ));
    server.abort();
}
