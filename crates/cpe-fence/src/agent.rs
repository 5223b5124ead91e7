//! One run of a fence agent: as another user, with its parameters on standard input, for a time.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::apart::{self, Files};
use crate::remains::Confinement;

/// What a fence agent says beyond this is thrown away.
pub(crate) const MAX_SAID: u64 = 1 << 20;
/// What it complains of beyond this is thrown away.
pub(crate) const MAX_COMPLAINED: u64 = 64 << 10;
/// What its output may take after its end: somebody else may hold it open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// As whom agents run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id; the only group.
    pub gid: u32,
}

/// What is run.
pub(crate) struct Run<'a> {
    pub program: PathBuf,
    pub input: String,
    pub user: Option<User>,
    pub files: Files<'a>,
    pub limit: Duration,
    pub confinement: &'a Confinement,
}

/// How it ended.
pub(crate) enum End {
    Ended {
        status: ExitStatus,
        said: String,
        complained: String,
    },
    TimedOut,
    /// Whoever asked for it is gone.
    Deserted,
}

impl Run<'_> {
    /// Runs it until it ends, its time is over, or `asker` is closed. Afterwards nothing of it is
    /// left.
    ///
    /// # Errors
    /// If it cannot be run, or something of it is left.
    pub(crate) fn run(self, asker: &UnixStream) -> anyhow::Result<End> {
        // Secrets are read by now; what is still to be done is to watch the agent and to end it.
        apart::keep_apart(&self.files);
        let mut child = self.spawn()?;
        let pid = child.id().try_into().ok().and_then(Pid::from_raw);
        let pid = pid.context("the fence agent has no process")?;
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input;
            // An agent need not read to the end: its exit status counts.
            std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        }
        let said = beginning(child.stdout.take(), MAX_SAID);
        let complained = beginning(child.stderr.take(), MAX_COMPLAINED);
        let watched = watch(pid, asker, self.limit);
        if !matches!(watched, Ok(Watched::Ended)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let cleared = self.confinement.clear(pid);
        let status = child.wait()?;
        cleared?;
        Ok(match watched? {
            Watched::TimedOut => End::TimedOut,
            Watched::Deserted => End::Deserted,
            Watched::Ended => End::Ended {
                status,
                said: said.recv_timeout(OUTPUT_TIMEOUT).unwrap_or_default(),
                complained: complained.recv_timeout(OUTPUT_TIMEOUT).unwrap_or_default(),
            },
        })
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", &self.files.home.folder)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(user) = self.user {
            // As root this also leaves all other groups.
            command.uid(user.uid).gid(user.gid);
        }
        let child = command.spawn();
        child.with_context(|| format!("cannot run {}", self.program.display()))
    }
}

enum Watched {
    Ended,
    TimedOut,
    Deserted,
}

/// Waits for the first of: the process has ended, its time is over, who asked is gone.
fn watch(pid: Pid, asker: &UnixStream, limit: Duration) -> anyhow::Result<Watched> {
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Watched::TimedOut);
        }
        let mut watched = [
            PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(asker.as_fd(), PollFlags::IN | PollFlags::RDHUP),
        ];
        let left = left
            .try_into()
            .context("the time of the fence agent is too long")?;
        match poll(&mut watched, Some(&left)) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        // Nothing more is to be said: what comes is the end, or no DPE.
        if !watched[1].revents().is_empty() {
            return Ok(Watched::Deserted);
        }
        if !watched[0].revents().is_empty() {
            return Ok(Watched::Ended);
        }
    }
}

/// The beginning of what is said; all of it is read, so that nobody waits to say it.
fn beginning(output: Option<impl Read + Send + 'static>, most: u64) -> mpsc::Receiver<String> {
    let (give, take) = mpsc::sync_channel(1);
    let mut output = output;
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(output) = &mut output {
            let _ = output.take(most).read_to_end(&mut text);
            let _ = std::io::copy(output, &mut std::io::sink());
        }
        let _ = give.send(String::from_utf8_lossy(&text).into_owned());
    });
    take
}
