//! One connection: a request is read and checked, the agent is run, the reply is written.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cpe_daemon::{Cut, Hidden};

use crate::agent::{End, MAX_COMPLAINED, MAX_SAID, Run, User};
use crate::apart::{Files, Home};
use crate::caller::Callers;
use crate::protocol::{ACTIONS, MAX_REQUEST, MAX_RUN, Parameter, Reply, Request, Value};
use crate::remains::Confinement;
use crate::secrets;

/// A caller says at once what it wants, and takes the reply at once.
const TALK_TIMEOUT: Duration = Duration::from_secs(5);

/// How agents are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose requests are taken.
    pub callers: Callers,
    /// Folders of fence agents, in the order in which they are looked for.
    pub agents: Vec<PathBuf>,
    /// Where the files of `/etc/cpe/secrets/` are.
    pub secrets: PathBuf,
    /// Where copies are put that agents read.
    pub copies: PathBuf,
    /// `HOME` of agents, and a folder in it for each deployment that has its own.
    pub home: PathBuf,
    /// Folders in which agents may write.
    pub scratch: Vec<PathBuf>,
    /// As whom agents run; `None`: as this process.
    pub user: Option<User>,
    /// Where their processes are found.
    pub confinement: Confinement,
}

/// Serves one connection. An agent that is run, and this thread from then on, are kept apart from
/// the rest of the host as far as the kernel can.
///
/// # Errors
/// If the caller says nothing that is a request, or does not take the reply, and if something of
/// the agent is left.
pub fn serve(stream: &UnixStream, settings: &Settings) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(TALK_TIMEOUT))?;
    stream.set_write_timeout(Some(TALK_TIMEOUT))?;
    let Some(request) = read(stream)? else {
        return Ok(());
    };
    let begun = Instant::now();
    let ready = settings.callers.check(stream, &request.deployment);
    let ready = ready.and_then(|()| Ready::new(&request, settings));
    let reply = match ready {
        Err(error) => Some(Reply::Refused(format!("{error:#}"))),
        Ok(ready) => ready.reply(&request, settings, stream)?,
    };
    log(&request, reply.as_ref(), begun.elapsed());
    let Some(reply) = reply else { return Ok(()) };
    let mut line = serde_json::to_vec(&reply)?;
    line.push(b'\n');
    let mut stream = stream;
    stream
        .write_all(&line)
        .context("the caller does not take the reply")
}

/// The request; `None`: the caller has gone without a word.
fn read(stream: &UnixStream) -> anyhow::Result<Option<Request>> {
    let mut line = Vec::new();
    let most = MAX_REQUEST as u64;
    let mut bounded = BufReader::new(stream.take(most));
    bounded
        .read_until(b'\n', &mut line)
        .context("the caller says nothing")?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => {
            let request = serde_json::from_slice(&line);
            Ok(Some(request.context("this is not a request")?))
        }
        Some(_) => bail!("a request is a line of at most {most} bytes"),
    }
}

/// What a request comes to.
struct Ready {
    program: PathBuf,
    input: String,
    hidden: Hidden,
}

impl Ready {
    fn new(request: &Request, settings: &Settings) -> anyhow::Result<Ready> {
        if !ACTIONS.contains(&request.action.as_str()) {
            bail!("a fence agent is not asked for \"{}\"", request.action);
        }
        let program = program(request, settings)?;
        let (mut input, mut hidden) = (String::new(), Vec::new());
        for (index, parameter) in request.parameters.iter().enumerate() {
            check_name(&parameter.name)?;
            let value = value(parameter, index, request, settings)?;
            if value.contains(char::is_control) {
                bail!(
                    "the value of \"{}\" has a control character in it: write it on one line",
                    parameter.name
                );
            }
            input.push_str(&format!("{}={value}\n", parameter.name));
            if matches!(parameter.value, Value::Secret(_) | Value::File(_)) {
                hidden.push(value);
            }
        }
        // The last action counts.
        input.push_str(&format!("action={}\n", request.action));
        Ok(Ready {
            program,
            input,
            hidden: Hidden::new(hidden.iter().map(String::as_str)),
        })
    }

    /// `None`: nobody waits for it any more.
    fn reply(
        self,
        request: &Request,
        settings: &Settings,
        stream: &UnixStream,
    ) -> anyhow::Result<Option<Reply>> {
        let hide = |text: String, most: u64| {
            let cut = match (text.len() as u64) < most {
                true => Cut::No,
                false => Cut::End,
            };
            self.hidden.take_out(text, cut)
        };
        let home = Home::of(&settings.home, &request.deployment);
        let read = settings.agents.iter().chain([&settings.copies]);
        let run = Run {
            program: self.program,
            input: self.input,
            user: settings.user,
            files: Files {
                read: read.map(PathBuf::as_path).collect(),
                scratch: &settings.scratch,
                home: &home,
            },
            limit: Duration::from_millis(request.timeout_ms).min(MAX_RUN),
            confinement: &settings.confinement,
        };
        Ok(match run.run(stream)? {
            End::Ended {
                status,
                said,
                complained,
            } => Some(Reply::Ended {
                code: status.code(),
                said: hide(said, MAX_SAID),
                complained: hide(complained, MAX_COMPLAINED),
            }),
            End::TimedOut => Some(Reply::TimedOut),
            End::Deserted => None,
        })
    }
}

fn program(request: &Request, settings: &Settings) -> anyhow::Result<PathBuf> {
    let agent = &request.agent;
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !agent.starts_with("fence_") || !agent.chars().all(valid) {
        bail!("a fence agent is called fence_…, found \"{agent}\"");
    }
    let folders = settings.agents.iter();
    let found = folders
        .map(|folder| folder.join(agent))
        .find(|it| it.exists());
    found.with_context(|| {
        let folders = settings.agents.iter();
        let folders: Vec<String> = folders.map(|it| it.display().to_string()).collect();
        format!("{agent} is not installed in {}", folders.join(", "))
    })
}

/// Refuses names by which a parameter would say what the agent is to do, or more than one thing.
fn check_name(name: &str) -> anyhow::Result<()> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(valid) {
        bail!("\"{}\" is no name of a parameter", name.escape_debug());
    }
    let bare = name.trim_start_matches(['-', '_']);
    for said in ["action", "option", "method", "help", "version"] {
        if bare.eq_ignore_ascii_case(said) {
            bail!("the parameter \"{name}\" would say what the fence agent is to do");
        }
    }
    if bare
        .replace('-', "_")
        .eq_ignore_ascii_case("missing_as_off")
    {
        bail!(
            "the parameter \"{name}\" would take a machine that the device does not know for one that is off"
        );
    }
    Ok(())
}

fn value(
    parameter: &Parameter,
    index: usize,
    request: &Request,
    settings: &Settings,
) -> anyhow::Result<String> {
    let content = |path: &str| {
        let below = secrets::below(path, &request.deployment)?.to_owned();
        let content = secrets::read(&settings.secrets, &below)?;
        anyhow::Ok((below, content))
    };
    match &parameter.value {
        Value::Text(text) | Value::Secret(text) => Ok(text.clone()),
        Value::File(path) => {
            let (below, content) = content(path)?;
            secrets::line(content, &below)
        }
        Value::Copy(path) => {
            let copy = settings.copies.join(format!("{}-{index}", parameter.name));
            let (_, content) = content(path)?;
            let written = write_copy(&copy, &content, settings.user);
            written.with_context(|| format!("cannot write {}", copy.display()))?;
            Ok(copy.display().to_string())
        }
    }
}

/// Writes a file that only the agent's user can read.
fn write_copy(path: &std::path::Path, content: &[u8], user: Option<User>) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o400);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    if let Some(user) = user {
        std::os::unix::fs::fchown(&file, Some(user.uid), Some(user.gid))?;
    }
    Ok(())
}

/// One line about each run; of what agents say only the DPE knows what counts.
fn log(request: &Request, reply: Option<&Reply>, took: Duration) {
    let how = match reply {
        Some(Reply::Ended {
            code: Some(code), ..
        }) => format!("exit status {code}"),
        Some(Reply::Ended { code: None, .. }) => "ended by a signal".to_owned(),
        Some(Reply::TimedOut) => "killed: its time was over".to_owned(),
        Some(Reply::Refused(why)) => format!("not run: {why}"),
        None => "killed: its DPE has gone".to_owned(),
    };
    tracing::info!(
        cpe_deployment = request.deployment,
        cpe_assembly = request.assembly,
        "{} {}: {how}, after {:.1} s",
        request.agent,
        request.action,
        took.as_secs_f64()
    );
}
