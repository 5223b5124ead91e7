//! What tools in real guests set for the whole deployment: kept over the death of the DPE and
//! reboots of guests, read by other guests, and in force.

use end_to_end::{Lab, System};

/// Seconds that the service sleeps.
const SECONDS: u32 = 300_101;

/// The permanent attribute of an assembly.
const STATUS: &str = "crm_attribute -N db2 -l forever -n data-status";
/// The option that agents share.
const OPTION: &str = "crm_attribute --type crm_config --name db_REPL_INFO -s mysql_replication";
/// The attribute of a boot.
const BOOT: &str = "crm_attribute -N db2 -l reboot -n bootstrap";

/// A service that runs where the permanent attribute says that the data is the latest.
fn document() -> String {
    let assembly = |name: &str| {
        format!(
            r#"<assembly name="{name}" address="unix:/run/cpe/guests/{name}/agent.sock"><fencing mode="lease"/></assembly>"#
        )
    };
    format!(
        r#"<deployable name="shop" uuid="6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a13" heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s">
  <assemblies>{}{}</assemblies>
  <services><service name="db" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s">
    <parameters><parameter name="binfile" value="/usr/bin/sleep"/><parameter name="cmdline_options" value="{SECONDS}"/>
    <parameter name="pidfile" value="/run/db.pid"/></parameters></service></services>
  <configuration><constraints><rsc_location id="latest" rsc="db"><rule id="latest-rule" score="1000">
    <expression id="latest-data" attribute="data-status" operation="eq" value="LATEST"/></rule></rsc_location></constraints></configuration>
</deployable>"#,
        assembly("db1"),
        assembly("db2")
    )
}

/// Calls a tool in a guest; gives its exit code and what it prints.
fn tool(lab: &Lab, guest: &str, line: &str) -> (i32, String) {
    let output = lab.in_guest(guest, &format!("/run/cpe-agent/bin/{line}"));
    (output.code, output.stdout)
}

#[track_caller]
fn done(lab: &Lab, guest: &str, line: &str) {
    assert_eq!(tool(lab, guest, line), (0, String::new()), "{line}");
}

#[track_caller]
fn read(lab: &Lab, guest: &str, line: &str, value: &str) {
    let expected = (0, format!("{value}\n"));
    assert_eq!(tool(lab, guest, line), expected, "{line}");
}

#[track_caller]
fn wait_for_db_in(lab: &Lab, guest: &str, why: &str) {
    lab.wait(why, 90, || {
        let homes: Vec<String> = lab.sleepers(SECONDS).into_iter().map(|it| it.0).collect();
        homes == [guest] && lab.status("shop").is_settled()
    });
}

#[test]
fn what_guests_set_is_kept_over_kills_and_reboots_and_read_by_others() {
    let lab = Lab::boot("attributes").with_guests(&["db1", "db2"]);
    lab.write("/srv/document.xml", &document());
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    guests_share_what_they_set(&lab);
    it_outlives_the_dpe_and_the_guest(&lab);
    tools_say_where_things_are_and_refuse_what_decides(&lab);
    a_ban_lasts_until_it_is_lifted(&lab);
    an_administrator_sets_the_same(&lab);
}

fn guests_share_what_they_set(lab: &Lab) {
    // A permanent attribute of another assembly, by which a rule of the document goes.
    done(lab, "db1", &format!("{STATUS} -v LATEST"));
    wait_for_db_in(lab, "db2", "the service moves to where the data is");
    // An option that agents share, and an attribute of another guest's boot.
    done(lab, "db1", &format!("{OPTION} -v 'db2|bin.7|4'"));
    read(lab, "db2", &format!("{OPTION} -q"), "db2|bin.7|4");
    done(lab, "db1", &format!("{BOOT} -v true"));
    read(
        lab,
        "db2",
        "crm_attribute -l reboot -n bootstrap -q",
        "true",
    );
    read(lab, "db1", &format!("{BOOT} -q"), "true");
}

fn it_outlives_the_dpe_and_the_guest(lab: &Lab) {
    // A tool that is called while there is no DPE waits for the next one.
    let pid = lab.main_pid("dpe@shop.service");
    lab.manage(&["kill", "--signal=KILL", "dpe@shop.service"])
        .ok();
    read(lab, "db1", &format!("{OPTION} -q"), "db2|bin.7|4");
    assert!(![0, pid].contains(&lab.main_pid("dpe@shop.service")));
    lab.cut("db2");
    // What is left of its container takes a moment to go.
    let start = ["/srv/lab/guests.sh", "start", "db2"];
    lab.wait("its guest is switched on", 30, || lab.run(&start).code == 0);
    lab.wait("the lost guest is back", 90, || {
        lab.status("shop").assembly_state("db2") == "online"
    });
    wait_for_db_in(lab, "db2", "the attribute is in force after the reboot");
    read(lab, "db1", &format!("{STATUS} -G -q"), "LATEST");
    let gone = tool(lab, "db1", &format!("{BOOT} -q"));
    assert_eq!(gone, (105, String::new()), "it went with the boot");
}

fn tools_say_where_things_are_and_refuse_what_decides(lab: &Lab) {
    // Where it runs, who is there, and what only the document can say.
    read(
        lab,
        "db1",
        "crm_resource -W -r db",
        "resource db is running on: db2",
    );
    let (code, nodes) = tool(lab, "db1", "crm_node -l");
    assert_eq!((code, nodes.lines().count()), (0, 2), "{nodes}");
    assert!(
        nodes.lines().all(|line| line.ends_with(" member")),
        "{nodes}"
    );
    let refused = lab.in_guest(
        "db1",
        "/run/cpe-agent/bin/crm_attribute -n stonith-enabled -v false",
    );
    assert_eq!(refused.code, 65, "{refused:?}");
    read(lab, "db1", "crm_attribute -n stonith-enabled -G -q", "true");
}

fn a_ban_lasts_until_it_is_lifted(lab: &Lab) {
    // A ban by the guest itself, which an administrator lifts.
    done(lab, "db2", "crm_resource -B -r db -N db2 -Q");
    wait_for_db_in(lab, "db1", "the service leaves where it is banned");
    let told = lab.cpectl(&["status", "shop"]).ok();
    assert!(told.contains("cpectl cleanup shop db"), "{told}");
    lab.cpectl(&["cleanup", "shop", "db"]).ok();
    wait_for_db_in(lab, "db2", "the ban is lifted");
}

fn an_administrator_sets_the_same(lab: &Lab) {
    // The same by an administrator.
    let set = [
        "attribute",
        "shop",
        "set",
        "data-status",
        "LATEST",
        "--assembly",
        "db1",
    ];
    lab.cpectl(&set).ok();
    let delete = [
        "attribute",
        "shop",
        "delete",
        "data-status",
        "--assembly",
        "db2",
    ];
    lab.cpectl(&delete).ok();
    wait_for_db_in(lab, "db1", "the data is elsewhere now");
    let transient = [
        "attribute",
        "shop",
        "set",
        "lag",
        "9",
        "-N",
        "db2",
        "--transient",
    ];
    lab.cpectl(&transient).ok();
    read(
        lab,
        "db2",
        "attrd_updater -n lag -Q",
        "name=\"lag\" host=\"db2\" value=\"9\"",
    );
}
