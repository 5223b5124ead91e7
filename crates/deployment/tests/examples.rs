//! The documents of `examples/` are what their comments say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use deployment::{Constraint, Deployment, FencingMode, OrderKind};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document(name: &str) -> Vec<u8> {
    fs::read(project().join("examples").join(name)).unwrap()
}

fn example(name: &str) -> Deployment {
    let outcome = deployment::read_with_warnings(&document(name));
    assert_eq!(outcome.problems, [], "{name}");
    outcome.deployment.unwrap()
}

fn validate(path: &Path) -> std::process::Output {
    let schema = project().join("docs/deployment.rng");
    Command::new("xmllint")
        .args(["--noout", "--nonet", "--relaxng"])
        .args([&schema, path])
        .output()
        .expect("xmllint is needed for this test: install libxml2-utils")
}

#[test]
fn every_example_but_the_invalid_one_fits_the_schema() {
    let mut valid = 0;
    for entry in fs::read_dir(project().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            let output = validate(&path);
            let invalid = path.ends_with("invalid.xml");
            let report = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.success(),
                !invalid,
                "{}: {report}",
                path.display()
            );
            valid += usize::from(!invalid);
        }
    }
    assert!(valid >= 4, "{valid} examples");
}

#[test]
fn the_schema_knows_the_old_spelling_of_colocation() {
    let text = String::from_utf8(document("three-tier.xml")).unwrap();
    for (element, is_valid) in [
        ("colocation", true),
        ("collocation", true),
        ("location", false),
    ] {
        let rule = format!("<{element} service=\"app\" with=\"data\" score=\"10\"/></constraints>");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{element}.xml"));
        fs::write(&path, text.replace("</constraints>", &rule)).unwrap();
        assert_eq!(validate(&path).status.success(), is_valid, "{element}");
    }
}

#[test]
fn the_schema_is_part_of_the_library() {
    assert_eq!(
        deployment::SCHEMA,
        fs::read_to_string(project().join("docs/deployment.rng")).unwrap()
    );
}

#[test]
fn the_invalid_example_gives_the_expected_report() {
    let problems = deployment::read(&document("invalid.xml")).expect_err("it is invalid");
    let report: String = problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    assert_eq!(
        report,
        String::from_utf8(document("invalid.expected")).unwrap()
    );
}

#[test]
fn the_three_tiers_find_each_other_by_reference() {
    let shop = example("three-tier.xml");
    assert_eq!(shop.assemblies.len(), 4);
    assert!(
        shop.assemblies
            .iter()
            .all(|assembly| matches!(assembly.fencing.mode, FencingMode::Unit { .. }))
    );
    let app = shop.service("app").unwrap();
    let value = |name: &str| {
        &app.parameters
            .iter()
            .find(|parameter| parameter.name == name)
            .unwrap()
            .value
    };
    assert_eq!(value("database"), "10.77.0.101");
    assert_eq!(value("database_port"), "6379");
    let order = |first: &str, then: &str, kind| Constraint::Order {
        first: first.into(),
        then: then.into(),
        kind,
    };
    assert!(
        shop.constraints
            .contains(&order("data", "app", OrderKind::Mandatory))
    );
    assert!(
        shop.constraints
            .contains(&order("app", "front", OrderKind::Optional))
    );
}

#[test]
fn the_modified_example_differs_in_one_parameter() {
    let before = example("three-tier.xml").configuration();
    let after = example("three-tier-modified.xml").configuration();
    let different: Vec<_> = before
        .lines()
        .zip(after.lines())
        .filter(|(before, after)| before != after)
        .collect();
    assert_eq!(before.lines().count(), after.lines().count());
    assert_eq!(different.len(), 1);
    assert!(
        different[0].0.contains("id=\"app.parameters.greeting\""),
        "{different:?}"
    );
}

#[test]
fn the_original_form_pins_services_and_tells_equal_names_apart() {
    let classic = example("original-form.xml");
    let ids: Vec<_> = classic
        .services
        .iter()
        .map(|service| (service.id.as_str(), service.assembly.as_deref()))
        .collect();
    assert_eq!(
        ids,
        [
            ("httpd-web1", Some("web1")),
            ("httpd-web2", Some("web2")),
            ("app", Some("app1")),
            ("db", Some("db1"))
        ]
    );
    // the one dependency on httpd is for both
    assert_eq!(classic.constraints.len(), 3);
    assert_eq!(classic.services[2].parameters[1].value, "10.77.0.14");
}

/// What the document of the original project says, in today's words.
const TODAY: &str = r#"<deployable name="dep1">
  <assemblies>
    <assembly name="assy1" escalation_failures="3" escalation_period="1m">
      <services>
        <service name="httpd" class="ocf" provider="heartbeat" type="apache" escalation_failures="3" escalation_period="1m">
          <configure path="/usr/local/sbin/configure-httpd"/>
          <parameters>
            <parameter name="port" value="80"/>
            <parameter name="db_host"><reference assembly="assy2" parameter="hostname"/></parameter>
          </parameters>
        </service>
      </services>
    </assembly>
    <assembly name="assy2">
      <services><service name="mysqld" class="lsb" type="mysqld" monitor_interval="20s"/></services>
    </assembly>
  </assemblies>
  <constraints><service_dependency first="mysqld" then="httpd"/></constraints>
</deployable>"#;

#[test]
fn a_document_of_the_original_project_is_what_todays_words_say() {
    let outcome = deployment::read_with_warnings(&document("original-project.xml"));
    let report: String = outcome
        .problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    insta::assert_snapshot!(report);
    let original = outcome.deployment.unwrap();
    let today = deployment::read(TODAY.as_bytes()).unwrap();
    assert_eq!(original.configuration(), today.configuration());
    assert_eq!(original.constraints, today.constraints);
    let escalations = |deployment: &Deployment| {
        let services = deployment.services.iter().map(|service| service.escalation);
        let assemblies = deployment
            .assemblies
            .iter()
            .map(|assembly| assembly.escalation);
        services.chain(assemblies).collect::<Vec<_>>()
    };
    assert_eq!(escalations(&original), escalations(&today));
    assert_eq!(original.uuid.as_deref(), Some("dep1"));
}

#[test]
fn the_raw_configuration_is_taken_verbatim_beside_short_forms() {
    let legacy = example("raw-configuration.xml");
    let ids: Vec<_> = legacy
        .services
        .iter()
        .map(|service| service.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "proxy",
            "batch-queue",
            "batch-runner",
            "cache-server",
            "report"
        ]
    );
    assert_eq!(
        legacy.service("batch-queue").unwrap().agent.to_string(),
        "ocf:heartbeat:Dummy"
    );
    assert_eq!(legacy.service("cache-server:2").unwrap().id, "cache-server");
    assert_eq!(legacy.longest_stop_timeout.as_secs(), 40);
    insta::assert_snapshot!(legacy.configuration());
}
