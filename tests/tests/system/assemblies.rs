//! What happens to guests and their agents.

use std::time::Duration;

use end_to_end::{Document, Lab, System};

fn document() -> Document {
    Document::new("shop", &["a", "b"]).sleeper("db", 100_001)
}

#[test]
fn a_killed_agent_comes_back_and_its_services_never_noticed() {
    let lab = Lab::boot("agent-killed").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let before = lab.sleepers(100_001);
    lab.in_guest(
        &before[0].0,
        "systemctl kill --kill-who=main -s KILL cpe-agent.service",
    )
    .ok();
    std::thread::sleep(Duration::from_secs(5));
    lab.wait("the assembly is online", 20, || {
        lab.status("shop").assembly_state(&before[0].0) == "online"
            && lab.status("shop").all_running()
    });
    assert_eq!(lab.sleepers(100_001), before);
}

#[test]
fn a_stopped_agent_is_replaced_before_its_lease_can_be_broken() {
    let lab = Lab::boot("agent-stopped").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let home = lab.sleepers(100_001)[0].0.clone();
    lab.in_guest(
        &home,
        "systemctl kill --kill-who=main -s STOP cpe-agent.service",
    )
    .ok();
    // Whether it heals or is moved, the service is never in two places and ends up running.
    for _ in 0..150 {
        assert!(lab.sleepers(100_001).len() <= 1, "the service runs twice");
        std::thread::sleep(Duration::from_millis(100));
    }
    lab.wait("the service runs and is known", 40, || {
        lab.sleepers(100_001).len() == 1 && lab.status("shop").assembly_of("db").is_some()
    });
}

#[test]
fn a_rebooted_guest_gets_its_services_back() {
    let lab = Lab::boot("guest-reboot").with_guests(&["a"]);
    lab.deploy(&Document::new("shop", &["a"]).sleeper("db", 100_001));
    let before = lab.sleepers(100_001);
    lab.sh("systemctl -M a reboot").ok();
    lab.wait("the service runs again after the reboot", 60, || {
        let now = lab.sleepers(100_001);
        now.len() == 1 && now != before && lab.status("shop").all_running()
    });
}

#[test]
fn a_power_cut_guest_is_taken_back_when_it_boots_again() {
    let lab = Lab::boot("power-cut").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let home = lab.sleepers(100_001)[0].0.clone();
    lab.cut(&home);
    lab.wait("the service moved", 40, || {
        lab.sleepers(100_001)
            .iter()
            .any(|(guest, _)| *guest != home)
    });
    lab.guest("start", &home);
    lab.wait("the assembly is online again", 40, || {
        lab.status("shop").assembly_state(&home) == "online"
    });
    lab.wait("the event says so", 10, || {
        let online = |event: &&end_to_end::Event| {
            event.kind() == "assembly.online" && event.field("assembly") == home
        };
        lab.events().iter().filter(online).count() == 2
    });
    assert_eq!(lab.sleepers(100_001).len(), 1);
}

#[test]
fn a_guest_paused_for_less_than_the_heartbeat_timeout_is_left_alone() {
    let lab = Lab::boot("short-pause").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let before = lab.sleepers(100_001);
    lab.guest("pause", &before[0].0);
    std::thread::sleep(Duration::from_millis(900));
    lab.guest("resume", &before[0].0);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(lab.sleepers(100_001), before);
    assert!(
        lab.events()
            .iter()
            .all(|event| event.kind() != "assembly.lost")
    );
}

#[test]
fn a_guest_paused_for_longer_is_powered_off_by_its_unit_before_its_services_move() {
    let lab = Lab::boot("long-pause").with_guests(&["a", "b"]);
    lab.sh("cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/ && sleep 1.5")
        .ok();
    lab.deploy(
        &document().fencing(r#"<fencing mode="unit" unit="systemd-nspawn@{assembly}.service"/>"#),
    );
    let before = lab.sleepers(100_001);
    lab.guest("pause", &before[0].0);
    lab.wait("the service runs in the other assembly only", 60, || {
        let now = lab.sleepers(100_001);
        now.len() == 1 && now[0].0 != before[0].0
    });
    assert!(
        lab.events()
            .iter()
            .any(|event| event.kind() == "assembly.fencing-succeeded")
    );
}

#[test]
fn a_service_that_refuses_to_stop_has_its_guest_rebooted_when_the_lease_ends() {
    let lab = Lab::boot("refuses").with_guests(&["a", "b"]);
    // The agent's stop never succeeds: the lease can be kept only by a reboot.
    lab.write("/srv/shared/stubborn", include_str!("stubborn-agent.sh"));
    for guest in ["a", "b"] {
        lab.in_guest(guest, "mkdir -p /usr/lib/ocf/resource.d/test && install -m 755 /srv/shared/stubborn /usr/lib/ocf/resource.d/test/stubborn").ok();
    }
    lab.deploy(&Document::new("shop", &["a", "b"]).service(
        r#"<service name="db" class="ocf" provider="test" type="stubborn" monitor_interval="1s" stop_timeout="2s"/>"#,
    ));
    let home = lab.sleepers(777_001)[0].0.clone();
    // Cut the channel: the agent hears nothing of its DPE any more.
    lab.sh(&format!(
        "chmod 0 /run/cpe/guests/{home}/agent.sock; systemctl restart dpe@shop.service"
    ))
    .ok();
    let reboots = format!("systemctl show -P NRestarts systemd-nspawn@{home}.service");
    lab.wait(
        "the guest rebooted and the service runs again, once",
        90,
        || {
            assert!(lab.sleepers(777_001).len() <= 1, "the service runs twice");
            lab.sh(&reboots).stdout.trim() == "1"
                && lab.sleepers(777_001).len() == 1
                && lab.status("shop").assembly_of("db").is_some()
        },
    );
}

/// Watches for so long that the service never runs twice, and then that it runs elsewhere.
fn moves_and_never_runs_twice(lab: &Lab, home: &str) {
    for _ in 0..250 {
        let now = lab.sleepers(100_001);
        assert!(now.len() <= 1, "the service runs twice: {now:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    lab.wait("the service runs in the other assembly", 40, || {
        let now = lab.sleepers(100_001);
        now.len() == 1 && now[0].0 != home
    });
}

#[test]
fn a_service_that_its_resource_agent_cannot_look_for_is_not_started_elsewhere_while_it_runs() {
    let lab = Lab::boot("blind-agent").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let home = lab.sleepers(100_001)[0].0.clone();
    lab.cpectl(&["destroy", "shop", "--keep-services", "--wait"])
        .ok();
    assert_eq!(lab.sleepers(100_001).len(), 1);
    lab.in_guest(&home, "rm /usr/lib/ocf/resource.d/heartbeat/anything")
        .ok();
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    moves_and_never_runs_twice(&lab, &home);
}

#[test]
fn an_agent_and_a_guard_with_wrong_settings_keep_to_the_lease() {
    let lab = Lab::boot("wrong-settings").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let home = lab.sleepers(100_001)[0].0.clone();
    lab.in_guest(
        &home,
        "printf 'CPE_AGENT_STATE_DIR=/run/elsewhere\nCPE_AGENT_LISTEN=unix:/run/nowhere/agent.sock\n' > /etc/cpe/agent.conf; \
         systemctl restart cpe-agent cpe-agent-guard",
    )
    .ok();
    moves_and_never_runs_twice(&lab, &home);
}

#[test]
fn a_lease_holds_though_the_program_of_agent_and_guard_cannot_be_executed() {
    let lab = Lab::boot("broken-program").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let home = lab.sleepers(100_001)[0].0.clone();
    // Both are restarted, as an upgrade does, and neither comes back.
    lab.in_guest(
        &home,
        "printf '#!/nonexistent\n' > /usr/bin/cpe-agent.new; chmod +x /usr/bin/cpe-agent.new; mv /usr/bin/cpe-agent.new /usr/bin/cpe-agent; \
         systemctl restart cpe-agent cpe-agent-guard; systemctl is-active cpe-agent cpe-agent-guard || :",
    );
    moves_and_never_runs_twice(&lab, &home);
}

#[test]
fn an_agent_that_follows_one_of_a_former_version_finds_its_state_and_lease() {
    let lab = Lab::boot("former-state").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let before = lab.sleepers(100_001);
    let home = before[0].0.clone();
    // As the former version with its setting would have left it.
    lab.in_guest(
        &home,
        "agent=$(systemctl show -P MainPID cpe-agent) && kill -STOP $agent && mkdir /run/former && cp -a /run/cpe-agent/. /run/former/ && \
         find /run/cpe-agent -mindepth 1 -delete; rm -f /run/cpe-agent.services; echo CPE_AGENT_STATE_DIR=/run/former >> /etc/cpe/agent.conf; \
         systemctl kill -s KILL cpe-agent-guard; kill -KILL $agent",
    )
    .ok();
    let log = "journalctl --unit cpe-agent.service --output cat --no-pager";
    lab.wait("the state is found", 30, || {
        let log = lab.in_guest(&home, log);
        log.stdout
            .contains("the state of this boot is in /run/former")
    });
    lab.wait("its DPE is back", 30, || {
        lab.status("shop").assembly_state(&home) == "online"
    });
    assert_eq!(lab.sleepers(100_001), before, "its service runs on");
    // The setting goes, and so does the way to the DPE: the lease holds all the same.
    lab.in_guest(
        &home,
        "echo CPE_AGENT_LISTEN=unix:/run/nowhere/agent.sock > /etc/cpe/agent.conf; systemctl restart cpe-agent cpe-agent-guard",
    )
    .ok();
    moves_and_never_runs_twice(&lab, &home);
}
