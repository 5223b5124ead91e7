//! What a DPE that somebody has taken over can do to the others, which are of the same user. A
//! fence agent plays it: it runs in the sandbox of its DPE, as whoever has taken that over would.

use end_to_end::{Document, Lab, System};

/// What it tries; each line of its report is `NAME CODE OUTPUT`. `@VICTIM@` is the process of the
/// other DPE.
const ATTACK: &str = r#"#!/bin/bash
input=$(cat)
case "$input" in *action=metadata*)
  echo '<resource-agent name="fence_hostile"><parameters><parameter name="ip"/></parameters><actions><action name="off"/><action name="status"/><action name="monitor"/><action name="metadata"/></actions></resource-agent>'
esac
[ ! -e /var/lib/dpe/a/report ] || exit 0
try() { local name=$1 out; shift; out=$("$@" 2>&1); echo "$name $? $(echo "$out" | tr '\n' ' ')"; }
bus() { busctl --system --timeout=10 call "$@"; }
{
  try itself kill -0 $PPID
  try signal kill -0 @VICTIM@
  try kill kill -KILL @VICTIM@
  try name bus org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.cloudpolicy.Dpe1.b 6
  try command bus org.cloudpolicy.Dpe1.b /org/cloudpolicy/dpe1 org.cloudpolicy.Dpe1 Unload b true
  try event bus org.cloudpolicy.Cpe1 /org/cloudpolicy/cpe1 org.cloudpolicy.Cpe1.Events Record 'a{sv}' 3 id s forged kind s service.failed deployment s b
  try state ls /var/lib/dpe/b
  try ownguest test -S /run/cpe/guests/a/agent.sock
  try guest test -e /run/cpe/guests/b
  try memory cat /proc/@VICTIM@/environ
} > /var/lib/dpe/a/report.new
mv /var/lib/dpe/a/report.new /var/lib/dpe/a/report
"#;

/// A deployment whose one assembly is named as it is, with the hostile device.
fn hostile() -> String {
    let device = r#"<primitive id="off-a" class="stonith" type="fence_hostile">
        <instance_attributes id="off-a-p"><nvpair id="off-a-ip" name="ip" value="x"/>
          <nvpair id="off-a-hosts" name="pcmk_host_list" value="a"/></instance_attributes>
        <operations><op id="off-a-monitor" name="monitor" interval="10s" timeout="30s"/></operations></primitive>"#;
    format!(
        r#"<deployable name="a"><assemblies><assembly name="a" address="unix:/run/cpe/guests/a/agent.sock"/></assemblies>
  <configuration>
    <crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>
    <resources>{device}</resources>
  </configuration></deployable>"#
    )
}

/// Whether this kernel keeps signals apart: Landlock does from Linux 6.12 on. Else the DPE says so,
/// and its signals are not looked at.
fn keeps_signals_in(lab: &Lab) -> bool {
    let release = lab.sh("uname -r").ok();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>());
    let is_new = matches!(
        (numbers.next(), numbers.next()),
        (Some(Ok(6)), Some(Ok(12..)))
    ) || matches!(release.split('.').next().map(str::parse), Some(Ok(7_u32..)));
    if !is_new {
        let journal = lab.sh("journalctl --no-pager -u dpe@b.service").ok();
        assert!(journal.contains("cannot keep the signals"), "{journal}");
        eprintln!("this kernel does not keep the signals of DPEs apart: that part is not tested");
    }
    is_new
}

#[test]
fn a_compromised_dpe_harms_no_other_deployment() {
    let lab = Lab::boot("compromised").with_guests(&["a", "b"]);
    lab.sh(
        "install -D -m 644 /usr/share/doc/cpe/70-own-guests.conf /etc/systemd/system/dpe@.service.d/70-own-guests.conf
         systemctl daemon-reload",
    )
    .ok();
    lab.deploy(&Document::new("b", &["b"]).sleeper("db", 100_051));
    let victim = lab.main_pid("dpe@b.service");
    let attack = ATTACK.replace("@VICTIM@", &victim.to_string());
    lab.write("/usr/sbin/fence_hostile", &attack);
    lab.sh("chmod 755 /usr/sbin/fence_hostile").ok();
    lab.write("/srv/hostile.xml", &hostile());
    lab.cpectl(&["deploy", "/srv/hostile.xml"]).ok();
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
    for refused in ["command", "event", "state", "guest", "memory"] {
        assert_ne!(outcome(refused).0, 0, "{refused}: {report}");
    }
    for (denied, word) in [("command", "denied"), ("event", "own deployment only")] {
        let said = outcome(denied).1.to_lowercase();
        assert!(said.contains(word), "{denied}: {report}");
    }
    // 3: somebody else has the name.
    assert_eq!(outcome("name"), (0, "u 3 ".to_owned()), "{report}");
    if keeps_signals_in(&lab) {
        assert_ne!(outcome("signal").0, 0, "{report}");
        let (code, said) = outcome("kill");
        assert!(
            code != 0 && said.to_lowercase().contains("not permitted"),
            "{report}"
        );
        assert_eq!(lab.main_pid("dpe@b.service"), victim);
    }
    assert_eq!(lab.sleepers(100_051).len(), 1);
    assert!(
        lab.events()
            .iter()
            .all(|event| event.field("id") != "forged")
    );
}
