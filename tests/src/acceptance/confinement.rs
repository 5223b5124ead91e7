//! Check 12: what the gateway and the notifier could do if somebody else controlled them.

use end_to_end::System;

use crate::report::Findings;
use crate::stage::Stage;

pub(crate) fn confinement(stage: &Stage, findings: &mut Findings) {
    exposure(stage, findings, "cpe-gateway.service", 1.5);
    exposure(stage, findings, "cpe-notify.service", 2.5);
    cannot_dial(stage, findings);
    cannot_change(stage, findings);
}

/// What systemd thinks of a unit's confinement, at most.
fn exposure(stage: &Stage, findings: &mut Findings, unit: &str, most: f64) {
    let said = stage.sh(&format!("systemd-analyze security --no-pager {unit}"));
    let level = said
        .stdout
        .split(&format!("exposure level for {unit}: "))
        .nth(1);
    let level: Option<f64> = level.and_then(|rest| rest.split(' ').next()?.parse().ok());
    findings.check(
        &format!("systemd-analyze security {unit}: {level:?}, at most {most}"),
        level.is_some_and(|level| level <= most),
    );
}

/// As the gateway's user, in its network: addresses of itself, the host, the shop, a guest, and of
/// elsewhere.
const DIAL: &str = r#"import errno, socket, sys
reached = []
for family, kind, address in [
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 7443)), (socket.AF_INET, socket.SOCK_STREAM, ("10.77.0.1", 22)),
    (socket.AF_INET, socket.SOCK_STREAM, ("10.77.0.100", 80)), (socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 443)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("10.77.0.11", 53)), (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 7443)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 443))]:
    try:
        with socket.socket(family, kind) as it:
            it.settimeout(3); it.connect(address); reached.append(address)
    except OSError as error:
        print(address, errno.errorcode.get(error.errno, error), file=sys.stderr)
sys.exit(str(reached) if reached else 0)"#;

fn cannot_dial(stage: &Stage, findings: &mut Findings) {
    let pid = stage.lab.main_pid("cpe-gateway.service");
    stage.lab.write("/srv/dial.py", DIAL);
    let shop = stage.sh("curl --silent --fail --max-time 5 http://10.77.0.100/ > /srv/front");
    findings.check(
        "from the host, the shop is reached",
        pid > 0 && shop.code == 0,
    );
    // Its user and its network, without the rest of its confinement: what fails here fails there.
    let inside = format!(
        "nsenter --target {pid} --net -- setpriv --reuid cpe-gateway --clear-groups python3 /srv/dial.py"
    );
    let dial = stage.sh(&inside);
    for line in dial.stderr.lines() {
        findings.tell(line);
    }
    let tried = dial.stderr.lines().count();
    findings.check(
        &format!("in the gateway's network, connect() fails for each of {tried} addresses"),
        dial.code == 0 && tried == 7,
    );
    // Whoever has looked at the page has made one.
    let token = stage
        .sh("cpectl token revoke web > /dev/null 2>&1 || :; cpectl token new web")
        .ok();
    let https = stage.sh(&format!(
        "curl --silent --fail --max-time 20 --cacert /etc/cpe/gateway/certificate.pem -H 'Authorization: Bearer {}' https://localhost:7443/v1",
        token.trim()
    ));
    findings.check(
        "meanwhile it serves HTTPS",
        https.stdout.contains("token:web"),
    );
}

/// The gateway's user on the bus, who has not assumed anybody.
fn cannot_change(stage: &Stage, findings: &mut Findings) {
    let before = stage.lab.status("shop").0;
    for command in [
        "destroy shop",
        "maintenance shop on",
        "standby shop web1 --force",
        "cleanup shop",
        "disable shop web --force",
        "deploy /srv/pair.xml",
        "show shop",
    ] {
        let told = stage.sh(&format!(
            "runuser -u cpe-gateway -- cpectl {command} < /dev/null"
        ));
        let refused = told.code == 6;
        findings.check(
            &format!(
                "without Assume: cpectl {command}: exit status {}, access denied",
                told.code
            ),
            refused,
        );
        if !refused {
            findings.tell(told.stderr.trim());
        }
    }
    let after = stage.lab.status("shop").0;
    findings.check(
        "nothing has changed",
        after["generation"] == before["generation"]
            && after["maintenance"] == before["maintenance"]
            && after["state"] == "active",
    );
}
