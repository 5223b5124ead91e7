//! The pages of docs/fencing.md about power switches and clouds: what they say, against the real
//! agents of Debian; and those of which this machine can have a fake, carried out.

use end_to_end::{Lab, System, project_dir};

const SLEEPER: u32 = 100_111;

/// The sections about agents, each with its name and its text.
fn sections() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(project_dir().join("docs/fencing.md")).unwrap();
    let parts = page.split("\n### ").skip(1);
    let of_agent = |part: &str| {
        let (title, text) = part.split_once('\n')?;
        let agent = title.split('`').nth(1)?;
        Some((agent.to_owned(), text.to_owned()))
    };
    parts.filter_map(of_agent).collect()
}

/// The example of a section.
fn example(agent: &str, section: &str) -> String {
    let block = section.split("```xml\n").nth(1).unwrap_or_default();
    let block = block.split("```").next().unwrap().to_owned();
    let head = format!(r#"<fencing mode="agent" agent="{agent}" "#);
    assert!(block.starts_with(&head), "{agent}: {block}");
    block
}

fn document(fencing: [&str; 2]) -> String {
    let [a, b] = fencing;
    format!(
        r#"<deployable name="shop" heartbeat_interval="500ms" heartbeat_timeout="2s">
  <assemblies>
    <assembly name="a" address="unix:/run/cpe/guests/a/agent.sock">{a}</assembly>
    <assembly name="b" address="unix:/run/cpe/guests/b/agent.sock">{b}</assembly>
  </assemblies>
  <services>
    <service name="db" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s"><parameters>
      <parameter name="binfile" value="/usr/bin/sleep"/><parameter name="cmdline_options" value="{SLEEPER}"/>
      <parameter name="pidfile" value="/run/db.pid"/></parameters></service>
  </services>
</deployable>"#
    )
}

/// Parameters that a text names: in an example, and as `NAME="VALUE"` in prose.
fn named(section: &str) -> Vec<String> {
    /// Those of our documents.
    const OURS: [&str; 4] = ["timeout", "mode", "file", "path_of"];
    let in_example = section.split(r#"<parameter name=""#).skip(1);
    let in_example = in_example.filter_map(|rest| rest.split('"').next());
    let in_prose = section.split('`').skip(1).step_by(2);
    let in_prose = in_prose.filter_map(|code| code.split_once("=\""));
    let in_prose = in_prose.map(|(name, _)| name);
    let is_name = |name: &&str| {
        name.bytes()
            .all(|it| it.is_ascii_alphabetic() || it == b'_')
    };
    let both = in_example.chain(in_prose).filter(is_name);
    let both = both.filter(|name| !OURS.contains(name));
    both.map(str::to_owned).collect()
}

fn examples_are_what_agents_take(lab: &Lab) {
    let sections = sections();
    assert_eq!(sections.len(), 7, "virsh, ipmilan and five clouds");
    for (agent, section) in sections {
        let example = example(&agent, &section);
        let metadata = lab.sh(&format!("/usr/sbin/{agent} -o metadata")).ok();
        let named = named(&section);
        assert!(named.len() >= 4, "{agent}: {named:?}");
        for name in named {
            let known = metadata.contains(&format!(r#"<parameter name="{name}""#));
            assert!(known, "{agent} has no parameter {name}");
        }
        let text = document([&example, r#"<fencing mode="manager"/>"#]);
        lab.write("/srv/example.xml", &text);
        let said = lab.cpectl(&["validate", "/srv/example.xml"]);
        assert!(
            said.code == 0 && !format!("{said:?}").contains("warning"),
            "{agent}: {said:?}"
        );
    }
}

/// Guest `a` is number 101 of the fake Proxmox VE, guest `b` an instance of the fake EC2. Each is
/// reached and believed as its page says it of the real one.
fn fakes(lab: &Lab) {
    lab.sh(
        "mkdir /srv/clouds; cd /srv/clouds
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=fake -keyout key.pem -out cert.pem \\
           -addext subjectAltName=IP:127.0.0.1,DNS:ec2.eu-central-1.amazonaws.com 2> /dev/null
         cp cert.pem /usr/local/share/ca-certificates/fake.crt; update-ca-certificates > /dev/null 2>&1
         ip addr add 169.254.169.254/32 dev lo; echo 127.0.0.1 ec2.eu-central-1.amazonaws.com >> /etc/hosts
         systemd-run --quiet --unit=fake-clouds /srv/lab/fake-clouds.py /srv/clouds a b
         install -d -m 0750 -g cpe-fence /var/lib/cpe-fence/shop /var/lib/cpe-fence/shop/.aws
         printf '[default]\\nca_bundle = /usr/local/share/ca-certificates/fake.crt\\n' > /var/lib/cpe-fence/shop/.aws/config
         chgrp cpe-fence /var/lib/cpe-fence/shop/.aws/config
         umask 077; mkdir -p /etc/cpe/secrets/shop; cd /etc/cpe/secrets/shop
         echo wrong > pve; echo AKIAFAKE > aws-id; echo fake > aws-key
         for port in 8006 443; do until : 2> /dev/null > /dev/tcp/127.0.0.1/$port; do sleep 0.1; done; done",
    )
    .ok();
}

/// The calls that the fakes have got, without repetitions.
fn calls(lab: &Lab, provider: &str) -> Vec<String> {
    let log = lab.sh("cat /srv/clouds/log 2> /dev/null || :").stdout;
    let own = log.lines().filter_map(|line| line.strip_prefix(provider));
    let mut own: Vec<String> = own.map(str::to_owned).collect();
    own.dedup();
    own
}

fn is_on(lab: &Lab, guest: &str) -> bool {
    let unit = format!("systemd-nspawn@{guest}.service");
    lab.run(&["systemctl", "is-active", &unit]).stdout.trim() == "active"
}

fn fencing(lab: &Lab, kind: &str, assembly: &str) -> Vec<String> {
    let events = lab.events().into_iter();
    let meant = events.filter(|it| it.kind() == kind && it.field("assembly") == assembly);
    meant.map(|event| event.field("reason")).collect()
}

#[test]
fn the_pages_of_clouds_are_what_debians_agents_take_and_do() {
    let lab = Lab::boot("clouds").with_guests(&["a", "b"]);
    examples_are_what_agents_take(&lab);
    fakes(&lab);
    let of = |wanted: &str| {
        let mut sections = sections().into_iter();
        let (agent, section) = sections.find(|(agent, _)| agent == wanted).unwrap();
        example(&agent, &section)
    };
    let pve = of("fence_pve").replace("pve1.example.com", "127.0.0.1");
    let aws = of("fence_aws").replace("i-0123456789abcdef0", "i-00000000000000102");
    lab.write("/srv/document.xml", &document([&pve, &aws]));
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();

    // With a wrong password nothing is switched.
    lab.cpectl(&["fence", "shop", "a", "--off"]).ok();
    lab.wait("Proxmox refuses the password", 60, || {
        !fencing(&lab, "assembly.fencing-failed", "a").is_empty()
    });
    assert!(is_on(&lab, "a"));
    let refused = calls(&lab, "pve ");
    assert_eq!(refused, ["POST access/ticket"]);
    lab.sh("echo s3cret > /etc/cpe/secrets/shop/pve").ok();
    lab.cpectl(&["fence", "shop", "b", "--off"]).ok();
    for guest in ["a", "b"] {
        lab.wait("it was switched off, and seen to be", 90, || {
            !fencing(&lab, "assembly.fencing-succeeded", guest).is_empty()
        });
        assert!(!is_on(&lab, guest), "{guest}");
    }
    assert_eq!(lab.sleepers(SLEEPER), []);
    let own = "GET nodes/pve1/qemu/101/status/current";
    let told = calls(&lab, "pve ");
    let off = "POST nodes/pve1/qemu/101/status/stop";
    let at = told.iter().position(|call| call == off).expect("a stop");
    assert!(told[at..].iter().any(|call| call == own), "{told:?}");
    let told = calls(&lab, "ec2 ");
    let off = "StopInstances i-00000000000000102";
    let at = told.iter().position(|call| call == off).expect("a stop");
    let own = "DescribeInstances i-00000000000000102";
    assert!(told[at..].iter().any(|call| call == own), "{told:?}");

    for guest in ["a", "b"] {
        lab.cpectl(&["fence", "shop", guest, "--on"]).ok();
    }
    lab.wait("both are back, and the service runs", 90, || {
        let status = lab.status("shop");
        let online = ["a", "b"].map(|guest| status.assembly_state(guest) == "online");
        online == [true; 2] && lab.sleepers(SLEEPER).len() == 1
    });
    let on = [
        calls(&lab, "pve ").contains(&"POST nodes/pve1/qemu/101/status/start".to_owned()),
        calls(&lab, "ec2 ").contains(&"StartInstances i-00000000000000102".to_owned()),
    ];
    assert_eq!(on, [true; 2]);
    // Secrets are in no log.
    let journal = lab.sh("journalctl --no-pager | grep -c s3cret || :").ok();
    assert_eq!(journal.trim(), "0");
}
