//! Calls a guest as its DPE does, for `make bench`: `caller ADDRESS DEPLOYMENT ASSEMBLY`, on the
//! host of a lab. Prints how long connections and calls took, in µs, as JSON.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cpe_bus::peer::{self, Credentials, Guest, Meter, PeerAddress, Side};
use cpe_bus::proxies::AgentProxy;
use serde_json::{Value, json};

/// How often each is done.
const CONNECTIONS: usize = 20;
const CALLS: usize = 300;
const PROGRAMS: usize = 20;
/// How long a QEMU guest agent may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(2);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, deployment, assembly] = arguments.as_slice() else {
        bail!("expected ADDRESS DEPLOYMENT ASSEMBLY");
    };
    let address: PeerAddress = address.parse()?;
    let times = match &address {
        PeerAddress::QemuGa(socket) => through_guest_agent(Path::new(socket))?,
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(through_our_agent(&address, deployment, assembly))?,
    };
    println!("{times}");
    Ok(())
}

/// What is done again and again, and how long each took.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn since(&mut self, begin: Instant) {
        self.0.push(begin.elapsed());
    }

    /// The median, and the longest but for one in a hundred.
    fn told(mut self) -> Value {
        self.0.sort_unstable();
        let at = |percent: usize| {
            let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
            self.0.get(index).map_or(0, |time| time.as_micros() as u64)
        };
        json!([at(50), at(99)])
    }
}

async fn through_our_agent(
    address: &PeerAddress,
    deployment: &str,
    assembly: &str,
) -> anyhow::Result<Value> {
    let side = Side::Dpe {
        deployment: deployment.to_owned(),
    };
    let folder = Path::new("/etc/cpe/dpe").join(deployment);
    let credentials = Credentials::new(&folder, side);
    let guest = Guest::new(address, assembly, &credentials);
    let (mut connections, mut calls) = (Times::default(), Times::default());
    for round in 0..CONNECTIONS {
        let begin = Instant::now();
        let connection = peer::connect_to(&guest, &Meter::default()).await?;
        let agent = AgentProxy::new(&connection).await?;
        agent.describe().await?;
        connections.since(begin);
        let last = round + 1 == CONNECTIONS;
        for _ in 0..if last { CALLS } else { 0 } {
            let begin = Instant::now();
            agent.describe().await?;
            calls.since(begin);
        }
    }
    Ok(json!({ "connect": connections.told(), "call": calls.told() }))
}

/// A QEMU guest agent at a socket file.
struct GuestAgent(BufReader<UnixStream>);

impl GuestAgent {
    fn connect(socket: &Path) -> anyhow::Result<GuestAgent> {
        let stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut agent = GuestAgent(BufReader::new(stream));
        let id = json!(fastrand::u32(..));
        let arguments = json!({ "id": id });
        while agent.call("guest-sync", &arguments)? != id {}
        Ok(agent)
    }

    fn call(&mut self, name: &str, arguments: &Value) -> anyhow::Result<Value> {
        let request = json!({ "execute": name, "arguments": arguments });
        writeln!(self.0.get_mut(), "{request}")?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let reply: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        match reply.get("return") {
            Some(value) => Ok(value.clone()),
            None => bail!("{reply}"),
        }
    }
}

fn through_guest_agent(socket: &Path) -> anyhow::Result<Value> {
    let [mut connections, mut calls, mut programs] = std::array::from_fn(|_| Times::default());
    let nothing = json!({});
    for _ in 0..CONNECTIONS {
        let begin = Instant::now();
        GuestAgent::connect(socket)?.call("guest-ping", &nothing)?;
        connections.since(begin);
    }
    let mut agent = GuestAgent::connect(socket)?;
    for _ in 0..CALLS {
        let begin = Instant::now();
        agent.call("guest-ping", &nothing)?;
        calls.since(begin);
    }
    for _ in 0..PROGRAMS {
        let begin = Instant::now();
        let run = agent.call("guest-exec", &json!({ "path": "/bin/true" }))?;
        while agent.call("guest-exec-status", &json!({ "pid": run["pid"] }))?["exited"] != true {
            std::thread::sleep(LOOK);
        }
        programs.since(begin);
    }
    Ok(json!({ "connect": connections.told(), "call": calls.told(), "program": programs.told() }))
}
