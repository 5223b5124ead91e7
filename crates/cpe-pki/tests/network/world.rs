//! A host with an authority, an agent that listens, and a DPE that connects.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpe_bus::Error;
use cpe_bus::peer::{
    self, Access, Credentials, Door, Guest, HANDSHAKE_TIMEOUT, Meter, Name, PeerAddress, Side,
};
use cpe_pki::{Authority, Recipient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zbus::Connection;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Echo;

#[zbus::interface(name = "org.cloudpolicy.Test1")]
impl Echo {
    fn echo(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// What the agent says of those that it does not let in.
pub(crate) type Refusals = Arc<Mutex<Vec<String>>>;

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) authority: Authority,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::init(&folder.path().join("pki"), "test").unwrap();
        World { folder, authority }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Issues a certificate into a folder, which gets new lists.
    pub(crate) fn issue(&mut self, folder: &str, name: &Name, days: u32) -> PathBuf {
        let folder = self.path(folder);
        let issued = self.authority.issue(name, days).unwrap();
        let to = Recipient {
            folder: folder.clone(),
            group: None,
        };
        self.authority.hand_over(&issued, &to).unwrap();
        self.authority.remember(&folder).unwrap();
        folder
    }

    /// With an agent of web1 of shop and the DPE of shop.
    pub(crate) async fn with_both() -> (World, Agent, Dpe) {
        let mut world = World::new();
        let folder = world.issue("agent", &Name::agent("shop", "web1"), 90);
        let agent = Agent::start(&folder).await;
        let folder = world.issue("dpe", &Name::dpe("shop"), 90);
        (world, agent, Dpe::new(&folder, "shop"))
    }
}

pub(crate) struct Agent {
    pub(crate) address: PeerAddress,
    pub(crate) refusals: Refusals,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Agent {
    pub(crate) async fn start(folder: &Path) -> Agent {
        Agent::start_at(folder, free_port()).await.unwrap()
    }

    pub(crate) async fn start_at(folder: &Path, address: PeerAddress) -> cpe_bus::Result<Agent> {
        let credentials = Credentials::new(folder, Side::Agent);
        let door = Door::open(&address, &Access::default(), &credentials).await?;
        let refusals = Refusals::default();
        let serving = tokio::spawn(serve(door, Arc::clone(&refusals)));
        Ok(Agent {
            address,
            refusals,
            serving,
        })
    }

    /// Waits until somebody was refused for a reason with that word.
    pub(crate) async fn refuses(&self, word: &str) {
        let begin = std::time::Instant::now();
        loop {
            let said = self.refusals.lock().unwrap().clone();
            if said.iter().any(|said| said.contains(word)) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "{word}: {said:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A way to an agent that carries one handshake up to the agent's answer, and what the DPE says to
/// that only when it is let.
pub(crate) struct Stalled {
    pub(crate) address: PeerAddress,
    stalled: Arc<tokio::sync::Notify>,
    go_on: Arc<tokio::sync::Notify>,
}

impl Stalled {
    pub(crate) async fn on_the_way_to(agent: &Agent) -> Stalled {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let PeerAddress::Tcp { host, port: end } = agent.address.clone() else {
            panic!("{}", agent.address);
        };
        let way = Stalled {
            address: format!("tcp:127.0.0.1:{port}").parse().unwrap(),
            stalled: Arc::default(),
            go_on: Arc::default(),
        };
        let (stalled, go_on) = (Arc::clone(&way.stalled), Arc::clone(&way.go_on));
        tokio::spawn(async move {
            let (dpe, _) = listener.accept().await.unwrap();
            let agent = TcpStream::connect((host, end.unwrap())).await.unwrap();
            let ((mut said, mut heard), (mut answered, mut told)) =
                (dpe.into_split(), agent.into_split());
            let mut hello = vec![0; 16 << 10];
            let length = said.read(&mut hello).await.unwrap();
            told.write_all(&hello[..length]).await.unwrap();
            let back =
                tokio::spawn(async move { tokio::io::copy(&mut answered, &mut heard).await });
            // The agent's answer is through: that is what the DPE speaks to now.
            let length = said.read(&mut hello).await.unwrap();
            stalled.notify_one();
            go_on.notified().await;
            let _ = told.write_all(&hello[..length]).await;
            let _ = tokio::io::copy(&mut said, &mut told).await;
            back.abort();
        });
        way
    }

    pub(crate) async fn has_stalled(&self) {
        self.stalled.notified().await;
    }

    pub(crate) fn go_on(&self) {
        self.go_on.notify_one();
    }
}

/// An address of this machine that nobody listens at.
fn free_port() -> PeerAddress {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    format!("tcp:127.0.0.1:{port}").parse().unwrap()
}

async fn serve(door: Door, refusals: Refusals) {
    while let Ok(visitor) = door.accept().await {
        let refusals = Arc::clone(&refusals);
        tokio::spawn(async move {
            let admitted = tokio::time::timeout(HANDSHAKE_TIMEOUT, visitor.admit());
            let refused = match admitted.await {
                Ok(Ok(admitted)) => {
                    let builder = admitted.builder.serve_at("/test", Echo);
                    match tokio::time::timeout(HANDSHAKE_TIMEOUT, builder.build()).await {
                        Ok(Ok(connection)) => return connection.closed().await,
                        Ok(Err(error)) => error.to_string(),
                        Err(_) => "too slow".to_owned(),
                    }
                }
                Ok(Err(error)) => error.message(),
                Err(_) => "too slow".to_owned(),
            };
            refusals.lock().unwrap().push(refused);
        });
    }
}

pub(crate) struct Dpe(pub(crate) Arc<Credentials>);

impl Dpe {
    pub(crate) fn new(folder: &Path, deployment: &str) -> Dpe {
        let deployment = deployment.to_owned();
        Dpe(Credentials::new(folder, Side::Dpe { deployment }))
    }

    pub(crate) async fn connect(
        &self,
        agent: &Agent,
        assembly: &str,
    ) -> cpe_bus::Result<Connection> {
        self.connect_at(&agent.address, assembly).await
    }

    pub(crate) async fn connect_at(
        &self,
        address: &PeerAddress,
        assembly: &str,
    ) -> cpe_bus::Result<Connection> {
        let guest = Guest::new(address, assembly, &self.0);
        peer::connect_to(&guest, &Meter::default()).await
    }

    /// Connects and is refused; returns why.
    pub(crate) async fn refused(&self, agent: &Agent, assembly: &str) -> String {
        match self.connect(agent, assembly).await {
            Err(Error::IdentityRefused(text)) => text,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn echo(connection: &Connection, text: &str) -> zbus::Result<String> {
    let interface = Some("org.cloudpolicy.Test1");
    let call = connection.call_method(None::<&str>, "/test", interface, "Echo", &text);
    call.await?.body().deserialize()
}

/// Whether a connection has ended by then.
pub(crate) async fn ends_within(connection: &Connection, time: Duration) -> bool {
    tokio::time::timeout(time, connection.closed())
        .await
        .is_ok()
}
