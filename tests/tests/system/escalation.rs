//! From failures of a service to the restart of its assembly, and from those to the restart of the
//! deployment: in every fencing mode at once, each in a guest of its own.

use std::collections::BTreeMap;

use end_to_end::{Event, Lab, System};

/// Assemblies, how each is fenced, and the duration of the `sleep` that is its service.
const ASSEMBLIES: [(&str, &str, u32); 5] = [
    ("leased", r#"<fencing mode="lease"/>"#, 100_051),
    (
        "unit",
        r#"<fencing mode="unit" unit="systemd-nspawn@unit.service"/>"#,
        100_052,
    ),
    (
        "plugged",
        r#"<fencing mode="agent" agent="fence_unit"/>"#,
        100_053,
    ),
    ("managed", r#"<fencing mode="manager"/>"#, 100_054),
    ("unsafe", r#"<fencing mode="none"/>"#, 100_055),
];

/// Those whose guests the DPE restarts by itself.
const RESTARTED: [&str; 3] = ["leased", "unit", "plugged"];

fn service_in(assembly: &str) -> String {
    format!("in-{assembly}")
}

/// Every service that fails 3 times has its assembly restarted; the second time that happens to
/// the leased one, all of the deployment is.
fn document() -> String {
    let assemblies: String = ASSEMBLIES
        .iter()
        .map(|(name, fencing, seconds)| {
            let escalation = match *name {
                "leased" => r#" escalation_failures="2" escalation_period="30m""#,
                _ => "",
            };
            let service = service_in(name);
            format!(
                r#"<assembly name="{name}" address="unix:/run/cpe/guests/{name}/agent.sock"{escalation}>
  <services><service name="{service}" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s"
      escalation_failures="3" escalation_period="30m">
    <parameters><parameter name="binfile" value="/usr/bin/sleep"/><parameter name="cmdline_options" value="{seconds}"/>
      <parameter name="pidfile" value="/run/{service}.pid"/></parameters></service></services>
  {fencing}</assembly>"#
            )
        })
        .collect();
    format!(
        r#"<deployable name="shop" heartbeat_interval="500ms" heartbeat_timeout="3s" lease="6s">
<assemblies>{assemblies}</assemblies></deployable>"#
    )
}

/// The process that is each guest: another one after a restart.
fn guests(lab: &Lab) -> BTreeMap<&'static str, u32> {
    let pid = |name: &str| lab.main_pid(&format!("systemd-nspawn@{name}.service"));
    let names = ASSEMBLIES.iter().map(|(name, ..)| *name);
    names.map(|name| (name, pid(name))).collect()
}

/// Kills a service's process and waits until it was counted and, unless it is the last time, the
/// service runs again.
#[track_caller]
fn fail(lab: &Lab, names: &[&str], recovers: bool) {
    let failures = |name: &str| {
        let service = service_in(name);
        let events = lab.events().into_iter();
        let failed = |event: &Event| {
            event.kind() == "service.failed"
                && event.field("service") == service
                && event.field("assembly") == name
        };
        events.filter(failed).count()
    };
    let before: Vec<usize> = names.iter().map(|name| failures(name)).collect();
    for name in names {
        let own = ASSEMBLIES.iter().find(|(own, ..)| own == name).unwrap();
        let sleepers = lab.sleepers(own.2);
        assert_eq!(sleepers.len(), 1, "{name}: {sleepers:?}");
        lab.sh(&format!("kill -9 {}", sleepers[0].1)).ok();
    }
    lab.wait("the failures are counted", 60, || {
        let mut both = names.iter().zip(&before);
        both.all(|(name, before)| failures(name) > *before)
    });
    lab.wait("the services run again", 60, || {
        let status = lab.status("shop");
        !recovers
            || names
                .iter()
                .all(|name| status.assembly_of(&service_in(name)).as_deref() == Some(name))
    });
}

#[track_caller]
fn kill_dpe(lab: &Lab) {
    let pid = lab.main_pid("dpe@shop.service");
    lab.manage(&["kill", "--signal=KILL", "dpe@shop.service"])
        .ok();
    lab.wait("another DPE manages the deployment", 60, || {
        ![0, pid].contains(&lab.main_pid("dpe@shop.service"))
            && !lab.status("shop").services().is_empty()
    });
}

/// Waits for an event after a place in the log; gives it and the place after it.
#[track_caller]
fn told(lab: &Lab, after: usize, kind: &str, assembly: &str) -> (Event, usize) {
    let mut found = None;
    lab.wait(&format!("{kind} {assembly}"), 90, || {
        let events = lab.events().into_iter().enumerate().skip(after);
        let mut events =
            events.filter(|(_, event)| event.kind() == kind && event.field("assembly") == assembly);
        found = events.next();
        found.is_some()
    });
    let (place, event) = found.unwrap();
    (event, place + 1)
}

/// The cloud manager switches the guest off, confirms the attempt that it was asked for, and
/// switches it on again.
#[track_caller]
fn manage(lab: &Lab, after: usize) {
    let (requested, _) = told(lab, after, "assembly.fencing-requested", "managed");
    let attempt = requested.0["details"]["attempt"].as_str().unwrap();
    assert_eq!(requested.0["details"]["mode"], "manager");
    let confirm =
        |attempt: &str| lab.cpectl(&["confirm-fenced", "shop", "managed", "--attempt", attempt]);
    assert_ne!(
        confirm(attempt).code,
        0,
        "the guest answers: it is not down"
    );
    lab.cut("managed");
    lab.wait("the confirmation is taken", 60, || {
        assert_ne!(confirm("1-999").code, 0, "that is another attempt");
        confirm(attempt).code == 0
    });
    lab.guest("start", "managed");
}

/// The events of each restarted assembly come in order, and its guest was restarted once.
#[track_caller]
fn restarted(lab: &Lab, after: usize, why: &str, old: &BTreeMap<&'static str, u32>) {
    for name in RESTARTED.into_iter().chain(["managed"]) {
        let (requested, place) = told(lab, after, "assembly.fencing-requested", name);
        let reason = requested.field("reason");
        assert!(reason.contains(why), "{name}: {reason}");
        let (_, place) = told(lab, place, "assembly.fencing-succeeded", name);
        told(lab, place, "assembly.online", name);
        let events = lab.events().into_iter().skip(after);
        let again = |event: &Event| {
            event.kind() == "assembly.fencing-requested" && event.field("assembly") == name
        };
        assert_eq!(events.filter(again).count(), 1, "{name} is restarted once");
    }
    let new = guests(lab);
    for name in RESTARTED.into_iter().chain(["managed"]) {
        assert_ne!(
            new[name], old[name],
            "the guest of {name} was not restarted"
        );
    }
    assert_eq!(new["unsafe"], old["unsafe"], "nothing restarts that guest");
}

fn boot() -> Lab {
    let names = ASSEMBLIES.map(|(name, ..)| name);
    let lab = Lab::boot("escalation").with_guests(&names);
    lab.write("/usr/sbin/fence_unit", include_str!("fence-unit.sh"));
    // The fence agent asks systemd too, as the user of fence agents.
    lab.sh("chmod 755 /usr/sbin/fence_unit; cd /etc/polkit-1/rules.d; cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules . &&
            sed 's/\"dpe\"/\"cpe-fence\"/' 60-dpe-unit-fencing.rules > 61-fence-agents.rules && sleep 1.5")
        .ok();
    lab.write("/srv/document.xml", &document());
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    lab
}

#[test]
fn failures_restart_the_assembly_and_then_the_deployment_in_every_fencing_mode() {
    let lab = boot();
    let all = ASSEMBLIES.map(|(name, ..)| name);
    let old = guests(&lab);
    fail(&lab, &all, true);
    kill_dpe(&lab);
    fail(&lab, &all, true);
    let told_so_far = lab.events().len();
    assert_eq!(
        guests(&lab),
        old,
        "nothing is restarted before the third time"
    );
    kill_dpe(&lab);
    fail(&lab, &all, false);
    manage(&lab, told_so_far);
    restarted(&lab, told_so_far, "failed 3 times within 1800 s", &old);
    let (refused, _) = told(&lab, told_so_far, "assembly.fencing-failed", "unsafe");
    assert!(refused.field("reason").contains("mode none"), "{refused:?}");
    // Nothing restarted that one, and its service has left it, as its migration threshold says.
    lab.cpectl(&["cleanup", "shop", "in-unsafe"]).ok();
    lab.wait("everything runs again", 90, || {
        lab.status("shop").is_settled()
    });

    // The leased assembly fails for the second time: so does the deployment.
    let (old, told_so_far) = (guests(&lab), lab.events().len());
    for _ in 0..2 {
        fail(&lab, &["leased"], true);
    }
    kill_dpe(&lab);
    fail(&lab, &["leased"], false);
    let (failed, _) = told(&lab, told_so_far, "deployment.failed", "leased");
    assert!(
        failed.field("reason").contains("failed 2 times"),
        "{failed:?}"
    );
    manage(&lab, told_so_far);
    restarted(&lab, told_so_far, "the deployment failed", &old);
    lab.wait("everything runs again", 90, || {
        lab.status("shop").is_settled()
    });
    told(&lab, told_so_far, "deployment.recovered", "");
}
