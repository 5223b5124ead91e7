//! Guests that are shut down or rebooted as planned.

use std::time::{Duration, Instant};

use end_to_end::{Document, Event, Lab, System};

/// What was told of losses, fencing and failures.
fn bad_news(lab: &Lab) -> Vec<String> {
    let bad = |event: &Event| {
        let kind = event.kind();
        kind == "assembly.lost" || kind == "service.failed" || kind.starts_with("assembly.fencing")
    };
    let events = lab.events().into_iter();
    events
        .filter(bad)
        .map(|event| event.0.to_string())
        .collect()
}

/// Reboots the guest in which the service runs, and follows what becomes of both.
#[track_caller]
fn reboot(lab: &Lab, seconds: u32, limit: Duration) {
    let home = lab.sleepers(seconds)[0].0.clone();
    let told = lab.events().len();
    let begin = Instant::now();
    lab.sh(&format!("systemctl -M {home} reboot")).ok();
    lab.wait("the service runs in the other guest", 20, || {
        let now = lab.sleepers(seconds);
        assert!(now.len() <= 1, "the service runs twice: {now:?}");
        now.len() == 1 && now[0].0 != home
    });
    let moved = begin.elapsed();
    lab.wait("the guest is back by itself", 40, || {
        assert!(lab.sleepers(seconds).len() <= 1, "the service runs twice");
        let events = lab.events();
        let back =
            |event: &Event| event.kind() == "assembly.online" && event.field("assembly") == home;
        events.iter().skip(told).any(back)
            && lab.status("shop").assembly_state(&home) == "online"
            && lab.status("shop").all_running()
    });
    assert_eq!(bad_news(lab), Vec::<String>::new());
    let events = lab.events();
    let place = |kind: &str| {
        let mut new = events.iter().enumerate().skip(told);
        new.find(|(_, event)| event.kind() == kind)
            .map(|(place, _)| place)
    };
    let (leaving, left) = (place("assembly.leaving"), place("assembly.left"));
    let (stopped, moved_to) = (place("transition.started"), place("service.moved"));
    assert!(
        leaving.is_some() && leaving < stopped && leaving < left && moved_to.is_some(),
        "{leaving:?} {stopped:?} {left:?} {moved_to:?}"
    );
    println!(
        "the service was elsewhere {} ms after the reboot was asked for",
        moved.as_millis()
    );
    assert!(moved < limit, "{moved:?}");
}

#[test]
fn a_guest_that_is_rebooted_is_left_in_order_and_comes_back_by_itself() {
    let lab = Lab::boot("planned-reboot").with_guests(&["a", "b"]);
    lab.deploy(&Document::new("shop", &["a", "b"]).sleeper("db", 100_001));
    // Before a lease of 3 s is over, and everything that would follow.
    reboot(&lab, 100_001, Duration::from_secs(3));
    // And the other one, which has the service now.
    reboot(&lab, 100_001, Duration::from_secs(3));
}

#[test]
fn a_unit_of_class_systemd_is_stopped_by_the_agent_and_not_by_the_shutdown() {
    let lab = Lab::boot("planned-unit").with_guests(&["a", "b"]);
    // Ordered as the documentation asks for; its end takes a moment.
    let unit = "[Unit]\nBefore=cpe-agent.service\n[Service]\nExecStart=/usr/bin/sleep 100002\nExecStop=/usr/bin/sleep 0.3\n";
    lab.write("/srv/shared/ticker.service", unit);
    for guest in ["a", "b"] {
        lab.in_guest(
            guest,
            "cp /srv/shared/ticker.service /etc/systemd/system/ && systemctl daemon-reload",
        )
        .ok();
    }
    lab.deploy(
        &Document::new("shop", &["a", "b"]).service(
            r#"<service name="tick" class="systemd" type="ticker" monitor_interval="1s"/>"#,
        ),
    );
    reboot(&lab, 100_002, Duration::from_secs(3));
}
