//! A service that takes long to start keeps nothing else waiting.

use std::time::{Duration, Instant};

use end_to_end::{Document, Lab, System};

/// Seconds that the sleeper sleeps.
const WEB: u32 = 320_001;
/// What the slow service runs while it starts. Seconds.
const START: u32 = 25;
/// The longest time until an assembly with `lease="3s" grace="2s"` is safe: docs/safety.md.
const BOUND: Duration = Duration::from_millis(7_100);
/// For probes, a stop, a start and a busy machine.
const ROOM: Duration = Duration::from_secs(9);

/// A resource agent whose start takes long.
fn install(lab: &Lab, guest: &str) {
    let script = format!(
        r#"folder=/usr/lib/ocf/resource.d/shop; mkdir -p $folder; cat > $folder/slow <<'END'
#!/bin/sh
case $1 in
start) echo begun >> /run/slow.starts; sleep {START}; touch /run/slow.runs;;
stop) rm -f /run/slow.runs;;
monitor) test -e /run/slow.runs || exit 7;;
meta-data) echo '<resource-agent name="slow"><version>1.0</version><parameters/><actions><action name="start" timeout="60s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>';;
*) exit 3;;
esac
END
chmod +x $folder/slow"#
    );
    lab.in_guest(guest, &script).ok();
}

fn starts_of(lab: &Lab, guest: &str) -> usize {
    let text = lab.in_guest(guest, "cat /run/slow.starts || :").ok();
    text.lines().filter(|line| *line == "begun").count()
}

#[test]
fn a_slow_start_does_not_hold_up_the_recovery_of_others() {
    let lab = Lab::boot("overlap").with_guests(&["a", "b", "c"]);
    for guest in ["a", "b", "c"] {
        install(&lab, guest);
    }
    let sleeping = Document::new("shop", &["a", "b", "c"])
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s" grace="2s""#)
        .sleeper("web", WEB)
        .constraint(r#"<location service="web" assembly="a" score="100"/>"#);
    lab.deploy(&sleeping);
    assert_eq!(lab.sleepers(WEB)[0].0, "a");
    let both = sleeping
        .service(
            r#"<service name="db" class="ocf" provider="shop" type="slow" start_timeout="60s"/>"#,
        )
        .constraint(r#"<location service="db" assembly="a" score="-INFINITY"/>"#)
        .constraint(r#"<location service="db" assembly="c" score="-INFINITY"/>"#);
    lab.write("/srv/both.xml", &both.xml());
    lab.cpectl(&["deploy", "/srv/both.xml"]).ok();
    lab.wait("the slow service is starting", 20, || {
        starts_of(&lab, "b") == 1
    });
    let begin = Instant::now();
    lab.cut("a");
    let away = lab.wait("the other service runs elsewhere", 24, || {
        let now = lab.sleepers(WEB);
        now.len() == 1 && now[0].0 != "a"
    });
    println!("the service was back after {away:?}");
    assert!(away < BOUND + ROOM, "{away:?}");
    assert!(begin.elapsed() < Duration::from_secs(START.into()));
    assert_eq!(
        lab.in_guest("b", "ls /run/slow.runs || :").ok().trim(),
        "",
        "the slow start is still under way"
    );
    lab.wait("the slow service runs", 60, || {
        let status = lab.status("shop");
        status.assembly_of("db").as_deref() == Some("b") && status.assembly_of("web").is_some()
    });
    assert_eq!(starts_of(&lab, "b"), 1, "it was taken over");
    let events = lab.events();
    let took_over = |event: &end_to_end::Event| {
        event.kind() == "transition.started" && event.0["details"]["taken_over"] == "1"
    };
    assert!(events.iter().any(took_over), "{events:?}");
}
