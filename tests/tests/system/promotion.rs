//! Which instance of a replicated service is promoted, by the scores that real resource agents set
//! in real guests.

use end_to_end::{Lab, System};

/// The assemblies in which the example's database is promoted.
fn promoted(lab: &Lab) -> Vec<String> {
    let status = lab.status("replicated");
    let services = status.0["services"].as_array().cloned().unwrap_or_default();
    services
        .iter()
        .filter(|service| service["service"] == "database" && service["state"] == "promoted")
        .filter_map(|service| service["assembly"].as_str().map(str::to_owned))
        .collect()
}

/// The promotion score that an assembly's instance has.
fn score(lab: &Lab, assembly: &str) -> String {
    let status = lab.status("replicated");
    let assemblies = status.0["assemblies"].as_array().cloned();
    let known = assemblies.unwrap_or_default();
    let own = known.iter().find(|known| known["name"] == assembly);
    own.and_then(|own| own["attributes"]["master-database"].as_str())
        .unwrap_or_default()
        .to_owned()
}

#[track_caller]
fn wait_for(lab: &Lab, assembly: &str, why: &str) {
    lab.wait(why, 60, || {
        let status = lab.status("replicated");
        promoted(lab) == [assembly]
            && status.assembly_of("writer").as_deref() == Some(assembly)
            && status.0["transition"]["state"] != "running"
    });
}

#[test]
fn the_instance_that_its_agent_recommends_is_promoted_and_another_when_it_is_gone() {
    let lab = Lab::boot("promotion").with_guests(&["db1", "db2"]);
    // The administrator of the host installs this; polkit looks for changes of its rules once a
    // second.
    lab.sh("cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/ && sleep 1.5")
        .ok();
    let document =
        std::fs::read_to_string(end_to_end::project_dir().join("examples/promotable.xml"));
    lab.write("/srv/document.xml", &document.unwrap());
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    lab.wait("one instance is promoted", 30, || promoted(&lab).len() == 1);
    let first = promoted(&lab)[0].clone();
    let second = if first == "db1" { "db2" } else { "db1" };
    wait_for(&lab, &first, "all is at rest");
    assert_eq!(
        (score(&lab, &first).as_str(), score(&lab, second).as_str()),
        ("10", "5")
    );

    // An agent does this when its instance has caught up.
    let tool = "/run/cpe-agent/bin/crm_attribute";
    lab.in_guest(second, &format!("{tool} --promotion=database --update=100"))
        .ok();
    wait_for(&lab, second, "the better instance is promoted");
    let query = format!("{tool} --promotion=database --query --quiet");
    assert_eq!(
        lab.in_guest(second, &query).ok(),
        "10\n",
        "its agent sets the score again"
    );

    // A restarted DPE learns the scores from the agents, and changes nothing.
    let pid = lab.main_pid("dpe@replicated.service");
    lab.manage(&["kill", "--signal=KILL", "dpe@replicated.service"])
        .ok();
    lab.wait("another DPE manages the deployment", 30, || {
        ![0, pid].contains(&lab.main_pid("dpe@replicated.service")) && score(&lab, second) == "10"
    });
    wait_for(&lab, second, "it is as it was");

    lab.cut(second);
    wait_for(
        &lab,
        &first,
        "the other one is promoted when its guest is gone",
    );
    lab.wait(
        "the lost guest is back, and its instance says so",
        60,
        || score(&lab, second) == "5",
    );
    assert_eq!(promoted(&lab), [first.as_str()]);

    // No instance is promoted in a guest without gateway.
    let lost = "/run/cpe-agent/bin/attrd_updater -n pingd -U 0";
    lab.in_guest(&first, lost).ok();
    wait_for(&lab, second, "it is promoted where the gateway is reached");
}
