//! Whatever the bytes are, there is an answer: a deployment, or problems that point into the
//! document.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::{Severity, read_with_warnings};
use proptest::prelude::*;

/// Pieces of documents, right and wrong, so that random sequences of them get past the XML reader.
const PIECES: [&str; 45] = [
    "<deployable name=\"x\">",
    "<deployable>",
    "</deployable>",
    "<assemblies>",
    "</assemblies>",
    "<assembly name=\"a\" address=\"unix:/run/a\">",
    "<assembly name=\"a\"/>",
    "<assembly name=\"b\" address=\"tcp:[::1]:5\"/>",
    "</assembly>",
    "<services>",
    "</services>",
    "<service name=\"s\" class=\"ocf\" provider=\"p\" type=\"t\"/>",
    "<service name=\"s-a\" class=\"lsb\" type=\"t\" instances=\"2\" monitor_interval=\"0\"/>",
    "<service name=\"t\" class=\"systemd\" type=\"u\">",
    "</service>",
    "<group name=\"g\">",
    "</group>",
    "<parameters>",
    "</parameters>",
    "<parameter name=\"p\"><value>v</value></parameter>",
    "<parameter name=\"q\"><reference service=\"t\" parameter=\"q\"/></parameter>",
    "<parameter name=\"r\"><reference assembly=\"a\" parameter=\"k\"/></parameter>",
    "<attributes><attribute name=\"k\"><reference service=\"t\" parameter=\"r\"/></attribute></attributes>",
    "<fencing mode=\"none\"/>",
    "<fencing mode=\"agent\" agent=\"fence_x\"><parameters/></fencing>",
    "<capacity cpu=\"1\"/>",
    "<constraints>",
    "</constraints>",
    "<service_dependency first=\"s\" then=\"t\"/>",
    "<service_dependency first=\"t\" then=\"s\"/>",
    "<together services=\"s t g\"/>",
    "<separate services=\"s t s\" score=\"INFINITY\"/>",
    "<colocation service=\"s\" with=\"g\"/>",
    "<location service=\"g\" assembly=\"a\" score=\"-5\"/>",
    "<configuration>",
    "</configuration>",
    "<resources>",
    "</resources>",
    "<primitive id=\"p\" class=\"lsb\" type=\"x\"/>",
    "<clone id=\"c\"><primitive id=\"s\" template=\"t\"/></clone>",
    "<rsc_location id=\"l\" rsc=\"p\" node=\"a\" score=\"1\"/>",
    "<tags><tag id=\"t\"><obj_ref id=\"p\"/></tag></tags>",
    "<!-- c -->",
    "&amp;",
    "text",
];

fn check(document: &[u8]) -> Result<(), TestCaseError> {
    let outcome = read_with_warnings(document);
    let errors = outcome
        .problems
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    prop_assert_eq!(outcome.deployment.is_none(), errors);
    let lines = document.split(|byte| *byte == b'\n').count();
    for problem in &outcome.problems {
        prop_assert!(
            problem.line >= 1 && problem.line as usize <= lines && problem.column >= 1,
            "{}",
            problem
        );
    }
    if let Some(deployment) = outcome.deployment {
        // whatever is accepted, the policy engine can read
        let cib = format!("<cib>{}</cib>", deployment.configuration());
        let parsed = policy_engine::Cib::parse(&cib);
        prop_assert!(parsed.is_ok(), "{:?}\n{}", parsed.err(), cib);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(document in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        check(&document)?;
    }

    #[test]
    fn any_text_is_answered(document in "(<|>|/|=|\"|'|&|;|#|!|-|\\[|\\]|\\?| |\n|[a-z]|\\PC){0,300}") {
        check(document.as_bytes())?;
    }

    #[test]
    fn any_sequence_of_elements_is_answered(pieces in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let inner: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
        check(inner.as_bytes())?;
        check(format!("<deployable name=\"x\">{inner}</deployable>").as_bytes())?;
    }

    #[test]
    fn any_damage_to_a_valid_document_is_answered(at in 0_usize..8_000, cut in 0_usize..40, put in "(<|>|\"|&|/|x| ){0,3}") {
        for name in ["three-tier.xml", "raw-configuration.xml", "original-form.xml"] {
            let path = format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut document = std::fs::read(path).unwrap();
            let at = at % document.len();
            let end = (at + cut).min(document.len());
            document.splice(at..end, put.bytes());
            check(&document)?;
        }
    }
}
