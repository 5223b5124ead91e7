//! Calls into a guest through its QEMU guest agent: programs, and the helper that keeps the record
//! of operations there.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controller::{Connect, Input, Occupant, Operation};
use cpe_bus::fields::bounded;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::stream::End;
use super::network::Network;
use super::report::{self, Page};
use super::script;
use super::wire::{Failure, Wire};
use crate::permit::Permit;

/// What runs in the guest.
const HELPER: &str = include_str!("guest.sh");
/// Puts it there: `$1` is the folder, `$2` the file.
const INSTALL: &str = "umask 077; mkdir -p \"$1\" && cat > \"$2.$$\" && \
    [ \"$(tail -n 1 \"$2.$$\")\" = '# the end of the helper' ] && mv -f \"$2.$$\" \"$2\"";
/// How long a call of the helper may take. It waits 5 s for its lock.
const HELPER_TIMEOUT: Duration = Duration::from_secs(20);
/// First and longest pause between two looks whether a program in the guest has ended.
const PAUSES: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(100));
/// The calls that are needed.
const CALLS: [&str; 2] = ["guest-exec", "guest-exec-status"];
/// Longest operation whose record fits into an answer, in bytes: that of the most that a document
/// may say of a service ([`cpe_status::limits`]), with every character escaped.
const MAX_OPERATION: usize = 384 << 10;
/// Longest operation with the script that carries it out, in bytes: it has the parameters twice,
/// and each character may be a quotation mark.
const MAX_CALL: usize = 4 * MAX_OPERATION;
/// Most records of a guest: more than its helper keeps.
const MAX_RECORDS: usize = 2048;
/// What all of them may take on their way, in bytes: as of our own agent.
const MAX_HISTORY: usize = 28 << 20;

/// Where things are in a guest, and the socket that leads to it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub socket: PathBuf,
    pub folder: &'static str,
    pub ocf_root: &'static str,
}

impl Place {
    pub(super) fn at(socket: &Path) -> Place {
        Place {
            socket: socket.to_owned(),
            folder: "/run/cpe-qga",
            ocf_root: "/usr/lib/ocf",
        }
    }
}

/// Who a guest is.
#[derive(Debug)]
pub(super) struct Identity {
    pub machine_id: String,
    pub boot_id: String,
    pub version: String,
    /// How it is asked for its name and its addresses.
    pub network: Network,
}

/// The answer to an operation that was to be begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It has this number.
    As(u32),
    /// The guest takes no more.
    Refused(String),
}

/// A guest with a connection.
pub(super) struct Guest<'a> {
    connect: &'a Connect,
    place: &'a Place,
    inputs: &'a mpsc::Sender<Input>,
    wire: Wire,
    /// To be looked at immediately before anything is run in the guest.
    permit: Permit,
    /// Makes this Hello another one than all before.
    nonce: String,
    helper: String,
    /// When the next heartbeat is due. `None`: the controller does not know of this stream yet.
    pub next_beat: Option<Instant>,
}

/// A text as the name of a file, the same in every version: its beginning, so that it can be read,
/// and a hash (FNV-1a), so that two resources do not share one.
pub(super) fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let readable: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(40)
        .collect();
    format!("{readable}-{hash:016x}")
}

impl<'a> Guest<'a> {
    pub(super) async fn open(
        connect: &'a Connect,
        place: &'a Place,
        inputs: &'a mpsc::Sender<Input>,
        permit: &Permit,
    ) -> Result<Guest<'a>, End> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Ok(Guest {
            connect,
            place,
            inputs,
            wire: Wire::connect(&place.socket).await?,
            permit: permit.clone(),
            nonce: format!("{}-{}-{count}", since.as_nanos(), std::process::id()),
            helper: format!("{}/helper-{}", place.folder, digest(HELPER)),
            next_beat: None,
        })
    }

    /// Sends a heartbeat to the controller for each that the guest agent answers, when it is due.
    pub(super) async fn beat(&mut self) -> Result<(), End> {
        let Some(due) = self.next_beat.filter(|due| *due <= Instant::now()) else {
            return Ok(());
        };
        self.wire.call("guest-ping", json!({})).await?;
        let interval = Duration::from_millis(self.connect.heartbeat_interval_ms.max(100).into());
        // After a long call those that were missed are not made up for.
        self.next_beat = Some((due + interval).max(Instant::now()));
        let heartbeat = Input::Heartbeat {
            assembly: self.connect.assembly.clone(),
            stamp_us: 0,
        };
        let _ = self.inputs.send(heartbeat).await;
        Ok(())
    }

    /// Runs a shell in the guest to its end; returns what it wrote.
    async fn shell(&mut self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, End> {
        let call = json!({
            "path": "/bin/sh",
            "arg": arguments,
            "input-data": STANDARD.encode(input),
            "capture-output": true,
        });
        while !self.permit.may_send() {
            tokio::time::sleep(PAUSES.1).await;
            // That it is there is heard meanwhile: a ping changes nothing.
            self.beat().await?;
        }
        let begun = match self.wire.call("guest-exec", call).await {
            Err(Failure::Refused(text)) => {
                return Err(End::unusable(format!(
                    "its QEMU guest agent does not run programs: {text}: allow guest-exec and guest-exec-status in the guest (BLACKLIST_RPC or FILTER_RPC_ARGS in /etc/sysconfig/qemu-ga, block-rpcs in /etc/qemu/qemu-ga.conf), and in its SELinux"
                )));
            }
            begun => begun?,
        };
        let program = begun["pid"].clone();
        let deadline = Instant::now() + HELPER_TIMEOUT;
        let mut pause = PAUSES.0;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            let asked = json!({"pid": program});
            let status = self.wire.call("guest-exec-status", asked).await?;
            if status["exited"] == json!(true) {
                return output(&status);
            }
            self.beat().await?;
            if Instant::now() > deadline {
                return Err(End::because(format!(
                    "a call in its guest did not end within {} s",
                    HELPER_TIMEOUT.as_secs()
                )));
            }
        }
    }

    /// Calls the helper; returns what it says, where it does not refuse.
    async fn call(&mut self, verb: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, End> {
        let (helper, nonce) = (self.helper.clone(), self.nonce.clone());
        let mut all = vec![helper.as_str(), self.place.folder, &nonce, verb];
        all.extend(arguments);
        let said = self.shell(&all, input).await?;
        match first_words(&said).as_slice() {
            ["superseded"] => Err(End::because(
                "its guest was rebooted, or obeys another DPE since",
            )),
            ["busy"] => Err(End::because("its guest is busy with another call")),
            ["lacks", what] => Err(End::unusable(format!(
                "its guest lacks what operations need there: {what}"
            ))),
            _ => Ok(said),
        }
    }

    /// Puts the helper into the guest, and takes the guest over.
    pub(super) async fn greet(&mut self) -> Result<Identity, End> {
        let info = self.wire.call("guest-info", json!({})).await?;
        let known = info["supported_commands"].as_array();
        let is_allowed = |name: &str| {
            let is_it =
                |command: &Value| command["name"] == name && command["enabled"] == json!(true);
            known.is_some_and(|known| known.iter().any(is_it))
        };
        check_calls(is_allowed)?;
        let network = Network::of(is_allowed);
        let version = info["version"].as_str().unwrap_or("?");
        let (folder, helper) = (self.place.folder, self.helper.clone());
        let install = ["-c", INSTALL, "sh", folder, &helper];
        self.shell(&install, HELPER.as_bytes()).await?;
        let (epoch, assembly) = (self.connect.epoch.to_string(), &self.connect.assembly);
        let arguments = [
            epoch.as_str(),
            &self.connect.deployment,
            assembly.in_document(),
        ];
        let said = self.call("hello", &arguments, b"").await?;
        match first_words(&said).as_slice() {
            ["ok", machine_id, boot_id] => Ok(Identity {
                machine_id: bounded(machine_id, 64).to_ascii_lowercase(),
                boot_id: bounded(boot_id, 64),
                version: format!("qemu-ga {}", bounded(version, 64)),
                network,
            }),
            ["stale", epoch] => Err(End {
                seen_epoch: epoch.parse().ok(),
                ..End::because("its guest obeys a later start of this deployment's DPE")
            }),
            ["occupied", machine_id, deployment, assembly] => Err(End {
                occupant: Some(Occupant {
                    machine_id: bounded(machine_id, 64),
                    deployment: bounded(deployment, 255),
                    assembly: bounded(assembly, 255),
                }),
                ..End::because(format!(
                    "its guest is assembly {assembly} of deployment {deployment}"
                ))
            }),
            _ => Err(strange(&said)),
        }
    }

    /// All records.
    pub(super) async fn history(&mut self) -> Result<Page, End> {
        let mut all = Page::default();
        let (mut from, mut length) = (0, 0);
        loop {
            let (page, taken) = self.page("history", &[from.to_string()]).await?;
            all.entries.extend(page.entries);
            length += taken;
            if all.entries.len() > MAX_RECORDS || length > MAX_HISTORY {
                return Err(End::because("its guest has more records than it may keep"));
            }
            match page.more {
                Some(next) if next > from => from = next,
                _ => return Ok(all),
            }
        }
    }

    /// What has become of these.
    pub(super) async fn look(&mut self, numbers: &[u32]) -> Result<Page, End> {
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let (page, _) = self.page("look", &numbers).await?;
        Ok(page)
    }

    /// What the helper says of records, and how long that is.
    async fn page(&mut self, verb: &str, arguments: &[String]) -> Result<(Page, usize), End> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = self.call(verb, &arguments, b"").await?;
        let strange = |what| End::because(format!("its guest says what cannot be read: {what}"));
        Ok((report::page(&said).map_err(strange)?, said.len()))
    }

    /// Asks the guest agent itself. `None`: it refuses.
    pub(super) async fn ask(&mut self, call: &str) -> Result<Option<Value>, End> {
        match self.wire.call(call, json!({})).await {
            Err(Failure::Refused(_)) => Ok(None),
            answer => Ok(Some(answer?)),
        }
    }

    /// What the helper says of the guest's network. It fails if the guest is another one by now.
    pub(super) async fn network(&mut self, wants: &[&str]) -> Result<Vec<u8>, End> {
        self.call("network", wants, b"").await
    }

    /// Has an operation recorded and begun, at once or after its delay.
    pub(super) async fn begin(&mut self, operation: &Operation) -> Result<Begun, End> {
        let input = match input_of(operation, self.place.ocf_root) {
            Ok(input) => input,
            Err(reason) => return Ok(Begun::Refused(reason)),
        };
        let (interval, timeout) = (operation.interval_ms, script::timeout_s(operation));
        let delay = operation.start_delay_ms().div_ceil(10);
        let numbers = [interval, timeout, delay].map(|number| number.to_string());
        let arguments = [
            &digest(&operation.resource),
            operation.action.as_str(),
            &numbers[0],
            &numbers[1],
            &numbers[2],
            &operation.id,
        ];
        let said = self.call("begin", &arguments, input.as_bytes()).await?;
        match first_words(&said).as_slice() {
            ["ok", number, _] | ["again", number] => match number.parse() {
                Ok(number) => Ok(Begun::As(number)),
                Err(_) => Err(strange(&said)),
            },
            ["full"] => Ok(Begun::Refused(
                "its guest keeps as many records as it can".to_owned(),
            )),
            _ => Err(strange(&said)),
        }
    }

    /// Gives what runs the id and the words of the same operation, which is asked for again; false:
    /// it has ended meanwhile.
    pub(super) async fn adopt(&mut self, number: u32, operation: &Operation) -> Result<bool, End> {
        let Ok(input) = input_of(operation, self.place.ocf_root) else {
            return Ok(false);
        };
        let arguments = [&number.to_string(), operation.id.as_str()];
        let said = self.call("adopt", &arguments, input.as_bytes()).await?;
        match first_words(&said).as_slice() {
            ["ok"] => Ok(true),
            ["gone"] => Ok(false),
            _ => Err(strange(&said)),
        }
    }

    /// Has a recurring operation run once more, or one whose delay is over.
    pub(super) async fn turn(&mut self, number: u32) -> Result<bool, End> {
        let said = self.call("turn", &[&number.to_string()], b"").await?;
        match first_words(&said).as_slice() {
            ["ok", ..] => Ok(true),
            ["gone"] => Ok(false),
            _ => Err(strange(&said)),
        }
    }

    /// Ends an operation and deletes its record.
    pub(super) async fn drop_record(&mut self, number: u32) -> Result<(), End> {
        self.done("drop", &number.to_string()).await
    }

    /// Deletes the records of a resource.
    pub(super) async fn forget(&mut self, resource: &str) -> Result<(), End> {
        self.done("forget", &digest(resource)).await
    }

    /// Gives the guest up; false: it keeps its owner, since services may be running.
    pub(super) async fn release(&mut self, keep_services: bool) -> Result<bool, End> {
        let keep = if keep_services { "1" } else { "0" };
        let said = self.call("release", &[keep], b"").await?;
        match first_words(&said).as_slice() {
            ["ok"] => Ok(true),
            ["active"] => Ok(false),
            _ => Err(strange(&said)),
        }
    }

    async fn done(&mut self, verb: &str, argument: &str) -> Result<(), End> {
        let said = self.call(verb, &[argument], b"").await?;
        match first_words(&said).as_slice() {
            ["ok"] => Ok(()),
            _ => Err(strange(&said)),
        }
    }
}

/// Which calls are blocked is known before they are made.
fn check_calls(is_allowed: impl Fn(&str) -> bool) -> Result<(), End> {
    let blocked: Vec<&str> = CALLS.into_iter().filter(|name| !is_allowed(name)).collect();
    if blocked.is_empty() {
        return Ok(());
    }
    Err(End::unusable(format!(
        "its QEMU guest agent does not allow {}: take them out of what is blocked in the guest (BLACKLIST_RPC or FILTER_RPC_ARGS in /etc/sysconfig/qemu-ga, block-rpcs in /etc/qemu/qemu-ga.conf) and restart qemu-guest-agent",
        blocked.join(" and ")
    )))
}

/// An operation as its record keeps it, and the script that carries it out. `Err`: why it cannot be
/// carried out.
fn input_of(operation: &Operation, ocf_root: &str) -> Result<String, String> {
    report::check(operation)?;
    let script = script::of(operation, ocf_root).map_err(|error| error.message())?;
    let json = serde_json::to_string(operation).map_err(|error| error.to_string())?;
    let input = format!("{json}\n{script}");
    if input.len() > MAX_CALL || json.len() > MAX_OPERATION {
        return Err(format!(
            "an operation of {} bytes; at most {MAX_OPERATION} go through a QEMU guest agent",
            json.len()
        ));
    }
    Ok(input)
}

/// What a program in the guest wrote, if it ended well.
fn output(status: &Value) -> Result<Vec<u8>, End> {
    let decoded = |name: &str| STANDARD.decode(status[name].as_str().unwrap_or_default());
    let written = decoded("out-data")
        .map_err(|error| End::because(format!("its QEMU guest agent sent no base64: {error}")))?;
    if status["exitcode"] == json!(0) && status["out-truncated"] != json!(true) {
        return Ok(written);
    }
    let complaint = decoded("err-data").unwrap_or_default();
    let complaint = bounded(String::from_utf8_lossy(&complaint).trim(), 400);
    let how = match status["signal"].as_u64() {
        Some(signal) => format!("died of signal {signal}"),
        None => format!("ended with code {}", status["exitcode"]),
    };
    Err(End::because(format!(
        "a call in its guest {how}: {complaint}"
    )))
}

/// The words of the first line.
fn first_words(said: &[u8]) -> Vec<&str> {
    let line = said.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).unwrap_or_default();
    line.split(' ').collect()
}

fn strange(said: &[u8]) -> End {
    let said = bounded(&String::from_utf8_lossy(said), 100);
    End::because(format!("its guest says what cannot be read: {said}"))
}
