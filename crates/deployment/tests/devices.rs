//! Fencing devices of `<configuration>`: which assembly they make safe, in which order, and what is
//! refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::{
    Command, Deployment, Device, DeviceUse, FencingMode, HostArgument, HostCheck, Severity,
    read_with_warnings,
};

/// A document with two assemblies; the first has an attribute.
fn document(resources: &str, topology: &str) -> String {
    format!(
        r#"<deployable name="x"><assemblies>
<assembly name="a" address="unix:/run/a"><attributes><attribute name="rack" value="1"/></attributes></assembly>
<assembly name="b" address="unix:/run/b"/></assemblies>
<configuration><resources>{resources}</resources>{topology}</configuration></deployable>"#
    )
}

fn device(id: &str, parameters: &[(&str, &str)]) -> String {
    let pairs = parameters.iter();
    let pairs: String = pairs
        .map(|(name, value)| format!(r#"<nvpair id="{id}-{name}" name="{name}" value="{value}"/>"#))
        .collect();
    format!(
        r#"<primitive id="{id}" class="stonith" type="fence_apc"><instance_attributes id="{id}-p">{pairs}</instance_attributes></primitive>"#
    )
}

fn topology(levels: &[(&str, u32, &str)]) -> String {
    let levels = levels.iter().enumerate();
    let levels: String = levels
        .map(|(number, (target, index, devices))| {
            format!(
                r#"<fencing-level id="l{number}" {target} index="{index}" devices="{devices}"/>"#
            )
        })
        .collect();
    format!("<fencing-topology>{levels}</fencing-topology>")
}

/// The problems, without their places.
fn problems(text: &str) -> Vec<String> {
    let found = read_with_warnings(text.as_bytes()).problems;
    let text = |problem: &deployment::Problem| format!("{}: {}", problem.severity, problem.text());
    found.iter().map(text).collect()
}

fn read(text: &str) -> Deployment {
    let outcome = read_with_warnings(text.as_bytes());
    let problems = outcome.problems;
    outcome.deployment.unwrap_or_else(|| panic!("{problems:?}"))
}

fn levels(deployment: &Deployment, assembly: &str) -> Vec<Vec<DeviceUse>> {
    match &deployment.assembly(assembly).unwrap().fencing.mode {
        FencingMode::Devices(levels) => levels.clone(),
        _ => Vec::new(),
    }
}

/// `device` or `device@port`, level by level.
fn plan(deployment: &Deployment, assembly: &str) -> Vec<String> {
    let used = |used: &DeviceUse| match used.port == used.host {
        true => used.device.id.clone(),
        false => format!("{}@{}", used.device.id, used.port),
    };
    let levels = levels(deployment, assembly).into_iter();
    levels
        .map(|level| level.iter().map(used).collect::<Vec<_>>().join("+"))
        .collect()
}

#[test]
fn a_device_is_for_the_hosts_that_it_names() {
    let resources = [
        device("ipmi-a", &[("ip", "10.0.0.1"), ("pcmk_host_list", "a")]),
        device("pdu", &[("ip", "10.0.0.9"), ("pcmk_host_map", "a:1;b:2")]),
    ];
    let read = read(&document(&resources.concat(), ""));
    assert_eq!(plan(&read, "a"), ["ipmi-a", "pdu@1"]);
    assert_eq!(plan(&read, "b"), ["pdu@2"]);
    let ipmi = &levels(&read, "a")[0][0];
    assert!(ipmi.alone && ipmi.device.check == HostCheck::Static);
    assert_eq!(ipmi.device.parameters, [("ip".into(), "10.0.0.1".into())]);
    assert!(!levels(&read, "a")[1][0].alone);
    let ids: Vec<_> = read.services.iter().map(|own| own.id.as_str()).collect();
    assert_eq!(ids, ["ipmi-a", "pdu"], "they are shown as services are");
}

#[test]
fn what_an_assembly_says_itself_wins() {
    let text = document(&device("ipmi", &[("pcmk_host_list", "a,b")]), "").replace(
        r#"<assembly name="b" address="unix:/run/b"/>"#,
        r#"<assembly name="b" address="unix:/run/b"><fencing mode="manager"/></assembly>"#,
    );
    let read = read(&text);
    assert_eq!(plan(&read, "a"), ["ipmi"]);
    let own = &read.assembly("b").unwrap().fencing;
    assert_eq!((own.mode.clone(), own.is_own), (FencingMode::Manager, true));
}

#[test]
fn an_assembly_without_a_device_keeps_its_lease_and_is_told() {
    let text = document(&device("ipmi", &[("pcmk_host_list", "a")]), "");
    assert_eq!(plan(&read(&text), "b"), [""; 0]);
    assert_eq!(
        problems(&text),
        [
            "warning: no fencing device is for assembly 'b': it is made safe by its lease; name it in pcmk_host_list or \
             pcmk_host_map of a device, or give it a <fencing> of its own"
        ]
    );
}

#[test]
fn levels_of_the_topology_come_in_their_order() {
    let resources = [
        device("ipmi", &[("pcmk_host_list", "a b")]),
        device("psu1", &[("pcmk_host_map", "a:1;b:3")]),
        device("psu2", &[("pcmk_host_map", "a:2;b:4")]),
    ]
    .concat();
    let levels = topology(&[
        (r#"target="a""#, 2, "psu1,psu2"),
        (r#"target="a""#, 1, "ipmi"),
        (r#"target-pattern="^b$""#, 1, "psu1, psu2"),
    ]);
    let by_name = read(&document(&resources, &levels));
    assert_eq!(plan(&by_name, "a"), ["ipmi", "psu1@1+psu2@2"]);
    assert_eq!(plan(&by_name, "b"), ["psu1@3+psu2@4"]);
    let levels = topology(&[(r#"target-attribute="rack" target-value="1""#, 1, "psu1")]);
    let by_attribute = read(&document(&resources, &levels));
    assert_eq!(plan(&by_attribute, "a"), ["psu1@1"]);
    assert_eq!(plan(&by_attribute, "b"), ["ipmi", "psu1@3", "psu2@4"]);
}

#[test]
fn without_a_topology_higher_priorities_come_first() {
    let resources = [
        device("asked", &[]),
        device("low", &[("pcmk_host_list", "a b")]),
        device("high", &[("pcmk_host_list", "a b"), ("priority", "5")]),
    ];
    let read = read(&document(&resources.concat(), ""));
    assert_eq!(plan(&read, "a"), ["high", "low", "asked"]);
    assert_eq!(levels(&read, "a")[2][0].device.check, HostCheck::Ask);
}

#[test]
fn a_stopped_device_is_not_used() {
    let stopped = device("ipmi", &[("pcmk_host_list", "a b")]).replace(
        "</primitive>",
        r#"<meta_attributes id="m"><nvpair id="m1" name="target-role" value="stopped"/></meta_attributes></primitive>"#,
    );
    let other = device("pdu", &[("pcmk_host_list", "a b")]);
    let both = [stopped, other].concat();
    assert_eq!(plan(&read(&document(&both, "")), "a"), ["pdu"]);
    let levels = topology(&[(r#"target="a""#, 1, "ipmi"), (r#"target="a""#, 2, "pdu")]);
    let text = document(&both, &levels);
    assert_eq!(plan(&read(&text), "a"), ["pdu"]);
    assert_eq!(
        problems(&text),
        [
            "warning: level 1 for 'a' can never succeed: fencing device 'ipmi' is stopped; it is left out"
        ]
    );
}

#[test]
fn commands_delays_and_the_host_argument_are_those_of_the_document() {
    let read = read(&document(
        &device(
            "ipmi",
            &[
                ("pcmk_host_list", "a b"),
                ("pcmk_host_argument", "uuid"),
                ("pcmk_reboot_action", "off"),
                ("pcmk_reboot_timeout", "90s"),
                ("pcmk_off_retries", "4"),
                ("pcmk_monitor_timeout", "7"),
                ("pcmk_delay_base", "a:5s;b:0s"),
                ("pcmk_delay_max", "9s"),
                ("method", "onoff"),
            ],
        ),
        "",
    ));
    let used = &levels(&read, "a")[0][0];
    let device = &used.device;
    assert_eq!(device.host_argument, HostArgument::Named("uuid".into()));
    assert_eq!(
        (device.reboot.action.as_str(), device.reboot.timeout_ms),
        ("off", 90_000)
    );
    assert_eq!((device.off.tries, device.off.timeout_ms), (4, 60_000));
    assert_eq!(device.monitor.timeout_ms, 7_000);
    assert_eq!((used.delay_base_ms, used.delay_max_ms), (5_000, 9_000));
    assert_eq!(levels(&read, "b")[0][0].delay_base_ms, 0);
    assert!(device.parameters.is_empty(), "{:?}", device.parameters);
}

#[test]
fn each_command_has_an_action_a_timeout_and_retries() {
    type Of = fn(&Device) -> &Command;
    let commands: [([&str; 3], &str, Of); 6] = [
        (
            [
                "pcmk_reboot_action",
                "pcmk_reboot_timeout",
                "pcmk_reboot_retries",
            ],
            "off",
            |it| &it.reboot,
        ),
        (
            ["pcmk_off_action", "pcmk_off_timeout", "pcmk_off_retries"],
            "reboot",
            |it| &it.off,
        ),
        (
            ["pcmk_on_action", "pcmk_on_timeout", "pcmk_on_retries"],
            "on",
            |it| &it.on,
        ),
        (
            [
                "pcmk_monitor_action",
                "pcmk_monitor_timeout",
                "pcmk_monitor_retries",
            ],
            "status",
            |it| &it.monitor,
        ),
        (
            [
                "pcmk_status_action",
                "pcmk_status_timeout",
                "pcmk_status_retries",
            ],
            "monitor",
            |it| &it.status,
        ),
        (
            ["pcmk_list_action", "pcmk_list_timeout", "pcmk_list_retries"],
            "list-status",
            |it| &it.list,
        ),
    ];
    for ([name, timeout, retries], action, of) in commands {
        let given = [
            ("pcmk_host_list", "a b"),
            (name, action),
            (timeout, "17s"),
            (retries, "5"),
        ];
        let read = read(&document(&device("ipmi", &given), ""));
        let levels = levels(&read, "a");
        let command = of(&levels[0][0].device);
        let told = (command.action.as_str(), command.timeout_ms, command.tries);
        assert_eq!(told, (action, 17_000, 5), "{name}");
    }
}

#[test]
fn a_device_says_how_its_hosts_are_known() {
    for (check, expected) in [
        ("static-list", HostCheck::Static),
        ("dynamic-list", HostCheck::List),
        ("status", HostCheck::Status),
        ("none", HostCheck::Any),
    ] {
        let given = [("pcmk_host_list", "a b"), ("pcmk_host_check", check)];
        let read = read(&document(&device("ipmi", &given), ""));
        assert_eq!(levels(&read, "a")[0][0].device.check, expected);
    }
}

#[test]
fn devices_have_the_time_that_the_option_gives() {
    let time = |sets: &str| {
        let options = format!("<crm_config>{sets}</crm_config>");
        let read = read(&document(
            &device("ipmi", &[("pcmk_host_list", "a b")]),
            &options,
        ));
        levels(&read, "a")[0][0].device.off.timeout_ms
    };
    let set = |id: &str, score: &str, name: &str, value: &str| {
        format!(
            r#"<cluster_property_set id="{id}"{score}><nvpair id="{id}-n" name="{name}" value="{value}"/></cluster_property_set>"#
        )
    };
    assert_eq!(time(""), 60_000);
    for name in ["stonith-timeout", "fencing-timeout"] {
        assert_eq!(time(&set("s", "", name, "90s")), 90_000, "{name}");
    }
    let plain = set("s", "", "stonith-timeout", "90s") + &set("t", "", "stonith-timeout", "70s");
    assert_eq!(time(&plain), 70_000, "of equal sets the last");
    let scored = set("u", " score=\"2\"", "stonith-timeout", "80s") + &plain;
    assert_eq!(time(&scored), 80_000, "the highest score");
    let both = set("v", " score=\"9\"", "fencing-timeout", "50s") + &plain;
    assert_eq!(time(&both), 50_000, "the newer name");
    for name in ["stonith-timeout", "priority-fencing-delay"] {
        let options = format!("<crm_config>{}</crm_config>", set("s", "", name, "9s"));
        let expected = format!(
            "warning: the option '{name}' has no effect without fencing devices; <fencing timeout=\"…\"> of an assembly bounds its own: remove the option"
        );
        assert_eq!(problems(&document("", &options)), [expected]);
    }
    let guarded = set("s", "", "stonith-timeout", "90s").replace(
        "<nvpair",
        r#"<rule id="r" score="1"><date_expression id="e" operation="lt" end="2030-01-01"/></rule><nvpair"#,
    );
    let text = document(
        &device("ipmi", &[("pcmk_host_list", "a b")]),
        &format!("<crm_config>{guarded}</crm_config>"),
    );
    let told = problems(&text);
    assert!(
        told.len() == 1 && told[0].contains("'stonith-timeout' must not hang on a <rule>"),
        "{told:?}"
    );
}

#[test]
fn parameters_come_from_templates_and_references_too() {
    let resources = r#"
        <template id="t" class="stonith" type="fence_virt">
          <instance_attributes id="tp"><nvpair id="t1" name="ip" value="1"/><nvpair id="t2" name="user" value="u"/></instance_attributes>
        </template>
        <primitive id="one" template="t"><instance_attributes id="op">
          <nvpair id="o1" name="ip" value="2"/><nvpair id="o2" name="pcmk_host_list" value="a"/></instance_attributes></primitive>
        <primitive id="two" class="stonith" type="fence_virt"><instance_attributes id-ref="tp"/></primitive>"#;
    let read = read(&document(resources, ""));
    let of = |id: &str| {
        let mut devices = read.devices.iter();
        let mut parameters = devices.find(|own| own.id == id).unwrap().parameters.clone();
        parameters.sort();
        parameters
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(of("one"), [pair("ip", "2"), pair("user", "u")]);
    assert_eq!(of("two"), [pair("ip", "1"), pair("user", "u")]);
}

/// Each with its place: what cannot be carried out is refused.
#[test]
fn it_refuses_parameters_that_would_not_do_what_they_say() {
    let refused = |name: &str, value: &str, expected: &str| {
        let given = [("pcmk_host_list", "a b"), (name, value)];
        let text = document(&device("d", &given), "");
        let outcome = read_with_warnings(text.as_bytes());
        let errors: Vec<_> = outcome
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .collect();
        let [problem] = &errors[..] else {
            panic!("{name}: {errors:?}");
        };
        assert!(problem.text().contains(expected), "{name}: {problem}");
        assert_eq!(problem.line, 4, "{problem}");
        assert!(problem.column > 200, "{problem}");
    };
    for name in ["action", "option", "_method", "help"] {
        refused(
            name,
            "off",
            "the DPE says itself what the fence agent is to do",
        );
    }
    refused("method", "cycle", "the DPE says itself");
    refused("password", "a&#10;action=on", "control character");
    refused("pcmk_reboot_action", "on", "expected one of: reboot, off");
    refused(
        "pcmk_monitor_action",
        "off",
        "expected one of: monitor, status",
    );
    refused(
        "pcmk_status_action",
        "on",
        "expected one of: status, monitor",
    );
    refused(
        "pcmk_host_check",
        "sometimes",
        "expected one of: static-list",
    );
    refused("pcmk_host_argument", "action", "the DPE says itself");
    refused("pcmk_delay_base", "soon", "expected a duration");
    refused("pcmk_off_retries", "0", "expected a whole number");
    refused(
        "plug",
        "7",
        "always switches '7', so it can be for one assembly only",
    );
    refused("pcmk_host_map", "a:1;b:1", "'a' and 'b' have the same port");
}

#[test]
fn it_refuses_devices_that_it_cannot_run() {
    let of = |text: &str| {
        let found = problems(&document(text, ""));
        let errors = found.into_iter().filter(|text| text.starts_with("error"));
        let errors: Vec<_> = errors.collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.into_iter().next().unwrap()
    };
    let plain = r#"<primitive id="d" class="stonith" type="TYPE"/>"#;
    let watchdog = of(&plain.replace("TYPE", "fence_watchdog"));
    assert!(watchdog.contains("what mode 'lease' is for"), "{watchdog}");
    let script = of(&plain.replace("TYPE", "external-ssh"));
    assert!(
        script.contains("not a fence agent that the DPE runs"),
        "{script}"
    );
    let list = of(&device("d", &[("pcmk_host_check", "static-list")]));
    assert!(list.contains("names no host"), "{list}");
    let strangers = of(&device("d", &[("pcmk_host_list", "x y")]));
    assert!(
        strangers.contains("no host of fencing device 'd' is an assembly"),
        "{strangers}"
    );
    let rule = of(
        r#"<primitive id="d" class="stonith" type="fence_apc"><instance_attributes id="p">
        <rule id="r" score="0"><date_expression id="e" operation="lt" end="2030-01-01"/></rule>
        <nvpair id="n" name="ip" value="1"/></instance_attributes></primitive>"#,
    );
    assert!(rule.contains("must not hang on a <rule>"), "{rule}");
    for agent in ["fence_scsi", "fence_mpath"] {
        let in_guest = of(&plain.replace("TYPE", agent));
        assert!(
            in_guest.contains("has to run in the guest that is let in"),
            "{in_guest}"
        );
    }
    let provides = r#"<primitive id="d" class="stonith" type="fence_apc"><meta_attributes id="m">RULE
        <nvpair id="n" name="provides" value="unfencing"/></meta_attributes>
        <instance_attributes id="p"><nvpair id="o" name="OFF" value="reboot"/></instance_attributes></primitive>"#;
    let never_off = of(&provides
        .replace("RULE", "")
        .replace("OFF", "pcmk_off_action"));
    assert!(
        never_off.contains("provides unfencing and is never off"),
        "{never_off}"
    );
    let rule = r#"<rule id="r" score="0"><date_expression id="e" operation="lt" end="2030-01-01"/></rule>"#;
    let sometimes = of(&provides
        .replace("RULE", rule)
        .replace("OFF", "pcmk_reboot_action"));
    assert!(
        sometimes.contains("'provides' must not hang on a <rule>"),
        "{sometimes}"
    );
}

#[test]
fn it_refuses_to_delay_more_of_a_device_than_its_monitors() {
    let of = |operation: &str| {
        format!(
            r#"<primitive id="d" class="stonith" type="fence_apc"><instance_attributes id="p">
            <nvpair id="n" name="pcmk_host_list" value="a b"/></instance_attributes>
            <operations><op id="o" interval="1m" {operation}/></operations></primitive>"#
        )
    };
    let errors = |operation: &str| -> Vec<String> {
        let found = problems(&document(&of(operation), ""));
        let errors = found.into_iter();
        errors.filter(|text| text.starts_with("error")).collect()
    };
    assert_eq!(
        errors(r#"name="monitor" start-delay="10s""#),
        Vec::<String>::new()
    );
    let found = errors(r#"name="start" start-delay="10s""#);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("only the monitors of a fencing device"),
        "{found:?}"
    );
}

#[test]
fn it_warns_of_hosts_that_are_none_and_of_parameters_without_effect() {
    let given = [
        ("pcmk_host_list", "a b c"),
        ("pcmk_action_limit", "2"),
        ("pcmk_of_timeout", "2"),
    ];
    assert_eq!(
        problems(&document(&device("d", &given), "")),
        [
            "warning: 'c' is no assembly, so fencing device 'd' is never used for it; correct or remove it",
            "warning: the parameter 'pcmk_action_limit' means nothing here; the DPE does without it: it can be removed",
            "warning: the parameter 'pcmk_of_timeout' has no effect; did you mean 'pcmk_off_timeout'?",
        ]
    );
}

#[test]
fn it_refuses_levels_that_lead_nowhere() {
    let resources = [
        device("ipmi", &[("pcmk_host_list", "a")]),
        device("pdu", &[("pcmk_host_list", "a b")]),
    ]
    .concat();
    let of = |levels: &[(&str, u32, &str)]| {
        let found = problems(&document(&resources, &topology(levels)));
        let errors = found.into_iter().filter(|text| text.starts_with("error"));
        errors.collect::<Vec<_>>()
    };
    let a = r#"target="a""#;
    assert_eq!(
        of(&[(a, 1, "ipmo")]),
        ["error: there is no fencing device 'ipmo'; did you mean 'ipmi'?"]
    );
    assert_eq!(
        of(&[(r#"target="b""#, 1, "ipmi")]),
        [
            "error: level 1 for 'b' can never succeed: fencing device 'ipmi' is not for assembly 'b'; add the assembly to the \
             device's pcmk_host_list or pcmk_host_map, or take the device out of the level"
        ]
    );
    assert_eq!(
        of(&[(r#"target="c""#, 1, "pdu")]),
        ["error: there is no assembly 'c'; expected one of: a, b"]
    );
    assert_eq!(
        of(&[(a, 1, "ipmi"), (a, 1, "pdu")]),
        [
            "error: there are two levels 1 for the same assemblies; write all devices of a level into one, or give one another index"
        ]
    );
    assert_eq!(
        of(&[(a, 10, "pdu")]),
        [
            "error: the level has no valid index; expected a number from 1 to 9: the order of the levels"
        ]
    );
    assert_eq!(
        of(&[(r#"target="a" target-pattern="a""#, 1, "pdu")]),
        [
            "error: <fencing-level> does not say for which assemblies; expected one of 'target', 'target-pattern' and 'target-attribute'"
        ]
    );
    let pattern = of(&[(r#"target-pattern="(""#, 1, "pdu")]);
    assert!(
        pattern[0].contains("'(' is not a regular expression"),
        "{pattern:?}"
    );
}

#[test]
fn it_refuses_devices_that_would_switch_one_assembly_for_another() {
    let errors = |resources: &str| {
        let found = problems(&document(resources, ""));
        let errors = found.into_iter().filter(|text| text.starts_with("error"));
        errors.collect::<Vec<_>>()
    };
    let same = "error: 'b' and 'a' have the same port on fencing device 'd'; each assembly has its own: to switch one would switch the other";
    // One that is not mapped has its name as its port.
    let listed = [("pcmk_host_list", "a b"), ("pcmk_host_map", "a:b")];
    assert_eq!(errors(&device("d", &listed)), [same]);
    let asked = [
        ("pcmk_host_check", "dynamic-list"),
        ("pcmk_host_map", "a:b"),
    ];
    assert_eq!(errors(&device("d", &asked)), [same]);
    // Two devices with one plug.
    let twice = |port: &str| {
        [
            device("one", &[("ip", "10.0.0.1"), ("pcmk_host_map", "a:7")]),
            device("two", &[("ip", "10.0.0.1"), ("pcmk_host_map", port)]),
        ]
        .concat()
    };
    assert_eq!(
        errors(&twice("b:7")),
        [
            "error: fencing devices 'one' and 'two' switch the same for 'a' and 'b'; each assembly has its own: to switch one would switch the other"
        ]
    );
    assert_eq!(errors(&twice("b:8")), [] as [&str; 0]);
    assert_eq!(
        errors(&twice("a:7")),
        [] as [&str; 0],
        "for the same assembly"
    );
    let fixed = |id: &str, host: &str| device(id, &[("plug", "7"), ("pcmk_host_list", host)]);
    assert_eq!(errors(&(fixed("one", "a") + &fixed("two", "b"))).len(), 1);
}

#[test]
fn it_refuses_a_level_of_several_devices_of_which_one_does_not_stay_off() {
    let cycles = [("pcmk_host_list", "a"), ("pcmk_off_action", "reboot")];
    let resources = device("one", &cycles) + &device("two", &[("pcmk_host_list", "a")]);
    let found = |devices: &str| {
        let levels = [(r#"target="a""#, 1, devices)];
        let found = problems(&document(&resources, &topology(&levels)));
        let errors = found.into_iter().filter(|text| text.starts_with("error"));
        errors.count()
    };
    assert_eq!(found("one"), 0);
    assert_eq!(found("one,two"), 1);
}

#[test]
fn it_refuses_parameters_that_run_programs_or_write_files_on_the_host() {
    for name in [
        "ssh_options",
        "ssh-options",
        "passwd_script",
        "password_script",
        "ipmitool_path",
        "debug_file",
    ] {
        let text = document(&device("d", &[("pcmk_host_list", "a"), (name, "x")]), "");
        let found = problems(&text);
        let refused = |text: &String| text.contains("run a program or write a file on the host");
        assert!(found.iter().any(refused), "{name}: {found:?}");
    }
}

/// A document with many assemblies, `n0` and so on.
fn large(assemblies: usize, resources: &str, topology: &str) -> String {
    let assemblies: String = (0..assemblies)
        .map(|n| format!(r#"<assembly name="n{n}" address="unix:/run/n{n}"/>"#))
        .collect();
    format!(
        r#"<deployable name="x"><assemblies>{assemblies}</assemblies>
<configuration><resources>{resources}</resources>{topology}</configuration></deployable>"#
    )
}

#[test]
fn a_device_for_each_of_many_assemblies_is_read() {
    let devices: String = (0..5_000)
        .map(|n| {
            let (host, ip) = (format!("n{n}"), format!("10.0.{}.{}", n / 250, n % 250));
            device(
                &format!("ipmi{n}"),
                &[("ip", &ip), ("pcmk_host_list", &host)],
            )
        })
        .collect();
    let mapped: String = (0..5_000).map(|n| format!("n{n}:{};", n + 1)).collect();
    let pdu = device(
        "pdu",
        &[
            ("pcmk_host_map", &mapped),
            ("ip", "10.9.9.9"),
            ("priority", "-1"),
        ],
    );
    let read = read(&large(5_000, &(devices + &pdu), ""));
    assert_eq!(plan(&read, "n4999"), ["ipmi4999", "pdu@5000"]);
}

#[test]
fn more_than_can_be_kept_or_compared_is_refused() {
    let asked: String = (0..200).map(|n| device(&format!("d{n}"), &[])).collect();
    let found = problems(&large(200, &asked, ""));
    let refusal = "error: all assemblies together have more than 20000 fencing devices to be tried; \
                   name the assemblies of each device in its pcmk_host_list or pcmk_host_map";
    assert_eq!(found, [refusal]);

    let patterns: Vec<String> = (0..2_000)
        .map(|n| format!(r#"target-pattern="^m{n}$""#))
        .collect();
    let levels: Vec<_> = patterns.iter().map(|own| (own.as_str(), 1, "d")).collect();
    let found = problems(&large(1_000, &device("d", &[]), &topology(&levels)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("error: 2000 patterns"), "{found:?}");
}

#[test]
fn two_devices_of_one_switch_are_told_once() {
    let same = |id, host| device(id, &[("ip", "10.0.0.9"), ("pcmk_host_map", host)]);
    let devices = same("one", "a:1") + &same("two", "b:1") + &same("three", "b:1");
    let found = problems(&document(&devices, ""));
    let errors: Vec<_> = found
        .iter()
        .filter(|own| own.starts_with("error"))
        .collect();
    let expected = "error: fencing devices 'one' and 'two' switch the same for 'a' and 'b'; each assembly has its own: to \
                    switch one would switch the other";
    assert_eq!(errors, [expected]);
}

/// A switch that unfences both assemblies, and two power switches.
const SWITCH: &str = r#"<primitive id="switch" class="stonith" type="fence_brocade">
    <meta_attributes id="m"><nvpair id="n" name="provides" value="unfencing"/></meta_attributes>
    <instance_attributes id="p"><nvpair id="l" name="pcmk_host_map" value="a:3;b:4"/></instance_attributes></primitive>"#;

#[test]
fn what_provides_unfencing_lets_its_hosts_in_whatever_their_levels() {
    let ipmi = device("ipmi", &[("pcmk_host_list", "a b")]);
    let read = read(&document(&format!("{SWITCH}{ipmi}"), ""));
    for (assembly, port) in read.assemblies.iter().zip(["3", "4"]) {
        let own: Vec<_> = assembly.unfenced_by.iter().collect();
        assert_eq!(own.len(), 1);
        assert!(own[0].device.unfences && own[0].port == port, "{own:?}");
        let FencingMode::Devices(levels) = &assembly.fencing.mode else {
            panic!("by devices");
        };
        let ids: Vec<_> = levels.iter().map(|it| it[0].device.id.as_str()).collect();
        assert_eq!(ids, ["ipmi", "switch"], "what switches off comes first");
    }
    let said = &read.failover()[0].text;
    assert!(
        said.contains("where switch alone has cut a guest off, the end of its lease too"),
        "{said}"
    );
}

#[test]
fn what_only_cuts_off_has_to_say_so() {
    let meta = r#"<meta_attributes id="m"><nvpair id="n" name="provides" value="unfencing"/></meta_attributes>"#;
    assert!(SWITCH.contains(meta));
    let found = problems(&document(&SWITCH.replace(meta, ""), ""));
    let is_told =
        |text: &String| text.starts_with("error") && text.contains("cuts guests off, which run on");
    assert!(found.iter().any(is_told), "{found:?}");
    for agent in ["fence_brocade", "fence_scsi"] {
        let own = format!(
            r#"<assembly name="a" address="unix:/run/a"><fencing mode="agent" agent="{agent}"/>"#
        );
        let plain = document("", "");
        let text = plain.replacen(r#"<assembly name="a" address="unix:/run/a">"#, &own, 1);
        assert_ne!(text, plain);
        let found = problems(&text);
        let is_told = |text: &String| text.starts_with("error") && text.contains("they run on");
        assert!(found.iter().any(is_told), "{found:?}");
    }
}

#[test]
fn only_the_word_unfencing_is_provided() {
    let other = SWITCH.replace("\"unfencing\"", "\"Unfencing\"");
    let found = problems(&document(&other, ""));
    assert!(
        found.iter().any(|text| text.starts_with("error")),
        "the policy engine would not know it: {found:?}"
    );
}
