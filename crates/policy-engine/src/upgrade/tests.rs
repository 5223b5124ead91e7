//! Each kind of change: what it makes of an element, and what it tells.

use super::{From, upgrade};
use crate::xml::{Writer, parse};

/// A configuration after its upgrade, as one line, and what was told: in the words of Pacemaker's
/// programs, or behind a dash in ours.
fn upgraded(from: From, configuration: &str) -> (String, Vec<String>) {
    let text = format!("<cib><configuration>{configuration}</configuration></cib>");
    let mut document = parse(&text).expect("the configuration is well-formed");
    let changes = upgrade(&mut document, from);
    let mut xml = Writer::new();
    let root = document.root();
    let configuration = root.child("configuration").expect("it stays");
    configuration.children().for_each(|section| {
        xml.element(section);
    });
    let lines: Vec<String> = xml.finish().lines().map(|l| l.trim().to_owned()).collect();
    let told = changes.iter().map(|change| {
        let spoken = change.line_of_pacemaker();
        spoken.unwrap_or_else(|| format!("- {}", change.text))
    });
    (lines.concat(), told.collect())
}

#[track_caller]
fn check(from: From, before: &str, after: &str, told: &[&str]) {
    let (found, lines) = upgraded(from, before);
    assert_eq!(found, after);
    assert_eq!(lines, told);
}

fn options(pairs: &str) -> String {
    format!(
        "<crm_config><cluster_property_set id=\"o\">{pairs}</cluster_property_set></crm_config>"
    )
}

fn resources(content: &str) -> String {
    format!("<resources>{content}</resources>")
}

#[test]
fn what_schema_four_says_stays_as_it_is() {
    let text = resources(
        "<primitive id=\"a\" class=\"ocf\" provider=\"p\" type=\"t\"><operations><op id=\"o\" name=\"monitor\" interval=\"10s\" role=\"Master\"/></operations></primitive>",
    );
    check(From::Three, &text, &text, &[]);
    check(From::Two, &text, &text, &[]);
}

#[test]
fn options_with_underscores_get_dashes() {
    check(
        From::Two,
        &options("<nvpair id=\"a\" name=\"no_quorum_policy\" value=\"stop\"/>"),
        &options("<nvpair id=\"a\" name=\"no-quorum-policy\" value=\"stop\"/>"),
        &["DEBUG: Cluster properties: a: renaming no_quorum_policy as no-quorum-policy"],
    );
}

#[test]
fn defaults_among_the_options_become_defaults() {
    check(
        From::Two,
        &options(
            "<nvpair id=\"a\" name=\"default-action-timeout\" value=\"9s\"/><nvpair id=\"b\" name=\"is_managed_default\" value=\"no\"/><nvpair id=\"c\" name=\"default-resource-failure-stickiness\" value=\"-INFINITY\"/>",
        ),
        "<crm_config/><op_defaults><meta_attributes id=\"_2TO3_-op-defaults\"><nvpair id=\"a\" name=\"timeout\" value=\"9s\"/></meta_attributes></op_defaults><rsc_defaults><meta_attributes id=\"_2TO3_-rsc-defaults\"><nvpair id=\"b\" name=\"is-managed\" value=\"no\"/><nvpair id=\"c\" name=\"migration-threshold\" value=\"1\"/></meta_attributes></rsc_defaults>",
        &[
            "DEBUG: Cluster properties: a: moving default-action-timeout under op_defaults as timeout unless already defined there",
            "DEBUG: Cluster properties: b: moving is_managed_default under rsc_defaults as is-managed unless already defined there",
            "DEBUG: Cluster properties: c: moving default-resource-failure-stickiness under rsc_defaults as migration-threshold unless already defined there, redefined as 1, for matching -INFINITY",
        ],
    );
}

#[test]
fn a_default_that_is_set_already_stays_as_it_is() {
    let defaults = "<rsc_defaults><meta_attributes id=\"d\"><nvpair id=\"e\" name=\"resource-stickiness\" value=\"7\"/></meta_attributes></rsc_defaults>";
    let before = options("<nvpair id=\"a\" name=\"default_resource_stickiness\" value=\"3\"/>");
    let (found, _) = upgraded(From::Two, &format!("{before}{defaults}"));
    assert_eq!(found, format!("<crm_config/>{defaults}"));
}

#[test]
fn a_default_without_a_place_is_told() {
    let before = options("<nvpair id=\"a\" name=\"default_action_timeout\" value=\"3\"/>");
    let (found, told) = upgraded(From::Two, &format!("{before}<op_defaults/>"));
    assert_eq!(found, "<crm_config/><op_defaults/>");
    let want = "- timeout was dropped: op_defaults exists, and has no set without a rule that could take it";
    assert_eq!(told.last().map(String::as_str), Some(want));
}

#[test]
fn options_that_went_away_are_dropped() {
    let rest = "<nvpair id=\"z\" name=\"batch-limit\" value=\"3\"/>";
    check(
        From::Two,
        &options(&format!(
            "<nvpair id=\"a\" name=\"cluster-infrastructure\" value=\"cman\"/><nvpair id=\"b\" name=\"expected-quorum-votes\" value=\"2\"/>{rest}"
        )),
        &options(rest),
        &[
            "INFO: Cluster properties: a: dropping cluster-infrastructure for matching heartbeat|openais|classic openais|classic openais (with plugin)|cman",
            "INFO: Cluster properties: ... corosync (2+) infrastructure can be used instead, though the value is not of significance",
            "INFO: Cluster properties: b: dropping expected-quorum-votes",
            "INFO: Cluster properties: ... corosync (2+) infrastructure tracks quorum on its own",
        ],
    );
    check(
        From::Three,
        &options(&format!(
            "<nvpair id=\"a\" name=\"remove-after-stop\" value=\"true\"/>{rest}"
        )),
        &options(rest),
        &["WARNING: Dropping nvpair a because the remove-after-stop property is unsupported"],
    );
}

#[test]
fn poweroff_is_off_under_the_old_name_only() {
    let action = |name, value| {
        options(&format!(
            "<nvpair id=\"a\" name=\"{name}\" value=\"{value}\"/>"
        ))
    };
    check(
        From::Three,
        &action("stonith-action", "poweroff"),
        &action("stonith-action", "off"),
        &["- stonith-action=\"poweroff\" is now \"off\""],
    );
    let new = action("fencing-action", "poweroff");
    check(From::Three, &new, &new, &[]);
}

#[test]
fn a_normal_node_is_a_member() {
    check(
        From::Two,
        "<nodes><node id=\"1\" uname=\"n\" type=\"normal\"/></nodes>",
        "<nodes><node id=\"1\" uname=\"n\" type=\"member\"/></nodes>",
        &[
            "DEBUG: Cluster node: n (id=1): keeping type as type, redefined as member, for matching normal",
        ],
    );
}

#[test]
fn a_ping_node_is_a_member_on_which_nothing_runs() {
    check(
        From::Three,
        "<nodes><node id=\"1\" uname=\"n\" type=\"ping\"/></nodes><constraints/>",
        "<nodes><node id=\"1\" uname=\"n\" type=\"member\"/></nodes><constraints><rsc_location id=\"ping-node-n\" rsc-pattern=\".*\" node=\"n\" score=\"-INFINITY\" resource-discovery=\"never\"/></constraints>",
        &["- node n: type ping is now member, with a ban of all resources"],
    );
}

#[test]
fn failure_stickiness_is_a_threshold_and_isolation_a_role() {
    check(
        From::Two,
        &resources(
            "<primitive id=\"a\"><meta_attributes id=\"m\"><nvpair id=\"x\" name=\"resource-failure-stickiness\" value=\"-INFINITY\"/></meta_attributes><meta_attributes id=\"n\"><nvpair id=\"y\" name=\"isolation\" value=\"docker\"/></meta_attributes></primitive>",
        ),
        &resources(
            "<primitive id=\"a\"><meta_attributes id=\"m\"><nvpair id=\"x\" name=\"migration-threshold\" value=\"1\"/></meta_attributes><meta_attributes id=\"n\"><nvpair id=\"y\" name=\"target-role\" value=\"Stopped\"/></meta_attributes></primitive>",
        ),
        &[
            "DEBUG: Resource meta_attributes: a (meta=m): renaming resource-failure-stickiness as migration-threshold, redefined as 1, for matching -INFINITY",
            "WARNING: Resource meta_attributes: a (meta=n): renaming isolation as target-role, redefined as Stopped",
            "WARNING: Resource meta_attributes: ... i.e. resource at hand disabled; isolation wrappers obsoleted with bundle resources",
        ],
    );
}

#[test]
fn commands_of_fencing_devices_are_actions() {
    check(
        From::Two,
        &resources(
            "<primitive id=\"f\"><instance_attributes id=\"i\"><nvpair id=\"x\" name=\"pcmk_list_cmd\" value=\"l\"/><nvpair id=\"y\" name=\"pcmk_arg_map\" value=\"port:plug\"/><nvpair id=\"z\" name=\"pcmk_arg_map\" value=\"a:b\"/></instance_attributes></primitive>",
        ),
        &resources(
            "<primitive id=\"f\"><instance_attributes id=\"i\"><nvpair id=\"x\" name=\"pcmk_list_action\" value=\"l\"/><nvpair id=\"y\" name=\"pcmk_host_argument\" value=\"plug\"/></instance_attributes></primitive>",
        ),
        &[
            "DEBUG: Resource instance_attributes: x: renaming pcmk_list_cmd as pcmk_list_action",
            "DEBUG: Resource instance_attributes: y: renaming pcmk_arg_map as pcmk_host_argument for matching port: prefix that will, meanwhile, get dropped",
            "DEBUG: Resource instance_attributes: z: dropping pcmk_arg_map",
        ],
    );
}

fn operation(head: &str, content: &str) -> String {
    resources(&format!(
        "<primitive id=\"a\"><operations><op id=\"s\" name=\"start\" interval=\"0\"{head}>{content}</op></operations></primitive>"
    ))
}

#[test]
fn options_among_the_parameters_of_an_operation_are_its_options() {
    check(
        From::Two,
        &operation(
            "",
            "<instance_attributes id=\"i\"><nvpair id=\"x\" name=\"timeout\" value=\"9\"/><nvpair id=\"y\" name=\"depth\" value=\"1\"/></instance_attributes>",
        ),
        &operation(
            "",
            "<instance_attributes id=\"i\"><nvpair id=\"y\" name=\"depth\" value=\"1\"/></instance_attributes><meta_attributes id=\"_2TO3_s-meta\"><nvpair id=\"x\" name=\"timeout\" value=\"9\"/></meta_attributes>",
        ),
        &[
            "DEBUG: Resources-operation instance_attributes: s (rsc=a, meta=i): moving timeout under meta_attributes as timeout unless already defined there",
        ],
    );
}

#[test]
fn an_option_under_a_rule_keeps_its_rule() {
    let rule =
        "<rule id=\"r\"><date_expression id=\"d\" operation=\"gt\" start=\"2000-01-01\"/></rule>";
    let pair = "<nvpair id=\"x\" name=\"timeout\" value=\"9\"/>";
    let (found, _) = upgraded(
        From::Two,
        &operation(
            "",
            &format!("<instance_attributes id=\"i\">{rule}{pair}</instance_attributes>"),
        ),
    );
    let after = format!("<meta_attributes id=\"_2TO3_i\">{rule}{pair}</meta_attributes>");
    assert_eq!(found, operation("", &after));
}

#[test]
fn of_two_sets_of_options_the_later_one_counts() {
    let set = |id: &str| {
        format!(
            "<instance_attributes id=\"{id}\"><nvpair id=\"{id}t\" name=\"timeout\" value=\"9\"/></instance_attributes>"
        )
    };
    let (found, _) = upgraded(From::Two, &operation("", &(set("i") + &set("j"))));
    let after = "<meta_attributes id=\"_2TO3_s-meta\"><nvpair id=\"jt\" name=\"timeout\" value=\"9\"/></meta_attributes>";
    assert_eq!(found, operation("", after));
}

#[test]
fn what_a_start_requires_is_required_by_its_resource() {
    check(
        From::Two,
        &operation(" requires=\"nothing\"", "").replace("></op>", "/>"),
        &resources(
            "<primitive id=\"a\"><operations><op id=\"s\" name=\"start\" interval=\"0\"/></operations><meta_attributes id=\"_2TO3_a-meta\"><nvpair id=\"_2TO3_s-meta-requires\" name=\"requires\" value=\"nothing\"/></meta_attributes></primitive>",
        ),
        &[
            "DEBUG: Resources-operation: s (rsc=a): moving requires under meta_attributes as requires unless already defined there for matching start|promote",
        ],
    );
    let (found, told) = upgraded(
        From::Two,
        &operation(" requires=\"nothing\"", "").replace("start", "stop"),
    );
    assert!(!found.contains("requires"), "{found}");
    let want = "INFO: Resources-operation: s (rsc=a): dropping requires";
    assert_eq!(told.first().map(String::as_str), Some(want));
}

#[test]
fn an_empty_group_is_left_to_those_who_read_it() {
    let empty = resources("<group id=\"g\"/><clone id=\"c\"/>");
    check(From::Three, &empty, &empty, &[]);
}

#[test]
fn a_master_is_a_promotable_clone() {
    check(
        From::Three,
        &resources("<master id=\"m\"><primitive id=\"a\"/></master>"),
        &resources(
            "<clone id=\"m\"><meta_attributes id=\"m-promotable\" score=\"INFINITY\"><nvpair id=\"m-promotable-promotable\" name=\"promotable\" value=\"true\"/></meta_attributes><primitive id=\"a\"/></clone>",
        ),
        &["- <master> m is now a <clone> with promotable=\"true\""],
    );
}

#[test]
fn masters_of_a_bundle_are_promoted_max() {
    check(
        From::Three,
        &resources("<bundle id=\"b\"><podman image=\"i\" masters=\"2\"/></bundle>"),
        &resources("<bundle id=\"b\"><podman image=\"i\" promoted-max=\"2\"/></bundle>"),
        &["- masters=\"2\" is now promoted-max=\"2\""],
    );
}

#[test]
fn a_pair_with_reference_and_name_has_the_value_itself() {
    let sets = |pair: &str| {
        resources(&format!(
            "<primitive id=\"a\"><instance_attributes id=\"i\"><nvpair id=\"x\" name=\"n\" value=\"v\"/>{pair}</instance_attributes></primitive>"
        ))
    };
    check(
        From::Three,
        &sets("<nvpair id-ref=\"x\" name=\"m\"/>"),
        &sets("<nvpair name=\"m\" id=\"x-m\" value=\"v\"/>"),
        &["- nvpair m now has the value of x, \"v\", itself"],
    );
}

#[test]
fn pairs_without_value_and_old_meta_attributes_are_dropped() {
    check(
        From::Three,
        &operation(
            "",
            "<meta_attributes id=\"m\"><nvpair id=\"x\" name=\"can_fail\" value=\"1\"/><nvpair id=\"y\" name=\"timeout\"/></meta_attributes>",
        ),
        &operation("", "<meta_attributes id=\"m\"/>"),
        &[
            "WARNING: Dropping can_fail meta-attribute from m because it is no longer supported. Consider setting the \"on-fail\" operation attribute instead",
            "- nvpair timeout of m has no value and was dropped",
        ],
    );
    let (found, told) = upgraded(
        From::Three,
        &resources(
            "<primitive id=\"a\"><meta_attributes id=\"m\"><nvpair id=\"x\" name=\"restart-type\" value=\"restart\"/></meta_attributes></primitive>",
        ),
    );
    assert!(!found.contains("restart-type"), "{found}");
    assert_eq!(told.len(), 1);
}

#[test]
fn the_moon_and_high_levels_are_dropped() {
    let rule = |moon: &str| {
        options(&format!(
            "<rule id=\"r\"><date_expression id=\"d\" operation=\"date_spec\"><date_spec id=\"s\" hours=\"1\"{moon}/></date_expression></rule><nvpair id=\"z\" name=\"a\" value=\"b\"/>"
        ))
    };
    let moon = "- moon of s has no effect and was dropped";
    check(From::Three, &rule(" moon=\"4\""), &rule(""), &[moon]);
    check(
        From::Three,
        "<fencing-topology><fencing-level id=\"a\" index=\"9\"/><fencing-level id=\"b\" index=\"10\"/></fencing-topology>",
        "<fencing-topology><fencing-level id=\"a\" index=\"9\"/></fencing-topology>",
        &["- fencing level b has index 10, beyond 9, and was dropped"],
    );
}

fn location(head: &str, content: &str) -> String {
    format!(
        "<constraints><rsc_location id=\"l\" rsc=\"a\"{head}>{content}</rsc_location></constraints>"
    )
}

#[test]
fn a_location_with_several_rules_is_several_locations() {
    let rule = |id: &str| {
        format!(
            "<rule id=\"{id}\" score=\"1\"><expression id=\"{id}e\" attribute=\"#uname\" operation=\"defined\"/></rule>"
        )
    };
    let set = "<resource_set id=\"s\"><resource_ref id=\"a\"/></resource_set>";
    check(
        From::Three,
        &location("", &[set, &rule("x"), &rule("y"), &rule("z")].concat()),
        &format!(
            "<constraints><rsc_location id=\"l\" rsc=\"a\">{set}{}</rsc_location><rsc_location id=\"l-y\" rsc=\"a\"><resource_set id-ref=\"s\"/>{}</rsc_location><rsc_location id=\"l-z\" rsc=\"a\"><resource_set id-ref=\"s\"/>{}</rsc_location></constraints>",
            rule("x"),
            rule("y"),
            rule("z")
        ),
        &["- location l has 3 rules and is now as many locations"],
    );
}

#[test]
fn a_lifetime_is_a_condition_of_each_rule() {
    let during =
        "<rule id=\"t\"><date_expression id=\"d\" operation=\"lt\" end=\"2030-01-01\"/></rule>";
    let lifetime = format!("<lifetime>{during}</lifetime>");
    let told = ["- the lifetime of location l is now a condition in its rules"];
    check(
        From::Three,
        &location(" node=\"n\" score=\"5\"", &lifetime),
        &location(
            "",
            &format!(
                "<rule id=\"l-rule\" boolean-op=\"and\" score=\"5\"><expression id=\"l-rule-node\" attribute=\"#uname\" operation=\"eq\" value=\"n\"/><rule id=\"l-lifetime-rule\" boolean-op=\"or\">{during}</rule></rule>"
            ),
        ),
        &told,
    );
    let rule = "<rule id=\"x\" score=\"1\"><expression id=\"e\" attribute=\"#uname\" operation=\"defined\"/></rule>";
    check(
        From::Three,
        &location("", &format!("{rule}{lifetime}")),
        &location(
            "",
            &format!(
                "<rule id=\"l-lifetime-0\" boolean-op=\"and\" score=\"1\">{rule}<rule id=\"l-lifetime-rule\" boolean-op=\"or\">{during}</rule></rule>"
            ),
        ),
        &told,
    );
}

#[test]
fn colocations_and_orders_have_no_lifetime() {
    check(
        From::Three,
        "<constraints><rsc_order id=\"o\" first=\"a\" then=\"b\"><lifetime><rule id=\"r\"/></lifetime></rsc_order></constraints>",
        "<constraints><rsc_order id=\"o\" first=\"a\" then=\"b\"/></constraints>",
        &[
            "WARNING: Dropping lifetime element from constraint o because lifetime elements are no longer supported. Any rules contained there will no longer apply to the constraint",
        ],
    );
}

#[test]
fn resources_that_cannot_run_go_with_what_refers_to_them() {
    let stays = "<primitive id=\"s\" class=\"systemd\" type=\"x\"/>";
    let gone = "<group id=\"g\"><primitive id=\"n\" class=\"nagios\" type=\"x\"/></group><template id=\"t\" class=\"upstart\" type=\"x\"/><primitive id=\"u\" template=\"t\"/><bundle id=\"b\"><rkt image=\"i\"/></bundle>";
    let set = "<resource_set id=\"q\"><resource_ref id=\"s\"/></resource_set>";
    check(
        From::Three,
        &format!(
            "<resources>{stays}{gone}</resources><constraints><rsc_colocation id=\"c\" rsc=\"s\" with-rsc=\"g\"/><rsc_order id=\"o\">{set}<resource_set id=\"p\"><resource_ref id=\"b\"/></resource_set></rsc_order><rsc_location id=\"l\" rsc=\"k\" node=\"n\" score=\"1\"/></constraints><tags><tag id=\"k\"><obj_ref id=\"n\"/></tag></tags>"
        ),
        &format!(
            "<resources>{stays}</resources><constraints><rsc_order id=\"o\">{set}</rsc_order></constraints><tags/>"
        ),
        &[
            "WARNING: Dropping resource n because nagios resources are no longer supported",
            "- Dropping group resource g because it has no more supported resources in it",
            "WARNING: Dropping template t because upstart resources are no longer supported",
            "WARNING: Dropping resource u because upstart resources are no longer supported",
            "WARNING: Dropping bundle resource b because rkt containers are no longer supported",
            "- tag k is empty and was dropped",
            "- constraint c was dropped with the resources that it refers to",
            "- constraint l was dropped with the resources that it refers to",
        ],
    );
}
