//! Installing and uninstalling.

use std::collections::BTreeSet;
use std::process::Command;

use end_to_end::{Lab, System, project_dir};

/// Runs `make` in the project, into the lab's root.
#[track_caller]
fn make(lab: &Lab, arguments: &[&str]) -> String {
    let output = Command::new("make")
        .args(["--no-print-directory", "PROFILE=debug"])
        .arg(format!("DESTDIR=/proc/{}/root", lab.pid1()))
        .args(arguments)
        .current_dir(project_dir())
        .output()
        .expect("make can be run");
    assert!(output.status.success(), "{output:#?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const OURS: &str = "find /usr /etc -newer /srv/before -type f | grep -E 'cpe|dpe|cloudpolicy|policy-simulate' || :";

#[test]
fn it_is_installed_activated_and_uninstalled_with_make() {
    let lab = Lab::boot_bare("install");
    lab.sh("touch /srv/before; sleep 0.1").ok();
    make(&lab, &["install"]);
    // The commands of `make install-activate`: there is no make in the lab.
    lab.sh(&make(&lab, &["--dry-run", "install-activate"])).ok();
    assert_eq!(
        lab.sh("systemctl is-active cpe.service").stdout.trim(),
        "active"
    );
    lab.cpectl(&["list"]).ok();
    lab.sh("cpectl validate /usr/share/doc/cpe/examples/three-tier.xml && policy-simulate --version && test -s /usr/share/man/man8/dpe.8 && test -s /usr/share/man/man8/cpe-notify.8 && test -s /usr/share/man/man5/cpe-sinks.5 && test -s /usr/share/man/man5/cpe-agent.conf.5 && test -s /usr/share/man/man7/cpe-events.7").ok();
    let verified = lab
        .sh("systemd-analyze verify --man=no cpe.service dpe@shop.service cpe-agent.service cpe-notify.service 2>&1");
    assert_eq!((verified.code, verified.stdout.as_str()), (0, ""));

    lab.sh("systemctl disable --now cpe.service").ok();
    make(&lab, &["uninstall"]);
    let left = lab.sh(OURS).stdout;
    assert_eq!(
        left.split_whitespace().collect::<BTreeSet<_>>(),
        BTreeSet::from(["/etc/cpe/cpe.toml", "/etc/cpe/gateway.toml"]),
        "only the configuration stays"
    );
}
