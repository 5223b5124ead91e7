//! What a fence agent that runs code of somebody else can do to one that runs at the same time, as
//! the same user: on the kernel of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use cpe_fence::{Callers, Confinement, Reply, Request, Settings, User, serve};
use tempfile::TempDir;

/// As whom agents run. Root may look into every process: then it is somebody else, as in service.
fn user() -> Option<User> {
    let nobody = User {
        uid: 65534,
        gid: 65534,
    };
    rustix::process::geteuid().is_root().then_some(nobody)
}

/// A folder in which agents may write; beside it what they may not.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        for folder in ["scratch", "home/.ssh", "home/shop", "home/other", "copies"] {
            std::fs::create_dir_all(place.path().join(folder)).unwrap();
        }
        for file in ["home/.ssh/hosts", "home/shop/x", "home/other/x", "outside"] {
            std::fs::write(place.path().join(file), "content").unwrap();
        }
        // By its mode everybody could do everything.
        let mut open = std::process::Command::new("chmod");
        open.args(["-R", "a=rwX"]).arg(place.path());
        assert!(open.status().unwrap().success());
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Begins a run of an agent that is this script, for a deployment.
    fn begin(&self, name: &str, deployment: &str, script: &str) -> UnixStream {
        let agent = self.path().join("agents").join(name);
        std::fs::create_dir_all(agent.parent().unwrap()).unwrap();
        let written = self.path().join(format!("{name}.written"));
        let top = self.path().display();
        std::fs::write(
            &written,
            format!("#!/bin/bash\ncd {top}/scratch\n{script}\n"),
        )
        .unwrap();
        // By another process: an open file of this one could be inherited just now.
        let mut install = std::process::Command::new("install");
        install.args(["-m", "777"]).args([&written, &agent]);
        assert!(install.status().unwrap().success());
        let settings = Settings {
            callers: Callers::Anyone,
            agents: vec![self.path().join("agents")],
            secrets: self.path().join("secrets"),
            copies: self.path().join("copies"),
            home: self.path().join("home"),
            scratch: vec![self.path().join("scratch")],
            user: user(),
            confinement: Confinement::ProcessGroup,
        };
        let request = Request {
            deployment: deployment.to_owned(),
            assembly: "web1".to_owned(),
            agent: name.to_owned(),
            action: "status".to_owned(),
            parameters: Vec::new(),
            timeout_ms: 60_000,
        };
        let (mut ours, its) = UnixStream::pair().unwrap();
        std::thread::spawn(move || serve(&its, &settings));
        let mut line = serde_json::to_vec(&request).unwrap();
        line.push(b'\n');
        ours.write_all(&line).unwrap();
        ours
    }

    fn said(&self, deployment: &str, script: &str) -> String {
        let mut stream = self.begin("fence_hostile", deployment, script);
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        match serde_json::from_str(&reply).unwrap() {
            Reply::Ended { said, .. } => said,
            other => panic!("{other:?}"),
        }
    }
}

/// Landlock keeps signals apart from Linux 6.12 on, memory and files from 5.13 on.
fn kernel_is(least: (u32, u32)) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= least
}

#[test]
fn an_agent_cannot_touch_one_that_runs_at_the_same_time() {
    let place = Place::new();
    let _running = place.begin(
        "fence_victim",
        "other",
        "echo $$ > victim~; mv victim~ victim; exec sleep 60",
    );
    let pid = place.path().join("scratch/victim");
    let begun = Instant::now();
    while !pid.exists() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = place.said(
        "shop",
        "it=$(cat victim)
         kill -0 $it 2> /dev/null && echo signals
         head -c 1 /proc/$it/environ > /dev/null 2>&1 && echo environment
         (exec 3< /proc/$it/mem) 2> /dev/null && echo memory
         readlink /proc/$it/fd/1 /proc/$it/exe && echo descriptors
         sleep 60 & kill $! && echo itself
         head -c 1 /proc/self/environ > /dev/null && echo own-environment",
    );
    let mut expected = String::from("itself\nown-environment\n");
    if !kernel_is((6, 12)) {
        expected.insert_str(0, "signals\n");
    }
    assert_eq!(said, expected);
}

#[test]
fn an_agent_reads_what_it_needs_and_writes_in_its_scratch_only() {
    let place = Place::new();
    let top = place.path().display();
    let said = place.said(
        "shop",
        &format!(
            "echo x > here && cat here
             [ $HOME = {top}/home/shop ] && cat $HOME/x {top}/home/.ssh/hosts && echo
             for file in {top}/home/other/x {top}/outside; do cat $file 2> /dev/null && echo read; done
             for file in $HOME/x {top}/home/new {top}/home/.ssh/hosts {top}/outside {top}/agents/fence_hostile; do
               (echo y > $file) 2> /dev/null && echo wrote $file; done
             head -c 1 /etc/passwd /dev/urandom > /dev/null && date > /dev/null && echo system"
        ),
    );
    assert_eq!(said, "x\ncontentcontent\nsystem\n");
}

#[test]
fn a_deployment_without_a_home_of_its_own_has_the_common_one() {
    let place = Place::new();
    for deployment in ["new", "..", "a/../shop", ""] {
        let said = place.said(
            deployment,
            "echo ${HOME##*/}; cat ~/.ssh/hosts; cat ~/shop/x 2> /dev/null; :",
        );
        assert_eq!(said, "home\ncontent", "{deployment}");
    }
}

#[test]
fn an_agent_gets_a_terminal_of_its_own() {
    let place = Place::new();
    // As pexpect does for ssh, which asks for its password at /dev/tty.
    let said = place.said(
        "shop",
        r#"python3 -c "
import os, pty
pid, terminal = pty.fork()
if pid == 0:
    with open('/dev/tty', 'r+b', buffering=0) as tty:
        tty.write(b'password: ')
        print('got', tty.readline(), flush=True)
    os._exit(0)
os.read(terminal, 10)
os.write(terminal, b'x\n')
os.waitpid(pid, 0)
print('got' in os.read(terminal, 999).decode())
" 2>&1"#,
    );
    assert_eq!(said, "True\n");
}
