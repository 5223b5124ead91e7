//! The contract with callers: exit statuses, streams, files, injections, formats (scheduler-spec/06
//! §D, §E).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use policy_simulate::Streams;

const CIB: &str = r#"<cib validate-with="pacemaker-3.9" have-quorum="true"><configuration>
  <crm_config><cluster_property_set id="o"><nvpair id="o-f" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
  <resources><primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/></resources><constraints/></configuration>
  <status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
    <node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/></status></cib>"#;

/// Exit status, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams {
        out: Box::new(&mut out),
        err: Box::new(&mut err),
    };
    let all = ["policy-simulate"].iter().chain(arguments);
    let code = policy_simulate::run(all, &mut streams);
    drop(streams);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    (code, text(out), text(err))
}

/// Runs with [`CIB`] as input, in a folder of its own.
fn with_cib<T>(test: impl FnOnce(&Path, &str) -> T) -> T {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("cib.xml");
    std::fs::write(&file, CIB).expect("the input can be written");
    test(folder.path(), file.to_str().expect("paths are UTF-8"))
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let (code, out, err) = run(&["--bogus"]);
    assert_eq!((code, out.as_str()), (64, ""));
    assert!(err.contains("--bogus"), "{err}");
}

#[test]
fn an_unreadable_input_is_a_data_error_that_says_where() {
    let (code, _, err) = run(&["-x", "/nonexistent/cib.xml", "-S"]);
    assert_eq!(code, 65);
    assert!(err.contains("/nonexistent/cib.xml"), "{err}");
    with_cib(|folder, _| {
        let bad = folder.join("bad.xml");
        std::fs::write(&bad, "<cib>\n  <configuration></cib>").expect("a file can be written");
        let (code, _, err) = run(&["-x", bad.to_str().expect("paths are UTF-8")]);
        assert_eq!(code, 65);
        assert!(err.contains("line 2"), "{err}");
    });
}

#[test]
fn a_newer_feature_set_is_refused_as_unusable() {
    with_cib(|folder, _| {
        let newer = folder.join("newer.xml");
        std::fs::write(&newer, "<cib crm_feature_set=\"99.0\"/>").expect("a file can be written");
        let (code, _, err) = run(&["-x", newer.to_str().expect("paths are UTF-8")]);
        assert_eq!(code, 78);
        assert!(err.contains("99.0"), "{err}");
    });
}

#[test]
fn a_configuration_that_no_schema_allows_is_refused_with_its_place() {
    with_cib(|folder, _| {
        let input = folder.join("other.xml");
        let wrong = CIB.replace("type=\"Dummy\"/>", "type=\"Dummy\" is-managed=\"no\"/>");
        std::fs::write(&input, wrong).expect("a file can be written");
        let input = input.to_str().expect("paths are UTF-8");
        let (code, out, err) = run(&["-x", input, "-S"]);
        assert_eq!((code, out.as_str()), (78, ""));
        let want = "line 4, column 14: <primitive> has the attribute is-managed";
        assert!(err.contains(want), "{err}");
    });
    with_cib(|folder, _| {
        let input = folder.join("unchecked.xml");
        let unchecked = CIB
            .replace("pacemaker-3.9", "none")
            .replace("type=\"Dummy\"/>", "type=\"Dummy\" is-managed=\"no\"/>");
        std::fs::write(&input, unchecked).expect("a file can be written");
        let (code, _, _) = run(&["-x", input.to_str().expect("paths are UTF-8")]);
        assert_eq!(code, 0);
    });
}

#[test]
fn what_was_upgraded_is_told_and_with_verbosity_where_pacemaker_is_silent_too() {
    with_cib(|folder, _| {
        let input = folder.join("old.xml");
        let old = CIB
            .replace(
                "uname=\"n2\"/></nodes>",
                "uname=\"n2\" type=\"ping\"/></nodes>",
            )
            .replace(
                "</cluster",
                "<nvpair id=\"o-r\" name=\"remove-after-stop\" value=\"true\"/></cluster",
            );
        std::fs::write(&input, old).expect("a file can be written");
        let input = input.to_str().expect("paths are UTF-8");
        let warning =
            "WARNING: Dropping nvpair o-r because the remove-after-stop property is unsupported\n";
        assert_eq!(run(&["-x", input]).2, warning);
        let (_, _, told) = run(&["-x", input, "-V"]);
        assert!(told.contains(warning), "{told}");
        let silent = "info: line 3, column 35: node n2: type ping is now member, with a ban of all resources";
        assert!(told.contains(silent), "{told}");
    });
}

#[test]
fn a_graph_that_cannot_be_written_is_an_output_error() {
    with_cib(|_, cib| {
        let (code, _, err) = run(&["-x", cib, "-G", "/nonexistent/graph.xml"]);
        assert_eq!(code, 74);
        assert!(err.contains("/nonexistent/graph.xml"), "{err}");
    });
}

#[test]
fn a_graph_is_drawn_as_svg_where_graphviz_is_installed() {
    let installed = std::process::Command::new("dot").arg("-V").output().is_ok();
    with_cib(|folder, cib| {
        let picture = folder.join("graph.svg");
        let path = picture.to_str().expect("paths are UTF-8");
        let (code, _, err) = run(&["-x", cib, "-Q", "--save-svg", path]);
        if installed {
            assert_eq!((code, err.as_str()), (0, ""));
            let svg = std::fs::read_to_string(&picture).expect("the picture can be read");
            assert!(svg.contains("<svg") && svg.ends_with("</svg>\n"), "{svg}");
            for action in ["web_monitor_0 n1", "web_monitor_0 n2", "web_start_0 n1"] {
                assert!(svg.contains(action), "{action} is missing in {svg}");
            }
        } else {
            eprintln!("graphviz's dot is not installed: only the message that says so was tested");
            assert_eq!(code, 74);
            assert!(err.contains("install graphviz"), "{err}");
            assert!(!picture.exists());
        }
    });
}

#[test]
fn a_picture_that_cannot_be_written_is_an_output_error() {
    with_cib(|_, cib| {
        let (code, _, err) = run(&["-x", cib, "-Q", "--save-svg", "/nonexistent/graph.svg"]);
        assert_eq!(code, 74);
        assert!(err.contains("cannot draw /nonexistent/graph.svg"), "{err}");
    });
}

#[test]
fn quiet_scores_are_lines_and_an_empty_line() {
    with_cib(|_, cib| {
        let (code, out, err) = run(&["-x", cib, "-sSQ"]);
        assert_eq!((code, err.as_str()), (0, ""));
        let line = |node| format!("pcmk__primitive_assign: web allocation score on {node}: 0\n");
        assert_eq!(out, line("n1") + &line("n2") + "\n");
    });
}

#[test]
fn an_injected_failure_moves_the_resource_and_is_kept_in_the_output() {
    with_cib(|folder, cib| {
        let after = folder.join("after.xml");
        let after = after.to_str().expect("paths are UTF-8");
        let (code, out, err) = run(&["-x", cib, "-S", "-i", "web_start_0@n1=1", "-O", after]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(
            out.contains("Injecting web_start_0@n1=1 into the configuration"),
            "{out}"
        );
        assert!(
            out.contains("fail-count-web#start_0=INFINITY into /node_state '1'"),
            "{out}"
        );
        assert!(out.contains("Recover    web     ( n1 -> n2 )"), "{out}");
        // what was simulated is the next run's input, and there is nothing left to do
        let (_, out, _) = run(&["-x", after, "-R"]);
        assert!(out.ends_with("Transition Summary:\n"), "{out}");
    });
}

#[test]
fn a_requested_failure_ends_the_transition_early() {
    with_cib(|_, cib| {
        let (code, out, _) = run(&["-x", cib, "-F", "web_start_0@n1=1"]);
        assert_eq!(code, 0);
        assert!(out.contains("failed with rc=1"), "{out}");
        assert!(out.contains("FAILED n1"), "{out}");
    });
}

#[test]
fn a_node_in_standby_is_left() {
    with_cib(|_, cib| {
        let (_, out, _) = run(&["-x", cib, "-S", "--node-standby", "n1", "-q", "true"]);
        assert!(out.contains("Start      web     (    n2 )"), "{out}");
        assert!(out.contains("Node n1: standby"), "{out}");
    });
}

#[test]
fn what_cannot_be_understood_is_reported_and_skipped() {
    with_cib(|_, cib| {
        let (code, _, err) = run(&["-x", cib, "-R", "-i", "nonsense", "-i", "db_start_0@n1=1"]);
        assert_eq!(code, 0);
        assert!(
            err.contains("Invalid operation spec: nonsense.  Only found 1 fields"),
            "{err}"
        );
        assert!(err.contains("Invalid resource name: db"), "{err}");
    });
}

#[test]
fn the_same_is_printed_as_json_and_as_xml() {
    with_cib(|_, cib| {
        let (_, out, _) = run(&["-x", cib, "-S", "--output-as", "json"]);
        let printed: serde_json::Value = serde_json::from_str(&out).expect("the output is JSON");
        assert_eq!(printed["actions"][0]["action"], "Start");
        assert_eq!(printed["actions"][0]["node"], "n1");
        assert_eq!(
            printed["revised_cluster_status"]["resources"][0]["role"],
            "Started"
        );
        assert_eq!(printed["status"]["code"], 0);
        let (_, out, _) = run(&["-x", cib, "-S", "--output-as", "xml"]);
        assert!(
            out.contains("<rsc_action action=\"Start\" resource=\"web\""),
            "{out}"
        );
        assert!(out.contains("<status code=\"0\" message=\"OK\"/>"), "{out}");
    });
}

#[test]
fn the_result_can_replace_the_input() {
    with_cib(|_, cib| {
        let (code, _, _) = run(&["-x", cib, "-X"]);
        assert_eq!(code, 0);
        let text = std::fs::read_to_string(cib).expect("the input is still there");
        assert!(text.contains("operation_key=\"web_start_0\""), "{text}");
    });
}

#[test]
fn help_completions_and_manual_are_printed() {
    assert!(run(&["--help"]).1.contains("--save-dotfile"));
    assert!(run(&["completions", "bash"]).1.contains("policy-simulate"));
    assert!(run(&["manual"]).1.contains(".TH"));
}

#[test]
fn date_specifications_read_the_clock_of_the_given_offset() {
    with_cib(|folder, _| {
        let rule = r#"<rsc_location id="l" rsc="web"><rule id="l-r" score="-INFINITY"><date_expression id="l-d"
            operation="date_spec"><date_spec id="l-s" hours="12"/></date_expression></rule></rsc_location>"#;
        let constraints = format!("<constraints>{rule}</constraints>");
        let file = folder.join("noon.xml");
        std::fs::write(&file, CIB.replace("<constraints/>", &constraints))
            .expect("the input can be written");
        let file = file.to_str().expect("paths are UTF-8");
        let starts = |time: &str| {
            let (code, out, err) = run(&["-x", file, "-R", "-t", time]);
            assert_eq!((code, err.as_str()), (0, ""));
            out.contains("Start")
        };
        assert!(!starts("2026-01-31T12:30:00Z"));
        assert!(!starts("2026-01-31T12:30:00+05:00"));
        assert!(starts("2026-01-31T11:30:00Z"));
        assert!(starts("2026-01-31T17:30:00+05:00"));
    });
}

#[test]
fn a_name_may_be_longer_than_any_column() {
    with_cib(|folder, _| {
        let name = "w".repeat(100_000);
        let file = folder.join("long.xml");
        let cib = CIB.replace("id=\"web\"", &format!("id=\"{name}\""));
        assert!(cib.len() > name.len(), "the input has a resource web");
        std::fs::write(&file, cib).expect("the input can be written");
        let file = file.to_str().expect("paths are UTF-8");
        let (code, out, err) = run(&["-x", file, "-S"]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(
            out.contains(&format!("  * Start      {name}")),
            "{}",
            out.len()
        );
    });
}
