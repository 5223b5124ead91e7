//! What guests run before services start, over everything that restarts a service.

use end_to_end::{Document, Lab, System};

const SLEEPER: u32 = 100_091;
/// Where it is written down what was run; all guests share it.
const RAN: &str = "/srv/shared/ran";

/// A service that is `sleep`, and what is run before it.
fn service(marker: &str, configure: &str) -> String {
    format!(
        r#"<service name="db" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s" migration_threshold="3">
      <parameters>
        <parameter name="binfile" value="/usr/bin/sleep"/>
        <parameter name="cmdline_options" value="{SLEEPER}"/>
        <parameter name="pidfile" value="/run/db.pid"/>
        <parameter name="logfile" value="/run/{marker}.log"/>
      </parameters>
      <configure>{configure}</configure></service>"#
    )
}

/// A script that writes down one of the service's parameters, and which boot it is.
const SCRIPT: &str =
    r#"echo "$OCF_RESKEY_logfile" $(cat /proc/sys/kernel/random/boot_id) &gt;&gt; /srv/shared/ran"#;

/// What was run, by that parameter, in its order: in no boot is the same run twice.
fn ran(lab: &Lab) -> Vec<String> {
    let text = lab.sh(&format!("cat {RAN} 2> /dev/null || :")).ok();
    let mut lines: Vec<&str> = text.lines().collect();
    let parameter = |line: &&str| line.split(' ').next().unwrap_or_default().to_owned();
    let all = lines.iter().map(parameter).collect();
    lines.sort_unstable();
    let twice = lines.windows(2).any(|pair| pair[0] == pair[1]);
    assert!(!twice, "the same was run twice in a boot: {lines:?}");
    all
}

/// The service's process, when it runs as wanted.
fn runs(lab: &Lab) -> Option<u32> {
    let all = lab.sleepers(SLEEPER);
    let well = lab.status("shop").all_running() && all.len() == 1;
    well.then(|| all[0].1)
}

/// Waits until another process than that runs.
fn again(lab: &Lab, what: &str, before: u32) -> u32 {
    lab.wait(what, 60, || runs(lab).is_some_and(|pid| pid != before));
    runs(lab).unwrap()
}

/// Once per boot and per change, in guest `a`, however it is reached.
pub(crate) fn once_per_boot_and_change(lab: &Lab, document: impl Fn(&str) -> Document) {
    let [one, two] = ["/run/one.log", "/run/two.log"];
    lab.deploy(&document(&service("one", SCRIPT)));
    let first = runs(lab).unwrap();
    assert_eq!(ran(lab), [one]);
    // Not for a service that is started again.
    lab.sh(&format!("kill -9 {first}")).ok();
    let second = again(lab, "the service runs again", first);
    assert_eq!(ran(lab), [one]);
    // For another parameter.
    lab.deploy(&document(&service("two", SCRIPT)));
    let third = again(lab, "the changed service runs", second);
    assert_eq!(ran(lab), [one, two]);
    lab.sh(&format!("kill -9 {third}")).ok();
    let fourth = again(lab, "the changed service runs again", third);
    assert_eq!(ran(lab).len(), 2);
    // For a boot, of which its fencing may make another one.
    lab.sh("systemctl restart systemd-nspawn@a.service").ok();
    again(lab, "the service runs after the boot", fourth);
    let all = ran(lab);
    assert!(
        all.len() >= 3 && all[1..].iter().all(|it| it == two),
        "{all:?}"
    );
}

/// Its failure is a failed start with its own reason.
pub(crate) fn fails_as_the_start(lab: &Lab, document: impl Fn(&str) -> Document) {
    let deploy = |script: &str| {
        lab.write(
            "/srv/document.xml",
            &document(&service("three", script)).xml(),
        );
        lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    };
    deploy("echo 'no such site' &gt;&amp;2; exit 3");
    let reason = "configure executable of the document: exit code 3: no such site";
    lab.wait("the failure is shown", 40, || {
        lab.cpectl(&["status", "shop"]).stdout.contains(reason)
    });
    assert_eq!(lab.sleepers(SLEEPER), []);
    let explained = lab.cpectl(&["explain", "shop", "db"]).ok();
    assert!(
        explained.contains("exit code 3: no such site"),
        "{explained}"
    );
    // Mended, it is started.
    deploy("exit 0");
    lab.cpectl(&["cleanup", "shop"]).ok();
    lab.wait("the service runs", 40, || runs(lab).is_some());
}

#[test]
fn a_guest_runs_what_the_document_says_once_per_boot_and_change_before_a_service_starts() {
    let lab = Lab::boot("configure").with_guests(&["a"]);
    let document = |service: &str| Document::new("shop", &["a"]).service(service);
    once_per_boot_and_change(&lab, document);
    let status = lab.cpectl(&["status", "shop"]).stdout;
    let digest = lab.sh(&format!(
        "printf '%s\\n' '{}' | sha256sum | cut -d' ' -f1",
        SCRIPT.replace("&gt;", ">")
    ));
    assert!(status.contains(digest.stdout.trim()), "{status}");
    assert!(status.contains("RUN BEFORE IT STARTS"), "{status}");
    fails_as_the_start(&lab, document);
    by_path(&lab);
}

/// A program of the guest, in place of a script of the document.
fn by_path(lab: &Lab) {
    let program = "/usr/local/bin/set-up-db";
    let write = |more: &str| {
        let path = format!("/var/lib/machines/a{program}");
        lab.write(
            &path,
            &format!("#!/bin/sh\necho \"$OCF_RESKEY_logfile\" by-path >> {RAN}\n{more}\n"),
        );
        lab.sh(&format!("chmod 755 {path}")).ok();
    };
    let document = |marker: &str| {
        let path = format!(r#"<configure path="{program}"/>"#);
        let service = service(marker, "").replace("<configure></configure>", &path);
        Document::new("shop", &["a"]).service(&service)
    };
    write("");
    lab.deploy(&document("four"));
    let first = runs(lab).unwrap();
    lab.sh(&format!("kill -9 {first}")).ok();
    again(lab, "the service runs again", first);
    // `ran` holds that it was not run twice.
    assert_eq!(ran(lab).last().unwrap(), "/run/four.log");
    let status = lab.cpectl(&["status", "shop"]).stdout;
    assert!(status.contains(program), "{status}");
    // Its failure is the start's.
    write("echo no disk >&2; exit 4");
    lab.write("/srv/document.xml", &document("five").xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    let reason = format!("configure executable {program}: exit code 4: no disk");
    lab.wait("the failure is shown", 40, || {
        lab.cpectl(&["status", "shop"]).stdout.contains(&reason)
    });
    assert_eq!(lab.sleepers(SLEEPER), []);
}
