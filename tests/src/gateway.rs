//! The gateway in a lab, and the tools that hold it to what it promises: for its tests, and for the
//! checks of `make acceptance`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::lab::{Lab, missing_for_browsers, prepared, project_dir};
use crate::system::{Output, System};

/// A certificate of the gateway's own, as a script.
pub const CERTIFICATE: &str =
    "install -d -m 0750 -g cpe-gateway /etc/cpe/gateway; cd /etc/cpe/gateway
     openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
       -keyout key.pem -out certificate.pem 2> /dev/null
     chgrp cpe-gateway *.pem; chmod 0640 *.pem";

/// What the three-tier shop needs of its host, and alice and bob, who look at it: as a script.
pub const SHOP: &str =
    "useradd --system --groups cpe alice; useradd --system --groups cpe bob
     install -d -o $(awk -F: '$1 == \"redis\" {print $3}' /srv/guest/etc/passwd) -m 750 /srv/shared/shop
     cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/";

/// A document whose deployment has no guests, and needs somebody.
pub const MAIL: &str = r#"<deployable name="mail" uuid="6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a22">
  <assemblies><assembly name="mx1"/></assemblies>
  <services><service name="smtp" class="ocf" provider="heartbeat" type="Dummy"/></services>
</deployable>"#;

/// More settings of the gateway, for a tool that asks more often than people do.
pub const LIMITS_FOR_TOOLS: &str =
    "\n[limits]\nrequests_per_second = 2000\nburst = 4000\nwrong_tokens_per_minute = 10000\n";

/// A header a second.
const SLOW: &str = r#"import socket, time
s = socket.socket(socket.AF_UNIX); s.connect("/run/cpe-gateway/http.sock"); s.sendall(b"GET /v1 HTTP/1.1\r\n")
begin = time.time(); s.settimeout(1)
while time.time() - begin < 40:
    try:
        if not s.recv(100): break
    except TimeoutError: pass
    try: s.sendall(b"X-Slow: 1\r\n")
    except OSError: break
print(time.time() - begin)"#;

/// How long alice is listened to, whose request has a header a second and no end: in seconds.
pub fn time_of_an_endless_head(lab: &Lab) -> f64 {
    lab.write("/srv/slow.py", SLOW);
    let took = lab.sh("runuser -u alice -- python3 /srv/slow.py").stdout;
    took.trim().parse().unwrap_or(0.0)
}

/// schemathesis: what SCHEMATHESIS names, else what `tests/lab/contract-tools.sh` has fetched.
pub fn schemathesis() -> PathBuf {
    std::env::var_os("SCHEMATHESIS").map_or_else(
        || prepared().join("contract/bin/schemathesis"),
        PathBuf::from,
    )
}

/// Has schemathesis ask as token `role`, which is made, five examples of each operation and kind.
#[track_caller]
pub fn hold_to_contract(lab: &Lab, role: &str) -> Output {
    let token = lab.cpectl(&["token", "new", role]).ok();
    let pid = lab.pid1().to_string();
    let certificate = format!("/proc/{pid}/root/etc/cpe/gateway/certificate.pem");
    let output = Command::new(project_dir().join("tests/gateway/schemathesis.sh"))
        .env("SCHEMATHESIS", schemathesis())
        .args([&*pid, &*certificate, token.trim(), "5"])
        .output()
        .expect("tests/gateway/schemathesis.sh can be run");
    output.into()
}

const CHROMIUM: &str = "/usr/bin/chromium";
/// Cases in `tests/browser/page.mjs`.
pub const PAGE_CASES: usize = 16;

/// alice and bob find the gateway as they would over `ssh -L`.
const FORWARD: &str = "
    systemd-run --quiet --uid=alice --unit=forward-alice python3 /srv/forward.py 8080 /run/cpe-gateway/http.sock
    systemd-run --quiet --uid=bob --unit=forward-bob python3 /srv/forward.py 8081 /run/cpe-gateway/http.sock";

/// What this machine lacks to look at the page; `None` if nothing.
pub fn missing_for_the_page() -> Option<String> {
    let browser =
        || (!Path::new(CHROMIUM).exists()).then(|| format!("{CHROMIUM}: `make packages`"));
    missing_for_browsers().or_else(browser)
}

/// Does `tests/browser/page.mjs` in the network of a lab with the shop and [`MAIL`], as alice, as
/// bob, and as token `web`, which is made. Screenshots come to `target/screenshots`.
#[track_caller]
pub fn look_at_the_page(lab: &Lab) -> Output {
    lab.write("/srv/forward.py", include_str!("../browser/forward.py"));
    lab.sh(FORWARD).ok();
    let token = lab.cpectl(&["token", "new", "web"]).ok();
    let output = Command::new("nsenter")
        .args(["--target", &lab.pid1().to_string(), "--net", "--", "node"])
        .arg(project_dir().join("tests/browser/page.mjs"))
        // For the script that runs commands in the lab.
        .env("LAB", prepared())
        .env("LAB_NAME", lab.name())
        .env("SCRIPTS", project_dir().join("tests/lab"))
        .env("MODULES", prepared().join("browser"))
        .env("SHOTS", project_dir().join("target/screenshots"))
        .env("TOKEN", token.trim())
        .output()
        .expect("nsenter can be run");
    output.into()
}

/// Runs `promtool`, as `make lab` has fetched it.
#[track_caller]
pub fn promtool(arguments: &[&str], input: &str) -> Output {
    let program = prepared().join("prometheus/promtool");
    let mut child = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run `make lab` first", program.display()));
    let mut stdin = child.stdin.take().expect("invariant: it was asked for");
    // It may end before it has read all of it: what it says then is its own.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    child.wait_with_output().expect("promtool ends").into()
}
