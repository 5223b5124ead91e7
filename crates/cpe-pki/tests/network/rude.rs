//! Strangers that send too much, too little or nonsense.

use std::time::{Duration, Instant};

use cpe_bus::peer::{HANDSHAKE_TIMEOUT, PeerAddress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Agent, World, echo};

async fn stranger(agent: &Agent) -> TcpStream {
    let PeerAddress::Tcp { host, port } = &agent.address else {
        panic!("{}", agent.address);
    };
    let place = (host.as_str(), port.unwrap());
    TcpStream::connect(place).await.unwrap()
}

/// How long the agent takes to hang up.
async fn hung_up(mut stream: TcpStream) -> Duration {
    let begin = Instant::now();
    let mut said = Vec::new();
    let ended = stream.read_to_end(&mut said);
    let _ = tokio::time::timeout(HANDSHAKE_TIMEOUT * 2, ended)
        .await
        .expect("it is still connected");
    begin.elapsed()
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_in_time() {
    let (_world, agent, dpe) = World::with_both().await;
    let silent = stranger(&agent).await;
    // Meanwhile others are served.
    let connection = dpe.connect(&agent, "web1").await.unwrap();
    assert_eq!(echo(&connection, "x").await.unwrap(), "x");
    let after = hung_up(silent).await;
    assert!(
        after <= HANDSHAKE_TIMEOUT + Duration::from_secs(2),
        "{after:?}"
    );
    agent.refuses("too slow").await;
}

#[tokio::test]
async fn who_sends_a_handshake_byte_by_byte_is_cut_off_in_time() {
    let (_world, agent, _dpe) = World::with_both().await;
    let (mut reading, mut writing) = stranger(&agent).await.into_split();
    let begin = Instant::now();
    // The beginning of a record of a handshake, and so on.
    let dripping = tokio::spawn(async move {
        for byte in [22, 3, 1, 0x3e, 0x80, 1].into_iter().chain([0; 1000]) {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    let mut said = Vec::new();
    let ended = reading.read_to_end(&mut said);
    let _ = tokio::time::timeout(HANDSHAKE_TIMEOUT * 2, ended)
        .await
        .expect("it is still connected");
    dripping.abort();
    let after = begin.elapsed();
    assert!(
        after <= HANDSHAKE_TIMEOUT + Duration::from_secs(2),
        "{after:?}"
    );
    agent.refuses("too slow").await;
}

#[tokio::test]
async fn who_speaks_no_tls_is_cut_off_at_once() {
    let (_world, agent, _dpe) = World::with_both().await;
    let mut plain = stranger(&agent).await;
    plain.write_all(b"\0AUTH ANONYMOUS\r\n").await.unwrap();
    let after = hung_up(plain).await;
    assert!(after < HANDSHAKE_TIMEOUT / 2, "{after:?}");
    agent.refuses("is no DPE").await;
}

#[tokio::test]
async fn a_handshake_that_is_too_long_is_cut_off() {
    let (_world, agent, _dpe) = World::with_both().await;
    let mut long = stranger(&agent).await;
    // Records of a handshake whose one message is announced to be 60,000 bytes long.
    let mut sent = vec![1, 0, 0xea, 0x60];
    sent.resize(60_000, 0);
    for part in sent.chunks(16_000) {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        let record = [&[22, 3, 1][..], &length, part].concat();
        if long.write_all(&record).await.is_err() {
            break;
        }
    }
    let after = hung_up(long).await;
    assert!(after < HANDSHAKE_TIMEOUT / 2, "{after:?}");
    agent.refuses("is no DPE").await;
}
