//! How an assembly is made safe.

use controller::EventKind;

use crate::lab::*;

/// A service in `n1`, which is lost.
fn lost(given: &str) -> Lab {
    let text = options(given)
        + &resources(&primitive("web", ""))
        + &constraints(&location("web", "n1", "10"));
    let mut lab = Lab::new(2, &text);
    assert_eq!(lab.places("web"), ["n1"]);
    lab.falls_silent("n1");
    lab.wait(8);
    lab
}

#[test]
fn a_lost_assembly_is_switched_off_or_restarted_as_the_option_says() {
    for (given, reboot) in [
        ("stonith-action=off", false),
        ("fencing-action=off", false),
        ("stonith-action=reboot", true),
        ("fencing-action=reboot", true),
        ("stonith-enabled=true", true),
        ("fencing-enabled=true", true),
    ] {
        let lab = lost(given);
        assert_eq!(lab.fenced.len(), 1, "{given}");
        assert_eq!(lab.fenced[0].reboot, reboot, "{given}");
        assert_eq!(lab.places("web"), ["n2"], "{given}");
    }
}

#[test]
fn assemblies_are_fenced_one_after_the_other_if_the_option_says_so() {
    let at_once = |concurrent: &str| {
        let text = options(&format!("concurrent-fencing={concurrent}"))
            + &resources(&primitive("web", ""));
        let mut lab = Lab::new(3, &text);
        lab.fences = false;
        lab.falls_silent("n1");
        lab.falls_silent("n2");
        lab.wait(8);
        lab.fenced.len()
    };
    assert_eq!(at_once("false"), 1);
    assert_eq!(at_once("true"), 2);
}

#[test]
fn the_devices_of_an_assembly_with_priority_wait_before_they_fence() {
    let delay = |given: &str| {
        let device = r#"<primitive id="ipmi" class="stonith" type="fence_x"><instance_attributes id="i">
            <nvpair id="i1" name="pcmk_host_list" value="n1 n2"/></instance_attributes></primitive>"#;
        let text = options(given)
            + &resources(&(primitive("web", "priority=10") + device))
            + &constraints(&location("web", "n1", "10"));
        let two = assemblies(&["", ""]);
        let unit = |name: &str| format!(r#"<fencing mode="unit" unit="{name}.service"/>"#);
        let two = two.replace(&unit("n1"), "").replace(&unit("n2"), "");
        let mut lab = Lab::of(&two, &text);
        lab.all_answer();
        lab.falls_silent("n1");
        lab.wait(8);
        assert_eq!(lab.places("web"), ["n2"], "{given}");
        lab.fenced[0].delay_ms
    };
    assert_eq!(delay("priority-fencing-delay=3s"), 3_000);
    assert_eq!(delay("priority-fencing-delay=0"), 0);
}

#[test]
fn what_requires_no_fencing_restarts_while_another_assembly_is_fenced() {
    let restarts = |requires: &str| {
        let both = [
            monitored("web", &format!("requires={requires}")),
            primitive("db", ""),
        ];
        let homes = [location("web", "n2", "10"), location("db", "n1", "10")];
        let text = resources(&both.concat()) + &constraints(&homes.concat());
        let mut lab = Lab::new(2, &text);
        lab.fences = false;
        lab.falls_silent("n1");
        lab.wait(8);
        assert_eq!(lab.fenced.len(), 1);
        let before = lab.told().len();
        lab.monitor_fails("web");
        lab.wait(2);
        lab.told_since(before)
    };
    assert_eq!(restarts("fencing"), ["stop web n2"]);
    assert_eq!(restarts("nothing"), ["stop web n2", "start web n2"]);
}

#[test]
fn another_guest_at_the_address_of_what_is_lost_and_has_left_the_document_is_an_event() {
    let web = resources(&primitive("web", ""));
    for (configuration, kind) in [
        ("", EventKind::AssemblyLost),
        (web.as_str(), EventKind::AssemblyFencingRequested),
    ] {
        let mut lab = Lab::new(2, configuration);
        lab.fences = false;
        lab.falls_silent("n2");
        lab.wait(8);
        let named = |number: u32| format!(r#"name="n{number}" address="unix:/run/n{number}""#);
        lab.changes(&named(2), &named(3));
        let before = lab.reasons(kind).len();
        lab.answers_as("n2", "another", Vec::new());
        let reason = "another guest answers at its address";
        assert_eq!(lab.reasons(kind)[before..], [reason]);
        lab.answers_as("n2", "another", Vec::new());
        assert_eq!(lab.reasons(kind).len(), before + 1);
    }
}
