//! Running one program for one operation: its output bounded, its time limited, and nothing of it
//! left when it is killed.
//!
//! The program gets a process group of its own and an environment variable that marks everything
//! that descends from it. Killing an operation kills the group and all marked processes, except
//! those that have left the session of the agent: these are daemons that the resource agent has
//! started, and to end them is the business of its `stop`. The mark also finds what an agent
//! process that was killed has left behind, without having had to write a process id down first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpe_daemon::{Cut, Hidden};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot};

use crate::standing::not_spared;

/// The environment variable that marks an operation's processes.
pub const MARK_VARIABLE: &str = "CPE_OPERATION";

/// How long output may still come after the program has ended. A daemon that it has started may
/// hold the pipe open for ever.
const DRAIN: Duration = Duration::from_millis(10);

/// What runs a text that does not say what runs it.
const SHELL: &str = "/bin/sh";
/// How much of a file tells whether it is a text, in bytes.
const LOOKED_AT: u64 = 4096;

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment, but for the mark.
    pub environment: Vec<(String, String)>,
    /// The mark of its processes.
    pub mark: String,
    /// It is killed after this.
    pub timeout: Duration,
    /// How much of standard output, and of standard error, is kept: the end of it.
    pub keep: usize,
    /// It is killed when it has written more to standard output, or to standard error.
    pub most: Option<usize>,
    /// What is taken out of what it writes.
    pub hidden: Hidden,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Exited(i32),
    /// It died of this signal.
    Signalled(i32),
    /// It took too long and was killed.
    TimedOut,
    /// It was killed because its operation was cancelled.
    Cancelled,
    /// It wrote too much and was killed.
    Flooded,
}

/// What is left of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// The end of its standard output.
    pub stdout: String,
    /// The end of its standard error.
    pub stderr: String,
    /// How many bytes of each stream were before that: standard output, standard error.
    pub left_out: [u64; 2],
}

/// Runs a program to its end, its timeout, or its cancellation.
///
/// # Errors
/// If it cannot be executed.
pub async fn run(
    program: &Program,
    cancel: &mut oneshot::Receiver<()>,
) -> std::io::Result<Finished> {
    let mut child = spawn(program)?;
    if let Some(pid) = child.id() {
        not_spared(pid);
    }
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let flood = Flood {
        most: program.most.unwrap_or(usize::MAX),
        begun: Arc::new(Notify::new()),
    };
    let stdout = Tail::read(child.stdout.take(), program.keep, flood.clone());
    let stderr = Tail::read(child.stderr.take(), program.keep, flood.clone());

    let killed = tokio::select! {
        status = child.wait() => {
            let status = status?;
            let end = match (status.code(), status.signal()) {
                (Some(code), _) => End::Exited(code),
                (None, signal) => End::Signalled(signal.unwrap_or(0)),
            };
            return Ok(finished(end, program, stdout, stderr).await);
        }
        () = tokio::time::sleep(program.timeout) => End::TimedOut,
        () = flood.begun.notified() => End::Flooded,
        // A dropped sender does not cancel.
        Ok(()) = &mut *cancel => End::Cancelled,
    };
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let marks = BTreeSet::from([program.mark.clone()]);
    let session = own_session();
    kill_marked(&marks, session);
    child.wait().await?;
    // Whatever was being forked at the first pass is there now.
    kill_marked(&marks, session);
    Ok(finished(killed, program, stdout, stderr).await)
}

async fn finished(end: End, program: &Program, stdout: Tail, stderr: Tail) -> Finished {
    let (stdout, out_left) = stdout.finish().await;
    let (stderr, err_left) = stderr.finish().await;
    let finished = Finished {
        end,
        stdout,
        stderr,
        left_out: [out_left, err_left],
    };
    finished.without(&program.hidden)
}

impl Finished {
    /// Takes more out of what it has written.
    pub fn without(mut self, hidden: &Hidden) -> Finished {
        let [out_left, err_left] = self.left_out;
        self.stdout = hidden.take_out(self.stdout, cut(out_left));
        self.stderr = hidden.take_out(self.stderr, cut(err_left));
        self
    }
}

/// Of a stream's end, whether its beginning is missing.
fn cut(left_out: u64) -> Cut {
    match left_out {
        0 => Cut::No,
        _ => Cut::Beginning,
    }
}

/// Starts a program. A text that does not say what runs it is run by the shell, as shells
/// themselves and execvp(3) do.
fn spawn(program: &Program) -> std::io::Result<Child> {
    let started = command(&program.path, program)
        .args(&program.arguments)
        .spawn();
    let no_format = rustix::io::Errno::NOEXEC.raw_os_error();
    match started {
        Err(error) if error.raw_os_error() == Some(no_format) && is_text(&program.path) => {
            let mut shell = command(SHELL.as_ref(), program);
            shell.arg(&program.path).args(&program.arguments).spawn()
        }
        other => other,
    }
}

fn command(path: &Path, program: &Program) -> Command {
    let mut command = Command::new(path);
    let environment = program.environment.iter();
    command
        .env_clear()
        .envs(environment.map(|(name, value)| (name, value)))
        .env(MARK_VARIABLE, &program.mark)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

/// Whether a file has no NUL at its beginning: programs for other processors have.
fn is_text(path: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| {
        let mut file = std::io::Read::take(file, LOOKED_AT);
        std::io::Read::read_to_end(&mut file, &mut beginning)
    });
    read.is_ok() && !beginning.contains(&0)
}

/// How much may be written, and who is told when it is more.
#[derive(Debug, Clone)]
struct Flood {
    most: usize,
    begun: Arc<Notify>,
}

/// What is kept of a stream.
#[derive(Debug, Default)]
struct Kept {
    end: VecDeque<u8>,
    left_out: u64,
}

/// The end of a stream, read in the background.
struct Tail {
    kept: Arc<Mutex<Kept>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Tail {
    fn read<R: AsyncRead + Unpin + Send + 'static>(
        stream: Option<R>,
        keep: usize,
        flood: Flood,
    ) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let buffer = Arc::clone(&kept);
        let task = stream.map(|mut stream| {
            tokio::spawn(async move {
                let (mut chunk, mut written) = ([0u8; 4096], 0usize);
                while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                    let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
                    buffer.end.extend(&chunk[..length]);
                    let excess = buffer.end.len().saturating_sub(keep);
                    buffer.end.drain(..excess);
                    buffer.left_out += excess as u64;
                    written = written.saturating_add(length);
                    if written > flood.most {
                        flood.begun.notify_one();
                    }
                }
            })
        });
        Tail { kept, task }
    }

    async fn finish(mut self) -> (String, u64) {
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(DRAIN, &mut task).await.is_err()
        {
            task.abort();
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(kept.end.make_contiguous()).into_owned();
        (text, kept.left_out)
    }
}

/// The session of this process, in which its operations begin. 0 where it was begun outside this
/// PID namespace; `None` where the kernel does not say.
pub fn own_session() -> Option<i32> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    session_of_running(&stat)
}

/// Kills the processes with these marks that have not made themselves daemons: those in the session
/// in which their operations began. Returns how many there were.
pub fn kill_marked(marks: &BTreeSet<String>, session: Option<i32>) -> usize {
    let mut killed = 0;
    for pid in marked_processes(marks, session) {
        if kill_process(pid, Signal::KILL).is_ok() {
            killed += 1;
        }
    }
    killed
}

/// Kills what is left of operations of an earlier agent process, and waits until it is gone (at
/// most a second). `session` is that of the earlier process.
///
/// A process that is just executing another program shows no environment: one look that finds
/// nothing does not count.
pub fn kill_left_over(marks: &BTreeSet<String>, session: Option<i32>) {
    if marks.is_empty() {
        return;
    }
    let mut found_before = true;
    for _ in 0..100 {
        let found = kill_marked(marks, session) > 0;
        if !found && !found_before {
            return;
        }
        found_before = found;
        std::thread::sleep(Duration::from_millis(10));
    }
    tracing::error!(
        ?marks,
        "processes of interrupted operations cannot be killed"
    );
}

/// Processes with these marks in that session. Where the session is not known: those that are not
/// in a session which such a process has begun.
fn marked_processes(marks: &BTreeSet<String>, session: Option<i32>) -> Vec<Pid> {
    let is_mark = |variable: &[u8]| {
        let mark = variable
            .strip_prefix(MARK_VARIABLE.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="));
        mark.and_then(|mark| std::str::from_utf8(mark).ok())
            .is_some_and(|mark| marks.contains(mark))
    };
    let own = rustix::process::getpid();
    let mut marked = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    for entry in entries.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(Pid::from_raw)
        else {
            continue;
        };
        // Processes that end meanwhile, and other users' where we are not root, cannot be read:
        // they are not ours.
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        if pid == own || !environment.split(|&byte| byte == 0).any(is_mark) {
            continue;
        }
        if let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
            && let Some(session) = session_of_running(&stat)
        {
            marked.insert(pid.as_raw_nonzero().get(), session);
        }
    }
    marked
        .iter()
        .filter(|(_, theirs)| match session {
            Some(session) => **theirs == session,
            None => !marked.contains_key(theirs),
        })
        .filter_map(|(&pid, _)| Pid::from_raw(pid))
        .collect()
}

/// The session of a process by its `/proc/PID/stat`; none for a zombie, which is gone but for its
/// parent.
///
/// It is 0 where the session was begun outside this PID namespace (the agent in a container, say),
/// which is why the file is read and not `getsid` called: its wrapper takes 0 for an impossible
/// answer.
fn session_of_running(stat: &str) -> Option<i32> {
    // `pid (name) state parent group session …`; the name may hold anything, so the last
    // parenthesis counts.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(2)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into())],
            mark: uuid::Uuid::new_v4().to_string(),
            timeout: Duration::from_secs(20),
            keep: 100,
            most: None,
            hidden: Hidden::default(),
        }
    }

    async fn finish(program: &Program) -> Finished {
        let (_sender, mut cancel) = oneshot::channel();
        run(program, &mut cancel).await.unwrap()
    }

    #[tokio::test]
    async fn it_returns_code_and_output() {
        let finished = finish(&shell("echo out; echo err >&2; exit 7")).await;
        assert_eq!(
            finished,
            Finished {
                end: End::Exited(7),
                stdout: "out\n".into(),
                stderr: "err\n".into(),
                left_out: [0, 0],
            }
        );
        assert_eq!(finish(&shell("kill -9 $$")).await.end, End::Signalled(9));
    }

    #[tokio::test]
    async fn it_keeps_only_the_end_of_a_flood() {
        let finished = finish(&shell(
            "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done",
        ))
        .await;
        assert_eq!(finished.stdout.len(), 100);
        assert!(finished.stdout.ends_with("line 1999\n"));
    }

    #[tokio::test]
    async fn it_kills_what_writes_without_end() {
        let mut program = shell("yes; sleep 1000");
        program.most = Some(1_000_000);
        assert_eq!(finish(&program).await.end, End::Flooded);
    }

    #[tokio::test]
    async fn it_kills_grandchildren_in_process_groups_of_their_own_at_the_timeout() {
        // `set -m` gives each background job a process group of its own, out of reach of the first
        // one's.
        let mut program = shell("set -m; (sleep 1000; :) & sleep 1000");
        program.timeout = Duration::from_millis(100);
        assert_eq!(finish(&program).await.end, End::TimedOut);
        let marks = BTreeSet::from([program.mark.clone()]);
        for _ in 0..200 {
            if marked_processes(&marks, own_session()).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("a grandchild survived");
    }

    #[tokio::test]
    async fn it_does_not_wait_for_a_daemon_that_holds_the_pipes() {
        let program = shell("sleep 1000 & echo started");
        let finished = finish(&program).await;
        assert_eq!(
            (finished.end, finished.stdout.as_str()),
            (End::Exited(0), "started\n")
        );
        // While the shell's child executes `sleep`, its environment cannot be read.
        let marks = BTreeSet::from([program.mark]);
        for _ in 0..200 {
            if kill_marked(&marks, own_session()) == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the daemon was not found");
    }

    #[tokio::test]
    async fn it_spares_a_daemon_whose_session_leader_is_gone() {
        // As daemons do that fork twice: the one that began the session ends at once.
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let mut program = shell(&format!(
            "setsid sh -c 'sleep 1000 & echo $! > {}'; sleep 1000",
            pid_file.display()
        ));
        program.timeout = Duration::from_millis(500);
        assert_eq!(finish(&program).await.end, End::TimedOut);
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        let daemon = format!("/proc/{}/stat", pid.trim());
        let stat = std::fs::read_to_string(daemon).unwrap();
        let session = session_of_running(&stat).expect("the daemon runs");
        let marks = BTreeSet::from([program.mark]);
        assert_eq!(kill_marked(&marks, own_session()), 0);
        assert_eq!(kill_marked(&marks, Some(session)), 1);
    }

    #[test]
    fn it_reads_the_session_of_a_running_process() {
        let stat =
            |name, state, session| format!("12 ({name}) {state} 1 12 {session} 0 -1 4194560");
        assert_eq!(session_of_running(&stat("sh", "S", 9)), Some(9));
        assert_eq!(session_of_running(&stat("a) Z 1 1 1", "R", 7)), Some(7));
        assert_eq!(session_of_running(&stat("sh", "S", 0)), Some(0));
        assert_eq!(session_of_running(&stat("sh", "Z", 9)), None);
        assert_eq!(session_of_running("12 (sh"), None);
    }

    #[tokio::test]
    async fn it_kills_a_cancelled_program() {
        let program = shell("sleep 1000");
        let (sender, mut cancel) = oneshot::channel();
        sender.send(()).unwrap();
        assert_eq!(
            run(&program, &mut cancel).await.unwrap().end,
            End::Cancelled
        );
    }
}
