//! Check 7: the page in a real browser. What is seen and done is in `tests/browser/`.

use std::path::Path;
use std::process::Command;

use end_to_end::{System, missing_for_browsers, prepared, project_dir};

use crate::report::Findings;
use crate::stage::{LAB, Stage};

const CHROMIUM: &str = "/usr/bin/chromium";
/// Cases in `tests/browser/page.mjs`.
const CASES: usize = 12;
/// A card is in its new column so soon after the event.
const SOON_MS: u32 = 2000;

/// Both users find the gateway as they would over `ssh -L`.
const FORWARD: &str = "
    systemd-run --quiet --uid=alice --unit=forward-alice python3 /srv/forward.py 8080 /run/cpe-gateway/http.sock
    systemd-run --quiet --uid=bob --unit=forward-bob python3 /srv/forward.py 8081 /run/cpe-gateway/http.sock";

pub(crate) fn page(stage: &Stage, findings: &mut Findings) {
    let browser =
        || (!Path::new(CHROMIUM).exists()).then(|| format!("{CHROMIUM}: `make packages`"));
    if let Some(missing) = missing_for_browsers().or_else(browser) {
        findings.not_done(&format!("anything in a browser, without {missing}"));
        return;
    }
    stage.sh(FORWARD).ok();
    let token = stage.lab.cpectl(&["token", "new", "web"]).ok();
    let shots = project_dir().join("target/screenshots");
    let output = Command::new("nsenter")
        .args(["--target", &stage.lab.pid1().to_string(), "--net", "--"])
        .arg("node")
        .arg(project_dir().join("tests/browser/page.mjs"))
        .env("LAB", prepared())
        .env("LAB_NAME", LAB)
        .env("SCRIPTS", project_dir().join("tests/lab"))
        .env("MODULES", prepared().join("browser"))
        .env("SHOTS", &shots)
        .env("TOKEN", token.trim())
        .output()
        .expect("nsenter can be run");
    let told = String::from_utf8_lossy(&output.stdout);
    let (good, wrong) = told.split_once("NOT OK ").unwrap_or((&*told, ""));
    for line in good.lines() {
        findings.tell(line.trim());
    }
    if !output.status.success() {
        println!("{wrong}{}", String::from_utf8_lossy(&output.stderr));
    }
    let held = told.lines().filter(|line| line.starts_with("ok ")).count();
    findings.check(
        &format!("{held} of {CASES} cases hold: moves without a reload, no other host, no violation of the policy, axe, no scripts, \"not live\" and back"),
        output.status.success() && held == CASES,
    );
    let moved = told.lines().find_map(|line| {
        let (_, rest) = line.split_once("in its new place ")?;
        rest.split(' ').next()?.parse::<u32>().ok()
    });
    findings.check(
        &format!("web's card runs in web2 less than {SOON_MS} ms after the event: {moved:?} ms"),
        moved.is_some_and(|moved| moved < SOON_MS),
    );
    findings.tell(&format!("screenshots: {}", shots.display()));
    findings.not_done("screenshots (light, dark, print, 320 px) are taken, and compared with none: the repository has none to compare with");
}
