//! What a DPE that somebody has taken over can do to the others, which are of the same user. A
//! script plays it: it runs in place of a DPE, in its sandbox, as whoever has taken that over
//! would.

use end_to_end::{Document, Lab, System};

/// What it tries; each line of its report is `NAME CODE OUTPUT`. `@VICTIM@` is the process of the
/// other DPE.
const ATTACK: &str = r#"#!/bin/bash
try() { local name=$1 out; shift; out=$("$@" 2>&1); echo "$name $? $(echo "$out" | tr '\n' ' ')"; }
bus() { busctl --system --timeout=10 call "$@"; }
fence() {
  python3 -c "
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect('/run/cpe/fence/a/sock')
s.sendall((json.dumps({'deployment': sys.argv[1], 'assembly': '', 'agent': 'fence_dummy', 'action': 'metadata',
  'parameters': [{'name': 'password', 'value': {'file': sys.argv[2]}}], 'timeout_ms': 9000}) + '\\n').encode())
print(s.recv(100000).decode()[:300])" "$@"
}
{
  try itself kill -0 $$
  try name bus org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.cloudpolicy.Dpe1.b 6
  try command bus org.cloudpolicy.Dpe1.b /org/cloudpolicy/dpe1 org.cloudpolicy.Dpe1 Unload b true
  try event bus org.cloudpolicy.Cpe1 /org/cloudpolicy/cpe1 org.cloudpolicy.Cpe1.Events Record 'a{sv}' 3 id s forged kind s service.failed deployment s b
  try state ls /var/lib/dpe/b
  try ownguest test -S /run/cpe/guests/a/agent.sock
  try guest test -e /run/cpe/guests/b
  try memory cat /proc/@VICTIM@/environ
  try fence fence a /etc/cpe/secrets/a/key
  try fenceother fence b /etc/cpe/secrets/b/key
  try fencesecret fence a /etc/cpe/secrets/b/key
  try transient systemd-run --quiet --wait --pipe id
  try agents systemctl start cpe-fence@1.service
} > /var/lib/dpe/a/report.new
mv /var/lib/dpe/a/report.new /var/lib/dpe/a/report
sleep infinity
"#;

#[test]
fn a_compromised_dpe_harms_no_other_deployment() {
    let lab = Lab::boot("compromised").with_guests(&["a", "b"]);
    lab.sh(
        "install -D -m 644 /usr/share/doc/cpe/70-own-guests.conf /etc/systemd/system/dpe@.service.d/70-own-guests.conf
         for d in a b; do install -d -m 700 /etc/cpe/secrets/$d; (umask 077; echo secret-of-$d > /etc/cpe/secrets/$d/key); done
         systemctl daemon-reload",
    )
    .ok();
    lab.deploy(&Document::new("b", &["b"]).sleeper("db", 100_051));
    let victim = lab.main_pid("dpe@b.service");
    lab.write(
        "/usr/sbin/hostile",
        &ATTACK.replace("@VICTIM@", &victim.to_string()),
    );
    lab.sh(
        "chmod 755 /usr/sbin/hostile; mkdir -p /etc/systemd/system/dpe@a.service.d
         printf '[Service]\\nType=exec\\nWatchdogSec=0\\nExecStart=\\nExecStart=/usr/sbin/hostile\\n' > /etc/systemd/system/dpe@a.service.d/hostile.conf
         systemctl daemon-reload; systemctl start dpe@a.service",
    )
    .ok();
    lab.wait("the attack is over", 120, || {
        lab.sh("test -e /var/lib/dpe/a/report").code == 0
    });
    let report = lab.sh("cat /var/lib/dpe/a/report").ok();
    let outcome = |name: &str| {
        let line = report
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {report}"));
        let mut words = line.splitn(3, ' ').skip(1);
        let code: i32 = words.next().unwrap().parse().unwrap();
        (code, words.next().unwrap_or_default().to_owned())
    };
    // It can do what is its own.
    assert_eq!(outcome("itself").0, 0, "{report}");
    assert_eq!(outcome("ownguest").0, 0, "{report}");
    for refused in [
        "command",
        "event",
        "state",
        "guest",
        "memory",
        "transient",
        "agents",
    ] {
        assert_ne!(outcome(refused).0, 0, "{refused}: {report}");
    }
    for (denied, word) in [
        ("command", "denied"),
        ("event", "own deployment only"),
        ("fence", "ended"),
        ("fenceother", "the dpe of"),
        ("fencesecret", "is not a file in"),
    ] {
        let said = outcome(denied).1.to_lowercase();
        assert!(said.contains(word), "{denied}: {report}");
    }
    assert!(!report.contains("secret-of-"), "{report}");
    // 3: somebody else has the name.
    assert_eq!(outcome("name"), (0, "u 3 ".to_owned()), "{report}");
    assert_eq!(lab.main_pid("dpe@b.service"), victim);
    assert_eq!(lab.sleepers(100_051).len(), 1);
    assert!(
        lab.events()
            .iter()
            .all(|event| event.field("id") != "forged")
    );
}
