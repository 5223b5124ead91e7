//! What works without a daemon, and the messages when there is none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn cpectl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cpectl"))
        .args(arguments)
        .env_remove("CPE_BUS")
        .output()
        .expect("cpectl")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// The lines that begin with a line number.
fn problems(report: &str) -> Vec<String> {
    let numbered = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    report.lines().filter(numbered).map(str::to_owned).collect()
}

#[test]
fn what_cannot_be_written_is_a_failure_and_what_nobody_reads_changes_no_exit_status() {
    let run = |name: &str, stdout: std::process::Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cpectl"));
        command.arg("validate").arg(example(name)).stdout(stdout);
        command.stderr(std::process::Stdio::piped());
        command.spawn().unwrap().wait_with_output().unwrap()
    };
    let full = || std::fs::File::options().write(true).open("/dev/full");
    let unwritten = run("three-tier.xml", full().unwrap().into());
    let said = stderr(&unwritten);
    assert_eq!(unwritten.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output: No space left"), "{said}");
    for (name, status) in [("three-tier.xml", 0), ("invalid.xml", 3)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let unread = run(name, writer.into());
        assert_eq!(unread.status.code(), Some(status), "{name}");
    }
}

#[test]
fn every_valid_example_is_valid() {
    for name in [
        "three-tier.xml",
        "three-tier-modified.xml",
        "original-form.xml",
        "original-project.xml",
        "raw-configuration.xml",
        "following.xml",
        "configure.xml",
        "secrets.xml",
    ] {
        let output = cpectl(&["validate", &example(name).to_string_lossy()]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{name}: {}{}",
            stdout(&output),
            stderr(&output)
        );
        assert!(stdout(&output).contains("valid: deployment "), "{name}");
    }
}

#[test]
fn a_valid_document_is_told_when_the_services_of_lost_assemblies_start_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.xml");
    let document = r#"<deployable name="shop"><assemblies>
        <assembly name="web1" address="unix:/run/web1.sock"/>
        <assembly name="web2" address="unix:/run/web2.sock"/>
        <assembly name="db1" address="unix:/run/db1.sock"><fencing mode="manager"/></assembly>
      </assemblies></deployable>"#;
    std::fs::write(&file, document).unwrap();
    let file = file.to_string_lossy();
    let text = stdout(&cpectl(&["validate", &file]));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[1..],
        [
            format!(
                "{file}: web1, web2 lost: safe after at most 17.3 s, then their services start elsewhere"
            ),
            format!(
                "{file}: db1 lost: its services are not started elsewhere until the cloud manager or an administrator confirms that it is down"
            ),
        ]
    );
    let json = stdout(&cpectl(&["--json", "validate", &file]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let failover = &json[0]["failover"];
    assert_eq!(
        failover[0]["assemblies"],
        serde_json::json!(["web1", "web2"])
    );
    assert_eq!(failover[0]["fencing"], "lease");
    assert_eq!(failover[0]["at_most_ms"], 17_300);
    assert_eq!(failover[1]["at_most_ms"], serde_json::Value::Null);
}

#[test]
fn what_is_run_before_services_start_is_told_by_its_path_or_digest() {
    let file = example("configure.xml");
    let file = file.to_string_lossy();
    let text = stdout(&cpectl(&["validate", &file]));
    let lines: Vec<&str> = text.lines().filter(|it| it.contains("before ")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let content = "before web starts: content of 233 bytes, run by /bin/sh, sha256 ";
    assert!(lines[0].contains(content), "{text}");
    assert!(
        lines[1].ends_with("before app starts: /usr/local/sbin/configure-app"),
        "{text}"
    );
    let json = stdout(&cpectl(&["--json", "validate", &file]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let program = &json[0]["configured"][1];
    assert_eq!(
        (&program["service"], &program["program"]),
        (&"app".into(), &"/usr/local/sbin/configure-app".into())
    );
}

#[test]
fn an_invalid_document_is_reported_with_file_line_and_column_and_status_3() {
    let path = example("invalid.xml");
    let output = cpectl(&["validate", &path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(3));
    let expected = problems(
        &std::fs::read_to_string(example("invalid.expected")).expect("the expected report"),
    );
    assert!(!expected.is_empty());
    let reported: Vec<String> = stdout(&output)
        .lines()
        .map(|line| {
            line.split_once("invalid.xml:")
                .expect("every line names the file")
                .1
                .to_owned()
        })
        .collect();
    assert_eq!(reported, expected);

    let output = cpectl(&["--json", "validate", &path.to_string_lossy()]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(json[0]["valid"], false);
    assert_eq!(
        json[0]["problems"].as_array().map(Vec::len),
        Some(expected.len())
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let output = cpectl(&["validate", "/nowhere/at/all.xml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nowhere/at/all.xml"));
    let directory = tempfile::tempdir().expect("a directory");
    let binary = directory.path().join("binary.xml");
    std::fs::write(&binary, b"<deployable\n name=\"\xff\"/>").expect("a file");
    let output = cpectl(&["validate", &binary.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("binary.xml:2: error:"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn without_a_bus_the_status_is_7_and_the_text_says_which_one() {
    let output = cpectl(&["--bus", "unix:path=/nowhere/bus", "list"]);
    assert_eq!(output.status.code(), Some(7));
    assert!(
        stderr(&output).contains("unix:path=/nowhere/bus"),
        "{}",
        stderr(&output)
    );
    let output = cpectl(&["--json", "--bus", "unix:path=/nowhere/bus", "list"]);
    let error: serde_json::Value = serde_json::from_str(&stderr(&output)).expect("JSON");
    assert_eq!(error["exit_status"], 7);
}

#[test]
fn wrong_usage_has_status_2() {
    let usages: [&[&str]; 11] = [
        &["explain"],
        &["frobnicate"],
        &[],
        &["--bus", "nonsense", "list"],
        &["destroy"],
        &["maintenance", "shop", "perhaps"],
        &["ticket", "shop"],
        &["ticket", "shop", "grant"],
        &["attribute", "shop", "set", "a", "1"],
        &["attribute", "shop", "get", "a", "--option", "--transient"],
        &["import", "cib.xml", "--name", "My_Shop"],
    ];
    for arguments in usages {
        assert_eq!(cpectl(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_name_that_is_empty_does_not_mean_all() {
    let usages: [&[&str]; 9] = [
        &["standby", "shop", ""],
        &["maintenance", "shop", "on", ""],
        &["cleanup", "shop", ""],
        &["cleanup", "shop", "db", "--assembly", ""],
        &["refresh", "shop", ""],
        &["move", "shop", "db", ""],
        &["clear", "shop", "db", ""],
        &["explain", "shop", ""],
        &["attribute", "shop", "set", "rack", "7", "--assembly", ""],
    ];
    for arguments in usages {
        let output = cpectl(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = stderr(&output);
        assert!(
            said.contains("a value is required"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn man_pages_and_completions_are_made_of_the_same_grammar() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = cpectl(&["man", &directory.path().to_string_lossy()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = std::fs::read_to_string(directory.path().join("cpectl.1")).expect("the page");
    for word in ["deploy", "confirm\\-fenced", "Exit status", "\\-\\-bus"] {
        assert!(page.contains(word), "{word}");
    }
    for page in [
        "cpectl-deploy.1",
        "cpectl-ticket-grant.1",
        "cpectl-attribute-set.1",
        "cpectl-import.1",
    ] {
        assert!(directory.path().join(page).exists(), "{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let completions = stdout(&cpectl(&["completions", shell]));
        for word in ["unstandby", "explain", "import", "activate"] {
            assert!(completions.contains(word), "{shell}: {word}");
        }
    }
}

/// A cluster of two nodes with this in its resources.
fn cib(resources: &str) -> String {
    format!(
        r#"<cib validate-with="pacemaker-3.9"><configuration><crm_config/><nodes><node id="1" uname="web1"/>
        <node id="2" uname="web2"/></nodes><resources>{resources}</resources><constraints/></configuration></cib>"#
    )
}

#[test]
fn a_cib_becomes_a_document_that_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let primitive = r#"<primitive id="web" class="systemd" type="nginx"/>"#;
    std::fs::write(path("cib.xml"), cib(primitive)).unwrap();
    let (from, to) = (path("cib.xml"), path("shop.xml"));

    let output = cpectl(&["import", &from, "--name", "shop", "-o", &to]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    let notes = stderr(&output);
    assert!(
        notes.contains("deployment shop: 2 assemblies, 1 services"),
        "{notes}"
    );
    assert!(notes.contains("to decide: 3 places"), "{notes}");
    let written = std::fs::read_to_string(&to).unwrap();
    assert!(cpectl(&["validate", &to]).status.success(), "{written}");
    let mode = std::fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // what may have been edited is not written over
    let output = cpectl(&["import", &from, "-o", &to]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("exists"), "{}", stderr(&output));

    let output = cpectl(&["import", &from, "--name", "shop"]);
    assert_eq!(stdout(&output), written);
    let json = stdout(&cpectl(&["--json", "import", &from, "--name", "shop"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["document"], written);
    assert_eq!(
        (&json["valid"], &json["decisions"]),
        (&true.into(), &3.into())
    );
}

#[test]
fn a_cib_that_needs_a_hand_is_written_with_status_3_and_one_that_is_none_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let remote = r#"<primitive id="far" class="ocf" provider="pacemaker" type="remote"/>"#;
    std::fs::write(path("cib.xml"), cib(remote)).unwrap();
    std::fs::write(path("none.xml"), "<shop/>").unwrap();

    let to = path("shop.xml");
    let output = cpectl(&["import", &path("cib.xml"), "--output", &to]);
    assert_eq!(output.status.code(), Some(3));
    let text = std::fs::read_to_string(&to).unwrap();
    let line = 1 + text
        .lines()
        .position(|line| line.contains("\"far\""))
        .unwrap();
    let notes = stderr(&output);
    let place =
        format!("{to}:{line}:7: error: <primitive> is the connection to a Pacemaker Remote node");
    assert!(notes.contains(&place), "{notes}");
    assert!(notes.contains("name the guest as an <assembly>"), "{notes}");
    assert!(notes.contains("has 1 error: correct"), "{notes}");

    let none = path("none.xml");
    let output = cpectl(&["import", &none, "-o", &path("other.xml")]);
    assert_eq!(output.status.code(), Some(3));
    let place = format!("{none}:1:1: error: the root element is <shop>");
    assert!(stderr(&output).contains(&place), "{}", stderr(&output));
    assert!(!Path::new(&path("other.xml")).exists());
}

/// An authority of a test's own, for whatever group it runs in.
fn pki(folder: &Path, arguments: &[&str]) -> Output {
    let group = Command::new("id").arg("-gn").output().expect("id");
    let group = String::from_utf8_lossy(&group.stdout).trim().to_owned();
    Command::new(env!("CARGO_BIN_EXE_cpectl"))
        .args(arguments)
        .env("CPE_PKI_DIRECTORY", folder.join("pki"))
        .arg("--dpe-directory")
        .arg(folder.join("dpe"))
        .args(["--dpe-group", &group])
        .output()
        .expect("cpectl")
}

#[test]
fn certificates_are_issued_listed_renewed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], code: i32| {
        let output = pki(folder.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?} {}",
            stderr(&output)
        );
        stdout(&output)
    };
    let web1 = folder.path().join("web1");
    let to = web1.to_string_lossy();
    run(&["pki", "list"], 4);
    run(&["pki", "init"], 0);
    run(&["pki", "init"], 5);
    run(&["pki", "issue", "shop", "web1"], 2);
    run(&["pki", "renew", "shop", "web1", "-o", &to], 4);
    run(&["pki", "issue", "shop", "web1", "-o", &to], 0);
    assert!(folder.path().join("dpe/shop/identity.pem").is_file());
    run(&["pki", "renew", "shop", "web1", "--revoke", "-o", &to], 0);
    run(&["pki", "revoke", "shop", "web2"], 4);
    let all = run(&["pki", "list", "shop"], 0);
    let states: Vec<&str> = all
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(states, ["valid", "revoked", "valid"], "{all}");
    assert_eq!(run(&["pki", "list", "bank"], 0).lines().count(), 1);
    let list = std::fs::read(folder.path().join("dpe/shop/revoked.pem")).unwrap();
    run(&["pki", "revoke", "shop", "web1"], 0);
    let newer = std::fs::read(folder.path().join("dpe/shop/revoked.pem")).unwrap();
    assert_ne!(list, newer);
    let public = folder.path().join("public");
    run(&["pki", "export", "-o", &public.to_string_lossy()], 0);
    assert_eq!(std::fs::read(public.join("revoked.pem")).unwrap(), newer);
    assert!(!public.join("identity.pem").exists());
}

/// A bundle in a folder with an authority; the program in it is this one.
fn bundle(folder: &Path, format: &str, name: &str) -> (Output, PathBuf) {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/usr/lib/systemd/system");
    let to = folder.join(name);
    let program = env!("CARGO_BIN_EXE_cpectl");
    let output = pki(
        folder,
        &[
            "guest",
            "bundle",
            "shop",
            "web1",
            "--format",
            format,
            "--agent",
            program,
            "--units",
            &units.to_string_lossy(),
            "--listen",
            "tcp:[::]",
            "--output",
            &to.to_string_lossy(),
        ],
    );
    (output, to)
}

fn with_authority() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert!(pki(folder.path(), &["pki", "init"]).status.success());
    folder
}

#[test]
fn a_bundle_for_cloud_init_has_all_that_a_guest_needs() {
    let folder = with_authority();
    let (output, data) = bundle(folder.path(), "cloud-init", "user-data");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&data).unwrap();
    // The program is long: a script of its own writes it.
    assert!(text.starts_with("Content-Type: multipart/mixed; "));
    let (_, parts) = text.split_once("#cloud-config\n").expect("the settings");
    let (json, script) = parts.split_once("\n--==").expect("two parts");
    for line in [
        "gzip -d > /usr/bin/cpe-agent.new",
        "chmod 0755 /usr/bin/cpe-agent.new",
    ] {
        assert!(script.contains(line), "{line}");
    }
    let read: serde_json::Value = serde_json::from_str(json).unwrap();
    let files = read["write_files"].as_array().unwrap();
    let paths: Vec<&str> = files
        .iter()
        .filter_map(|file| file["path"].as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "/usr/lib/systemd/system/cpe-agent.service",
            "/usr/lib/systemd/system/cpe-agent-guard.service",
            "/usr/lib/systemd/system/cpe-agent-lapse.service",
            "/usr/lib/cpe-agent/lapse.sh",
            "/etc/cpe/agent/ca.pem",
            "/etc/cpe/agent/revoked.pem",
            "/etc/cpe/agent/identity.pem",
            "/etc/cpe/agent.conf",
        ]
    );
    assert_eq!(files[6]["permissions"], "0600");
    // Never over a file that exists.
    assert!(
        !bundle(folder.path(), "cloud-init", "user-data")
            .0
            .status
            .success()
    );
}

#[test]
fn a_tarball_has_it_with_the_right_permissions() {
    let folder = with_authority();
    let (output, archive) = bundle(folder.path(), "tar", "web1.tar");
    assert!(output.status.success(), "{}", stderr(&output));
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let unpacked = Command::new("tar")
        .arg("-xpf")
        .arg(&archive)
        .arg("-C")
        .arg(&root)
        .status();
    assert!(unpacked.unwrap().success());
    let mode = |name: &str| root.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("usr/bin/cpe-agent"), 0o755);
    assert_eq!(mode("etc/cpe/agent"), 0o700);
    assert_eq!(mode("etc/cpe/agent/identity.pem"), 0o600);
    let settings = std::fs::read_to_string(root.join("etc/cpe/agent.conf")).unwrap();
    assert_eq!(settings, "CPE_AGENT_LISTEN=tcp:[::]\n");
}
