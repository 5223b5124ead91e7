//! Parameters of services that follow what guests tell, and node attributes.

use controller::{Holder, Record, Request, Task};

use crate::lab::*;

/// A service in `n1` with a parameter that refers to something, and one that refers to nothing.
fn services(reference: &str) -> String {
    format!(
        r#"<services><service name="web" class="ocf" provider="sim" type="Simulated"><parameters>
           <parameter name="port" value="80"/><parameter name="to">{reference}</parameter></parameters></service>
           <service name="other" class="ocf" provider="sim" type="Simulated"/></services>"#
    )
}

fn following(name: &str, more: &str) -> String {
    services(&format!(
        r#"<reference assembly="n2" parameter="{name}"{more}/>"#
    ))
}

fn lab(reference: &str) -> Lab {
    Lab::with(&[reference, ""], "")
}

/// With which value the service was told to do something last.
fn value(lab: &Lab, what: &str) -> Option<String> {
    let operation = lab.operation(&format!("{what} web n1"));
    operation.parameters.get("to").cloned()
}

fn reason(lab: &Lab) -> String {
    let rows = lab.status().services.into_iter();
    let mut own = rows.filter(|row| row.service == "web");
    own.next().unwrap().reason
}

fn set(lab: &mut Lab, name: &str, value: Option<&str>) {
    lab.ask(Request::Put {
        holder: Holder::Assembly("n2".into()),
        name: name.to_owned(),
        value: value.map(str::to_owned),
    });
}

#[test]
fn a_service_waits_for_a_value_that_is_not_known() {
    let mut lab = lab(&following("hostname", ""));
    assert_eq!(lab.told(), ["start other n1"]);
    assert_eq!(lab.looked_for("web"), [""; 0]);
    let waits = "it waits for 'hostname' of the guest of n2, which is not known yet";
    assert_eq!(reason(&lab), waits);
    let status = lab.status();
    assert_eq!(
        (status.problems.len(), status.references[0].from.as_str()),
        (0, "")
    );
    lab.tells("n2", "hostname=db.example");
    assert_eq!(lab.looked_for("web"), ["n1"]);
    assert_eq!(lab.told_since(1), ["start web n1"]);
    assert_eq!(value(&lab, "start").as_deref(), Some("db.example"));
    assert_eq!(reason(&lab), "");
    let known = lab.status().references.remove(0);
    assert_eq!(known.value.as_deref(), Some("db.example"));
    assert_eq!(
        (known.from.as_str(), known.on_change.as_str()),
        ("guest", "restart")
    );
}

#[test]
fn a_changed_address_restarts_what_depends_on_it_and_nothing_else() {
    let mut lab = lab(&following("ipaddress", ""));
    lab.tells("n2", "ipaddress=10.0.0.1 hostname=a");
    let before = lab.told().len();
    lab.tells("n2", "ipaddress=10.0.0.1 hostname=b");
    lab.wait(10);
    lab.tells("n2", "ipaddress=10.0.0.2 hostname=b");
    lab.wait(4);
    assert_eq!(lab.told_since(before), [""; 0]);
    let settling = lab.status().references.remove(0).settling;
    assert_eq!(settling.as_deref(), Some("10.0.0.2"));
    lab.wait(2);
    assert_eq!(lab.told_since(before), ["stop web n1", "start web n1"]);
    assert_eq!(value(&lab, "stop").as_deref(), Some("10.0.0.1"));
    assert_eq!(value(&lab, "start").as_deref(), Some("10.0.0.2"));
    assert_eq!(lab.status().assemblies[1].told["hostname"], "b");
}

#[test]
fn an_address_that_comes_and_goes_restarts_nothing() {
    let mut lab = lab(&following("ipaddress", ""));
    lab.tells("n2", "ipaddress=10.0.0.1");
    let before = lab.told().len();
    for turn in 0..30 {
        lab.tells(
            "n2",
            ["ipaddress=10.0.0.2", "", "ipaddress=10.0.0.1"][turn % 3],
        );
        lab.wait(3);
    }
    assert_eq!(lab.told_since(before), [""; 0]);
}

#[test]
fn a_value_is_taken_over_where_the_document_and_the_agent_say_so() {
    for (more, not_reloadable, expected) in [
        (
            r#" on_change="reload""#,
            " port ",
            ["reload-agent web n1"].as_slice(),
        ),
        (
            r#" on_change="reload""#,
            " port to ",
            &["stop web n1", "start web n1"],
        ),
        (
            r#" on_change="reload""#,
            "",
            &["stop web n1", "start web n1"],
        ),
        (
            r#" on_change="restart""#,
            " port ",
            &["stop web n1", "start web n1"],
        ),
        ("", " port ", &["stop web n1", "start web n1"]),
    ] {
        let mut lab = Lab::of(&assemblies(&[&following("ipaddress", more), ""]), "");
        lab.not_reloadable = not_reloadable.to_owned();
        lab.all_answer();
        lab.tells("n2", "ipaddress=10.0.0.1");
        let before = lab.told().len();
        lab.tells("n2", "ipaddress=10.0.0.2");
        lab.wait(8);
        assert_eq!(lab.told_since(before), expected, "{more} {not_reloadable}");
        let restarts = lab.status().references[0].restarts;
        assert_eq!(restarts, more.contains("reload") && expected.len() > 1);
        // It rests with the new value.
        lab.wait(3);
        assert_eq!(lab.told_since(before).len(), expected.len());
        let last = expected.last().unwrap().split(' ').next().unwrap();
        assert_eq!(value(&lab, last).as_deref(), Some("10.0.0.2"));
    }
}

#[test]
fn a_value_that_is_ignored_counts_at_the_next_start() {
    let mut lab = lab(&following("ipaddress", r#" on_change="ignore""#));
    lab.tells("n2", "ipaddress=10.0.0.1");
    assert_eq!(value(&lab, "start").as_deref(), Some("10.0.0.1"));
    assert_eq!(value(&lab, "monitor").as_deref(), Some("10.0.0.1"));
    let before = lab.told().len();
    lab.tells("n2", "ipaddress=10.0.0.2");
    lab.wait(10);
    assert_eq!(lab.told_since(before), [""; 0]);
    lab.monitor_fails("web");
    assert_eq!(lab.told_since(before), ["stop web n1", "start web n1"]);
    assert_eq!(value(&lab, "stop").as_deref(), Some("10.0.0.1"));
    assert_eq!(value(&lab, "start").as_deref(), Some("10.0.0.2"));
    assert_eq!(value(&lab, "monitor").as_deref(), Some("10.0.0.2"));
}

#[test]
fn what_a_guest_has_told_stays_while_it_is_away_and_over_a_restart_of_the_dpe() {
    let mut lab = lab(&following("ipaddress", ""));
    lab.tells("n2", "ipaddress=10.0.0.1");
    let before = lab.told().len();
    lab.falls_silent("n2");
    lab.wait(30);
    assert!(!lab.fenced.is_empty());
    assert_eq!(lab.told_since(before), [""; 0]);
    assert_eq!(lab.status().assemblies[1].told["ipaddress"], "10.0.0.1");
    let orders = lab.orders.clone();
    let history = |lab: &Lab| -> Vec<Record> {
        let starts = orders.iter().filter(|(_, it)| it.action == Task::Start);
        let _ = lab;
        let record = |(number, (_, operation)): (usize, &(String, controller::Operation))| Record {
            operation: operation.clone(),
            call_id: u32::try_from(number).unwrap() + 1,
            ..done(&operation.resource, Task::Start, 0, 1)
        };
        starts.enumerate().map(record).collect()
    };
    let records = history(&lab);
    lab.restarts();
    lab.answers("n1", records);
    lab.wait(30);
    assert_eq!(lab.told_since(before), [""; 0]);
    assert_eq!(
        lab.status().references[0].value.as_deref(),
        Some("10.0.0.1")
    );
}

#[test]
fn an_attribute_that_somebody_sets_is_followed() {
    let mut lab = lab(&services(r#"<reference assembly="n2" attribute="site"/>"#));
    assert_eq!(lab.told(), ["start other n1"]);
    assert!(reason(&lab).contains("node attribute 'site' of n2"));
    set(&mut lab, "site", Some("east"));
    assert_eq!(value(&lab, "start").as_deref(), Some("east"));
    let before = lab.told().len();
    set(&mut lab, "other", Some("x"));
    assert_eq!(lab.told_since(before), [""; 0]);
    set(&mut lab, "site", Some("west"));
    assert_eq!(lab.told_since(before), ["stop web n1", "start web n1"]);
    assert_eq!(lab.status().references[0].from, "permanent");
    // Nobody knows it any more: it is left as it is.
    set(&mut lab, "site", None);
    assert_eq!(lab.told_since(before).len(), 2);
    assert!(
        reason(&lab).contains("it is left as it is"),
        "{}",
        reason(&lab)
    );
}

#[test]
fn an_attribute_that_waits_for_further_changes_counts_after_that() {
    let mut lab = lab(&services(r#"<reference assembly="n2" attribute="pingd"/>"#));
    lab.sets("n2", "pingd", "100", 0);
    assert_eq!(value(&lab, "start").as_deref(), Some("100"));
    lab.sets("n2", "pingd", "200", 3000);
    assert_eq!(value(&lab, "start").as_deref(), Some("100"));
    lab.wait(5);
    assert_eq!(value(&lab, "start").as_deref(), Some("200"));
}

#[test]
fn what_the_document_says_counts_until_an_attribute_is_set() {
    let inner = services(r#"<reference assembly="n2" attribute="site"/>"#);
    let own = r#"<attributes><attribute name="site" value="north"/></attributes>"#;
    let mut lab = Lab::with(&[&inner, own], "");
    assert_eq!(value(&lab, "start").as_deref(), Some("north"));
    set(&mut lab, "site", Some("south"));
    assert_eq!(value(&lab, "start").as_deref(), Some("south"));
    set(&mut lab, "site", None);
    assert_eq!(value(&lab, "start").as_deref(), Some("north"));
    assert_eq!(lab.status().references[0].from, "document");
}

#[test]
fn a_group_waits_as_a_whole_and_a_deployment_that_ends_waits_for_nothing() {
    let group = format!(
        "<services><group name=\"front\">{}</group></services>",
        following("hostname", "")
            .replace("<services>", "")
            .replace("</services>", "")
    );
    let mut lab = lab(&group);
    assert_eq!(lab.told(), [""; 0]);
    lab.tells("n2", "hostname=a");
    assert_eq!(lab.told(), ["start web n1", "start other n1"]);
    lab.ask(Request::Unload {
        stop_services: true,
    });
    assert_eq!(lab.told_since(2), ["stop other n1", "stop web n1"]);
}

#[test]
fn a_plan_says_what_waits_and_assumes_what_nobody_was_asked() {
    let text = |inner: &str| {
        let assemblies = assemblies(&[inner, ""]);
        format!("<deployable name=\"sim\"><assemblies>{assemblies}</assemblies></deployable>")
    };
    let document = text(&following("hostname", ""));
    let now = controller::Time {
        boottime_us: 1,
        wall_us: 1_800_000_000_000_000,
    };
    let empty = controller::Controller::new("sim", Default::default(), now);
    let plan = empty.plan(now, &document).unwrap().answer().unwrap();
    assert_eq!(plan.actions.len(), 2, "{plan:?}");
    assert!(plan.warnings[0].contains("guests tell"), "{plan:?}");
    let mut lab = lab(&services("<value>x</value>"));
    let plan = lab.plan(&document);
    assert_eq!(plan.actions, []);
    let reason = "it waits for 'hostname' of the guest of n2, which is not known yet";
    assert_eq!(plan.blocked.len(), 0, "it runs, and is left as it is");
    lab.tells("n2", "hostname=a");
    let plan = lab.plan(&document);
    assert_eq!(plan.actions[0].action, "restart");
    let other = text(&following("ipaddress", "").replace("name=\"web\"", "name=\"new\""));
    let plan = lab.plan(&other);
    let blocked = plan.blocked.iter().find(|it| it.service == "new").unwrap();
    assert_eq!(blocked.reason, reason.replace("hostname", "ipaddress"));
}

#[test]
fn a_live_migration_takes_the_value_along_with_which_the_service_runs() {
    let live = r#"<rsc_defaults><meta_attributes id="d">
        <nvpair id="d.1" name="allow-migrate" value="true"/></meta_attributes></rsc_defaults>"#;
    let web = following("ipaddress", r#" on_change="ignore""#).replace("\"n2\"", "\"n3\"");
    let assemblies = assemblies(&["", "", ""]);
    let mut lab = Lab::beside(&assemblies, &web, live);
    lab.all_answer();
    let place = |lab: &mut Lab, assembly: &str, on: bool| {
        let assembly = assembly.into();
        lab.ask(Request::Standby { assembly, on });
    };
    place(&mut lab, "n3", true);
    lab.tells("n3", "ipaddress=10.0.0.1");
    assert_eq!(lab.places("web"), ["n1"]);
    place(&mut lab, "n1", true);
    assert_eq!(lab.places("web"), ["n2"]);
    lab.tells("n3", "ipaddress=10.0.0.2");
    lab.wait(8);
    lab.monitor_fails("web");
    let of = |lab: &Lab, line: &str| lab.operation(line).parameters.get("to").cloned();
    assert_eq!(of(&lab, "start web n2").as_deref(), Some("10.0.0.2"));
    place(&mut lab, "n1", false);
    place(&mut lab, "n2", true);
    assert_eq!(lab.places("web"), ["n1"]);
    let taken = of(&lab, "migrate_from web n1");
    assert_eq!(
        taken.as_deref(),
        Some("10.0.0.2"),
        "its first start is over"
    );
}

#[test]
fn what_goes_on_after_a_stop_that_failed_has_its_old_value_and_gets_the_new_one() {
    for more in ["", r#" on_change="reload""#] {
        let assemblies = assemblies(&[&following("ipaddress", more), ""]);
        let unit = r#"mode="unit" unit="n1.service""#;
        let lab = Lab::of(&assemblies.replace(unit, r#"mode="none""#), "");
        let mut lab = lab.fail(&["stop web n1"]);
        lab.all_answer();
        lab.tells("n2", "ipaddress=10.0.0.1");
        lab.tells("n2", "ipaddress=10.0.0.2");
        lab.wait(8);
        assert_eq!(lab.told().last().unwrap(), "stop web n1");
        let before = lab.told().len();
        lab.mended("web n1");
        lab.ask(Request::Cleanup {
            service: None,
            assembly: None,
        });
        let expected = ["stop web n1", "start web n1"];
        assert_eq!(lab.told_since(before), expected, "{more}");
        assert_eq!(value(&lab, "start").as_deref(), Some("10.0.0.2"));
    }
}

#[test]
fn an_assembly_is_in_doubt_until_what_waits_was_looked_for_there_whatever_the_document_says() {
    let services = following("hostname", "");
    let (web, _) = services.split_once("<service name=\"other\"").unwrap();
    let web = web.trim_start_matches("<services>");
    let leaves_well = |settle: fn(&mut Lab, &str)| {
        let mut lab = lab(&format!("<services>{web}</services>"));
        lab.loses_state("n1");
        lab.all_answer();
        settle(&mut lab, web);
        lab.leaves("n1");
        lab.left("n1");
        lab.wait(30);
        lab.status().assemblies[0].state == cpe_status::AssemblyState::Offline
    };
    assert!(!leaves_well(|_, _| ()));
    assert!(leaves_well(|lab, _| lab.tells("n2", "hostname=a")));
    // It may run there though no document names it any more.
    assert!(!leaves_well(|lab, web| lab.changes(web, "")));
    assert!(leaves_well(|lab, web| {
        lab.changes(web, "<!-- web -->");
        lab.changes("<!-- web -->", web);
        lab.tells("n2", "hostname=a");
    }));
}
