//! Clients in other languages, as `examples/` has them, on a real `cpe`.

use std::process::Command;

use end_to_end::{Document, Lab, project_dir};

/// Runs a program of this machine's beside the lab's processes: what it needs need not be in the
/// lab, and the bus sees who calls.
#[track_caller]
fn beside(lab: &Lab, arguments: &[&str]) -> String {
    let pid = lab.pid1().to_string();
    let output = Command::new("nsenter")
        .args([
            "--target", &pid, "--pid", "--ipc", "--uts", "--net", "timeout", "90",
        ])
        .args(arguments)
        .output()
        .expect("nsenter can be run");
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{arguments:?}: {said}{error}");
    said.into_owned()
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
