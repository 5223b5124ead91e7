//! Check 8: requests that mean no good.

use end_to_end::System;
use end_to_end::gateway::time_of_an_endless_head;

use crate::report::Findings;
use crate::stage::{Stage, curl};

const SHOP: &str = "http://localhost/v1/deployments/shop";

pub(crate) fn hostile(stage: &Stage, findings: &mut Findings) {
    others(stage, findings);
    roles(stage, findings);
    too_long(stage, findings);
    a_head_without_an_end(stage, findings);
    a_flood(stage, findings);
    scripts(stage, findings);
    let shop = stage.lab.status("shop");
    findings.equal("the shop, after all of that", shop.state(), "active");
}

/// Requests that a page of somebody else could have sent.
fn others(stage: &Stage, findings: &mut Findings) {
    let delete = "-X DELETE -H 'If-Match: \"g1\"'";
    let (status, _) = stage.ask(
        "alice",
        &format!("{delete} -H 'Origin: https://evil.example' {SHOP}"),
    );
    findings.equal("a foreign Origin", &status, "403");
    let (status, _) = stage.ask("alice", &format!("-H 'Host: evil.example' {SHOP}"));
    findings.equal("a wrong Host", &status, "403");
    let bare = curl("alice").replace("-H 'X-CPE-Request: 1'", "");
    let told = stage.sh(&format!("{bare} -o /dev/null {delete} {SHOP}"));
    findings.equal("no X-CPE-Request", told.stdout.trim(), "403");
}

fn roles(stage: &Stage, findings: &mut Findings) {
    let (status, _) = stage.ask("bob", SHOP);
    findings.equal("a viewer asks for the status", &status, "200");
    let (status, _) = stage.ask("bob", &format!("{SHOP}/document"));
    findings.equal("a viewer asks for the document", &status, "403");
    let pair = "http://localhost/v1/deployments/pair";
    let (status, _) = stage.ask("bob", pair);
    findings.equal("somebody else's deployment", &status, "404");
}

fn put(name: &str, file: &str) -> String {
    format!(
        "-X PUT -H 'If-None-Match: *' -H 'Content-Type: application/xml' -H 'Expect:' --data-binary @{file} 'http://localhost/v1/deployments/{name}/document'"
    )
}

fn too_long(stage: &Stage, findings: &mut Findings) {
    stage.sh("head -c 9437184 /dev/zero > /srv/long").ok();
    let (status, _) = stage.ask("alice", &put("long", "/srv/long"));
    findings.equal("a document of 9 MiB", &status, "413");
    stage.sh("rm /srv/long").ok();
}

fn a_head_without_an_end(stage: &Stage, findings: &mut Findings) {
    let took = time_of_an_endless_head(&stage.lab);
    // One second is that of the script.
    findings.check(
        &format!("a header a second: closed after {took:.1} s, 10 s are meant"),
        (9.0..12.0).contains(&took),
    );
}

/// A hundred requests of one program, at once.
fn a_flood(stage: &Stage, findings: &mut Findings) {
    let one = "runuser -u bob -- curl --silent --max-time 30 --unix-socket /run/cpe-gateway/http.sock -D - -o /dev/null http://localhost/v1";
    // What is allowed at once comes back at 20 a second: these come faster, on few connections.
    let many =
        format!("{one} $(for n in $(seq 99); do echo -o /dev/null http://localhost/v1; done)");
    let told = stage.sh(&many).stdout.to_lowercase();
    let count = |text: &str| told.matches(text).count();
    let (good, refused, waits) = (
        count("http/1.1 200"),
        count("http/1.1 429"),
        count("retry-after: "),
    );
    findings.check(
        &format!("100 requests at once: {good} answered, {refused} refused with 429, {waits} told when to come again"),
        good > 0 && refused > 0 && waits == refused && good + refused == 100,
    );
    let (status, _) = stage.ask("alice", SHOP);
    findings.equal("somebody else meanwhile", &status, "200");
}

fn scripts(stage: &Stage, findings: &mut Findings) {
    let name = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let html = format!("-H 'Accept: text/html' 'http://localhost/deployments/{name}'");
    let (status, body) = stage.ask("alice", &html);
    findings.equal("a page for a name with <script>", &status, "404");
    let escaped = body.contains("&lt;script&gt;alert(1)") && !body.contains("<script>alert");
    findings.check("it is escaped there", escaped);
    stage
        .sh(r#"sed '0,/name="pair"/s//name="\&lt;script\&gt;alert(1)"/' /srv/pair.xml > /srv/script.xml; grep -q 'lt;script' /srv/script.xml"#)
        .ok();
    let (status, body) = stage.ask("alice", &put(name, "/srv/script.xml"));
    findings.check(
        &format!("as the name of a document it is refused, as JSON: {status}"),
        ["400", "404", "422"].contains(&&*status) && body.starts_with('{'),
    );
    let told = stage.lab.cpectl(&["deploy", "/srv/script.xml"]);
    findings.check(
        &format!(
            "by cpectl: {}",
            told.stderr.lines().next().unwrap_or_default()
        ),
        told.code != 0,
    );
}
