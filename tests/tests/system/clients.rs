//! Clients in other languages, as `examples/` has them, on a real `cpe`.

use std::process::{Command, Output};

use end_to_end::{Document, Lab, System, layer, project_dir};
use serde_json::{Value, json};
use test_kit::not_tested_here;

/// Runs a program of this machine's beside the lab's processes: what it needs need not be in the
/// lab, and the bus sees who calls.
#[track_caller]
fn beside(lab: &Lab, arguments: &[&str]) -> String {
    let output = run_beside(lab, arguments);
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{arguments:?}: {said}{error}");
    said.into_owned()
}

/// The same of what may fail.
fn run_beside(lab: &Lab, arguments: &[&str]) -> Output {
    let pid = lab.pid1().to_string();
    Command::new("nsenter")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args([
            "--target", &pid, "--pid", "--ipc", "--uts", "--net", "timeout", "90",
        ])
        .args(arguments)
        .output()
        .expect("nsenter can be run")
}

#[test]
fn the_python_client_deploys_watches_explains_and_destroys() {
    let gi = Command::new("/usr/bin/python3")
        .args(["-c", "import gi"])
        .status();
    assert!(
        gi.is_ok_and(|status| status.success()),
        "the client needs python3-gi: `make packages` installs it"
    );
    let lab = Lab::boot("clients").with_guests(&["a"]);
    let document = Document::new("shop", &["a"]).sleeper("db", 100_901);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients.xml");
    std::fs::write(&file, document.xml()).unwrap();
    let watch = project_dir().join("examples/python/watch.py");
    let bus = format!(
        "unix:path=/proc/{}/root/run/dbus/system_bus_socket",
        lab.pid1()
    );
    let said = beside(
        &lab,
        &[
            "/usr/bin/python3",
            &watch.to_string_lossy(),
            &file.to_string_lossy(),
            &bus,
        ],
    );
    let lines = [
        "shop: generation 1",
        "deployment.created",
        "service.started",
        "deployment.started",
        "active",
        "service.stopped",
        "deployment.destroyed",
        "gone: org.freedesktop.DBus.Error.UnknownObject",
    ];
    let mut rest = said.as_str();
    for line in lines {
        let at = rest
            .find(line)
            .unwrap_or_else(|| panic!("no {line} in its place: {said}"));
        rest = &rest[at + line.len()..];
    }
    assert!(lab.sleepers(100_901).is_empty());
}

/// Runs the Ansible module once, as Ansible would on that host; what it answers.
fn ansible(lab: &Lab, arguments: &Value) -> Value {
    let folder = "examples/ansible/ansible_collections/cloudpolicy/cpe/plugins/modules";
    let module = project_dir().join(folder).join("deployment.py");
    let mut arguments = arguments.clone();
    let bus = format!(
        "unix:path=/proc/{}/root/run/dbus/system_bus_socket",
        lab.pid1()
    );
    arguments["bus"] = bus.into();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("ansible.json");
    let all = json!({ "ANSIBLE_MODULE_ARGS": arguments });
    std::fs::write(&file, all.to_string()).expect("a file can be written");
    let path = format!("PATH={}:/usr/bin:/bin", layer().join("usr/bin").display());
    // What it refuses is JSON, too.
    let output = run_beside(
        lab,
        &[
            "env",
            &path,
            "/usr/bin/python3",
            &module.to_string_lossy(),
            &file.to_string_lossy(),
        ],
    );
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn the_ansible_module_plans_deploys_once_and_destroys() {
    let import = Command::new("/usr/bin/python3")
        .args(["-c", "import ansible.module_utils.basic"])
        .status();
    if !import.is_ok_and(|status| status.success()) {
        not_tested_here("the Ansible module, without ansible-core: apt-get install ansible-core");
        return;
    }
    let lab = Lab::boot("ansible").with_guests(&["a"]);
    let document = Document::new("shop", &["a"]).sleeper("db", 100_902).xml();
    let mut wanted = json!({ "name": "shop", "document": document, "wait": true });

    wanted["_ansible_check_mode"] = true.into();
    let plan = ansible(&lab, &wanted);
    assert_eq!(
        (&plan["changed"], &plan["plan"]["basis"]),
        (&json!(true), &json!("empty"))
    );
    assert_eq!(plan["diff"]["after"], document.as_str());
    assert_eq!(
        lab.cpectl(&["status", "shop"]).code,
        4,
        "check mode has deployed"
    );

    wanted["_ansible_check_mode"] = false.into();
    assert_eq!(ansible(&lab, &wanted)["changed"], true);
    let services = lab.sleepers(100_902);
    assert_eq!(services.len(), 1, "it was waited for");
    assert_eq!(ansible(&lab, &wanted)["changed"], false);
    assert_eq!(lab.sleepers(100_902), services);

    let mut gone = json!({ "name": "shop", "state": "absent", "wait": true, "expect": 7 });
    for check in [true, false] {
        gone["_ansible_check_mode"] = check.into();
        let refused = ansible(&lab, &gone);
        let why = refused["msg"].as_str().unwrap_or_default();
        assert!(why.contains("not at generation 7"), "{refused}");
        assert_eq!(lab.sleepers(100_902), services);
    }
    gone["expect"] = 1.into();
    assert_eq!(ansible(&lab, &gone)["changed"], true);
    assert!(lab.sleepers(100_902).is_empty());
    gone["_ansible_check_mode"] = true.into();
    assert_eq!(ansible(&lab, &gone)["changed"], false);
}
