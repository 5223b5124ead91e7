//! Who may do what, with real users: roles of `access.toml`, owners, groups, and delegates who
//! speak for others.

use end_to_end::{Document, Lab, Output, System};

/// Not in group `cpe`, any of them.
const USERS: &str = "groupadd ops; for u in alice bob; do useradd --system --user-group $u; done; \
                     useradd --system --user-group --groups ops carl; useradd --system --groups cpe dora";

const ACCESS: &str = r#"
strangers = "hidden"
delegates = ["cpe-gateway"]
[[grant]]
principal = ["user:alice", "token:ci"]
role = "owner"
deployments = ["shop*"]
[[grant]]
principal = "group:ops"
role = "operator"
deployments = ["*"]
"#;

/// Denied, and not found, as `cpectl` says by its exit status.
const DENIED: i32 = 6;
const NOT_FOUND: i32 = 4;

fn run(lab: &Lab, user: &str, command: &str) -> Output {
    lab.sh(&format!(
        "setpriv --reuid={user} --regid={user} --init-groups {command} 2>&1"
    ))
}

#[track_caller]
fn denied(output: &Output) {
    assert_eq!(output.code, DENIED, "{output:?}");
}

#[track_caller]
fn hidden(output: &Output) {
    assert_eq!(output.code, NOT_FOUND, "{output:?}");
}

fn boot(name: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    lab.sh(USERS).ok();
    lab.write("/etc/cpe/access.toml", ACCESS);
    lab.sh("chmod 0644 /etc/cpe/access.toml; systemctl reload cpe")
        .ok();
    lab.wait("the rights are in force", 30, || {
        lab.events()
            .iter()
            .any(|event| event.kind() == "access.changed")
    });
    let wiki = Document::new("wiki", &["b"]).sleeper("wiki", 100_002);
    lab.deploy(&wiki);
    lab
}

#[test]
fn users_see_and_change_only_what_they_may() {
    let lab = boot("rights");
    let shop = Document::new("shop", &["a"]).sleeper("db", 100_001);
    lab.write("/srv/shop.xml", &shop.xml());
    lab.sh("chmod 0644 /srv/*.xml").ok();
    let alice = |command: &str| run(&lab, "alice", command);
    let deployed = alice("cpectl deploy --wait /srv/shop.xml");
    assert_eq!(deployed.code, 0, "{deployed:?}");
    denied(&alice("cpectl deploy /srv/document.xml"));
    let listed = alice("cpectl list").ok();
    assert!(
        listed.contains("shop") && listed.contains("alice"),
        "{listed}"
    );
    assert!(!listed.contains("wiki"), "{listed}");
    hidden(&alice("cpectl status wiki"));
    hidden(&alice("cpectl destroy wiki"));
    assert!(alice("cpectl show shop").ok().contains("db"));
    let events = alice("cpectl events").ok();
    assert!(
        events.contains("shop") && !events.contains("wiki"),
        "{events}"
    );

    let bob = |command: &str| run(&lab, "bob", command);
    assert!(bob("cpectl list").ok().contains("no deployments"));
    hidden(&bob("cpectl status shop"));
    denied(&bob("cpectl deploy /srv/shop.xml"));
    assert!(!bob("cpectl events").ok().contains("shop"));

    dpes_tell_strangers_nothing(&lab);

    let carl = |command: &str| run(&lab, "carl", command);
    assert!(carl("cpectl list").ok().contains("wiki"));
    // What runs there has no other place.
    assert_eq!(carl("cpectl standby wiki b").code, 5);
    carl("cpectl standby wiki b --force").ok();
    carl("cpectl unstandby wiki b").ok();
    denied(&carl("cpectl show wiki"));
    denied(&carl("cpectl chown wiki carl"));

    given_away(&lab);
    a_wrong_file(&lab);
}

/// Signals on the bus and what systemd shows are open to every user of the host.
#[track_caller]
fn dpes_tell_strangers_nothing(lab: &Lab) {
    lab.write("/srv/signals.py", include_str!("signals.py"));
    lab.sh("systemd-run --quiet --unit=signals --uid=bob --property=StandardOutput=truncate:/srv/signals python3 /srv/signals.py 60")
        .ok();
    lab.wait("bob listens", 30, || {
        lab.sh("grep -q listening /srv/signals").code == 0
    });
    lab.cpectl(&["maintenance", "wiki", "on"]).ok();
    lab.cpectl(&["maintenance", "wiki", "off"]).ok();
    // The bus keeps the order: what comes before this has come.
    lab.sh("busctl emit / org.example.Mark End").ok();
    lab.wait("bob has heard the mark", 30, || {
        lab.sh("grep -q org.example.Mark /srv/signals").code == 0
    });
    let heard = lab.sh("cat /srv/signals").ok();
    assert!(!heard.contains("/org/cloudpolicy"), "{heard}");
    let shown = run(lab, "bob", "systemctl show -P StatusText dpe@wiki.service").ok();
    assert_eq!(shown.trim(), "`cpectl status wiki` says how it is");
    assert!(lab.cpectl(&["status", "wiki"]).ok().contains("active"));
}

/// Who gets a deployment has it from then on, and a member of its group gives orders.
#[track_caller]
fn given_away(lab: &Lab) {
    run(lab, "dora", "cpectl chown wiki bob --group alice").ok();
    assert!(run(lab, "bob", "cpectl show wiki").ok().contains("100002"));
    hidden(&run(lab, "bob", "cpectl status shop"));
    run(lab, "alice", "cpectl cleanup wiki").ok();
    denied(&run(lab, "alice", "cpectl show wiki"));
    assert!(lab.cpectl(&["list"]).ok().contains("bob:alice"));
    let orders = lab.events();
    let by = |user: &str, action: &str| {
        orders.iter().any(|event| {
            let details = &event.0["details"];
            details["action"] == action && details["caller_principal"] == format!("user:{user}")
        })
    };
    assert!(by("dora", "set-owner") && by("carl", "standby") && by("alice", "cleanup"));
    // Hidden or not: what somebody tried is told, once.
    let refused = orders.iter().filter(|event| {
        event.field("state") == "denied" && event.0["details"]["caller_user"] == "alice"
    });
    let methods: Vec<String> = refused
        .map(|event| event.0["details"]["action"].to_string())
        .collect();
    let destroys = methods
        .iter()
        .filter(|method| method.contains("DestroyDeployment"));
    assert_eq!(destroys.count(), 1, "{methods:?}");
}

/// A mistake opens nothing and closes nothing.
#[track_caller]
fn a_wrong_file(lab: &Lab) {
    lab.sh("echo 'stranger = \"look\"' > /etc/cpe/access.toml")
        .ok();
    lab.wait("the mistake is told", 30, || {
        let events = lab.events();
        let refused = events.iter().find(|event| event.kind() == "access.refused");
        refused.is_some_and(|event| event.field("reason").contains("line 1,"))
    });
    hidden(&run(lab, "bob", "cpectl status shop"));
    assert!(
        run(lab, "alice", "cpectl show shop")
            .ok()
            .contains("100001")
    );
    lab.manage(&["restart", "cpe.service"]).ok();
    lab.wait("cpe is back", 30, || lab.cpectl(&["list"]).code == 0);
    hidden(&run(lab, "alice", "cpectl status shop"));
    hidden(&run(lab, "dora", "cpectl status shop"));
    assert_eq!(lab.sleepers(100_001).len(), 1);
}

#[test]
fn a_delegate_speaks_for_others_and_has_nothing_of_its_own() {
    let lab = boot("delegate");
    lab.deploy(&Document::new("shop", &["a"]).sleeper("db", 100_001));
    lab.write("/srv/assume.py", include_str!("assume.py"));
    let speak = |user: &str, principal: &str| {
        run(
            &lab,
            user,
            &format!("python3 /srv/assume.py '{principal}' shop/a wiki/b"),
        )
        .ok()
    };
    let error = |name: &str| format!("org.cloudpolicy.Error.{name}");
    let (no, none) = (error("AccessDenied"), error("NotFound"));
    let own = speak("cpe-gateway", "");
    for line in [
        "Status shop ok".to_owned(),
        "Status wiki ok".to_owned(),
        format!("Document shop {no}"),
        format!("Standby wiki {no}"),
    ] {
        assert!(own.contains(&line), "{line}: {own}");
    }
    let ci = speak("cpe-gateway", "token:ci");
    for line in [
        "Assume ok owner shop*".to_owned(),
        "Status shop ok".to_owned(),
        "Document shop ok".to_owned(),
        "Standby shop ok".to_owned(),
        format!("Status wiki {none}"),
        format!("Standby wiki {none}"),
    ] {
        assert!(ci.contains(&line), "{line}: {ci}");
    }
    let carl = speak("cpe-gateway", "user:carl");
    assert!(carl.contains("Assume ok operator"), "{carl}");
    assert!(carl.contains("Standby wiki ok"), "{carl}");
    assert!(carl.contains(&format!("Document wiki {no}")), "{carl}");
    let dora = speak("cpe-gateway", "user:dora");
    assert!(dora.contains(&format!("Status shop {none}")), "{dora}");
    assert!(speak("bob", "token:ci").contains(&format!("Assume {no}")));
    let told = lab.events();
    assert!(told.iter().any(|event| {
        let details = &event.0["details"];
        details["action"] == "standby"
            && details["caller_principal"] == "token:ci"
            && details["caller_delegate"] == "cpe-gateway"
    }));
}
