//! What the scheduler says beside its decision: errors about the state with `-V`, their reasons
//! with `-VV`, and lines between the scores with `-s` (scheduler-spec/06 §A.6). The texts are those
//! of Pacemaker's scheduler.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use policy_simulate::Streams;

const NO_FENCING: &str = "<nvpair id=\"o-f\" name=\"stonith-enabled\" value=\"false\"/>";
const DEVICE: &str = "<primitive id=\"f\" class=\"stonith\" type=\"fence_scsi\"/>";

/// A cluster of two nodes. `n1` and `n2`: what their states have in them.
struct Input<'i> {
    options: &'i str,
    resources: &'i str,
    n1: &'i str,
    n2: &'i str,
}

impl Default for Input<'_> {
    fn default() -> Self {
        Input {
            options: NO_FENCING,
            resources: "",
            n1: "",
            n2: "",
        }
    }
}

impl Input<'_> {
    fn to_xml(&self) -> String {
        let Input {
            options,
            resources,
            n1,
            n2,
        } = self;
        let member = "in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\"";
        format!(
            "<cib validate-with=\"pacemaker-3.9\" crm_feature_set=\"3.16.1\" have-quorum=\"true\" execution-date=\"1700000000\"><configuration>
  <crm_config><cluster_property_set id=\"o\">{options}</cluster_property_set></crm_config>
  <nodes><node id=\"1\" uname=\"n1\"/><node id=\"2\" uname=\"n2\"/></nodes>
  <resources>{resources}</resources><constraints/></configuration>
  <status><node_state id=\"1\" uname=\"n1\" {member}>{n1}</node_state>
    <node_state id=\"2\" uname=\"n2\" {member}>{n2}</node_state></status></cib>"
        )
    }

    /// Standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (String, String) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("cib.xml");
        std::fs::write(&file, self.to_xml()).expect("the input can be written");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams {
            out: Box::new(&mut out),
            err: Box::new(&mut err),
        };
        let input = ["policy-simulate", "-x", file.to_str().expect("UTF-8")];
        policy_simulate::run(input.iter().chain(arguments), &mut streams);
        drop(streams);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
        (text(out), text(err))
    }
}

fn dummy(id: &str, content: &str) -> String {
    format!(
        "<primitive id=\"{id}\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\">{content}</primitive>"
    )
}

fn unmanaged(id: &str) -> String {
    dummy(
        id,
        "<meta_attributes id=\"m\"><nvpair id=\"m-i\" name=\"is-managed\" value=\"false\"/></meta_attributes>",
    )
}

/// One entry of a history.
fn entry(id: &str, resource: &str, operation: &str, call: u32, rc: u32) -> String {
    let key = format!("{call}:1:0:0c1a5f5e-2222-4333-8444-555566667777");
    format!(
        "<lrm_rsc_op id=\"{id}\" operation_key=\"{resource}_{operation}_0\" operation=\"{operation}\" transition-key=\"{key}\" transition-magic=\"0:{rc};{key}\" call-id=\"{call}\" rc-code=\"{rc}\" op-status=\"0\" interval=\"0\" exit-reason=\"no luck\" last-rc-change=\"1699999000\" op-digest=\"f2317cad3d54cec5d7d7aa7d0bf35cf8\"/>"
    )
}

fn history(resource: &str, entries: &str) -> String {
    format!(
        "<lrm_resource id=\"{resource}\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\">{entries}</lrm_resource>"
    )
}

fn started(resource: &str) -> String {
    let last = format!("{resource}_last_0");
    history(resource, &entry(&last, resource, "start", 3, 0))
}

/// `operation` failed after a start.
fn failed(resource: &str, operation: &str, rc: u32) -> String {
    let (last, failure) = (
        format!("{resource}_last_0"),
        format!("{resource}_last_failure_0"),
    );
    let entries = [
        entry(&last, resource, "start", 3, 0),
        entry(&failure, resource, operation, 4, rc),
    ];
    history(resource, &entries.concat())
}

fn state(histories: &[String], attributes: &[(&str, &str)]) -> String {
    let pairs: String = attributes
        .iter()
        .map(|(name, value)| format!("<nvpair id=\"t-{name}\" name=\"{name}\" value=\"{value}\"/>"))
        .collect();
    format!(
        "<transient_attributes id=\"t\"><instance_attributes id=\"t-a\">{pairs}</instance_attributes></transient_attributes><lrm id=\"l\"><lrm_resources>{}</lrm_resources></lrm>",
        histories.concat()
    )
}

#[test]
fn without_a_fencing_device_it_says_that_nothing_is_managed() {
    let resources = dummy("a", "");
    let input = Input {
        options: "",
        resources: &resources,
        ..Input::default()
    };
    assert_eq!(input.run(&["-S"]).1, "");
    assert_eq!(
        input.run(&["-S", "-V"]).1,
        "error: Resource start-up disabled since no fencing resources have been defined\n\
         error: Either configure some or disable fencing with the fencing-enabled option\n\
         error: NOTE: Clusters with shared data need fencing to ensure data integrity\n"
    );
    let resources = resources.clone() + DEVICE;
    let input = Input {
        resources: &resources,
        ..input
    };
    assert_eq!(input.run(&["-S", "-V"]).1, "");
}

#[test]
fn it_says_what_keeps_a_node_from_shutting_down() {
    let group = |members: [String; 2]| format!("<group id=\"g\">{}</group>", members.concat());
    let n1 = state(
        &[started("d1"), started("d2")],
        &[("shutdown", "1699999999")],
    );
    let resources = group([dummy("d1", ""), unmanaged("d2")]);
    let input = Input {
        resources: &resources,
        n1: &n1,
        ..Input::default()
    };
    assert_eq!(
        input.run(&["-S", "-V"]).1,
        "crit: Cannot shut down n1 because of d2: unmanaged (d2_stop_0)\n\
         crit: Cannot shut down n1 because of d1: blocked (d1_stop_0)\n"
    );
    // what nothing waits for keeps no node up
    let resources = group([unmanaged("d1"), dummy("d2", "")]);
    let input = Input {
        resources: &resources,
        ..input
    };
    assert_eq!(input.run(&["-S", "-V"]).1, "");
    let n1 = state(&[failed("a", "stop", 1)], &[("shutdown", "1699999999")]);
    let resources = dummy("a", "");
    let input = Input {
        resources: &resources,
        n1: &n1,
        ..input
    };
    assert_eq!(
        input.run(&["-S", "-V"]).1,
        "crit: Cannot shut down n1 because of a: unmanaged failed (a_stop_0)\n"
    );
}

#[test]
fn it_says_which_failures_nothing_leads_out_of() {
    let resources = dummy("a", "");
    let said = |operation: &str, rc: u32| {
        let n1 = state(&[failed("a", operation, rc)], &[]);
        let input = Input {
            resources: &resources,
            n1: &n1,
            ..Input::default()
        };
        input.run(&["-S", "-V"]).1
    };
    assert_eq!(
        said("stop", 5),
        "error: No further recovery can be attempted for a because stop on n1 failed (not installed: no luck) at Nov 14 21:56:40 2023 | rc=5 id=a_last_failure_0\n"
    );
    assert_eq!(
        said("start", 6),
        "error: Preventing a from restarting anywhere because of fatal failure (not configured: no luck) | rc=6 id=a_last_failure_0\n"
    );
    assert_eq!(
        said("start", 4),
        "error: Preventing a from restarting on n1 because of hard failure (insufficient privileges: no luck) | rc=4 id=a_last_failure_0\n"
    );
    assert_eq!(said("start", 5), "");
    assert_eq!(said("start", 1), "");
}

#[test]
fn with_more_verbosity_it_says_what_failed_and_what_follows() {
    let resources = dummy("a", "") + DEVICE;
    let n1 = state(
        &[failed("a", "stop", 1)],
        &[("fail-count-a#stop_0", "INFINITY")],
    );
    let input = Input {
        options: "",
        resources: &resources,
        n1: &n1,
        ..Input::default()
    };
    assert_eq!(input.run(&["-S", "-V"]).1, "");
    assert_eq!(
        input.run(&["-S", "-VV"]).1,
        "warning: Unexpected result (error: no luck) was recorded for stop of a on n1 at Nov 14 21:56:40 2023 | rc=1 id=a_last_failure_0\n\
         warning: Cluster node n1 will be fenced: a failed there\n\
         warning: a cannot run on n1 due to reaching migration threshold (clean up resource to allow again)| failures=1000000 migration-threshold=1000000\n\
         warning: Scheduling node n1 for fencing\n"
    );
}

#[test]
fn it_says_what_is_done_about_a_resource_that_is_active_twice() {
    let running = state(&[started("a")], &[]);
    let said = |multiple: &str| {
        let resources = dummy(
            "a",
            &format!(
                "<meta_attributes id=\"m\"><nvpair id=\"m-m\" name=\"multiple-active\" value=\"{multiple}\"/></meta_attributes>"
            ),
        );
        let input = Input {
            resources: &resources,
            n1: &running,
            n2: &running,
            ..Input::default()
        };
        input.run(&["-S", "-V"]).1
    };
    for (multiple, done) in [
        ("stop_start", "attempting recovery"),
        ("stop_only", "shutting it down"),
        ("block", "waiting for an administrator"),
        ("stop_unexpected", "stopping unexpected instances"),
    ] {
        let expected = format!("error: ocf resource a might be active on 2 nodes ({done})\n");
        assert_eq!(said(multiple), expected);
    }
}

#[test]
fn scores_come_with_what_changed_about_unfencing() {
    let device = DEVICE.replace("/>", ">")
        + "<instance_attributes id=\"i\"><nvpair id=\"i-p\" name=\"passwd\" value=\"x\"/></instance_attributes>\
           <meta_attributes id=\"fm\"><nvpair id=\"fm-p\" name=\"provides\" value=\"unfencing\"/></meta_attributes></primitive>";
    let resources = device + &dummy("a", "");
    let public = "f:fence_scsi:f2317cad3d54cec5d7d7aa7d0bf35cf8";
    let input = |recorded: &str| {
        let n1 = state(
            &[],
            &[
                ("#node-unfenced", "1699999500"),
                ("#digests-all", "f:fence_scsi:0,"),
                ("#digests-secure", recorded),
            ],
        );
        let input = Input {
            options: "",
            resources: &resources,
            n1: &n1,
            ..Input::default()
        };
        let lines = |arguments: &[&str]| -> Vec<String> {
            let (out, _) = input.run(arguments);
            out.lines()
                .filter(|line| line.contains("changed"))
                .map(str::to_owned)
                .collect()
        };
        [lines(&["-s"]), lines(&["-S"]), lines(&["-sQ"])]
    };
    let changed = [
        format!("Parameters to f for unfencing n1 changed, try '{public}'"),
        "notice: Unfencing node n1 because the definition of f changed".to_owned(),
    ];
    assert_eq!(input(""), [changed.to_vec(), vec![], vec![]]);
    let private = "Only 'private' parameters to f for unfencing n1 changed".to_owned();
    assert_eq!(
        input(&format!("{public},")),
        [vec![private], vec![], vec![]]
    );
}

#[test]
fn a_node_list_can_be_empty_where_there_are_only_guests() {
    let bundle = "<bundle id=\"b\"><podman image=\"i\"/><network control-port=\"9\"/>";
    let resources = format!("{bundle}{}</bundle>", dummy("a", ""));
    let input = Input {
        resources: &resources,
        ..Input::default()
    };
    let without_nodes = |input: &Input<'_>| {
        let xml = input.to_xml();
        let (head, rest) = xml.split_once("<nodes>").unwrap();
        let (_, rest) = rest.split_once("</nodes>").unwrap();
        let (middle, _) = rest.split_once("<status>").unwrap();
        format!("{head}<nodes/>{middle}<status/></cib>")
    };
    let folder = tempfile::tempdir().unwrap();
    let shown = |input: &Input<'_>| {
        let file = folder.path().join("cib.xml");
        std::fs::write(&file, without_nodes(input)).unwrap();
        let mut out = Vec::new();
        let mut streams = Streams {
            out: Box::new(&mut out),
            err: Box::new(std::io::sink()),
        };
        policy_simulate::run(
            ["policy-simulate", "-x", file.to_str().unwrap()],
            &mut streams,
        );
        drop(streams);
        String::from_utf8(out).unwrap()
    };
    assert!(shown(&input).contains("  * Node List:\n\n  * Full List"));
    let resources = dummy("a", "");
    let input = Input {
        resources: &resources,
        ..input
    };
    assert!(!shown(&input).contains("Node List"));
}

#[test]
fn values_that_are_not_read_as_they_are_written_are_told_with_their_place() {
    let options = format!(
        "{NO_FENCING}<nvpair id=\"q\" name=\"no-quorum-policy\" value=\"bogus\"/>\n<nvpair id=\"d\" name=\"cluster-delay\" value=\"-5\"/>"
    );
    let input = Input {
        options: &options,
        ..Input::default()
    };
    assert_eq!(input.run(&["-S"]).1, "");
    assert_eq!(
        input.run(&["-S", "-V"]).1,
        "warning: line 2, column 99: option no-quorum-policy: expected one of stop, freeze, ignore, demote, fence, suicide, found \"bogus\": stop counts\n\
         warning: line 3, column 1: option cluster-delay: expected a time from 0 to 49 days, such as 10s, 5min, 2h or PT10S, found \"-5\": 60s counts\n"
    );
}
