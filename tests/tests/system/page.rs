//! The gateway's page in a real browser: Debian's Chromium in the network of a lab, with the real
//! gateway, cpe, DPE and guests. What is seen and done is in `tests/browser/`.

use std::path::Path;
use std::process::Command;

use end_to_end::{Lab, System, missing_for_browsers, prepared, project_dir};

use crate::gateway::with_tls;

const GUESTS: [&str; 4] = ["web1", "web2", "app1", "db1"];
/// In `tests/browser/page.mjs`.
const CASES: usize = 14;
const CHROMIUM: &str = "/usr/bin/chromium";

/// alice may do all of it; bob, and who logs in with token `web`, look at `shop`.
const ACCESS: &str = r#"delegates = ["cpe-gateway"]
[[grant]]
principal = ["user:alice"]
role = "owner"
deployments = ["*"]
[[grant]]
principal = ["user:bob", "token:web"]
role = "viewer"
deployments = ["shop"]
"#;

/// It has no guests, and needs somebody.
const MAIL: &str = r#"<deployable name="mail" uuid="6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a22">
  <assemblies><assembly name="mx1"/></assemblies>
  <services><service name="smtp" class="ocf" provider="heartbeat" type="Dummy"/></services>
</deployable>"#;

/// Both users find the gateway as they would over `ssh -L`.
const FORWARD: &str = "
    systemd-run --quiet --uid=alice --unit=forward-alice python3 /srv/forward.py 8080 /run/cpe-gateway/http.sock
    systemd-run --quiet --uid=bob --unit=forward-bob python3 /srv/forward.py 8081 /run/cpe-gateway/http.sock";

fn missing() -> Option<String> {
    let browser =
        || (!Path::new(CHROMIUM).exists()).then(|| format!("{CHROMIUM}: `make packages`"));
    missing_for_browsers().or_else(browser)
}

#[test]
fn the_page_shows_a_deployment_as_it_lives() {
    if let Some(missing) = missing() {
        // Elsewhere the packages may not be there for the asking.
        assert!(
            std::env::var_os("CI").is_none(),
            "the page is tested in CI, and there is no {missing}"
        );
        eprintln!("SKIPPED: the page is not tested in a browser, without {missing}");
        return;
    }
    let lab = Lab::boot("page").with_guests(&GUESTS);
    lab.write("/etc/cpe/access.toml", ACCESS);
    lab.write("/srv/mail.xml", MAIL);
    let forward = project_dir().join("tests/browser/forward.py");
    lab.write(
        "/srv/forward.py",
        &std::fs::read_to_string(forward).unwrap(),
    );
    lab.sh(
        "useradd --system --groups cpe alice; useradd --system --groups cpe bob
         install -d -o $(awk -F: '$1 == \"redis\" {print $3}' /srv/guest/etc/passwd) -m 750 /srv/shared/shop
         cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/
         systemctl restart cpe.service; systemctl start cpe-gateway.socket",
    )
    .ok();
    lab.sh("cpectl deploy --wait /srv/examples/three-tier.xml; cpectl deploy /srv/mail.xml")
        .ok();
    with_tls(&lab);
    let token = lab.cpectl(&["token", "new", "web"]).ok();
    lab.sh(&format!("systemctl start cpe-gateway.socket; {FORWARD}"))
        .ok();
    let pid = lab.pid1().to_string();
    let output = Command::new("nsenter")
        .args(["--target", &pid, "--net", "--", "node"])
        .arg(project_dir().join("tests/browser/page.mjs"))
        // For the script that runs commands in the lab.
        .env("LAB", prepared())
        .env("LAB_NAME", "page")
        .env("SCRIPTS", project_dir().join("tests/lab"))
        .env("MODULES", prepared().join("browser"))
        .env("SHOTS", project_dir().join("target/screenshots"))
        .env("TOKEN", token.trim())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{told}");
    assert!(output.status.success(), "{told}\n{errors}");
    // None of them was left out.
    let held = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(held, CASES, "{told}");
}
