//! Daemons and the bus die at any moment; deployments and services do not notice.

use std::time::Duration;

use end_to_end::{Document, Lab, System};

/// A small generator, so that each run kills at the same moments.
struct Moments(u64);

impl Moments {
    fn next_ms(&mut self, below: u64) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((self.0 >> 33) % below)
    }
}

fn document(seconds: u32) -> Document {
    Document::new("shop", &["a"]).sleeper("db", seconds)
}

#[test]
fn no_deployment_is_lost_or_a_ghost_when_the_cpe_is_killed_at_random_moments() {
    let lab = Lab::boot("kill-cpe").with_guests(&["a"]);
    let mut moments = Moments(7);
    let mut acknowledged_once = false;
    for round in 0..20_u32 {
        // The last one has the time for a reply.
        let kill_after = match round {
            19 => Duration::from_secs(3),
            _ => moments.next_ms(120),
        };
        // A client sends while the daemon is killed; an acknowledged request must hold.
        let verb = match round % 3 {
            0 => "deploy",
            1 => "deploy-changed",
            _ => "destroy",
        };
        lab.write("/srv/document.xml", &document(200_000 + round).xml());
        let command = if verb == "destroy" {
            "cpectl destroy shop"
        } else {
            "cpectl deploy /srv/document.xml"
        };
        let script = format!(
            "rm -f /srv/code; ({command} && echo acknowledged > /srv/code) & sleep {:.3}; systemctl kill -s KILL cpe.service; wait; cat /srv/code || :",
            kill_after.as_secs_f64()
        );
        let reply = lab.sh(&script);
        let acknowledged = reply.stdout.trim().ends_with("acknowledged");
        acknowledged_once |= acknowledged;
        lab.wait("cpe is back", 20, || lab.cpectl(&["list"]).code == 0);
        if acknowledged && verb == "destroy" {
            let what = format!("the acknowledged destruction is done: {reply:?}");
            lab.wait(&what, 60, || lab.cpectl(&["show", "shop"]).code != 0);
        } else if acknowledged {
            let what = format!("the acknowledged document is in force: {reply:?}");
            lab.wait(&what, 60, || lab.sleepers(200_000 + round).len() == 1);
        }
        // Stored deployments and running units agree, whatever was acknowledged.
        lab.wait(
            "no deployment is lost, and no unit runs without one",
            60,
            || {
                let stored = lab.cpectl(&["show", "shop"]).code == 0;
                let running = lab.main_pid("dpe@shop.service") != 0;
                stored == running
            },
        );
    }
    assert!(acknowledged_once, "no request was ever acknowledged");
}

#[test]
fn services_and_the_deployment_survive_a_dpe_killed_at_random_moments() {
    let lab = Lab::boot("kill-dpe").with_guests(&["a"]);
    lab.deploy(&document(300_000));
    let before = lab.sleepers(300_000);
    let mut moments = Moments(11);
    for _ in 0..20 {
        std::thread::sleep(moments.next_ms(600));
        lab.sh("systemctl kill -s KILL dpe@shop.service || :").ok();
    }
    lab.wait("the deployment is managed again", 40, || {
        lab.status("shop").all_running()
    });
    assert_eq!(lab.sleepers(300_000), before);
    let died = lab
        .events()
        .iter()
        .filter(|event| event.kind() == "dpe.died")
        .count();
    assert!(died >= 1);
}

#[test]
fn a_dpe_that_systemd_gave_up_on_is_started_again_by_the_cpe() {
    let lab = Lab::boot("gave-up").with_guests(&["a"]);
    lab.sh("mkdir -p /etc/systemd/system/dpe@.service.d; printf '[Unit]\\nStartLimitBurst=1\\n[Service]\\nRestart=no\\n' > /etc/systemd/system/dpe@.service.d/test.conf; systemctl daemon-reload").ok();
    lab.deploy(&document(400_000));
    let before = lab.sleepers(400_000);
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
    lab.wait("the CPE started it", 60, || {
        lab.main_pid("dpe@shop.service") != 0 && lab.status("shop").all_running()
    });
    assert_eq!(lab.sleepers(400_000), before);
}

#[test]
fn everything_goes_on_after_the_bus_was_restarted() {
    let lab = Lab::boot("bus-restart").with_guests(&["a"]);
    lab.deploy(&document(500_000));
    let before = lab.sleepers(500_000);
    let (cpe, dpe) = (
        lab.main_pid("cpe.service"),
        lab.main_pid("dpe@shop.service"),
    );
    lab.sh("systemctl restart dbus.service").ok();
    lab.wait("the status can be read over the new bus", 40, || {
        lab.status("shop").all_running()
    });
    assert_eq!(lab.sleepers(500_000), before);
    assert_eq!(
        (
            lab.main_pid("cpe.service"),
            lab.main_pid("dpe@shop.service")
        ),
        (cpe, dpe),
        "a daemon was restarted"
    );
    lab.deploy(&document(500_001));
    assert_eq!(lab.sleepers(500_001).len(), 1);
}

#[test]
fn no_event_is_lost_or_doubled_when_daemons_and_bus_restart_in_between() {
    let lab = Lab::boot("events-kept").with_guests(&["a"]);
    lab.deploy(&document(600_000));
    for script in [
        "systemctl kill -s KILL cpe.service",
        "systemctl restart dbus.service",
        "systemctl kill -s KILL dpe@shop.service",
    ] {
        let before = lab.sleepers(600_000);
        lab.sh(&format!("kill -9 {}; {script}", before[0].1)).ok();
        lab.wait("the service is back and the status known", 60, || {
            let now = lab.sleepers(600_000);
            now.len() == 1 && now != before && lab.status("shop").all_running()
        });
    }
    lab.wait(
        "each failure and each recovery was recorded once",
        30,
        || {
            let events = lab.events();
            let count = |kind: &str| events.iter().filter(|event| event.kind() == kind).count();
            count("service.failed") == 3 && count("service.recovered") == 3
        },
    );
}

#[test]
fn a_dpe_that_was_stopped_for_long_does_not_take_its_own_silence_for_a_loss() {
    let lab = Lab::boot("dpe-stopped").with_guests(&["a", "b"]);
    lab.sh("cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/")
        .ok();
    let unit = r#"<fencing mode="unit" unit="systemd-nspawn@{assembly}.service"/>"#;
    lab.deploy(&document(800_000).fencing(unit));
    let before = lab.sleepers(800_000);
    for _ in 0..3 {
        lab.sh("systemctl kill -s STOP dpe@shop.service").ok();
        // Longer than the heartbeat timeout, shorter than the watchdog.
        std::thread::sleep(Duration::from_secs(5));
        lab.sh("systemctl kill -s CONT dpe@shop.service").ok();
        std::thread::sleep(Duration::from_secs(2));
    }
    lab.wait("the deployment is managed", 20, || {
        lab.status("shop").is_settled()
    });
    assert_eq!(lab.sleepers(800_000), before, "the service was touched");
    let lost = |kind: &str| kind == "assembly.lost" || kind.starts_with("assembly.fencing");
    let events = lab.events();
    assert!(
        !events.iter().any(|event| lost(&event.kind())),
        "{events:#?}"
    );
}

#[test]
fn a_dpe_that_hangs_is_back_before_leases_of_3_s_end() {
    let lab = Lab::boot("dpe-hangs").with_guests(&["a", "b"]);
    let short = document(800_002)
        .timing(r#"heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s" grace="2s""#)
        .fencing(r#"<fencing mode="lease"/>"#);
    lab.deploy(&short);
    let before = lab.sleepers(800_002);
    let main_pid = || lab.sh("systemctl show -P MainPID dpe@shop.service").ok();
    for script in [
        // Nobody lets it go on: its watchdog ends it.
        "systemctl kill -s STOP dpe@shop.service",
        "systemctl kill -s STOP dpe@shop.service; systemctl restart dpe@shop.service",
        "systemctl restart dpe@shop.service",
    ] {
        let hung = main_pid();
        lab.sh(script).ok();
        lab.wait("another DPE manages the deployment", 20, || {
            let pid = main_pid();
            pid != hung && pid != "0" && lab.status("shop").is_settled()
        });
        // Whatever the guests would have done at the end of their leases is done by now.
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(lab.sleepers(800_002), before, "after {script}");
    }
    let events = lab.events();
    assert!(
        !events.iter().any(|event| event.kind() == "assembly.lost"),
        "{events:#?}"
    );
}
