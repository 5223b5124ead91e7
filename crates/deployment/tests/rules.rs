//! One small document per rule of `docs/deployment-document.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use deployment::{
    Address, Constraint, Deployment, Escalation, FencingMode, Heartbeat, OrderKind, Origin,
    Problem, Severity, read, read_with_warnings,
};

const ASSEMBLIES: &str = r#"<assemblies>
    <assembly name="a" address="unix:/run/a"><attributes><attribute name="ip" value="10.0.0.1"/></attributes></assembly>
    <assembly name="b" address="unix:/run/b"/>
</assemblies>"#;

fn document(body: &str) -> String {
    format!("<deployable name=\"x\">{ASSEMBLIES}{body}</deployable>")
}

fn report(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

fn accepted(document: &str) -> Deployment {
    read(document.as_bytes()).unwrap_or_else(|problems| panic!("{}", report(&problems)))
}

/// The texts of all problems, without their places.
fn problems(document: &str) -> Vec<String> {
    read_with_warnings(document.as_bytes())
        .problems
        .iter()
        .map(Problem::text)
        .collect()
}

/// Lines of the lowered configuration that contain the text, without indentation.
fn lowered(body: &str, containing: &str) -> Vec<String> {
    let configuration = accepted(&document(body)).configuration();
    configuration
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(containing))
        .map(str::to_owned)
        .collect()
}

fn service(attributes: &str) -> String {
    format!(
        "<services><service name=\"s\" class=\"ocf\" provider=\"p\" type=\"t\" {attributes}/></services>"
    )
}

#[test]
fn it_has_heartbeat_defaults_that_follow_what_is_given() {
    let heartbeat =
        |attributes: &str| accepted(&format!("<deployable name=\"x\" {attributes}/>")).heartbeat;
    let seconds = |interval, timeout, lease| Heartbeat {
        interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(timeout),
        lease: Duration::from_secs(lease),
        grace: Duration::from_secs(5),
    };
    assert_eq!(heartbeat(""), seconds(1, 5, 10));
    let quick = heartbeat("lease='3s' grace='2s'");
    assert_eq!(quick.timeout, Duration::from_millis(1_500));
    assert_eq!(quick.interval, Duration::from_millis(500));
    assert_eq!(quick.safe_after(), Duration::from_millis(7_100));
    assert_eq!(heartbeat("lease='1m'"), seconds(1, 5, 60));
    assert_eq!(heartbeat("heartbeat_interval='10s'"), seconds(10, 30, 60));
    assert_eq!(heartbeat("heartbeat_timeout='20s'"), seconds(1, 20, 40));
    assert_eq!(
        heartbeat("heartbeat_interval='2' heartbeat_timeout='5' lease='1m'"),
        seconds(2, 5, 60)
    );
    assert_eq!(
        heartbeat("heartbeat_timeout='900ms'").interval,
        Duration::from_millis(300)
    );
}

#[test]
fn it_reads_every_fencing_mode() {
    let mode = |fencing: &str| {
        let text = format!(
            "<deployable name='x'><assemblies><assembly name='a' address='unix:/a'>{fencing}</assembly></assemblies></deployable>"
        );
        accepted(&text).assemblies.remove(0).fencing
    };
    assert_eq!(mode("").mode, FencingMode::Lease);
    assert_eq!(
        mode("<fencing mode='manager' timeout='90s'/>").timeout,
        Some(Duration::from_secs(90))
    );
    assert_eq!(
        mode("<fencing mode='unit' unit='u@a.service'/>").mode,
        FencingMode::Unit {
            unit: "u@a.service".into()
        }
    );
    let agent = mode(
        "<fencing mode='agent' agent='fence_virsh'><parameters><parameter name='plug'>
           <reference assembly='a' parameter='name'/></parameter></parameters></fencing>",
    );
    let FencingMode::Agent { agent, parameters } = agent.mode else {
        panic!("{agent:?}")
    };
    assert_eq!(
        (
            agent.as_str(),
            parameters[0].name.as_str(),
            parameters[0].value.as_str()
        ),
        ("fence_virsh", "plug", "a")
    );
}

#[test]
fn it_refuses_parameters_that_would_have_a_fencing_succeed_that_was_none() {
    let problems_of = |parameter: &str| {
        problems(&format!(
            "<deployable name='x'><assemblies><assembly name='a' address='unix:/a'>
               <fencing mode='agent' agent='fence_virsh'><parameters>{parameter}</parameters></fencing>
             </assembly></assemblies></deployable>"
        ))
    };
    for name in [
        "action", "Action", "option", "method", "help", "version", "_action",
    ] {
        let found = problems_of(&format!("<parameter name='{name}' value='on'/>"));
        assert!(
            found.len() == 1 && found[0].contains("the DPE says itself"),
            "{found:?}"
        );
    }
    for name in ["missing_as_off", "missing-as-off", "_missing_as_off"] {
        let found = problems_of(&format!("<parameter name='{name}' value='1'/>"));
        assert!(
            found.len() == 1 && found[0].contains("does not know"),
            "{found:?}"
        );
    }
    for value in ["a&#10;action=on", "a&#13;b", "a&#9;b"] {
        let found = problems_of(&format!("<parameter name='password' value='{value}'/>"));
        assert!(
            found.len() == 1 && found[0].contains("control character"),
            "{found:?}"
        );
    }
    let text = "<parameter name='password'><value>a\naction=status</value></parameter>";
    assert_eq!(problems_of(text).len(), 1);
    assert_eq!(
        problems_of("<parameter name='plug' value='web1'/>"),
        [""; 0]
    );
}

#[test]
fn it_warns_of_what_is_unsafe_or_cannot_work() {
    let text = "<deployable name='x'><assemblies>
        <assembly name='a'/>
        <assembly name='b' address='tcp:192.0.2.1'><fencing mode='none'/></assembly>
      </assemblies><services><service name='s' class='lsb' type='t' monitor_interval='0'/></services></deployable>";
    let outcome = read_with_warnings(text.as_bytes());
    assert!(outcome.deployment.is_some());
    assert!(
        outcome
            .problems
            .iter()
            .all(|problem| problem.severity == Severity::Warning)
    );
    let starts = [
        "assembly 'a' has no address",
        "fencing mode 'none' is unsafe",
        "service 's' is not monitored",
    ];
    assert_eq!(
        outcome.problems.len(),
        starts.len(),
        "{}",
        report(&outcome.problems)
    );
    for (problem, start) in outcome.problems.iter().zip(starts) {
        assert!(problem.message.starts_with(start), "{problem}");
    }
}

#[test]
fn it_warns_of_a_capacity_that_no_assembly_has() {
    let text = document(
        "<services><service name='s' class='lsb' type='t'><utilization gpu='1'/></service></services>",
    );
    assert_eq!(
        problems(&text),
        [
            "no assembly offers the capacity 'gpu' that 's' uses; it cannot run until one has it in its <capacity>"
        ]
    );
}

#[test]
fn it_resolves_references_through_other_references() {
    let deployment = accepted(&document(
        "<services>
           <service name='s' class='lsb' type='t'><parameters>
             <parameter name='url'><reference service='t' parameter='host'/></parameter>
             <parameter name='peer'><reference assembly='b' parameter='name'/></parameter>
             <parameter name='socket'><reference assembly='b' parameter='address'/></parameter>
           </parameters></service>
           <service name='t' class='lsb' type='t'><parameters>
             <parameter name='host'><reference assembly='a' parameter='ip'/></parameter>
           </parameters></service>
         </services>",
    ));
    let values: Vec<_> = deployment.services[0]
        .parameters
        .iter()
        .map(|parameter| parameter.value.as_str())
        .collect();
    assert_eq!(values, ["10.0.0.1", "b", "unix:/run/b"]);
}

#[test]
fn it_refuses_addresses_of_vsock_that_no_guest_has() {
    for address in ["vsock:2", "vsock:any:7430"] {
        let text = format!(
            "<deployable name='x'><assemblies>
               <assembly name='a' address='{address}'/></assemblies></deployable>"
        );
        let outcome = read_with_warnings(text.as_bytes());
        assert!(outcome.deployment.is_none(), "{address}");
        let report = report(&outcome.problems);
        assert!(report.contains("2:44: error"), "{report}");
        assert!(report.contains("'vsock:3'"), "{report}");
        // A document that was accepted once is read.
        let accepted = deployment::read_accepted(text.as_bytes());
        assert!(accepted.deployment.is_some(), "{address}");
    }
}

#[test]
fn it_takes_addresses_of_every_kind() {
    for address in ["unix:/run/a", "tcp:h", "vsock:3", "ssh:cpe@web1/run/a"] {
        let deployment = accepted(&format!(
            "<deployable name='x'><assemblies>
               <assembly name='a' address='{address}'/></assemblies></deployable>"
        ));
        let read = deployment.assemblies[0].address.as_ref().unwrap();
        assert_eq!(read.to_string(), address);
    }
}

#[test]
fn it_gives_the_host_of_a_tcp_address_as_ipaddress() {
    let text = "<deployable name='x'><assemblies><assembly name='a' address='tcp:192.0.2.7:99'/></assemblies>
      <services><service name='s' class='lsb' type='t'><parameters><parameter name='p'>
        <reference assembly='a' parameter='ipaddress'/></parameter></parameters></service></services></deployable>";
    let deployment = accepted(text);
    assert_eq!(deployment.services[0].parameters[0].value, "192.0.2.7");
    assert_eq!(
        deployment.assemblies[0].address,
        Some(Address::Tcp {
            host: "192.0.2.7".into(),
            port: Some(99)
        })
    );
}

#[test]
fn it_keeps_values_exactly_apart_from_the_white_space_around_them() {
    let deployment = accepted(&document(
        "<services><service name='s' class='lsb' type='t'><parameters>
           <parameter name='a'><value>  x &lt; y &amp;&#233; <![CDATA[<z>]]>\n</value></parameter>
           <parameter name='b' value=' kept '/>
           <parameter name='c'><value/></parameter>
         </parameters></service></services>",
    ));
    let values: Vec<_> = deployment.services[0]
        .parameters
        .iter()
        .map(|parameter| parameter.value.as_str())
        .collect();
    assert_eq!(values, ["x < y &é <z>", " kept ", ""]);
    assert!(
        deployment
            .configuration()
            .contains("value=\"x &lt; y &amp;é &lt;z&gt;\"")
    );
}

#[test]
fn it_lowers_operations_with_their_timeouts() {
    let text = service(
        "monitor_interval='1500ms' monitor_timeout='5s' start_timeout='1m' stop_timeout='2m' on_fail='standby'",
    );
    assert_eq!(
        lowered(&text, "<op "),
        [
            r#"<op id="s.start" name="start" interval="0" timeout="60s" on-fail="standby"/>"#,
            r#"<op id="s.stop" name="stop" interval="0" timeout="120s"/>"#,
            r#"<op id="s.monitor" name="monitor" interval="1500ms" timeout="5s" on-fail="standby"/>"#,
        ]
    );
    assert_eq!(
        accepted(&document(&text)).longest_stop_timeout,
        Duration::from_secs(120)
    );
    assert_eq!(
        lowered(&service(""), "<op "),
        [r#"<op id="s.monitor" name="monitor" interval="10s"/>"#]
    );
}

#[test]
fn it_lowers_escalation_to_threshold_and_failure_timeout_unless_given() {
    let escalation = "escalation_failures='3' escalation_period='5m'";
    let deployment = accepted(&document(&service(escalation)));
    assert_eq!(
        deployment.services[0].escalation,
        Some(Escalation {
            failures: 3,
            period: Duration::from_secs(300)
        })
    );
    let options = |text: &str| -> Vec<String> {
        let lines = lowered(text, "id=\"s.options.");
        lines
            .iter()
            .map(|line| {
                line.split("name=")
                    .nth(1)
                    .unwrap()
                    .trim_end_matches("/>")
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(
        options(&service(escalation)),
        [
            r#""migration-threshold" value="3""#,
            r#""failure-timeout" value="300s""#
        ]
    );
    let own = format!(
        "{escalation} migration_threshold='9' failure_timeout='1h' priority='-INFINITY' stickiness='5' enabled='no'"
    );
    assert_eq!(
        options(&service(&own)),
        [
            r#""priority" value="-INFINITY""#,
            r#""resource-stickiness" value="5""#,
            r#""migration-threshold" value="9""#,
            r#""failure-timeout" value="3600s""#,
            r#""target-role" value="Stopped""#,
        ]
    );
}

#[test]
fn it_lowers_instances_to_a_clone_that_constraints_name() {
    let text = "<services><service name='s' class='lsb' type='t' instances='2'/><service name='u' class='lsb' type='t'/></services>
      <constraints><service_dependency first='s' then='u'/></constraints>";
    assert_eq!(lowered(text, "<clone"), [r#"<clone id="s-clone">"#]);
    assert_eq!(
        lowered(text, "clone-max"),
        [r#"<nvpair id="s.instances.clone-max" name="clone-max" value="2"/>"#]
    );
    assert_eq!(
        lowered(text, "<rsc_order"),
        [r#"<rsc_order id="order.s-clone.u" first="s-clone" then="u" kind="Mandatory"/>"#]
    );
    assert!(lowered(&text.replace("'2'", "'all'"), "clone-max").is_empty());
}

#[test]
fn it_lowers_groups_and_pins_them_as_a_whole() {
    let text = "<deployable name='x'><assemblies><assembly name='a' address='unix:/a'><services>
        <group name='g'><service name='s' class='lsb' type='t'/><service name='u' class='lsb' type='t'/></group>
        <service name='v' class='lsb' type='t'/>
      </services></assembly></assemblies></deployable>";
    let deployment = accepted(text);
    assert_eq!(deployment.groups[0].members, 0..2);
    let configuration = deployment.configuration();
    let pins: Vec<_> = configuration
        .lines()
        .filter(|line| line.contains("rsc_location"))
        .map(str::trim)
        .collect();
    assert_eq!(
        pins,
        [
            r#"<rsc_location id="pinned.v" rsc="v" node="a" score="INFINITY" resource-discovery="exclusive"/>"#,
            r#"<rsc_location id="pinned.g" rsc="g" node="a" score="INFINITY" resource-discovery="exclusive"/>"#,
        ]
    );
}

#[test]
fn it_resolves_the_short_constraints() {
    let services: String = ["s", "t", "u"]
        .map(|name| format!("<service name='{name}' class='lsb' type='x'/>"))
        .concat();
    let constraints = |text: &str| {
        accepted(&document(&format!(
            "<services>{services}</services><constraints>{text}</constraints>"
        )))
        .constraints
    };
    let colocation = |resource: &str, with: &str, score| Constraint::Colocation {
        resource: resource.into(),
        with: with.into(),
        score,
    };
    assert_eq!(
        constraints("<service_dependency first='s' then='t' kind='Optional'/>"),
        [Constraint::Order {
            first: "s".into(),
            then: "t".into(),
            kind: OrderKind::Optional
        }]
    );
    assert_eq!(
        constraints("<colocation service='s' with='t' score='-7'/>"),
        [colocation("s", "t", -7)]
    );
    assert_eq!(
        constraints("<together services='s t u'/>"),
        [
            colocation("t", "s", 1_000_000),
            colocation("u", "s", 1_000_000)
        ]
    );
    assert_eq!(
        constraints("<separate services='s t u' score='50'/>"),
        [
            colocation("t", "s", -50),
            colocation("u", "s", -50),
            colocation("u", "t", -50)
        ]
    );
    assert_eq!(
        constraints("<location service='s' assembly='b' score='-INFINITY'/>"),
        [Constraint::Location {
            resource: "s".into(),
            assembly: "b".into(),
            score: -1_000_000
        }]
    );
}

#[test]
fn it_accepts_the_old_spelling_of_colocation_and_repeats_it_in_messages() {
    let text = |name: &str, attributes: &str| {
        let services = ["s", "t"]
            .map(|name| format!("<service name='{name}' class='lsb' type='x'/>"))
            .concat();
        document(&format!(
            "<services>{services}</services><constraints><{name} {attributes}/></constraints>"
        ))
    };
    let read = |name: &str| accepted(&text(name, "service='s' with='t' score='-7'"));
    assert_eq!(read("collocation"), read("colocation"));
    for name in ["colocation", "collocation"] {
        assert_eq!(
            problems(&text(name, "service='s' with='t' scroe='1'")),
            [format!(
                "<{name}> has no attribute 'scroe'; did you mean 'score'?"
            )]
        );
    }
    // what is proposed is the new spelling
    let hint = "did you mean 'colocation'?";
    assert_eq!(
        problems(&text("collocaton", "service='s' with='t'")),
        [format!(
            "<constraints> must not contain <collocaton>; {hint}"
        )]
    );
}

#[test]
fn it_reports_a_reference_to_a_parameter_without_name() {
    let text = document(
        "<services><service name='s' class='lsb' type='t'><parameters><parameter name='p'>
         <reference assembly='a' parameter=''/></parameter></parameters></service></services>",
    );
    assert_eq!(
        problems(&text),
        [
            "assembly 'a' has no attribute or parameter ''; expected one of: ip, hostname, ipaddress, ipaddress4, ipaddress6, machine_id"
        ]
    );
}

#[test]
fn it_reports_pinned_services_that_cannot_be_together_or_separate() {
    let text = "<deployable name='x'><assemblies>
        <assembly name='a' address='unix:/a'><services><service name='s' class='lsb' type='t'/><service name='t' class='lsb' type='t'/></services></assembly>
        <assembly name='b' address='unix:/b'><services><service name='u' class='lsb' type='t'/></services></assembly>
      </assemblies><constraints><together services='s u'/><separate services='s t'/><separate services='t u'/></constraints></deployable>";
    assert_eq!(
        problems(text),
        [
            "'u' is pinned to assembly 'b', 's' to 'a'; they cannot be together: remove this",
            "'t' is pinned to assembly 'a', 's' to 'a'; they cannot be separate: remove this",
        ]
    );
}

#[test]
fn it_finds_circles_of_dependencies_through_groups() {
    let text = document(
        "<services><group name='g'><service name='s' class='lsb' type='t'/><service name='t' class='lsb' type='t'/></group></services>
         <constraints><service_dependency first='t' then='s'/></constraints>",
    );
    assert_eq!(
        problems(&text),
        [
            "dependencies form a cycle: 's' → 't' → 's'; none of these services could ever start: remove one of the dependencies"
        ]
    );
    // serialized starts have no direction
    assert_eq!(
        problems(&text.replace("then='s'", "then='s' kind='serialize'")),
        [] as [&str; 0]
    );
}

#[test]
fn it_places_by_capacity_as_soon_as_a_service_uses_some() {
    assert!(lowered(&service(""), "placement-strategy").is_empty());
    let text = "<deployable name='x'><assemblies><assembly name='a' address='unix:/a'><capacity cpu='4'/></assembly></assemblies>
      <services><service name='s' class='lsb' type='t'><utilization cpu='1'/></service></services></deployable>";
    let configuration = accepted(text).configuration();
    assert!(configuration.contains(r#"name="placement-strategy" value="balanced""#));
    assert!(configuration.contains(r#"<nvpair id="node.a.capacity.cpu" name="cpu" value="4"/>"#));
    assert!(configuration.contains(r#"<nvpair id="s.utilization.cpu" name="cpu" value="1"/>"#));
}

#[test]
fn it_leaves_pacemakers_defaults_to_a_document_of_pacemakers_elements() {
    let raw = "<configuration><resources><primitive id='p' class='lsb' type='t'/></resources></configuration>";
    assert!(lowered(raw, "resource-stickiness").is_empty());
    assert_eq!(lowered(&service(""), "resource-stickiness").len(), 1);
    let deployment = accepted(&document(raw));
    assert_eq!(deployment.services[0].origin, Origin::Configuration);
    assert_eq!(deployment.services[0].agent.to_string(), "lsb:t");
}

#[test]
fn it_puts_the_sets_of_the_document_after_its_own_so_that_they_win() {
    let text = format!(
        "{}<configuration><rsc_defaults><meta_attributes id='mine'><nvpair id='n' name='resource-stickiness' value='7'/></meta_attributes></rsc_defaults></configuration>",
        service("")
    );
    let lines = lowered(&text, "resource-stickiness");
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains("value=\"7\""));
}

#[test]
fn it_refuses_times_that_never_come() {
    let document = |operation: &str, expression: &str| {
        format!(
            "<deployable name='x'>{ASSEMBLIES}<configuration><resources>
              <primitive id='p' class='ocf' provider='heartbeat' type='Dummy'><operations>
                <op id='p-monitor' name='monitor' interval='1h' {operation}/></operations></primitive>
            </resources><constraints><rsc_location id='l' rsc='p'><rule id='r' score='1'>
              <date_expression id='e' {expression}</date_expression>
            </rule></rsc_location></constraints></configuration></deployable>"
        )
    };
    let origin = "interval-origin='2026-01-01 00:00:00'";
    let holds = |spec: &str| format!("operation='date_spec'><date_spec id='s' {spec}/>");
    accepted(&document(origin, &holds("hours='9-16' weekdays='1-5'")));
    accepted(&document(
        "start-delay='10s'",
        "operation='gt' start='2026-12-01'>",
    ));
    for (operation, expression, wrong) in [
        ("interval-origin='soon'", holds("hours='9'"), "soon"),
        (
            "",
            "operation='gt' start='2026-13-01'>".into(),
            "2026-13-01",
        ),
        ("", "end='noon'>".into(), "noon"),
        ("", holds("hours='24'"), "24"),
        ("", holds("hours='16-9'"), "16-9"),
        ("", holds("weekdays='0'"), "0"),
        ("", holds("months='march'"), "march"),
        ("start-delay='soon'", holds("hours='9'"), "soon"),
    ] {
        let text = document(operation, &expression);
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(
            found[0].contains(&format!("'{wrong}'")),
            "{wrong}: {found:?}"
        );
    }
}

#[test]
fn it_knows_the_names_of_time_zones() {
    let zone = |name: &str| {
        format!("<deployable name=\"x\" time_zone=\"{name}\">{ASSEMBLIES}</deployable>")
    };
    let deployment = accepted(&zone("europe/berlin"));
    assert_eq!(deployment.time_zone.as_deref(), Some("Europe/Berlin"));
    let option = r#"name="time-zone" value="Europe/Berlin""#;
    assert!(deployment.configuration().contains(option));
    assert_eq!(accepted(&document("")).time_zone, None);
    for (name, hint) in [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("Kolkata", "did you mean 'Asia/Kolkata'?"),
        ("New York", "did you mean 'America/New_York'?"),
        (
            "+01:00",
            "expected a time zone of the IANA database, such as Europe/Berlin or UTC",
        ),
    ] {
        assert_eq!(
            problems(&zone(name)),
            [format!(
                "'{name}' is not a valid time_zone of <deployable>; {hint}"
            )]
        );
    }
    let text = document(
        "<configuration><crm_config><cluster_property_set id='c'>
           <nvpair id='n' name='time-zone' value='UTC'/></cluster_property_set></crm_config></configuration>",
    );
    let refused = "the option 'time-zone' cannot be carried out; the time zone is no cluster option here: remove it, and write <deployable time_zone=\"…\">";
    assert_eq!(problems(&text), [refused]);
}

#[test]
fn it_refuses_what_nothing_carries_out() {
    let text = document(
        "<configuration><resources>
           <primitive id='far' class='ocf' provider='pacemaker' type='remote'/>
           <primitive id='vm' class='ocf' provider='heartbeat' type='VirtualDomain'>
             <meta_attributes id='m'><nvpair id='n' name='remote-node' value='guest'/></meta_attributes></primitive>
           <bundle id='box'><podman image='i' replicas='2'/></bundle>
           <bundle id='full'><podman image='i'/><primitive id='in' class='ocf' provider='heartbeat' type='Dummy'/></bundle>
         </resources></configuration>",
    );
    let remedy = "name the guest as an <assembly>, with cpe-agent in it";
    assert_eq!(
        problems(&text),
        [
            format!(
                "<primitive> is the connection to a Pacemaker Remote node; no part of this system reaches Pacemaker Remote nodes: {remedy}"
            ),
            format!(
                "the meta attribute 'remote-node' cannot be carried out; it makes a guest node, which no part of this system reaches: {remedy}"
            ),
            "<bundle> has a <primitive>; it would run in the containers, which no part of this system reaches: \
             have the image of the container start it, or run it in an assembly"
                .to_owned(),
        ]
    );
}

#[test]
fn it_warns_of_options_that_mean_nothing() {
    let text = document(
        "<configuration><crm_config><cluster_property_set id='c'>
           <nvpair id='n1' name='no-quorum-policy' value='stop'/><nvpair id='n2' name='dc-version' value='3.0.2'/>
         </cluster_property_set></crm_config>
         <resources><primitive id='p' class='lsb' type='t'/></resources></configuration>",
    );
    assert_eq!(
        problems(&text),
        [
            "the option 'no-quorum-policy' means nothing here; one DPE decides for the deployment, so there is no quorum and no election",
            "the option 'dc-version' means nothing here; Pacemaker's own programs write it: remove it"
        ]
    );
}

#[test]
fn it_says_what_depends_on_which_ticket() {
    let text = document(
        "<services><service name='web' class='lsb' type='t' instances='all'/><service name='mail' class='lsb' type='t'/></services>
         <configuration><resources>
           <template id='any' class='lsb' type='t'/><primitive id='p' template='any'/>
           <clone id='c'><meta_attributes id='cm'><nvpair id='cp' name='promotable' value='true'/></meta_attributes><group id='g'><primitive id='a' class='ocf' provider='x' type='t'/><primitive id='b' class='ocf' provider='x' type='t'/></group></clone>
         </resources><constraints>
           <rsc_ticket id='t1' rsc='c' ticket='east' rsc-role='Promoted'/>
           <rsc_ticket id='t2' rsc='web-clone' ticket='east' rsc-role='Started' loss-policy='Freeze'/>
           <rsc_ticket id='t3' ticket='west side' loss-policy='fence'>
             <resource_set id='s1' role='Unpromoted'><resource_ref id='g'/><resource_ref id='any'/></resource_set>
             <resource_set id='s2'><resource_ref id='both'/></resource_set>
           </rsc_ticket>
           <rsc_ticket id='t4' ticket='east'><resource_set id-ref='s2'/></rsc_ticket>
         </constraints><tags><tag id='both'><obj_ref id='mail'/><obj_ref id='b'/></tag></tags></configuration>",
    );
    assert_eq!(problems(&text), [""; 0]);
    let deployment = deployment::read(text.as_bytes()).unwrap();
    let told: Vec<String> = deployment
        .tickets
        .iter()
        .map(|own| {
            let services = own.services.join(" ");
            format!(
                "{} {}: {services} {} {}",
                own.constraint, own.ticket, own.role, own.loss_policy
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "t1 east: a b Promoted demote",
            "t2 east: web  freeze",
            "t3 west side: a b p Unpromoted fence",
            "t3 west side: mail b  fence",
            "t4 east: mail b  stop",
        ]
    );
}

#[test]
fn a_use_of_a_ticket_names_a_bounded_number_of_services() {
    let primitives: String = (0..40)
        .map(|number| format!("<primitive id='p{number}' class='lsb' type='t'/>"))
        .collect();
    let text = document(&format!(
        "<configuration><resources><group id='g'>{primitives}</group></resources>
         <constraints><rsc_ticket id='t' rsc='g' ticket='east'/></constraints></configuration>"
    ));
    let deployment = deployment::read(text.as_bytes()).unwrap();
    let own = &deployment.tickets[0];
    assert_eq!((own.services.len(), own.more), (16, 24));
}

#[test]
fn a_ticket_has_a_name_that_can_be_granted() {
    for name in ["", "a&#9;b", "a&#10;", &"x".repeat(256)] {
        let text = document(&format!(
            "<configuration><resources><primitive id='p' class='lsb' type='t'/></resources>
             <constraints><rsc_ticket id='t' rsc='p' ticket='{name}'/></constraints></configuration>"
        ));
        let found = problems(&text);
        let expected =
            "expected the name of a ticket: 1 to 255 characters, without control characters";
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
}

#[test]
fn it_warns_of_options_without_effect_and_refuses_to_switch_fencing_off() {
    let text = document(
        "<configuration><crm_config><cluster_property_set id='c'>
           <nvpair id='n1' name='stonith-enabled' value='false'/><nvpair id='n2' name='maintainance-mode' value='true'/>
           <nvpair id='n3' name='my-own-note' value='x'/></cluster_property_set></crm_config></configuration>",
    );
    assert_eq!(
        problems(&text),
        [
            "the option 'stonith-enabled' with the value 'false' cannot be carried out; services of a lost assembly would never start elsewhere: remove it; <fencing mode=\"none\"/> has a lost heartbeat count as down, which is unsafe",
            "the option 'maintainance-mode' has no effect; did you mean 'maintenance-mode'?",
            "the option 'my-own-note' has no effect; nothing reads it: remove it",
        ]
    );
}

#[test]
fn it_takes_the_longest_stop_timeout_of_all_places_that_can_give_one() {
    let longest = |body: &str| accepted(&document(body)).longest_stop_timeout.as_secs();
    assert_eq!(longest(""), 20);
    assert_eq!(longest(&service("stop_timeout='5s'")), 20);
    let primitive = "<configuration><resources><primitive id='p' class='lsb' type='t'><operations>
        <op id='o' name='stop' interval='0' timeout='70'/></operations></primitive></resources></configuration>";
    assert_eq!(longest(primitive), 70);
    let defaults = "<configuration><op_defaults><meta_attributes id='m'><nvpair id='n' name='timeout' value='3min'/></meta_attributes></op_defaults></configuration>";
    assert_eq!(longest(defaults), 180);
}

#[test]
fn it_accepts_a_byte_order_mark_and_any_line_ends() {
    let text = format!("\u{feff}{}", document("\r\n<services>\r</services>\r\n"));
    accepted(&text);
    let broken = text
        .replace("<services>", "<servces>")
        .replace("</services>", "</servces>");
    let problem = &read(broken.as_bytes()).unwrap_err()[0];
    assert_eq!((problem.line, problem.column), (5, 1));
}

#[test]
fn it_reads_a_thousand_services() {
    let services: String = (0..1000)
        .map(|n| format!("<service name='s{n}' class='ocf' provider='p' type='t'><parameters><parameter name='p' value='{n}'/></parameters></service>\n"))
        .collect();
    let constraints: String = (1..1000)
        .map(|n| format!("<service_dependency first='s{}' then='s{n}'/>\n", n - 1))
        .collect();
    let deployment = accepted(&document(&format!(
        "<services>{services}</services><constraints>{constraints}</constraints>"
    )));
    assert_eq!(
        (deployment.services.len(), deployment.constraints.len()),
        (1000, 999)
    );
    assert_eq!(
        deployment.configuration(),
        deployment.clone().configuration()
    );
}

#[test]
fn it_finds_the_same_problems_in_the_same_order_every_time() {
    let text = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/invalid.xml"
    ))
    .unwrap();
    let first = read(&text).unwrap_err();
    (0..5).for_each(|_| assert_eq!(read(&text).unwrap_err(), first));
}

#[test]
fn what_means_too_much_to_decide_about_is_refused_with_its_place() {
    let numbers = |from: usize| from..from + 1500;
    let primitive =
        |i| format!("<primitive id=\"r{i}\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\"/>");
    let set = |id, from| {
        let members: String = numbers(from)
            .map(|i| format!("<resource_ref id=\"r{i}\"/>"))
            .collect();
        format!("<resource_set id=\"{id}\" sequential=\"false\">{members}</resource_set>")
    };
    let resources: String = numbers(0).chain(numbers(1500)).map(primitive).collect();
    let text = document(&format!(
        "<configuration><resources>{resources}</resources><constraints>\n  <rsc_order id=\"all\">{}{}</rsc_order></constraints></configuration>",
        set("first", 0),
        set("then", 1500)
    ));
    let problems = read(text.as_bytes()).expect_err("two million orderings");
    let [problem] = &problems[..] else {
        panic!("{}", report(&problems));
    };
    assert_eq!((problem.line, problem.column), (5, 3), "{problem}");
    let message = &problem.message;
    assert!(
        message
            .starts_with("<rsc_order id=\"all\"> expands to 2250000 orderings of two resources;"),
        "{message}"
    );
    assert!(problem.hint.is_some());
}

#[test]
fn it_refuses_classes_that_no_guest_runs() {
    let resource = |element: &str, class: &str| {
        let text = document(&format!(
            "<configuration><resources><{element} id='r' class='{class}' type='fence_x'/></resources></configuration>"
        ));
        problems(&text)
    };
    for element in ["primitive", "template"] {
        let expected = format!(
            "'upstart' is not a valid class of <{element}>; expected one of: ocf, lsb, systemd, service, stonith"
        );
        assert_eq!(resource(element, "upstart"), [expected]);
        assert_eq!(resource(element, "lsb"), [""; 0]);
    }
}

#[test]
fn it_refuses_operations_that_mean_something_else_to_the_policy_engine() {
    let operation = |name: &str| {
        let text = document(&format!(
            "<configuration><resources><primitive id='p' class='lsb' type='t'><operations>
               <op id='o' name='{name}' interval='0'/></operations></primitive></resources></configuration>"
        ));
        problems(&text)
    };
    for name in [
        "stonith",
        "delete",
        "lrm_delete",
        "cancel",
        "clear_failcount",
        "do_shutdown",
        "maintenance_nodes",
        "running",
        "stopped",
        "promoted",
        "demoted",
        "notified",
    ] {
        let hint = "the policy engine has a meaning of its own for this name; remove the operation, or give the agent's action another name";
        assert_eq!(
            operation(name),
            [format!("'{name}' is not a valid name of <op>; {hint}")]
        );
    }
    for name in [
        "monitor",
        "start",
        "notify",
        "migrate_to",
        "reload-agent",
        "status",
        "validate-all",
    ] {
        assert_eq!(operation(name), [""; 0], "{name}");
    }
}

/// The warnings of a document with two assemblies, with their places.
fn warnings(services: &str, constraints: &str) -> Vec<String> {
    let text = format!(
        "<deployable name='x'>
<assemblies><assembly name='a' address='unix:/a'><capacity cores='2'/></assembly><assembly name='b' address='unix:/b'><capacity cores='4'/></assembly></assemblies>
<services>{services}</services>
<constraints>
{constraints}
</constraints></deployable>"
    );
    let outcome = read_with_warnings(text.as_bytes());
    assert!(
        outcome.deployment.is_some(),
        "{}",
        report(&outcome.problems)
    );
    outcome.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn it_warns_of_an_amount_that_no_assembly_offers() {
    let service = |amount: u32| {
        let text = format!(
            "\n<service name='s' class='lsb' type='t'><utilization cores='{amount}'/></service>"
        );
        warnings(&text, "")
    };
    assert_eq!(service(4), [""; 0]);
    assert_eq!(
        service(5),
        [
            "4:16: warning: no assembly offers as much 'cores' as 's' uses: 5, the most is 4; it cannot run until one has that much in its <capacity>"
        ]
    );
}

#[test]
fn it_warns_of_a_service_that_needs_one_that_is_not_enabled() {
    let db = "<service name='db' class='lsb' type='t' enabled='false'/><service name='web' class='lsb' type='t'/>";
    let told = "5:1: warning: 'web' cannot run: it needs 'db', which is not enabled; enable 'db', or let 'web' have enabled=\"false\" too";
    for constraint in [
        "<service_dependency first='db' then='web'/>",
        "<colocation service='web' with='db'/>",
    ] {
        assert_eq!(warnings(db, constraint), [told], "{constraint}");
    }
    for constraint in [
        "<service_dependency first='db' then='web' kind='optional'/>",
        "<service_dependency first='web' then='db'/>",
        "<colocation service='web' with='db' score='100'/>",
    ] {
        assert_eq!(warnings(db, constraint), [""; 0], "{constraint}");
    }
    let both = db.replace("name='web'", "name='web' enabled='false'");
    assert_eq!(
        warnings(&both, "<service_dependency first='db' then='web'/>"),
        [""; 0]
    );
}

#[test]
fn it_warns_of_services_of_which_not_all_can_be_separate() {
    let service =
        |name: &str, more: &str| format!("<service name='{name}' class='lsb' type='t' {more}/>");
    let three = service("r", "") + &service("s", "") + &service("t", "");
    let told = |needed: u32| {
        format!(
            "5:1: warning: these services cannot all run: they need {needed} assemblies, and there are 2; add assemblies, let fewer be separate or have fewer instances, or give a score less than INFINITY"
        )
    };
    assert_eq!(warnings(&three, "<separate services='r s'/>"), [""; 0]);
    assert_eq!(warnings(&three, "<separate services='r s t'/>"), [told(3)]);
    assert_eq!(
        warnings(&three, "<separate services='r s t' score='100'/>"),
        [""; 0]
    );
    let everywhere = service("r", "") + &service("s", "instances='all'");
    assert_eq!(
        warnings(&everywhere, "<separate services='r s'/>"),
        [told(3)]
    );
}

#[test]
fn it_upgrades_a_configuration_that_names_its_schema() {
    let body = "<configuration validate-with='pacemaker-2.10'>
        <crm_config><cluster_property_set id='c'><nvpair id='n' name='default_resource_stickiness' value='7'/></cluster_property_set></crm_config>
        <resources><master id='m'><primitive id='p' class='ocf' provider='heartbeat' type='Dummy'/></master></resources>
        <constraints><rsc_location id='l' rsc='m'>
          <rule id='r' score='1'><expression id='e' attribute='#uname' operation='eq' value='a'/></rule>
          <rule id='s' score='2'><expression id='f' attribute='#uname' operation='eq' value='b'/></rule>
        </rsc_location></constraints></configuration>";
    let text = document(body);
    let configuration = accepted(&text).configuration();
    for expected in [
        r#"<nvpair id="n" name="resource-stickiness" value="7"/>"#,
        r#"<clone id="m">"#,
        r#"name="promotable" value="true"/>"#,
        r#"<rsc_location id="l-s" rsc="m">"#,
    ] {
        assert!(
            configuration.contains(expected),
            "{expected}\n{configuration}"
        );
    }
    let found: Vec<String> = read_with_warnings(text.as_bytes())
        .problems
        .iter()
        .map(Problem::to_string)
        .collect();
    let line = |line: usize, what: &str| {
        let place = format!("{}:", line + ASSEMBLIES.lines().count() - 1);
        let mut all = found.iter();
        all.any(|problem| problem.starts_with(&place) && problem.contains(what))
    };
    assert!(line(2, "moving default_resource_stickiness"), "{found:?}");
    assert!(line(3, "<master> m is now a <clone>"), "{found:?}");
    assert!(line(4, "location l has 2 rules"), "{found:?}");
}

#[test]
fn it_says_where_a_configuration_does_not_follow_the_schema_that_it_names() {
    let body = |schema: &str| {
        document(&format!(
            "<configuration validate-with='{schema}'><resources><primitive id='p' class='lsb' type='t' managed='no'/></resources></configuration>"
        ))
    };
    let found = problems(&body("pacemaker-3.9"));
    let want = "<primitive> has the attribute managed, which schema 3.9 does not know there; it has to be as its schema or a later one says";
    assert_eq!(found, [want]);
    let found = problems(&body("pacemaker-7"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("unknown schema"), "{found:?}");
}

#[test]
fn it_reads_every_rule_of_a_location_without_a_named_schema() {
    let rule = |id: &str, node: &str| {
        format!(
            "<rule id='{id}' score='-INFINITY'><expression id='{id}e' attribute='#uname' operation='eq' value='{node}'/></rule>"
        )
    };
    let text = document(&format!(
        "<configuration><resources><primitive id='p' class='lsb' type='t'/></resources>
         <constraints><rsc_location id='l' rsc='p'>{}{}</rsc_location></constraints></configuration>",
        rule("r", "a"),
        rule("s", "b")
    ));
    let configuration = accepted(&text).configuration();
    for expected in [
        r#"<rsc_location id="l" rsc="p">"#,
        r#"<rsc_location id="l-s" rsc="p">"#,
    ] {
        assert!(
            configuration.contains(expected),
            "{expected}\n{configuration}"
        );
    }
    let found = problems(&text);
    assert!(found[0].contains("location l has 2 rules"), "{found:?}");
}

#[test]
fn more_warnings_than_are_listed_are_no_error() {
    let parameters: String = (0..300)
        .map(|n| format!("<parameter name=\"p{n}\" type=\"scalar\" value=\"1\"/>"))
        .collect();
    let service = |name: &str| {
        format!(
            "<service name=\"{name}\" class=\"lsb\" type=\"s\"><parameters>{parameters}</parameters></service>"
        )
    };
    let body = format!("<services>{}{}</services>", service("s"), service("t"));
    let outcome = read_with_warnings(document(&body).as_bytes());
    assert!(outcome.deployment.is_some());
    assert!(
        outcome
            .problems
            .iter()
            .all(|problem| problem.severity == Severity::Warning)
    );
}
