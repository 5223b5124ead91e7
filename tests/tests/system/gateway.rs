//! REST over the gateway: real sockets of systemd, the real cpe, a DPE and guests.

use std::time::Duration;

use end_to_end::gateway::{CERTIFICATE, time_of_an_endless_head};
use end_to_end::{Document, Lab, System};
use serde_json::Value;

/// A user of group cpe, as whom everything is asked over the Unix socket.
const ALICE: &str = "useradd --system --groups cpe alice";
const CURL: &str =
    "runuser -u alice -- curl --silent --max-time 60 --unix-socket /run/cpe-gateway/http.sock";

/// What the gateway lets alice do; nothing is granted to anybody else.
const ACCESS: &str = r#"delegates = ["cpe-gateway"]
[[grant]]
principal = ["user:alice"]
role = "viewer"
deployments = ["*"]
[[grant]]
principal = ["user:alice"]
role = "owner"
deployments = ["mail*"]
"#;

fn lab(name: &str) -> Lab {
    boot(name, ACCESS)
}

/// A lab with a gateway that lets its callers do what is granted, and a service in two guests.
pub(crate) fn boot(name: &str, access: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    lab.write("/etc/cpe/access.toml", access);
    lab.sh(&format!(
        "{ALICE}; systemctl restart cpe.service; systemctl start cpe-gateway.socket"
    ))
    .ok();
    lab.deploy(&Document::new("shop", &["a", "b"]).sleeper("db", 100_001));
    // The first request starts it, and finds that cpe has told it nothing yet.
    lab.wait("the gateway is ready", 90, || {
        ask(&lab, "http://localhost/readyz").0 == "200"
    });
    lab
}

/// What is answered: the status, and the body.
pub(crate) fn ask(lab: &Lab, arguments: &str) -> (String, String) {
    let output = lab.sh(&format!("{CURL} -w '\\n%{{http_code}}' {arguments}"));
    let (body, status) = output.stdout.rsplit_once('\n').unwrap_or(("", "000"));
    (status.to_owned(), body.to_owned())
}

fn get(lab: &Lab, path: &str) -> Value {
    let (status, body) = ask(lab, &format!("'http://localhost{path}'"));
    assert_eq!(status, "200", "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn the_gateway_tells_what_cpectl_tells_with_its_age() {
    let lab = lab("gateway-reads");
    assert_eq!(get(&lab, "/v1")["principal"], "user:alice");
    lab.wait("the mirror has the status", 30, || {
        get(&lab, "/v1/deployments/shop")["status"]["state"] == "active"
    });
    let shop = get(&lab, "/v1/deployments/shop");
    assert_eq!(shop["is_live"], true, "{shop}");
    let told = lab.status("shop").0;
    assert_eq!(
        shop["status"]["services"][0]["assembly"],
        told["services"][0]["assembly"]
    );
    assert_eq!(get(&lab, "/v1/deployments")["counts"]["active"], 1);
    // A restart of cpe is seen, and is over by itself.
    lab.sh("systemctl stop cpe.service").ok();
    lab.wait("it is not ready", 20, || {
        ask(&lab, "http://localhost/readyz").0 == "503"
    });
    lab.sh("systemctl start cpe.service").ok();
    lab.wait("it is ready", 30, || {
        ask(&lab, "http://localhost/readyz").0 == "200"
    });
    lab.sh("systemctl restart dbus.service").ok();
    lab.wait("it is ready again", 60, || {
        ask(&lab, "http://localhost/readyz").0 == "200"
            && ask(&lab, "http://localhost/v1/deployments/shop").0 == "200"
    });
    // Its socket is systemd's, which makes it once; cpe, which may, has it made again.
    lab.sh("rm -r /run/cpe-gateway").ok();
    lab.wait("its socket is made again", 60, || {
        ask(&lab, "http://localhost/readyz").0 == "200"
    });
    lab.wait("it knows the deployment", 30, || {
        ask(&lab, "http://localhost/v1/deployments/shop").0 == "200"
    });
    let transitions = get(&lab, "/v1/deployments/shop/transitions");
    assert_eq!(
        transitions["transitions"][0]["state"], "completed",
        "{transitions}"
    );
}

#[test]
fn a_stream_that_breaks_twenty_times_tells_each_cursor_once() {
    let lab = lab("gateway-stream");
    let script = format!(
        r#"last=0; for n in $(seq 20); do
             [ $((n % 4)) != 0 ] || kill $(pgrep -f '^/usr/bin/sleep 100001$') || :
             {CURL} --no-buffer --max-time $((1 + n % 2)).$((RANDOM % 10)) -H "Last-Event-ID: $last" 'http://localhost/v1/events/stream' >> /srv/stream || :
             echo >> /srv/stream
             # What ends in the middle of an event does not count.
             sed -n '/^id: /h;/^data: .*}}$/{{x;p}}' /srv/stream > /srv/ids
             last=$(sed -n 's/^id: //p' /srv/ids | tail -n 1); : "${{last:=0}}"
           done; cat /srv/ids"#
    );
    let ids = lab.sh(&script).ok();
    let mut seen: Vec<u64> = ids
        .lines()
        .filter_map(|it| it.strip_prefix("id: ")?.parse().ok())
        .collect();
    let log: Vec<u64> = lab
        .events()
        .iter()
        .filter_map(|it| it.field("cursor").parse().ok())
        .collect();
    assert!(seen.len() > 10, "{ids}");
    let failed = lab
        .events()
        .iter()
        .filter(|it| it.kind() == "service.failed")
        .count();
    assert!(failed > 0, "the service was killed meanwhile");
    let before = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), before, "no cursor twice: {seen:?}");
    assert_eq!(seen, log[..seen.len()], "none is left out");
    let late = lab.sh(&format!(
        "{CURL} --no-buffer --max-time 2 'http://localhost/v1/events/stream?from=now' || :"
    ));
    assert!(late.stdout.contains(": hello"), "{late:?}");
    assert!(
        !late.stdout.contains("id: "),
        "from now on nothing old: {late:?}"
    );
}

/// A certificate of the gateway's own, the TLS socket, and a token.
pub(crate) fn with_tls(lab: &Lab) -> String {
    lab.sh(&format!(
        "{CERTIFICATE}
         systemctl stop cpe-gateway.service; systemctl start cpe-gateway-tls.socket cpe-gateway.service"
    ))
    .ok();
    lab.cpectl(&["token", "new", "ci"]).ok().trim().to_owned()
}

fn a_head_that_does_not_end_is_not_waited_for(lab: &Lab) {
    let took = time_of_an_endless_head(lab);
    assert!(
        (9.0..30.0).contains(&took),
        "a head that does not end was waited for {took:.1} s"
    );
}

fn a_flood_is_told_when_to_come_again(lab: &Lab) {
    // One after another on one connection: faster than a program for each.
    let many = r#"import socket
s = socket.socket(socket.AF_UNIX); s.connect("/run/cpe-gateway/http.sock"); s.settimeout(20)
one = b"GET /v1 HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
s.sendall(one % b"" * 99 + one % b"Connection: close\r\n")
told = b""
while True:
    piece = s.recv(65536)
    if not piece: break
    told += piece
print(told.decode())"#;
    lab.write("/srv/many.py", many);
    let many = lab.sh("runuser -u alice -- python3 /srv/many.py").ok();
    assert!(many.contains("HTTP/1.1 429"), "{many}");
    assert!(many.to_lowercase().contains("retry-after: "), "{many}");
}

#[test]
fn hostile_requests_get_nowhere() {
    let lab = lab("gateway-hostile");
    let token = with_tls(&lab);
    let tls = |arguments: &str| {
        let curl = "curl --silent --max-time 20 --cacert /etc/cpe/gateway/certificate.pem -o /srv/body -w '%{http_code}'";
        lab.sh(&format!("{curl} {arguments}")).stdout
    };
    let url = "https://localhost:7443";
    assert_eq!(tls(&format!("{url}/v1")), "401");
    assert_eq!(
        tls(&format!("-H 'Authorization: Bearer {token}' {url}/v1")),
        "200"
    );
    assert_eq!(
        tls(&format!("-H 'Authorization: Bearer {token}0' {url}/v1")),
        "401"
    );
    // Nothing was granted to it, so that there is nothing to be seen.
    assert_eq!(
        tls(&format!(
            "-H 'Authorization: Bearer {token}' {url}/v1/deployments/shop"
        )),
        "404"
    );
    let own = "-H 'X-CPE-Request: 1'";
    let delete = "-X DELETE -H 'If-Match: \"g1\"'";
    let shop = "http://localhost/v1/deployments/shop";
    for (arguments, status) in [
        (format!("{delete} {shop}"), "403"),
        (
            format!("{delete} {own} -H 'Origin: https://evil.example' {shop}"),
            "403",
        ),
        (format!("-H 'Host: evil.example' {shop}"), "403"),
        // Who may look can change nothing.
        (format!("{delete} {own} {shop}"), "403"),
        (format!("{shop}/document"), "403"),
        (
            "http://localhost/v1/deployments/%3Cscript%3E".to_owned(),
            "404",
        ),
    ] {
        assert_eq!(ask(&lab, &arguments).0, status, "{arguments}");
    }
    lab.sh("head -c 9437184 /dev/zero > /srv/long").ok();
    let put = format!(
        "-X PUT {own} -H 'If-None-Match: *' -H 'Content-Type: application/xml' -H 'Expect:' --data-binary @/srv/long"
    );
    // It is not read before it is known that the caller may.
    assert_eq!(ask(&lab, &format!("{put} {shop}/document")).0, "403");
    let mail = "http://localhost/v1/deployments/mail/document";
    assert_eq!(ask(&lab, &format!("{put} {mail}")).0, "413");
    a_head_that_does_not_end_is_not_waited_for(&lab);
    a_flood_is_told_when_to_come_again(&lab);
    assert_eq!(
        lab.status("shop").state(),
        "active",
        "nothing of all that changed anything"
    );
}

#[test]
fn the_gateway_is_confined_and_cannot_dial() {
    let lab = lab("gateway-confined");
    let token = with_tls(&lab);
    let exposed = lab.sh("systemd-analyze security --no-pager --threshold=15 cpe-gateway.service");
    assert_eq!(exposed.code, 0, "more than 1.5: {exposed:?}");
    let pid = lab.main_pid("cpe-gateway.service");
    assert!(pid > 0);
    // The port is open, and its network can be entered: only the dialing fails.
    lab.sh("ss -ltn | grep :7443").ok();
    let inside = format!("nsenter --target {pid} --net --");
    lab.sh(&format!("{inside} true")).ok();
    let dial = lab.sh(&format!(
        "{inside} curl --silent --max-time 5 -k https://127.0.0.1:7443/healthz"
    ));
    assert_eq!(dial.code, 7, "there is nothing in its network: {dial:?}");
    let https = format!(
        "curl --silent --max-time 20 --cacert /etc/cpe/gateway/certificate.pem -H 'Authorization: Bearer {token}' https://localhost:7443/v1"
    );
    let about: Value = serde_json::from_str(&lab.sh(&https).ok()).unwrap();
    assert_eq!(about["principal"], "token:ci");
    let verified = lab.sh("systemd-analyze verify --man=no cpe-gateway.service cpe-gateway.socket cpe-gateway-tls.socket 2>&1");
    assert_eq!((verified.code, verified.stdout.as_str()), (0, ""));
    // Its death concerns nobody but its callers, who come back.
    let services = lab.sleepers(100_001);
    lab.sh(&format!("kill -KILL {pid}")).ok();
    lab.wait("it is back", 30, || {
        ask(&lab, "http://localhost/readyz").0 == "200"
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(lab.sleepers(100_001), services);
}
