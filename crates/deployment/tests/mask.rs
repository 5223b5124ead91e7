//! Documents and CIBs without what may be secret.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::mask;

#[test]
fn values_of_parameters_and_comments_are_not_shown_and_the_rest_is_byte_for_byte() {
    let text = r#"<?xml version="1.0"?>
<!-- the password is hunter2 -->
<deployable name="shop">
  <assemblies><assembly name="web1" address="unix:/run/web1.sock">
    <fencing mode='agent' agent='fence_x'><parameters><parameter name='passwd' value='hun"ter2'/></parameters></fencing>
    <attributes><attribute name="site" value="hunter2"/></attributes>
    <capacity><attribute name="cpu" value="4"/></capacity>
  </assembly></assemblies>
  <services><service name="db" class="ocf" provider="heartbeat" type="pgsql" monitor_interval="10s">
    <parameters><parameter name="a" value="hunter2"/><!--hunter2--></parameters></service></services>
</deployable>
"#;
    let masked = mask(text).unwrap();
    assert!(
        !masked.text.contains("hunter2") && !masked.text.contains("ter2"),
        "{}",
        masked.text
    );
    assert_eq!((masked.values, masked.comments), (3, 2));
    let expected = text
        .replace(" the password is hunter2 ", "***")
        .replace("hun\"ter2", "***")
        .replace("hunter2", "***");
    assert_eq!(masked.text, expected);
    assert_eq!(mask(&masked.text).unwrap().text, masked.text, "again");
}

#[test]
fn values_that_are_texts_are_not_shown_in_whatever_pieces() {
    let text = r#"<a x="1>2"><parameter name="p"><value>hunter2<!--hunter2-->hunter2<![CDATA[hunter2]]></value></parameter><b/> </a>"#;
    let expected = r#"<a x="1>2"><parameter name="p"><value>***<!--***-->***<![CDATA[***]]></value></parameter><b/> </a>"#;
    let masked = mask(text).unwrap();
    assert_eq!(masked.text, expected);
    assert_eq!((masked.values, masked.comments), (3, 1));
}

#[test]
fn a_cib_keeps_its_options_and_loses_what_could_tell_a_parameter() {
    let text = r#"<cib><configuration><crm_config><cluster_property_set id="o">
<nvpair id="1" name="stonith-action" value="off"/><nvpair id="2" name="x-password" value="hunter2"/></cluster_property_set></crm_config>
<resources><primitive id="db" class="ocf" provider="heartbeat" type="Dummy">
<meta_attributes id="m"><nvpair id="3" name="priority" value="5"/></meta_attributes>
<instance_attributes id="i"><nvpair id="4" name="state" value="hunter2"/></instance_attributes></primitive></resources></configuration>
<status><node_state id="n"><transient_attributes id="n"><instance_attributes id="t"><nvpair id="5" name="a" value="hunter2"/></instance_attributes></transient_attributes>
<lrm id="n"><lrm_resources><lrm_resource id="db"><lrm_rsc_op id="o" op-digest="f2317cad3d54cec5d7d7aa7d0bf35cf8" rc-code="0"/></lrm_resource></lrm_resources></lrm></node_state></status></cib>"#;
    let masked = mask(text).unwrap();
    assert_eq!(masked.values, 4);
    for gone in ["hunter2", "f2317cad"] {
        assert!(!masked.text.contains(gone), "{}", masked.text);
    }
    for stays in [
        r#"value="off""#,
        r#"value="5""#,
        r#"rc-code="0""#,
        r#"name="state" value="***""#,
    ] {
        assert!(masked.text.contains(stays), "{stays}: {}", masked.text);
    }
}

#[test]
fn the_examples_lose_every_secret_and_are_read_as_before() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let masked = mask(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            assert!(!masked.text.contains("value=\"secret\""), "{path:?}");
            assert_eq!(mask(&masked.text).unwrap().text, masked.text, "{path:?}");
        }
    }
}

#[test]
fn what_is_not_xml_is_refused_since_nothing_can_be_said_of_it() {
    for text in ["", "password=hunter2", "<a", "<a><b></a>"] {
        assert!(mask(text).is_err(), "{text}");
    }
}
