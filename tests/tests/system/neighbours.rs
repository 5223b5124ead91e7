//! What fence agents of one deployment can do to those of another that run at the same time, as the
//! same user; and what a DPE that takes all it can get leaves for another. Scripts play the DPEs
//! and the agents: they run in their places, in their sandboxes.

use end_to_end::{Lab, System};

/// What both scripts of DPEs begin with: `ask AGENT` has an agent run for `$1`, and prints what it
/// says.
const ASK: &str = r#"#!/bin/bash
name=$1
ask() {
  python3 -c "
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect('/run/cpe/fence/%s/sock' % sys.argv[1])
s.sendall((json.dumps({'deployment': sys.argv[1], 'assembly': '', 'agent': sys.argv[2], 'action': 'status',
  'parameters': [], 'timeout_ms': 60000}) + '\\n').encode())
reply = json.loads(s.makefile().readline() or '{\"dropped\": {\"said\": \"dropped\"}}')
print(list(reply.values())[0]['said'])" "$name" "$@"
}
"#;

/// A fence agent that tries what it can reach of the one whose process is in /etc/victim.
const AGENT: &str = r#"#!/bin/bash
it=$(cat /etc/victim)
kill -0 $it 2> /dev/null && echo signal
ls /proc/$it > /dev/null 2>&1 && echo process
cat /proc/$it/environ > /dev/null 2>&1 && echo memory
touch ~/new ~/victim/new 2> /dev/null && echo home
cat ~/victim/token /var/lib/cpe-fence/victim/token 2> /dev/null && echo token
touch /dev/shm/new 2> /dev/null && echo shared
echo over
"#;

/// Boots a lab in which these scripts are the DPEs `hostile` and `victim`.
fn boot(name: &str, hostile: &str, victim: &str) -> Lab {
    let lab = Lab::boot(name);
    lab.write("/usr/sbin/fence_hostile", AGENT);
    lab.write(
        "/usr/sbin/fence_victim",
        "#!/bin/bash\ncat ~/token; exec sleep 100071\n",
    );
    lab.write("/usr/sbin/fence_quick", "#!/bin/bash\necho quick\n");
    for (name, script) in [("hostile", hostile), ("victim", victim)] {
        lab.write(&format!("/usr/sbin/dpe-{name}"), &format!("{ASK}{script}"));
    }
    lab.sh(
        "chmod 755 /usr/sbin/fence_* /usr/sbin/dpe-*
         install -d -g cpe-fence -m 750 /var/lib/cpe-fence/victim
         echo secret-of-victim > /var/lib/cpe-fence/victim/token
         for name in hostile victim; do
           mkdir -p /etc/systemd/system/dpe@$name.service.d
           printf \"[Service]\\nType=exec\\nWatchdogSec=0\\nExecStart=\\nExecStart=/usr/sbin/dpe-$name $name\\n\" \\
             > /etc/systemd/system/dpe@$name.service.d/script.conf
         done
         systemctl daemon-reload",
    )
    .ok();
    lab
}

/// What a script has left.
fn report(lab: &Lab, name: &str) -> String {
    let path = format!("/var/lib/dpe/{name}/report");
    lab.wait(&format!("{name} is done"), 120, || {
        lab.sh(&format!("test -e {path}")).code == 0
    });
    lab.sh(&format!("cat {path}")).ok()
}

#[test]
fn a_fence_agent_harms_none_of_another_deployment() {
    let save = "ask fence_hostile > $STATE_DIRECTORY/new 2>&1; mv $STATE_DIRECTORY/new $STATE_DIRECTORY/report; exec sleep infinity";
    let lab = boot("neighbours", save, "ask fence_victim; exec sleep infinity");
    lab.manage(&["start", "dpe@victim.service"]).ok();
    let pid = || lab.sh("pgrep --full --exact 'sleep 100071'").stdout;
    lab.wait("the victim's agent runs", 60, || !pid().is_empty());
    let victim = pid();
    lab.write("/etc/victim", &victim);
    lab.manage(&["start", "dpe@hostile.service"]).ok();
    let said = report(&lab, "hostile");
    // Linux 6.12 and later keep signals apart.
    let expected = match lab.sh("(uname -r; echo 6.12) | sort -CV").code {
        0 => "signal\nover",
        _ => "over",
    };
    assert_eq!(said.trim(), expected);
    assert_eq!(pid(), victim);
    let user = lab.sh(&format!("ps -o user= {}", victim.trim())).ok();
    assert_eq!(user.trim(), "cpe-fence");
}

#[test]
fn a_dpe_that_takes_all_places_for_agents_is_in_nobodys_way() {
    // Three hundred at a time, that say nothing, again and again, without a pause.
    let flood = r#"
ls /run/cpe/fence > $STATE_DIRECTORY/report
exec python3 -c "
import socket
held = []
while True:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect('/run/cpe/fence/hostile/sock')
    except OSError:
        continue
    held = held[-300:] + [s]
""#;
    let ten = "for i in {1..10}; do ask fence_quick; done > $STATE_DIRECTORY/new 2>&1; mv $STATE_DIRECTORY/new $STATE_DIRECTORY/report; exec sleep infinity";
    let lab = boot("places", flood, ten);
    lab.manage(&["start", "dpe@hostile.service"]).ok();
    assert_eq!(
        report(&lab, "hostile").trim(),
        "hostile",
        "it sees its own way only"
    );
    let runs = || {
        let listed = lab.sh("systemctl list-units --plain --no-legend 'cpe-fence@*.service'");
        listed.stdout.lines().count()
    };
    lab.wait("it has all of its places", 60, || runs() >= 30);
    lab.manage(&["start", "dpe@victim.service"]).ok();
    assert_eq!(report(&lab, "victim"), "quick\n\n".repeat(10));
    assert!(runs() <= 34, "it has no more");

    // The way goes with its DPE.
    lab.manage(&["stop", "dpe@hostile.service", "dpe@victim.service"])
        .ok();
    lab.wait("nobody listens any more", 30, || {
        lab.sh("ls /run/cpe/fence/*/sock").stdout.is_empty()
    });
}
