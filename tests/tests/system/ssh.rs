//! Guests that only their ssh servers lead to.

use end_to_end::{Document, Lab, System, project_dir};

use super::networks::{
    cable, count, each_fault_is_found, is_not_fenced_on_a_bad_network, online, survives_a_cut_cable,
};

const ADDRESSES: [(&str, &str); 2] = [("a", "10.77.0.11"), ("b", "10.77.0.12")];

/// The commands that the documentation says, of which an administrator copies one block after the
/// other.
fn blocks() -> [String; 3] {
    let page = std::fs::read_to_string(project_dir().join("docs/transports.md")).unwrap();
    let (_, section) = page.split_once("\n## Set up a guest behind ssh\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks: Vec<String> = section
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0.to_owned())
        .collect();
    blocks.try_into().unwrap()
}

/// Two guests that were set up as the documentation says, their agents reached in no other way.
fn boot(name: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    let [once, in_guest, known] = blocks();
    let key = lab.sh(&once).ok();
    for (guest, address) in ADDRESSES {
        // An installed guest has host keys, and settings that are not only ours.
        lab.in_guest(guest, "ssh-keygen -A; rm /etc/cpe/agent.conf")
            .ok();
        lab.in_guest(guest, &format!("set -eu; KEY='{}'\n{in_guest}", key.trim()))
            .ok();
        lab.sh(&known.replace("192.0.2.11", address)).ok();
    }
    lab
}

fn document() -> Document {
    Document::new("shop", &["a", "b"])
        .address("a", "ssh:cpe-ssh@10.77.0.11")
        .address("b", "ssh:cpe-ssh@10.77.0.12:22/run/cpe-agent/agent.sock")
        .sleeper("db", 100_001)
}

/// The ssh clients of the host.
fn clients(lab: &Lab) -> usize {
    let listed = lab.sh("pgrep --exact ssh | grep -vc '^$' || :").ok();
    listed.trim().parse().unwrap()
}

#[test]
fn a_service_behind_ssh_survives_a_cut_cable_by_its_lease() {
    let lab = boot("ssh-cable");
    lab.deploy(&document());
    survives_a_cut_cable(&lab);
}

#[test]
fn each_fault_of_a_network_is_found_behind_ssh_too() {
    let lab = boot("ssh-faults");
    lab.deploy(&document());
    each_fault_is_found(&lab);
}

#[test]
fn a_network_that_is_lossy_or_slow_is_no_reason_to_fence_behind_ssh() {
    let lab = boot("ssh-bad");
    lab.deploy(&document().timing(""));
    is_not_fenced_on_a_bad_network(&lab);
}

#[test]
fn nothing_of_ssh_outlives_its_stream_or_its_dpe() {
    let lab = boot("ssh-clients");
    lab.deploy(&document());
    let before = lab.sleepers(100_001);
    assert_eq!(clients(&lab), 2);
    // The stream's end is the client's, and the client's the stream's.
    lab.sh("kill -KILL $(pgrep --exact ssh)").ok();
    lab.wait("there are two again", 20, || clients(&lab) == 2);
    for guest in ["a", "b"] {
        online(&lab, guest);
        cable(&lab, guest, "down");
    }
    lab.wait("both are ended", 20, || clients(&lab) == 0);
    for guest in ["a", "b"] {
        cable(&lab, guest, "up");
    }
    lab.wait("the service runs again", 40, || {
        lab.sleepers(100_001).len() == 1 && lab.status("shop").all_running()
    });
    let pid = lab.main_pid("dpe@shop.service").to_string();
    let of_old = lab.sh("pgrep --exact ssh | tr '\\n' ' '").ok();
    lab.run(&["kill", "-KILL", &pid]).ok();
    lab.wait("those of the next one are there", 20, || {
        lab.main_pid("dpe@shop.service") != 0 && clients(&lab) == 2
    });
    for old in of_old.split_whitespace() {
        assert_ne!(lab.run(&["kill", "-0", old]).code, 0, "{old} is left");
    }
    lab.manage(&["stop", "cpe.service", "dpe@shop.service"])
        .ok();
    assert_eq!(clients(&lab), 0);
    let left = lab.sh("find /tmp -name 'cpe-ssh-*' | wc -l");
    assert_eq!(left.ok().trim(), "0");
    assert!(!before.is_empty());
}

#[test]
fn who_is_refused_by_ssh_is_told_once_with_the_remedy() {
    let lab = boot("ssh-refused");
    let ssh = "/etc/cpe/dpe/shop/ssh";
    // Nobody has looked at the host key of a yet, and b has got another one since.
    lab.sh(&format!("ssh-keygen -R 10.77.0.11 -f {ssh}/known_hosts"))
        .ok();
    let again = "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh";
    lab.in_guest("b", again).ok();
    lab.write("/srv/document.xml", &document().xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    for guest in ["a", "b"] {
        lab.wait("it is told", 30, || {
            count(&lab, "assembly.identity-refused", guest) == 1
        });
    }
    std::thread::sleep(std::time::Duration::from_secs(5));
    let told = lab.cpectl(&["events"]).ok();
    let know = format!("ssh-keyscan -t ed25519 -p 22 10.77.0.11 >> {ssh}/known_hosts");
    assert!(told.contains(&know), "{told}");
    let forget = format!("ssh-keygen -R '10.77.0.12' -f {ssh}/known_hosts");
    assert!(told.contains(&forget), "{told}");
    // What it says mends it.
    lab.sh(&know).ok();
    lab.sh(&format!(
        "cd {ssh}; cp known_hosts new; ssh-keygen -R 10.77.0.12 -f new; ssh-keyscan -t ed25519 10.77.0.12 >> new; mv new known_hosts"
    ))
    .ok();
    for guest in ["a", "b"] {
        online(&lab, guest);
        assert_eq!(
            count(&lab, "assembly.identity-refused", guest),
            1,
            "{guest}"
        );
    }
    // A key that its guest does not take any more.
    lab.in_guest(
        "b",
        "rm /var/lib/cpe-ssh/.ssh/authorized_keys; pkill -u cpe-ssh sshd",
    )
    .ok();
    lab.wait("that is told too", 30, || {
        count(&lab, "assembly.identity-refused", "b") == 2
    });
}

#[test]
fn a_key_of_ssh_opens_nothing_but_the_agents_socket_for_its_own_dpe() {
    let lab = boot("ssh-keys");
    lab.cpectl(&["pki", "init"]).ok();
    lab.cpectl(&["pki", "issue", "bank"]).ok();
    let bank = Document::new("bank", &["c"]).sleeper("other", 100_002);
    lab.write("/srv/bank.xml", &bank.xml());
    lab.cpectl(&["deploy", "/srv/bank.xml"]).ok();
    lab.deploy(&document());
    let read = |deployment: &str| {
        let pid = lab.main_pid(&format!("dpe@{deployment}.service"));
        let cat = "setpriv --reuid=dpe --regid=dpe --clear-groups cat";
        lab.sh(&format!(
            "nsenter -t {pid} -m {cat} /etc/cpe/dpe/shop/ssh/id_ed25519 > /dev/null"
        ))
    };
    assert_eq!(read("shop").code, 0);
    assert_ne!(read("bank").code, 0);
    // Taken away, it is of no use but this.
    lab.sh("install -m 0600 /etc/cpe/dpe/shop/ssh/id_ed25519 /srv/key")
        .ok();
    let ssh = "timeout 10 ssh -F none -o BatchMode=yes -i /srv/key -o UserKnownHostsFile=/etc/cpe/dpe/shop/ssh/known_hosts";
    let command = lab.sh(&format!("{ssh} cpe-ssh@10.77.0.11 id"));
    assert_ne!(command.code, 0, "{command:?}");
    assert!(!command.stdout.contains("uid="), "{command:?}");
    let port = lab.sh(&format!(
        "{ssh} -W 127.0.0.1:22 cpe-ssh@10.77.0.11 < /dev/null"
    ));
    assert!(port.stderr.contains("prohibited"), "{port:?}");
    let opened = |path: &str| {
        lab.sh(&format!(
            "rm -f /srv/s; {ssh} -N -L /srv/s:{path} cpe-ssh@10.77.0.11 & sleep 3
             printf '\\0AUTH\\r\\n' | timeout 3 python3 -c \"
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect('/srv/s')
s.send(sys.stdin.buffer.read()); print(s.recv(100))\"; kill %1"
        ))
    };
    let agents = opened("/run/cpe-agent/agent.sock");
    assert!(agents.stdout.contains("REJECTED"), "{agents:?}");
    let others = opened("/run/dbus/system_bus_socket");
    assert!(!others.stdout.contains("REJECTED"), "{others:?}");
    assert!(others.stderr.contains("open failed"), "{others:?}");
}
