//! Passwords of services, in each of the ways to have them: whatever is done, asked for and
//! written, they are only where somebody who may know them has put them.

use std::collections::BTreeSet;

use end_to_end::{Lab, Output, System};

/// All of them begin so, and name where they are: in a file of the guest, in a credential, in the
/// document by a mark (and in its next generation), by its name, by the agent's metadata, and in
/// the parameters of a fence agent.
const CANARY: &str = "canary'";
const IN_GUEST: [&str; 2] = ["canary'file", "canary'credential"];
const IN_DOCUMENT: [&str; 5] = ["marked", "changed", "named", "private", "fence"];

/// A resource agent that tells all that it knows, and why it cannot do its work.
const TELLER: &str = r#"#!/bin/sh
if test "$1" = meta-data; then cat <<'END'
<resource-agent name="teller"><version>1.0</version><parameters><parameter name="file"><content type="string"/></parameter><parameter name="key"><content type="string"/></parameter><parameter name="dsn"><content type="string"/></parameter><parameter name="db_pass"><content type="string"/></parameter><parameter name="pin" private="1"><content type="string"/></parameter></parameters><actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>
END
exit; fi
all="$OCF_RESKEY_file with $OCF_RESKEY_key at $OCF_RESKEY_dsn, $OCF_RESKEY_db_pass or $OCF_RESKEY_pin"
echo "$1 as $all"
printf 'Authorization: Basic %s\n' "$(printf 'user:%s' "$OCF_RESKEY_dsn" | base64 -w 0)"
(set -x; : "$OCF_RESKEY_file" "$OCF_RESKEY_pin")
case $1 in
start) ps axww > /run/teller.ps; printf %s "$all" | sha256sum > /run/teller.runs;;
stop) rm -f /run/teller.runs;;
monitor)
    if test -e /run/teller.sick; then echo "ocf-exit-reason:no login as $all" >&2; exit 1; fi
    test -e /run/teller.runs || exit 7;;
*) exit 3;;
esac
"#;

/// A fence agent whose board refuses at first, and that says with what it has tried.
const FENCE: &str = r#"#!/bin/sh
while read -r line; do case $line in action=*) action=${line#action=};; code=*) code=${line#code=};; esac; done
case $action in
metadata) cat <<'END'
<?xml version="1.0"?><resource-agent name="fence_teller"><parameters><parameter name="action"><content type="string"/></parameter><parameter name="port"><content type="string"/></parameter><parameter name="code"><content type="string"/></parameter></parameters><actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/><action name="metadata"/></actions></resource-agent>
END
;;
*) test -e /etc/board.obeys || { echo "the board refuses $code" >&2; exit 1; }
   test "$action" != status || exit 2;;
esac
"#;

/// On the bus, and over the gateway, by their role; nobody else has one.
const USERS: [(&str, &str, &str); 3] = [
    ("vera", "vic", "viewer"),
    ("oscar", "olga", "operator"),
    ("alice", "adam", "owner"),
];

fn document(dsn: &str) -> String {
    format!(
        r#"<deployable name="shop" heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s">
  <assemblies><assembly name="a" address="unix:/run/cpe/guests/a/agent.sock">
    <fencing mode="agent" agent="fence_teller" timeout="5s"><parameters><parameter name="code" value="{CANARY}fence" secret="true"/></parameters></fencing>
  </assembly></assemblies>
  <services><service name="db" class="ocf" provider="shop" type="teller" monitor_interval="1s"><parameters>
    <parameter name="file" file="/etc/app/password"/>
    <parameter name="key" credential="app.key"/>
    <parameter name="dsn" value="{CANARY}{dsn}" secret="true"/>
    <parameter name="db_pass" value="{CANARY}named"/>
    <parameter name="pin" value="{CANARY}private"/>
  </parameters></service></services>
</deployable>"#
    )
}

fn boot() -> Lab {
    let lab = Lab::boot("secrets").with_guests(&["a"]);
    lab.in_guest("a", &format!(
        "install -D -m 0755 /dev/stdin /usr/lib/ocf/resource.d/shop/teller <<'EOT'\n{TELLER}EOT
         install -D -m 0600 /dev/stdin /etc/app/password <<< \"{}\"; install -m 0600 /dev/stdin /etc/app/key <<< \"{}\"
         mkdir -p /etc/systemd/system/cpe-agent.service.d
         printf '[Service]\\nLoadCredential=app.key:/etc/app/key\\n' > /etc/systemd/system/cpe-agent.service.d/key.conf
         systemctl daemon-reload; systemctl restart cpe-agent.service",
        IN_GUEST[0], IN_GUEST[1]
    )).ok();
    lab.write("/usr/sbin/fence_teller", FENCE);
    let mut access = "delegates = [\"cpe-gateway\"]\n".to_owned();
    for (on_bus, over_gateway, role) in USERS {
        lab.sh(&format!(
            "useradd --system --user-group {on_bus}; useradd --system --groups cpe {over_gateway}"
        ))
        .ok();
        access += &format!(
            "[[grant]]\nprincipal = [\"user:{on_bus}\", \"user:{over_gateway}\"]\nrole = \"{role}\"\ndeployments = [\"*\"]\n"
        );
    }
    lab.write("/etc/cpe/access.toml", &access);
    // What alert agents and webhooks are given.
    lab.write(
        "/srv/alert.sh",
        "#!/bin/sh\n(env; cat) >> /var/log/cpe-notify/alerts\n",
    );
    lab.write(
        "/etc/cpe/sinks.d/alerts.toml",
        "type = \"exec\"\ncommand = [\"/srv/alert.sh\"]\nall = true\nafter = 0\n",
    );
    lab.sh(
        "chmod 0755 /usr/sbin/fence_teller /srv/alert.sh; chmod 0644 /etc/cpe/access.toml
         chgrp cpe-notify /etc/cpe/sinks.d/*; chmod 0640 /etc/cpe/sinks.d/*
         systemctl restart cpe.service; systemctl start cpe-gateway.socket cpe-notify.service",
    )
    .ok();
    lab
}

fn run(lab: &Lab, user: &str, command: &str) -> Output {
    lab.sh(&format!(
        "cd /srv/{user} && setpriv --reuid={user} --regid={user} --init-groups {command} 2>&1"
    ))
}

#[track_caller]
fn store(lab: &Lab, dsn: &str) {
    lab.write("/srv/alice/document.xml", &document(dsn));
    let planned = run(lab, "alice", "cpectl plan document.xml");
    tells_nothing("a plan", &planned.stdout);
    let deployed = run(lab, "alice", "cpectl deploy --wait document.xml");
    assert_eq!(deployed.code, 0, "{deployed:?}");
    tells_nothing("a deployment", &deployed.stdout);
    // The agent had all of it.
    let [file, key] = IN_GUEST;
    let all = format!("{file} with {key} at {CANARY}{dsn}, {CANARY}named or {CANARY}private");
    lab.in_guest(
        "a",
        &format!("printf %s \"{all}\" | sha256sum | cmp - /run/teller.runs"),
    )
    .ok();
}

#[track_caller]
fn tells_nothing(what: &str, text: &str) {
    // Of `user:canary` in base64, the part that tells it.
    for part in ["canary", "YW5hcnk"] {
        let at = text.find(part);
        let at = at.map(|at| text.get(at.saturating_sub(300)..at + 100));
        assert_eq!(at, None, "{what} tells {part}");
    }
}

/// The canaries that a text has.
fn told(text: &str) -> BTreeSet<String> {
    let text = ["&#39;", "&#x27;", "&apos;"]
        .iter()
        .fold(text.to_owned(), |text, it| text.replace(it, "'"));
    let words = text.split(CANARY).skip(1);
    let name = |word: &str| word.chars().take_while(char::is_ascii_lowercase).collect();
    words.map(name).collect()
}

/// What everybody may ask, and what only an owner is answered.
const QUESTIONS: [&str; 26] = [
    "cpectl list",
    "cpectl status shop",
    "cpectl status shop --json",
    "cpectl events",
    "cpectl events --cloudevents",
    "cpectl explain shop",
    "cpectl explain shop db a --scores",
    "cpectl explain shop --assembly a",
    "cpectl check shop",
    "cpectl transitions shop",
    "cpectl fencing shop",
    "cpectl history shop",
    "cpectl diff shop 1 2",
    "cpectl diff shop 1 2 --json",
    "cpectl agents shop",
    "cpectl describe ocf:shop:teller --deployment shop",
    "cpectl plan document.xml",
    "cpectl plan document.xml --json",
    "cpectl rollback shop 1 --dry-run",
    "cpectl transitions shop --json",
    "cpectl explain shop db --json",
    "cpectl attribute shop list",
    "cpectl top shop",
    "cpectl validate document.xml",
    "cpectl debug monitor shop db --on a",
    "cpectl report shop --force --output report.tar.gz",
];

/// What shows documents as they were written.
const DOCUMENTS: [(&str, &[&str]); 5] = [
    (
        "cpectl show shop",
        &["changed", "named", "private", "fence"],
    ),
    (
        "cpectl show shop --generation 1",
        &["marked", "named", "private", "fence"],
    ),
    (
        "cpectl diff shop 1 2 --text",
        &["changed", "marked", "named", "private"],
    ),
    ("cpectl input shop", &["changed", "named", "private"]),
    (
        "sh -c 'cpectl report shop --force --with-secrets --output all.tar.gz > all.txt && tar -xzOf all.tar.gz'",
        &["changed", "fence", "marked", "named", "private"],
    ),
];

#[track_caller]
fn ask_on_the_bus(lab: &Lab) {
    for (user, _, role) in USERS {
        for question in QUESTIONS {
            let answer = run(lab, user, question);
            tells_nothing(&format!("{question} of {role}"), &answer.stdout);
            let answered = matches!(answer.code, 0 | 1 | 9);
            assert!(role != "owner" || answered, "{question}: {answer:?}");
        }
        let report = lab.sh(&format!("tar -xzOf /srv/{user}/report.tar.gz || :"));
        assert!(
            role != "owner" || report.stdout.contains("deployable"),
            "{report:?}"
        );
        tells_nothing(&format!("a report for {role}"), &report.stdout);
        for (question, expected) in DOCUMENTS {
            let answer = run(lab, user, question).stdout;
            let expected = expected.iter().map(|it| (*it).to_owned());
            let expected = expected.filter(|_| role == "owner").collect();
            assert_eq!(told(&answer), expected, "{question} of {role}: {answer}");
        }
    }
}

/// An operation that each of [`USERS`] gives, if they may.
const OPERATION: &str = "/v1/deployments/shop/operations/00000000-0000-4000-8000-000000000001";

/// What the gateway is asked with GET.
const PATHS: [&str; 26] = [
    "/v1",
    "/v1/deployments",
    "/v1/deployments/shop",
    "/v1/deployments/shop/generations",
    "/v1/deployments/shop/generations/1/diff/2",
    "/v1/deployments/shop/room",
    "/v1/deployments/shop/transitions",
    "/v1/deployments/shop/services/db/explain",
    "/v1/deployments/shop/inputs",
    "/v1/deployments/shop/overlay",
    OPERATION,
    "/v1/sinks",
    "/v1/hosts",
    "/v1/events",
    "/v1/events/stream?from=1",
    "/",
    "/deployments/shop",
    "/deployments/shop/deploy",
    "/deployments/shop/what-if",
    "/deployments/shop/services/db",
    "/events",
    "/openapi.json",
    "/metrics",
    "/metrics/pacemaker",
    "/healthz",
    "/readyz",
];

/// What is told there otherwise than in [`PATHS`]: documents, and what is asked for below.
const ELSEWHERE: [&str; 3] = [
    "/v1/deployments/{name}/document",
    "/v1/deployments/{name}/inputs/{input}",
    "/v1/plans/{id}",
];

/// No path of the contract is forgotten here.
#[track_caller]
fn all_paths_are_asked(contract: &str) {
    let contract: serde_json::Value = serde_json::from_str(contract).unwrap();
    let paths = contract["paths"].as_object().unwrap();
    let readable = paths.iter().filter(|(_, of)| of.get("get").is_some());
    let parts = |path: &str| -> Vec<String> { path.split('/').map(str::to_owned).collect() };
    let is_asked = |path: &str| {
        let known = parts(path);
        PATHS.iter().any(|asked| {
            let asked = parts(asked.split('?').next().unwrap_or_default());
            let mut both = known.iter().zip(&asked);
            known.len() == asked.len() && both.all(|(it, is)| it.starts_with('{') || it == is)
        })
    };
    for (path, _) in readable {
        let known = is_asked(path) || ELSEWHERE.contains(&path.as_str());
        assert!(known, "{path} is asked by nobody");
    }
}

/// What is sent is answered without what is in it: a document, an older one, an operation.
#[track_caller]
fn send_over_the_gateway(lab: &Lab, user: &str, role: &str) {
    let send = |path: &str, more: &str| {
        lab.sh(&format!(
            "runuser -u {user} -- curl --silent --max-time 20 --unix-socket /run/cpe-gateway/http.sock \
             --header 'X-CPE-Request: 1' {more} 'http://localhost{path}'"
        ))
        .stdout
    };
    let xml = "--header 'Content-Type: application/xml' --data-binary @/srv/alice/document.xml";
    let json = "--header 'Content-Type: application/json' --data";
    let back = format!(r#"{json} '{{"deployment":"shop","generation":1}}'"#);
    let look = format!(
        r#"--header 'Idempotency-Key: 00000000-0000-4000-8000-000000000001' {json} '{{"operation":"debug","verb":"monitor","service":"db","assembly":"a"}}'"#
    );
    for (path, sent) in [
        ("/v1/plans", xml),
        ("/v1/validations", xml),
        ("/v1/plans", back.as_str()),
        ("/v1/deployments/shop/operations", look.as_str()),
    ] {
        let answer = send(path, sent);
        tells_nothing(&format!("what {path} answers to {role}"), &answer);
        let id = answer.split("\"id\":\"").nth(1).unwrap_or_default();
        let id = id.split('"').next().unwrap_or_default();
        let plan = send(&format!("/v1/plans/{id}"), "");
        tells_nothing(&format!("a plan for {role}"), &plan);
    }
    let ran = send(&format!("{OPERATION}?wait=15s"), "");
    tells_nothing(&format!("an operation for {role}"), &ran);
    assert!(role != "owner" || ran.contains("monitor as"), "{ran}");
}

#[track_caller]
fn ask_over_the_gateway(lab: &Lab) {
    for (_, user, role) in USERS {
        let ask = |path: &str| {
            lab.sh(&format!(
                "runuser -u {user} -- curl --silent --max-time 3 --unix-socket /run/cpe-gateway/http.sock 'http://localhost{path}'"
            ))
            .stdout
        };
        lab.wait("the gateway knows the deployment", 30, || {
            ask("/v1/deployments").contains("shop")
        });
        all_paths_are_asked(&ask("/openapi.json"));
        for path in PATHS {
            tells_nothing(&format!("{path} for {role}"), &ask(path));
        }
        send_over_the_gateway(lab, user, role);
        let own = |all: &[&str]| -> BTreeSet<String> {
            let all = all.iter().filter(|_| role == "owner");
            all.map(|it| (*it).to_owned()).collect()
        };
        let document = own(&["changed", "named", "private", "fence"]);
        let answer = ask("/v1/deployments/shop/document");
        assert_eq!(told(&answer), document, "the document for {role}");
        let input = ask("/v1/deployments/shop/inputs/current");
        assert!(told(&input).is_subset(&document), "{role}: {input}");
    }
}

/// Nothing of it is in a journal, with an alert agent, or in the files of daemons, but in those of
/// the documents and of what runs.
#[track_caller]
fn look_everywhere(lab: &Lab) {
    let journal = "journalctl --no-pager --output export";
    tells_nothing("the journal of the host", &lab.sh(journal).ok());
    // Programs that the test itself runs in the guest are in its journal.
    let of_agent = format!("{journal} --unit cpe-agent.service");
    tells_nothing(
        "the journal of the guest",
        &lab.in_guest("a", &of_agent).ok(),
    );
    let alerts = lab.sh("cat /var/log/cpe-notify/alerts").ok();
    assert!(alerts.contains("CRM_alert_"), "{alerts}");
    tells_nothing("what alert agents are given", &alerts);
    let processes = lab.in_guest("a", "cat /run/teller.ps").ok();
    assert!(processes.contains("teller start"), "{processes}");
    tells_nothing("the list of processes", &processes);
    // Files: of the host and of the guest, as their roots are.
    let find =
        "find /var /run /etc /root /tmp /home -xdev -type f -print0; find /run -type f -print0";
    let grep = format!(
        "({find}) 2> /dev/null | xargs -0 grep -laF \"{CANARY}\" 2> /dev/null | sort -u || :"
    );
    let of_guest = lab.in_guest("a", &grep).ok();
    for path in of_guest.lines() {
        // Scripts of this test are in its units and in the guest's journal.
        let own = [
            "/etc/app/",
            "/run/credentials/cpe-agent.service/",
            "/run/cpe-agent/",
            "/run/systemd/",
            "/run/log/journal/",
            "/var/log/journal/",
        ];
        assert!(own.iter().any(|it| path.starts_with(it)), "{of_guest}");
    }
    let kept = lab.in_guest("a", "cat $(find /run/cpe-agent -type f)").ok();
    let kept = told(&kept);
    assert!(
        kept.contains("named") && !kept.contains("file") && !kept.contains("credential"),
        "{kept:?}"
    );
    let of_host = lab.sh(&grep).ok();
    assert!(of_host.contains("/var/lib/cpe/"), "{of_host}");
    for path in of_host.lines() {
        let own = [
            "/var/lib/cpe/",
            "/var/lib/dpe/shop/",
            "/var/lib/private/dpe/",
            "/run/dpe/",
        ];
        assert!(own.iter().any(|it| path.starts_with(it)), "{of_host}");
        let text = lab
            .sh(&format!("grep -aoE \"{CANARY}[a-z]+\" {path}"))
            .stdout;
        let allowed = told(&text)
            .iter()
            .all(|it| IN_DOCUMENT.contains(&it.as_str()));
        assert!(allowed, "{path}: {text}");
        let mode = lab.sh(&format!("stat -c %a {path}")).ok();
        assert_eq!(mode.trim(), "600", "{path}");
    }
}

fn happened(lab: &Lab, kind: &str, reason: &str) -> bool {
    let events = lab.events();
    let mut events = events.iter();
    events.any(|event| event.kind() == kind && event.field("reason").contains(reason))
}

#[test]
fn secrets_are_only_where_somebody_who_may_know_them_has_put_them() {
    let lab = boot();
    for (user, _, _) in USERS {
        lab.sh(&format!("install -d -o {user} /srv/{user}")).ok();
        lab.write(&format!("/srv/{user}/document.xml"), &document("marked"));
    }
    store(&lab, "marked");
    lab.in_guest("a", "touch /run/teller.sick").ok();
    lab.wait("the failure is told without a secret", 40, || {
        happened(
            &lab,
            "service.failed",
            "no login as *** with *** at ***, *** or ***",
        )
    });
    lab.in_guest("a", "rm /run/teller.sick").ok();
    lab.wait("the service runs again", 60, || {
        lab.status("shop").all_running()
    });
    store(&lab, "changed");
    // Its file is gone: the place is told.
    lab.in_guest("a", "mv /etc/app/password /etc/app/away").ok();
    lab.wait("the place is told", 40, || {
        happened(&lab, "service.failed", "/etc/app/password is not there")
    });
    lab.in_guest("a", "mv /etc/app/away /etc/app/password").ok();
    lab.cpectl(&["cleanup", "shop"]).ok();
    lab.wait("the service runs again", 60, || {
        lab.status("shop").all_running()
    });
    ask_on_the_bus(&lab);
    ask_over_the_gateway(&lab);
    lab.cpectl(&["fence", "shop", "a"]);
    lab.wait("the board's refusal is told", 40, || {
        happened(&lab, "assembly.fencing-failed", "the board refuses ***")
    });
    look_everywhere(&lab);
    lab.sh("touch /etc/board.obeys").ok();
    lab.cpectl(&["destroy", "shop"]);
    lab.wait("the deployment is gone", 60, || {
        !lab.cpectl(&["list"]).ok().contains("shop")
    });
    let left = lab.sh(&format!(
        "grep -rlaF \"{CANARY}\" /var/lib/cpe /var/lib/dpe || :"
    ));
    assert_eq!(left.ok(), "", "what was destroyed is left");
}
