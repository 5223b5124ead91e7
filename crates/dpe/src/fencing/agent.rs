//! Running a ClusterLabs fence agent: one action, and switching a device off so that it shows.

use std::collections::BTreeSet;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use controller::{Command, Device};
use cpe_fence::{MAX_REPLY, MAX_RUN, Parameter, Reply, Request, Value};
use deployment::SecretUse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::note;
use super::places::Places;
use crate::permit::{Permit, SILENT};

/// How often the status of a device is asked that still says it is on.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// A run that has no place on the host is hung up on sooner than this, and one that was begun is
/// not, as a rule.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Pauses before it is tried again. Other deployments' agents need a second or two.
const CROWDED_PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// The exit status of `status` by which a fence agent says that its device is off.
pub(super) const STATUS_OFF: i32 = 2;
/// That by which it says that it could not tell.
pub(super) const STATUS_FAILED: i32 = 1;

/// The way to fence agents, which run in units of their own: see crate `cpe-fence`.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    /// Where systemd listens for runs.
    pub socket: PathBuf,
    /// Whose fence agents these are.
    pub deployment: String,
    /// To be looked at immediately before anything is asked of a device.
    pub permit: Permit,
    /// For runs at a time.
    pub places: Places,
}

impl Gate {
    /// # Errors
    /// If nothing may be asked of a device now. The attempt ends then: what is to be done is
    /// decided again when it may be done.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self.permit.may_send() {
            true => Ok(()),
            false => bail!(SILENT),
        }
    }
}

/// A fence agent and the device that it is to switch.
pub(super) struct Agent<'a> {
    pub gate: &'a Gate,
    /// For which assembly; empty: for the device as such.
    pub assembly: &'a str,
    pub device: &'a Device,
    /// Parameters that say which host is meant, beside those of the device.
    pub host: Vec<(String, String)>,
}

/// What a fence agent says about itself.
pub(super) struct Metadata(pub String);

impl Metadata {
    /// It has that action.
    pub(super) fn knows(&self, action: &str) -> bool {
        self.has("action", action)
    }

    /// It has that parameter.
    pub(super) fn takes(&self, parameter: &str) -> bool {
        self.has("parameter", parameter)
    }

    /// That action has to run in the host that it is about (`on_target`).
    pub(super) fn runs_in_host(&self, action: &str) -> bool {
        let agent = deployment::metadata::read(&self.0);
        let mut actions = agent.into_iter().flat_map(|agent| agent.actions);
        actions.any(|own| own.name == action && own.on_target)
    }

    fn has(&self, element: &str, name: &str) -> bool {
        let spellings = [format!("name=\"{name}\""), format!("name='{name}'")];
        let opening = format!("<{element} ");
        self.0.split(&opening).skip(1).any(|rest| {
            let tag = rest.split('>').next().unwrap_or_default();
            spellings.iter().any(|spelling| tag.contains(spelling))
        })
    }
}

/// How a fence agent ended, and what it said.
pub(super) struct Ended {
    /// `None`: a signal has ended it.
    pub code: Option<i32>,
    pub said: String,
    pub complained: String,
}

impl Ended {
    pub(super) fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// For people.
    pub(super) fn how(&self) -> String {
        match self.code {
            Some(code) => format!("exit status {code}"),
            None => "a signal".to_owned(),
        }
    }
}

impl<'a> Agent<'a> {
    /// The agent of a device.
    pub(super) fn new(gate: &'a Gate, assembly: &'a str, device: &'a Device) -> Agent<'a> {
        Agent {
            gate,
            assembly,
            device,
            host: Vec::new(),
        }
    }

    /// # Errors
    /// If it does not say all: what it can do would be taken for what it cannot, and an exit status
    /// believed where the device could be asked.
    pub(super) async fn metadata(&self) -> anyhow::Result<Metadata> {
        let ended = self.run("metadata").await?;
        if !ended.is_success() || !ended.said.contains("</resource-agent>") {
            bail!(
                "{} does not say what it can do: \"metadata\" ended with {}",
                self.device.agent,
                ended.how()
            );
        }
        Ok(Metadata(ended.said))
    }

    /// Switches the device off and sees that it is off. An agent that cannot be asked for that is
    /// asked for the whole, and believed. `true`: it is to be switched on (`reboot`).
    pub(super) async fn power(
        &self,
        known: &Metadata,
        reboot: bool,
        trouble: &Mutex<String>,
    ) -> anyhow::Result<bool> {
        let Device {
            off, on, status, ..
        } = self.device;
        let whole = match reboot {
            true => &self.device.reboot,
            false => off,
        };
        // A document may say that a reboot is an off, or an off a reboot.
        let on_again = reboot && whole.action == "reboot";
        let shows_off = whole.action == "off" || (on_again && off.action == "off");
        let can = shows_off
            && known.knows("off")
            && known.knows(&status.action)
            && (known.knows(&on.action) || !on_again);
        if !can {
            self.succeed(whole).await?;
            return Ok(false);
        }
        let limit = Duration::from_millis(off.timeout_ms.into());
        let switched = async {
            self.succeed(off).await?;
            self.see_off(trouble).await
        };
        tokio::time::timeout(limit, switched)
            .await
            .with_context(|| format!("it is not seen to be off within {} s", limit.as_secs()))??;
        Ok(on_again)
    }

    /// Switches the device on, unless it says that it is.
    pub(super) async fn switch_on(&self, known: &Metadata) -> anyhow::Result<()> {
        let status = &self.device.status.action;
        if known.knows(status) && self.run(status).await?.is_success() {
            return Ok(());
        }
        self.succeed(&self.device.on).await
    }

    /// Waits until the device says that it is off.
    async fn see_off(&self, trouble: &Mutex<String>) -> anyhow::Result<()> {
        loop {
            let status = self.run(&self.device.status.action).await?;
            if status.code == Some(STATUS_OFF) {
                return Ok(());
            }
            let text = format!(
                "{} said that it has switched off, but \"status\" ends with {}",
                self.device.agent,
                status.how()
            );
            note(trouble, text);
            tokio::time::sleep(STATUS_PAUSE).await;
        }
    }

    /// Has a command done: as often as it may be tried, within its time.
    pub(super) async fn succeed(&self, command: &Command) -> anyhow::Result<()> {
        let limit = Duration::from_millis(command.timeout_ms.into());
        let attempts = async {
            for _ in 1..command.tries {
                if self.once(&command.action, pending()).await.is_ok() {
                    return Ok(());
                }
            }
            self.once(&command.action, pending()).await
        };
        tokio::time::timeout(limit, attempts)
            .await
            .with_context(|| {
                let agent = &self.device.agent;
                format!("{agent} does not answer to \"{}\" in time", command.action)
            })?
    }

    /// Has it do an action once, until that is `over`: see [`Agent::run_until`].
    pub(super) async fn once(
        &self,
        action: &str,
        over: impl Future<Output = String> + Unpin,
    ) -> anyhow::Result<()> {
        let ended = self.run_until(action, over).await?;
        if ended.is_success() {
            return Ok(());
        }
        let mut lines = ended.complained.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        bail!(
            "{} ended with {}: {}",
            self.device.agent,
            ended.how(),
            last.unwrap_or("it said nothing")
        )
    }

    /// What is asked for. `metadata` is asked without parameters: no secret is needed for it.
    fn request(&self, action: &str) -> Request {
        let parameters = self.device.parameters.iter().chain(&self.host);
        let parameters = parameters.filter(|_| action != "metadata");
        Request {
            deployment: self.gate.deployment.clone(),
            assembly: self.assembly.to_owned(),
            agent: self.device.agent.clone(),
            action: action.to_owned(),
            parameters: parameters
                .map(|own| parameter(own, &self.device.marked))
                .collect(),
            // The attempt has its own time, and ends the run by closing the connection.
            timeout_ms: u64::try_from(MAX_RUN.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Has it run with an action. Nothing of it is left when that has ended; if this is dropped
    /// before, it is ended, since the connection closes. If the host runs as many agents as it may,
    /// that is tried again.
    ///
    /// # Errors
    /// If it cannot be run, or does not end.
    pub(super) async fn run(&self, action: &str) -> anyhow::Result<Ended> {
        self.run_until(action, pending()).await
    }

    /// As [`Agent::run`], until it is `over`, which says why. Then it is killed, and nothing of it
    /// is left when this ends.
    ///
    /// # Errors
    /// As there, and if it was over.
    async fn run_until(
        &self,
        action: &str,
        mut over: impl Future<Output = String> + Unpin,
    ) -> anyhow::Result<Ended> {
        let agent = &self.device.agent;
        let mut pauses = CROWDED_PAUSES.into_iter();
        let reply = loop {
            let place = tokio::select! {
                place = self.gate.places.take() => place,
                why = &mut over => bail!(why),
            };
            let begun = Instant::now();
            let reply = self.ask(action, &mut over).await?;
            drop(place);
            if !reply.is_empty() {
                break reply;
            }
            match pauses.next() {
                Some(pause) if begun.elapsed() < AT_ONCE => tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    why = &mut over => bail!(why),
                },
                _ => bail!(
                    "{agent} was not run to its end; the journal of cpe-fence@*.service says why"
                ),
            }
        };
        match serde_json::from_slice(&reply).context("cpe-fence does not answer sensibly")? {
            Reply::Ended {
                code,
                said,
                complained,
            } => Ok(Ended {
                code,
                said,
                complained,
            }),
            Reply::TimedOut => bail!("{agent} was still running after {} s", MAX_RUN.as_secs()),
            Reply::Refused(why) => bail!("{agent} is not run: {why}"),
        }
    }

    /// The reply; empty: the other end has hung up.
    async fn ask(
        &self,
        action: &str,
        over: &mut (impl Future<Output = String> + Unpin),
    ) -> anyhow::Result<Vec<u8>> {
        let (agent, socket) = (&self.device.agent, &self.gate.socket);
        let mut stream = UnixStream::connect(socket).await.with_context(|| {
            let (socket, name) = (socket.display(), &self.gate.deployment);
            format!(
                "{agent} cannot be run: nobody answers at {socket}; is cpe-fence@{name}.socket active? If it was begun after the DPE, restart dpe@{name}.service"
            )
        })?;
        let mut line = serde_json::to_vec(&self.request(action))?;
        line.push(b'\n');
        let mut reply = Vec::new();
        let most = MAX_REPLY as u64;
        self.gate.check()?;
        let talk = async {
            stream.write_all(&line).await?;
            (&mut stream).take(most).read_to_end(&mut reply).await
        };
        let talked = tokio::select! {
            talked = talk => Ok(talked),
            why = over => Err(why),
        };
        match talked {
            Ok(Ok(_)) => Ok(reply),
            // What was said before is cut.
            Ok(Err(_)) => Ok(Vec::new()),
            Err(why) => {
                // The other end kills it, clears up, and only then closes the connection.
                stream.shutdown().await?;
                stream.read_to_end(&mut reply).await?;
                bail!(why)
            }
        }
    }
}

/// A parameter, for who runs the agent: a value, or where it is.
fn parameter((name, value): &(String, String), marked: &BTreeSet<String>) -> Parameter {
    let value = match deployment::secret_use(value) {
        Some(SecretUse::Content(path)) => Value::File(path.to_owned()),
        Some(SecretUse::Copy(path)) => Value::Copy(path.to_owned()),
        None if deployment::is_secret(name) || marked.contains(name) => {
            Value::Secret(value.clone())
        }
        None => Value::Text(value.clone()),
    };
    Parameter {
        name: name.clone(),
        value,
    }
}

/// Devices that are off, and are to be switched on.
#[derive(Debug, Default)]
pub(crate) struct Again(Vec<Off>);

/// A device that is off.
#[derive(Debug)]
struct Off {
    gate: Gate,
    assembly: String,
    device: Device,
    host: Vec<(String, String)>,
}

impl Again {
    pub(super) fn add(
        &mut self,
        gate: &Gate,
        assembly: &str,
        device: &Device,
        host: Vec<(String, String)>,
    ) {
        self.0.push(Off {
            gate: gate.clone(),
            assembly: assembly.to_owned(),
            device: device.clone(),
            host,
        });
    }

    /// Switches them on. The assembly is safe already, and its agent shows when it is back: what
    /// fails here is tried again when the controller asks.
    pub(crate) async fn switch_on(self) {
        for off in self.0 {
            let agent = Agent {
                host: off.host,
                ..Agent::new(&off.gate, &off.assembly, &off.device)
            };
            if let Err(error) = agent.succeed(&off.device.on).await {
                tracing::warn!(
                    cpe_assembly = off.assembly,
                    "{} is off, and {} does not switch it on: {error:#}",
                    off.assembly,
                    off.device.agent
                );
            }
        }
    }
}
