//! What the fence agents of this host say about themselves, for the check of documents. They are
//! asked for their metadata only, which switches nothing.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use deployment::{Answer, FenceAgents, Problem, metadata, read_uses};
use rustix::process::{Pid, Signal, kill_process_group};

/// Where fence agents are installed.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];
/// How long an agent may take to describe itself: it loads libraries of clouds.
const LIMIT: Duration = Duration::from_secs(10);

/// Warnings about a document that was accepted, by what the fence agents that it names say. Those
/// that are not installed are warned of if the deployment is to run on this host.
pub(super) fn warnings(document: &str, runs_here: bool) -> Vec<Problem> {
    warnings_in(document, runs_here, &FOLDERS.map(PathBuf::from))
}

fn warnings_in(document: &str, runs_here: bool, folders: &[PathBuf]) -> Vec<Problem> {
    let Some((_, uses)) = read_uses(document.as_bytes()) else {
        return Vec::new();
    };
    let mut known = FenceAgents::new();
    for agent in uses.fence_agents() {
        let mut programs = folders.iter().map(|folder| folder.join(agent));
        let answer = match programs.find(|program| program.exists()) {
            Some(program) => described(&program),
            None => runs_here.then_some(Answer::Absent),
        };
        known.extend(answer.map(|answer| (agent.to_owned(), answer)));
    }
    uses.check_fencing(&known)
}

/// What an agent says about itself; `None`: nothing that can be read.
fn described(program: &Path) -> Option<Answer> {
    let mut child = Command::new(program)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let text = said(&mut child);
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // One that has ended has nobody left in its group, as a rule.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    let agent = metadata::read(&text?).ok()?;
    Some(Answer::Described(Arc::new(agent)))
}

fn said(child: &mut Child) -> Option<String> {
    let mut stdin = child.stdin.take()?;
    let _ = stdin.write_all(b"action=metadata\n");
    drop(stdin);
    let most = metadata::MAX_METADATA as u64 + 1;
    let stdout = child.stdout.take()?.take(most);
    let (give, take) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let (mut stdout, mut text) = (stdout, String::new());
        let read = stdout.read_to_string(&mut text);
        let _ = give.send(read.is_ok().then_some(text));
    });
    take.recv_timeout(LIMIT).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "<deployable name='shop'><assemblies><assembly name='a' address='unix:/a'>\
        <fencing mode='agent' agent='fence_fake'><parameters><parameter name='ipp' value='1'/></parameters></fencing>\
        </assembly></assemblies></deployable>";

    fn texts(runs_here: bool, folder: &Path) -> Vec<String> {
        let found = warnings_in(DOCUMENT, runs_here, &[folder.to_owned()]);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_installed_agent_is_asked_what_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(texts(false, folder.path()), [""; 0]);
        assert!(texts(true, folder.path())[0].contains("not installed"));
        let script = "#!/bin/sh\n[ \"$(cat)\" = action=metadata ] || exit 1\n\
            echo '<resource-agent name=\"fence_fake\"><parameters><parameter name=\"ip\"/></parameters>\
            <actions><action name=\"on\"/><action name=\"off\"/><action name=\"status\"/></actions></resource-agent>'\n";
        let (written, program) = (folder.path().join("w"), folder.path().join("fence_fake"));
        std::fs::write(&written, script).unwrap();
        let mut install = Command::new("install");
        let installed = install
            .args(["-m", "755"])
            .args([&written, &program])
            .status();
        assert!(installed.unwrap().success());
        let found = texts(false, folder.path());
        assert!(
            found[0].contains("has no parameter 'ipp'") && found.len() == 1,
            "{found:?}"
        );
    }
}
