//! Guests that are reached over a network, with certificates on both sides.

use std::time::Duration;

use end_to_end::{Document, Lab, System, layer};

/// Two guests on a network: their agents have certificates, and listen at a port too.
fn boot(name: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    lab.cpectl(&["pki", "init"]).ok();
    // One as an administrator would do it, and one by its bundle.
    issue(&lab, "issue", "a");
    lab.in_guest(
        "a",
        "echo CPE_AGENT_LISTEN=unix:/run/cpe-channel/agent.sock,tcp:0.0.0.0 > /etc/cpe/agent.conf
         systemctl restart cpe-agent.service",
    )
    .ok();
    lab.sh(
        "cpectl guest bundle shop b --format tar --agent /usr/bin/cpe-agent --output /srv/b.tar
         tar --extract --preserve-permissions --file /srv/b.tar --directory /var/lib/machines/b",
    )
    .ok();
    lab.in_guest(
        "b",
        "systemctl daemon-reload; systemctl restart cpe-agent.service",
    )
    .ok();
    lab
}

/// Gives a guest a certificate, as an administrator would who can write its disk.
fn issue(lab: &Lab, verb: &str, guest: &str) {
    let folder = format!("/var/lib/machines/{guest}/etc/cpe/agent");
    lab.cpectl(&["pki", verb, "shop", guest, "--output", &folder])
        .ok();
}

#[test]
fn guests_that_cloud_init_sets_up_by_their_bundles_come_online_by_themselves() {
    let lab = Lab::boot("network-cloud");
    lab.cpectl(&["pki", "init"]).ok();
    // Without what debuggers need, as it is installed.
    let program = format!("/proc/{}/root/srv/cpe-agent", lab.pid1());
    let mut strip = std::process::Command::new("strip");
    let strip = strip.args(["-o", &program]);
    let stripped = strip.arg(layer().join("usr/bin/cpe-agent")).status();
    assert!(stripped.is_ok_and(|status| status.success()), "strip");
    // The first image has our agent. Into the others it comes with the user-data: as a program, and
    // as a package, which has the program and its units and nothing else of ours.
    lab.sh(
        "mkdir -p /srv/seed/c /srv/seed/d /srv/seed/e /srv/deb/DEBIAN /srv/deb/usr/bin /srv/deb/usr/lib/systemd/system /srv/deb/usr/lib/cpe-agent
         cp /srv/cpe-agent /srv/deb/usr/bin/
         cp /usr/lib/systemd/system/cpe-agent.service /usr/lib/systemd/system/cpe-agent-guard.service /usr/lib/systemd/system/cpe-agent-lapse.service /srv/deb/usr/lib/systemd/system/
         cp /usr/lib/cpe-agent/lapse.sh /srv/deb/usr/lib/cpe-agent/
         printf 'Package: cpe-agent\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody\\nDescription: made for a test\\n' > /srv/deb/DEBIAN/control
         dpkg-deb --build --root-owner-group -Zgzip /srv/deb /srv/cpe-agent.deb > /dev/null
         cpectl guest bundle shop c --output /srv/seed/c/user-data
         cpectl guest bundle shop d --agent /srv/cpe-agent --output /srv/seed/d/user-data
         cpectl guest bundle shop e --agent /srv/cpe-agent.deb --output /srv/seed/e/user-data
         /srv/lab/guests.sh cloud c 11; IMAGE=bare /srv/lab/guests.sh cloud d 12; IMAGE=bare /srv/lab/guests.sh cloud e 13
         test ! -e /var/lib/machines/d/usr/bin/cpe-agent
         /srv/lab/guests.sh start c d e",
    )
    .ok();
    let document = Document::new("shop", &["c", "d", "e"])
        .address("c", "tcp:10.77.0.11")
        .address("d", "tcp:10.77.0.12")
        .address("e", "tcp:10.77.0.13");
    lab.write("/srv/document.xml", &document.xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    for guest in ["c", "d", "e"] {
        lab.wait("cloud-init has set it up", 180, || {
            lab.status("shop").assembly_state(guest) == "online"
        });
        let said = lab.in_guest(
            guest,
            "cloud-init status --wait; cat /run/cloud-init/result.json",
        );
        assert!(said.stdout.contains("DataSourceNoCloud"), "{said:?}");
        assert!(said.stdout.contains("\"errors\": []"), "{said:?}");
    }
    // And again after a reboot, without cloud-init's help.
    for guest in ["c", "d", "e"] {
        lab.guest("stop", guest);
        lab.guest("start", guest);
        online(&lab, guest);
    }
}

fn document() -> Document {
    Document::new("shop", &["a", "b"])
        .address("a", "tcp:10.77.0.11")
        .address("b", "tcp:10.77.0.12:7430")
        .sleeper("db", 100_001)
}

pub(crate) fn cable(lab: &Lab, guest: &str, state: &str) {
    lab.run(&["/srv/lab/guests.sh", "link", guest, state]).ok();
}

fn other(guest: &str) -> &'static str {
    if guest == "a" { "b" } else { "a" }
}

pub(crate) fn count(lab: &Lab, kind: &str, assembly: &str) -> usize {
    let meant =
        |event: &&end_to_end::Event| event.kind() == kind && event.field("assembly") == assembly;
    lab.events().iter().filter(meant).count()
}

pub(crate) fn online(lab: &Lab, assembly: &str) {
    lab.wait("the assembly is online", 40, || {
        lab.status("shop").assembly_state(assembly) == "online"
    });
}

#[test]
fn a_service_on_a_network_survives_a_cut_cable_by_its_lease() {
    let lab = boot("network-cable");
    lab.deploy(&document());
    survives_a_cut_cable(&lab);
}

/// Of a deployment `shop` over a and b, which runs one sleeper of 100,001 s.
pub(crate) fn survives_a_cut_cable(lab: &Lab) {
    let home = lab.sleepers(100_001)[0].0.clone();
    let bound = Duration::from_millis(3000 + 5000 + 160 + 2000);
    cable(lab, &home, "down");
    let mut twice = false;
    let took = lab.wait("the service runs in the other guest only", 40, || {
        let now = lab.sleepers(100_001);
        twice |= now.len() > 1;
        now.len() == 1 && now[0].0 != home
    });
    assert!(!twice, "the service ran twice");
    // From the last heartbeat on, which was at most one interval before; and a start takes a while.
    assert!(took < bound + Duration::from_secs(5), "{took:?}");
    cable(lab, &home, "up");
    online(lab, &home);
    assert_eq!(lab.sleepers(100_001).len(), 1);
}

/// How often the DPE has said that it has no stream to a guest's agent.
fn streams_lost(lab: &Lab, guest: &str) -> usize {
    let said = format!("no stream to the agent of {guest}:");
    let journal = lab
        .sh("journalctl --no-pager -o cat -u dpe@shop.service")
        .ok();
    journal.lines().filter(|line| line.contains(&said)).count()
}

#[test]
fn each_fault_of_a_network_is_found_within_the_heartbeat_timeout() {
    let lab = boot("network-faults");
    lab.deploy(&document());
    each_fault_is_found(&lab);
}

/// Of a deployment as for [`survives_a_cut_cable`].
pub(crate) fn each_fault_is_found(lab: &Lab) {
    // Nothing runs in this one, so nothing is moved meanwhile.
    let idle = other(&lab.sleepers(100_001)[0].0);
    let address = if idle == "a" {
        "10.77.0.11"
    } else {
        "10.77.0.12"
    };
    let rule = |what: &str| {
        format!(
            "nft add rule inet fault in ip saddr {address} {what}; nft add rule inet fault out ip daddr {address} {what}"
        )
    };
    let heal = "nft flush chain inet fault in; nft flush chain inet fault out";
    let cable = |state: &str| format!("ip link set vb-{idle} {state}");
    // More than a packet of the hole below carries.
    let long = "x".repeat(3000);
    let talk = format!(
        "timeout 5 cpectl attribute shop set long {long} --assembly {idle} --transient > /dev/null 2>&1"
    );
    for (fault, make, heal) in [
        ("packets are dropped", rule("drop"), heal.to_owned()),
        ("the cable is out", cable("down"), cable("up")),
        (
            "connections are reset",
            rule("meta l4proto tcp reject with tcp reset"),
            heal.to_owned(),
        ),
        (
            "long packets are lost",
            format!("{}; {talk} &", rule("meta length gt 600 drop")),
            heal.to_owned(),
        ),
    ] {
        // By its silence, or by the kernel.
        let found = || streams_lost(lab, idle) + count(lab, "assembly.lost", idle);
        let before = found();
        lab.sh(&make).ok();
        let took = lab.wait(fault, 20, || found() > before);
        eprintln!("{fault}: found after {:.1} s", took.as_secs_f64());
        // The timeout is 2 s; reading the journal of a busy machine takes a while.
        assert!(took < Duration::from_secs(4), "{fault}: {took:?}");
        lab.sh(&heal).ok();
        online(lab, idle);
        // Until no pause between attempts is long any more.
        std::thread::sleep(Duration::from_secs(2));
    }
    assert_eq!(lab.sleepers(100_001).len(), 1);
}

/// What a bad network does to a deployment at its default settings: how often streams were lost,
/// and assemblies.
fn losses_on(lab: &Lab, fault: &str, worsen: &str) -> (usize, usize) {
    let before = lab.sleepers(100_001);
    lab.sh(worsen).ok();
    for _ in 0..60 {
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(lab.sleepers(100_001), before, "{fault}");
    }
    let both = |found: &dyn Fn(&str) -> usize| found("a") + found("b");
    let streams = both(&|guest| streams_lost(lab, guest));
    let lost = both(&|guest| count(lab, "assembly.lost", guest));
    let fenced = both(&|guest| count(lab, "assembly.fencing-requested", guest));
    eprintln!("{fault}: {streams} streams lost, {lost} assemblies lost, {fenced} fenced in 60 s");
    assert_eq!(fenced, 0, "{fault}");
    (streams, lost)
}

/// Of a deployment at its default settings.
pub(crate) fn is_not_fenced_on_a_bad_network(lab: &Lab) {
    let lossy = "/srv/lab/guests.sh drop a 20; /srv/lab/guests.sh drop b 20";
    let (_, lost) = losses_on(lab, "a fifth of all packets is lost", lossy);
    assert_eq!(lost, 0);
    lab.sh("/srv/lab/guests.sh drop a 0; /srv/lab/guests.sh drop b 0")
        .ok();
    // 32 kbit/s to each guest, where a full packet takes 0.4 s.
    let slow =
        "for g in a b; do tc qdisc add dev vb-$g root tbf rate 32kbit burst 1600 latency 2s; done";
    let (_, lost) = losses_on(lab, "the network is slow", slow);
    assert_eq!(lost, 0);
    let pings = lab.sh("ping -q -c 20 -i 0.2 -s 1400 10.77.0.11").stdout;
    let slowest = pings.rsplit('/').nth(1).unwrap_or_default().to_owned();
    assert!(slowest.parse::<f64>().unwrap() > 300.0, "not slow: {pings}");
}

#[test]
fn a_network_that_is_lossy_or_slow_is_no_reason_to_fence() {
    let lab = boot("network-bad");
    lab.deploy(&document().timing(""));
    is_not_fenced_on_a_bad_network(&lab);
}

#[test]
fn certificates_are_renewed_without_a_restart_and_without_a_loss() {
    let lab = boot("network-renewal");
    lab.deploy(&document());
    let before = lab.sleepers(100_001);
    issue(&lab, "renew", "a");
    issue(&lab, "renew", "b");
    lab.cpectl(&["pki", "renew", "shop"]).ok();
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(count(&lab, "assembly.lost", "a"), 0);
    // What is shown from now on is new: the former ones can be revoked.
    for guest in ["a", "b"] {
        let folder = format!("/var/lib/machines/{guest}/etc/cpe/agent");
        let args = [
            "pki", "renew", "shop", guest, "--revoke", "--output", &folder,
        ];
        lab.cpectl(&args).ok();
    }
    lab.cpectl(&["pki", "renew", "shop", "--revoke"]).ok();
    for guest in ["a", "b"] {
        let folder = format!("/var/lib/machines/{guest}/etc/cpe/agent");
        lab.cpectl(&["pki", "export", "--output", &folder]).ok();
    }
    std::thread::sleep(Duration::from_secs(8));
    for guest in ["a", "b"] {
        online(&lab, guest);
        assert_eq!(count(&lab, "assembly.lost", guest), 0, "{guest}");
        assert_eq!(
            count(&lab, "assembly.identity-refused", guest),
            0,
            "{guest}"
        );
    }
    assert_eq!(lab.sleepers(100_001), before);
}

#[test]
fn certificates_that_are_due_are_renewed_in_running_guests() {
    let lab = boot("network-due");
    lab.deploy(&document());
    let before = lab.sleepers(100_001);
    let identity = |guest: &str| {
        let path = format!("/var/lib/machines/{guest}/etc/cpe/agent/identity.pem");
        lab.sh(&format!("stat -c %a {path}; cat {path}")).ok()
    };
    let (a, b) = (identity("a"), identity("b"));
    let told = lab.cpectl(&["pki", "renew", "shop", "a", "--online", "--revoke"]);
    assert!(told.ok().contains("in the guest at tcp:10.77.0.11"));
    assert_ne!(identity("a"), a);
    assert!(identity("a").starts_with("600"));
    assert_eq!(identity("b"), b);
    // Nobody has its key but the guest.
    let key = "key=$(sed -n '/PRIVATE KEY/{n;p;q}' /var/lib/machines/a/etc/cpe/agent/identity.pem)";
    let found = lab.sh(&format!(
        "{key}; test -n \"$key\"; {{ grep -rlF \"$key\" /var/lib/cpe-pki /etc/cpe /run/cpe /var/log 2>/dev/null || :; }} | wc -l"
    ));
    assert_eq!(found.ok().trim(), "0");
    let nothing = lab.cpectl(&["pki", "renew-due"]).ok();
    assert!(nothing.contains("no certificate is due"), "{nothing}");
    // As if 80 of their 90 days were over.
    lab.sh("python3 - <<'END'
import json
path = '/var/lib/cpe-pki/index.json'
index = json.load(open(path))
for it in index['certificates']:
    it['not_before_s'] -= 80 * 86400
    it['not_after_s'] -= 80 * 86400
json.dump(index, open(path, 'w'))
END")
        .ok();
    let (a, b) = (identity("a"), identity("b"));
    lab.manage(&["start", "cpe-pki-renew.service"]).ok();
    assert!(identity("a") != a && identity("b") != b);
    let listed = lab.cpectl(&["pki", "list", "shop", "--json"]).ok();
    assert_eq!(listed.matches("\"valid\"").count(), 6, "{listed}");
    // The former ones are not missed, and nobody has noticed.
    lab.manage(&["restart", "dpe@shop.service"]).ok();
    for guest in ["a", "b"] {
        online(&lab, guest);
        assert_eq!(count(&lab, "assembly.lost", guest), 0, "{guest}");
    }
    assert_eq!(lab.sleepers(100_001), before);
    // A guest that is away is named, and keeps the others from nothing.
    lab.sh("sed -i 's/\"not_before_s\": [0-9]*/\"not_before_s\": 1000000000/' /var/lib/cpe-pki/index.json").ok();
    cable(&lab, "b", "down");
    let b = identity("b");
    let away = lab.cpectl(&["pki", "renew-due"]);
    assert_eq!(away.code, 1, "{away:?}");
    assert!(
        away.stderr.contains("assembly b of shop: not renewed"),
        "{away:?}"
    );
    assert!(away.stderr.contains("1 of 3"), "{away:?}");
    assert_eq!(identity("b"), b);
}

#[test]
fn a_revoked_guest_is_refused_and_told_once_until_it_is_let_in_again() {
    let lab = boot("network-revoked");
    lab.deploy(&document());
    let home = lab.sleepers(100_001)[0].0.clone();
    lab.cpectl(&["pki", "revoke", "shop", &home]).ok();
    lab.wait("the service runs in the other guest only", 40, || {
        let now = lab.sleepers(100_001);
        now.len() == 1 && now[0].0 == other(&home)
    });
    lab.wait("it is told", 10, || {
        count(&lab, "assembly.identity-refused", &home) == 1
    });
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(count(&lab, "assembly.identity-refused", &home), 1);
    issue(&lab, "issue", &home);
    online(&lab, &home);
    assert_eq!(lab.sleepers(100_001).len(), 1);
}

/// Makes a certificate of assembly `a` for its guest that nobody is to believe: of another CA, or
/// of ours and not valid any more. `$1`: which.
const FORGE: &str = r#"
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
ca = x509.load_pem_x509_certificate(open('/var/lib/cpe-pki/ca.pem', 'rb').read())
signs = serialization.load_pem_private_key(open('/var/lib/cpe-pki/ca.key', 'rb').read(), None)
if sys.argv[1] == 'stranger':
    signs = ec.generate_private_key(ec.SECP256R1())
days = lambda count: datetime.datetime.utcnow() + datetime.timedelta(days=count)
names = [x509.UniformResourceIdentifier('cpe:agent:shop/a'), x509.DNSName('a.shop.cpe.internal')]
of_ca = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
made = (x509.CertificateBuilder()
    .subject_name(x509.Name([])).issuer_name(ca.subject).public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(days(-90)).not_valid_after(days(-1 if sys.argv[1] == 'expired' else 90))
    .add_extension(x509.SubjectAlternativeName(names), True)
    .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False)
    .add_extension(x509.KeyUsage(True, *[False] * 8), True)
    .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_ca), False)
    .sign(signs, hashes.SHA256()))
pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
with open('/var/lib/machines/a/etc/cpe/agent/identity.pem', 'wb') as file:
    file.write(made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
"#;

#[test]
fn each_certificate_that_is_not_believed_is_told_once_until_the_guest_is_let_in() {
    let lab = boot("network-refused");
    lab.write("/srv/forge.py", FORGE);
    lab.deploy(&document());
    let told = || count(&lab, "assembly.identity-refused", "a");
    let forge = |kind: &str| format!("python3 /srv/forge.py {kind}");
    for (why, with, said) in [
        ("another CA", forge("stranger"), "not believed"),
        ("expired", forge("expired"), "has expired"),
        (
            "that of another assembly, as after a disk was copied",
            "cp /var/lib/machines/b/etc/cpe/agent/identity.pem /var/lib/machines/a/etc/cpe/agent/"
                .to_owned(),
            "assembly b of shop",
        ),
        ("revoked", "cpectl pki revoke shop a".to_owned(), "revoked"),
    ] {
        let before = told();
        lab.sh(&with).ok();
        // It shows its certificate again.
        lab.in_guest("a", "systemctl restart cpe-agent.service")
            .ok();
        lab.wait(why, 30, || told() > before);
        std::thread::sleep(Duration::from_secs(5));
        let events = lab.events().into_iter();
        let own = events.filter(|event| event.kind() == "assembly.identity-refused");
        let reasons: Vec<String> = own.skip(before).map(|own| own.field("reason")).collect();
        assert_eq!(reasons.len(), 1, "{why}: {reasons:?}");
        assert!(reasons[0].contains(said), "{why}: {reasons:?}");
        assert_ne!(lab.status("shop").assembly_state("a"), "online");
        issue(&lab, "issue", "a");
        online(&lab, "a");
    }
    assert_eq!(count(&lab, "assembly.identity-refused", "b"), 0);
    lab.wait("all runs", 30, || lab.status("shop").all_running());
}

#[test]
fn the_keys_of_dpes_are_kept_from_each_other_and_from_everybody_else() {
    let lab = boot("network-keys");
    lab.cpectl(&["pki", "issue", "bank"]).ok();
    lab.deploy(&document());
    let pid = lab
        .sh("systemctl show --value -p MainPID dpe@shop.service")
        .ok();
    let inside = |script: &str| {
        lab.run(&[
            "nsenter",
            "-t",
            pid.trim(),
            "-m",
            "setpriv",
            "--reuid=dpe",
            "--regid=dpe",
            "--clear-groups",
            "sh",
            "-c",
            script,
        ])
    };
    assert_eq!(inside("cat /etc/cpe/dpe/shop/identity.pem").code, 0);
    assert_ne!(inside("cat /etc/cpe/dpe/bank/identity.pem").code, 0);
    assert_ne!(inside("touch /etc/cpe/dpe/shop/x").code, 0);
    assert_ne!(inside("cat /var/lib/cpe-pki/ca.key").code, 0);
    let nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups cat";
    for secret in ["/etc/cpe/dpe/shop/identity.pem", "/var/lib/cpe-pki/ca.key"] {
        assert_ne!(lab.sh(&format!("{nobody} {secret}")).code, 0, "{secret}");
    }
    // Nothing of a key is where people look.
    let shown = lab.sh(
        "key=$(sed -n '/PRIVATE KEY/{n;p;q}' /etc/cpe/dpe/shop/identity.pem); test -n \"$key\" || exit 9
         { journalctl --no-pager; cpectl show shop; cpectl status shop --json; cpectl events --json; cpectl input shop; } | grep -cF \"$key\"",
    );
    assert_eq!((shown.code, shown.stdout.trim()), (1, "0"), "{shown:?}");
}
