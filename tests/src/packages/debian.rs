//! Debian packages, in a private Debian system.

use super::{Folder, assert_man_finds_every_page, pack, run, upgrade_with_a_service};
use crate::{Lab, Output, System};

/// Four Debian packages, without an error or a warning. Panics if there is one.
pub fn lintian_has_nothing_to_say() {
    let folder = Folder::new("lintian");
    pack("mk/deb.sh", &folder, "0.1.0");
    let changes = folder.files(".changes");
    let said = run(
        "lintian",
        &[
            "--allow-root",
            "--fail-on=error,warning",
            &changes[0].to_string_lossy(),
        ],
    );
    assert_eq!(said, "");
}

/// Puts a folder's packages of a version where host and guests find them.
#[track_caller]
fn bring(lab: &Lab, folder: &Folder, version: &str) {
    lab.sh(&format!("mkdir -p /srv/shared/{version}")).ok();
    for file in folder.files(".deb") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let (package, rest) = name.split_once('_').unwrap();
        if !rest.starts_with(&format!("{version}_")) {
            continue;
        }
        let to = format!(
            "/proc/{}/root/srv/shared/{version}/{package}.deb",
            lab.pid1()
        );
        std::fs::copy(&file, &to).unwrap_or_else(|error| panic!("{to}: {error}"));
    }
}

fn install_on_host(lab: &Lab, version: &str) -> Output {
    lab.sh(&format!(
        "cd /srv/shared/{version} && dpkg -i cpectl.deb cpe.deb cpe-gateway.deb 2>&1"
    ))
}

fn install_in_guests(lab: &Lab, version: &str) {
    for guest in ["a", "b"] {
        lab.in_guest(
            guest,
            &format!("dpkg -i /srv/shared/{version}/cpe-agent.deb 2>&1"),
        )
        .ok();
    }
}

/// Installed, used, upgraded with a service, refused, removed and purged. Panics where that fails.
pub fn debian_packages_live_and_go() {
    let folder = Folder::new("upgrade");
    pack("mk/deb.sh", &folder, "0.0.9");
    pack("mk/deb.sh", &folder, "0.1.0");
    let lab = Lab::boot_bare("packages");
    lab.sh("/srv/lab/guests.sh net; find /usr /etc /var/lib /var/log -path /var/lib/machines -prune -o '(' -name '*cpe*' -o -name '*dpe*' ')' -print | sort > /srv/before")
        .ok();
    bring(&lab, &folder, "0.0.9");
    bring(&lab, &folder, "0.1.0");

    install_on_host(&lab, "0.0.9").ok();
    assert_eq!(
        lab.sh("systemctl is-active cpe.service").stdout.trim(),
        "active"
    );
    assert_man_finds_every_page(&lab);
    let lab = lab.with_guests(&["a", "b"]);
    install_in_guests(&lab, "0.0.9");
    upgrade_with_a_service(&lab, || {
        install_on_host(&lab, "0.1.0").ok();
        install_in_guests(&lab, "0.1.0");
    });

    let downgrade = install_on_host(&lab, "0.0.9");
    assert!(
        downgrade.code != 0
            && downgrade
                .stdout
                .contains("0.1.0 is installed, and 0.0.9 cannot read"),
        "{downgrade:#?}"
    );
    let removal = lab.sh("dpkg -r cpe-gateway cpe 2>&1");
    assert!(
        removal.code != 0 && removal.stdout.contains("cpe: there are deployments: shop"),
        "{removal:#?}"
    );
    assert!(lab.status("shop").is_settled() && lab.sleepers(100_501).len() == 1);

    lab.cpectl(&["destroy", "--wait", "shop"]).ok();
    lab.sh("mkdir -p /etc/cpe/gateway /var/log/cpe-notify && dpkg -r cpe-gateway cpe && test -e /etc/cpe/cpe.toml && ! systemctl is-active cpe.service && dpkg -P cpe-gateway cpe cpectl")
        .ok();
    let left = lab.sh("find /usr /etc /var/lib /var/log -path /var/lib/machines -prune -o '(' -name '*cpe*' -o -name '*dpe*' ')' -print | sort | comm -13 /srv/before -; systemctl list-unit-files --no-legend 'cpe*' 'dpe*' || :");
    assert_eq!(left.stdout.trim(), "", "something is left");
    lab.in_guest(
        "a",
        "dpkg -P cpe-agent 2>&1 && ! test -e /usr/bin/cpe-agent",
    )
    .ok();
}
