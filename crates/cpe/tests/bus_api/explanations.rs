//! Explanations and the policy engine's input of what runs: a real DPE and real guest agents behind
//! the daemon.

use cpe_bus::fields::put;
use cpe_bus::names::{DPE_PATH, dpe_name};
use cpe_bus::proxies::CpeDeploymentProxy;
use cpe_bus::{Error, Fields};
use cpe_status::{AssemblyState, DeploymentStatus, KeptInputList, OperationList, ServiceState};

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, deployment, document, until};
use super::{guests, introspection};

/// Two assemblies with agents, and a service that prefers the first.
async fn shop(bus: &Bus) -> String {
    let folder = bus.directory.path();
    let (a, b) = (
        guests::start(folder, "web1").await,
        guests::start(folder, "web2").await,
    );
    format!(
        r#"<deployable name="shop" heartbeat_interval="200ms" heartbeat_timeout="10s" lease="60s">
  <assemblies>
    <assembly name="web1" address="{a}"><fencing mode="none"/></assembly>
    <assembly name="web2" address="{b}"><fencing mode="none"/></assembly>
  </assemblies>
  <services><service name="web" class="ocf" provider="test" type="File" monitor_interval="10s"/></services>
  <constraints><location service="web" assembly="web1" score="200"/></constraints>
</deployable>"#
    )
}

pub(crate) async fn runs_in(deployment: &CpeDeploymentProxy<'static>, assembly: &str) {
    until(&format!("web in {assembly}"), async || {
        let text = deployment.get_status().await.ok()?;
        let status: DeploymentStatus = cpe_bus::json::from_json(&text).ok()?;
        let service = status.services.first()?;
        let there = service.state == ServiceState::Started && service.assembly == assembly;
        let known = |state| state != AssemblyState::Unknown;
        (there && status.assemblies.iter().all(|a| known(a.state))).then_some(())
    })
    .await;
}

pub(crate) async fn deploy(bus: &Bus, cpe: &Cpe) -> CpeDeploymentProxy<'static> {
    let text = shop(bus).await;
    let manager = cpe.manager().await;
    manager
        .create_deployment(&text, Fields::new())
        .await
        .expect("a deployment");
    let deployment = cpe.deployment("shop").await;
    runs_in(&deployment, "web1").await;
    deployment
}

/// The program on a thread of its own, as it would be a process of its own: exit status, output,
/// errors.
async fn policy_simulate(bus: &Bus, words: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["policy-simulate".to_owned()];
    arguments.extend(words.iter().map(ToString::to_string));
    arguments.push(format!("--bus={}", bus.address()));
    let ran = tokio::task::spawn_blocking(move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = policy_simulate::Streams {
            out: Box::new(&mut out),
            err: Box::new(&mut err),
        };
        let code = policy_simulate::run(arguments, &mut streams);
        drop(streams);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (code, text(out), text(err))
    });
    ran.await.expect("a run")
}

#[tokio::test]
async fn it_explains_where_a_service_is_and_why_it_is_not_elsewhere() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;

    let told = deployment.explain("web", "").await.expect("sentences");
    assert!(told.contains("web is started on web1 and stays"), "{told}");
    let rule = "location constraint <location service=\"web\" assembly=\"web1\"/> prefers web1 (score 200)";
    assert!(told.contains(rule), "{told}");
    assert!(
        told.contains("web1: chosen") && told.contains("web2: web1 is better"),
        "{told}"
    );
    let told = deployment.explain("web", "web2").await.expect("sentences");
    assert!(
        told.contains("web2: web1 is better") && !told.contains("web1: chosen"),
        "{told}"
    );
    let told = deployment.explain("", "web2").await.expect("sentences");
    assert!(
        told.starts_with("web2 is online and takes services."),
        "{told}"
    );
    let told = deployment.explain("", "").await.expect("sentences");
    assert_eq!(
        told,
        "Everything is as it should be (services: 1, assemblies: 2).\n"
    );
    let mut options = Fields::new();
    put(&mut options, "service", "web");
    put(&mut options, "scores", true);
    let data = deployment.get_explanation(options).await.expect("JSON");
    assert!(
        data.contains("\"code\":\"best\"") && data.contains("score: 201"),
        "{data}"
    );

    let refused = deployment.explain("db", "").await;
    assert!(
        matches!(&refused, Err(Error::NotFound(text)) if text == "there is no service \"db\"; the services are: web"),
        "{refused:?}"
    );
    let refused = deployment.explain("web", "web9").await;
    assert!(
        matches!(&refused, Err(Error::NotFound(text)) if text == "there is no assembly \"web9\"; the assemblies are: web1 web2"),
        "{refused:?}"
    );

    deployment.set_standby("web1", true).await.expect("standby");
    runs_in(&deployment, "web2").await;
    let told = deployment.explain("web", "web1").await.expect("sentences");
    assert!(told.contains("web is started on web2"), "{told}");
    assert!(
        told.contains("web1 is in standby") && told.contains("cpectl unstandby shop web1"),
        "{told}"
    );
}

/// The last operations of a service in an assembly; empty: of all.
async fn operations(
    deployment: &CpeDeploymentProxy<'static>,
    service: &str,
    assembly: &str,
) -> cpe_bus::Result<OperationList> {
    let mut options = Fields::new();
    for (name, value) in [("service", service), ("assembly", assembly)] {
        if !value.is_empty() {
            put(&mut options, name, value);
        }
    }
    let text = deployment.get_operations(options).await?;
    cpe_bus::json::from_json(&text)
}

#[tokio::test]
async fn the_last_operations_are_told_to_whoever_may_look() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    let ask =
        async |service: &str, assembly: &str| operations(&deployment, service, assembly).await;
    let known = until("a monitor of web", async || {
        let known = ask("", "").await.ok()?;
        let mut all = known.operations.iter();
        all.any(|it| it.operation == "monitor/10000" && it.rc == Some(0))
            .then_some(known)
    })
    .await;
    let of = |operation: &str, assembly: &str| {
        let mut all = known.operations.iter();
        let own = all.find(|it| it.operation == operation && it.assembly == assembly);
        own.unwrap_or_else(|| panic!("no {operation} on {assembly} in {known:?}"))
    };
    let (start, probe) = (of("start", "web1"), of("monitor", "web2"));
    assert_eq!(
        (start.rc, &*start.meaning, start.failed),
        (Some(0), "ok", false)
    );
    assert_eq!(
        (probe.rc, &*probe.meaning, probe.failed),
        (Some(7), "not running", false)
    );
    let now = cpe.all_events().await.iter().map(|event| event.time).max();
    let seconds = now.expect("events").abs_diff(start.time) / 1_000_000;
    assert!(seconds < 60, "by the clock of its guest: {seconds} s ago");
    assert!(
        start.took_ms.is_some() && start.waited_ms.is_some(),
        "{start:?}"
    );
    let there = ask("web", "web2").await.expect("operations");
    assert!(!there.operations.is_empty());
    assert!(there.operations.iter().all(|it| it.assembly == "web2"));
    for (service, assembly, reason) in [
        ("db", "", "no service \"db\""),
        ("", "web9", "no assembly \"web9\""),
    ] {
        let refused = ask(service, assembly).await;
        assert!(
            matches!(&refused, Err(Error::NotFound(text)) if text.contains(reason)),
            "{refused:?}"
        );
    }
    let mut wrong = Fields::new();
    put(&mut wrong, "service", 7_u32);
    let refused = deployment.get_operations(wrong).await;
    assert!(
        matches!(&refused, Err(Error::InvalidArgument(_))),
        "{refused:?}"
    );
    // Its agents tell the next DPE.
    systemd.kill("shop").await;
    until("the same after the death of the DPE", async || {
        let again = ask("web", "web1").await.ok()?;
        again.operations.contains(start).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_ticket_is_granted_explained_and_kept_by_the_dpe() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    let manager = cpe.manager().await;
    let (text, _) = deployment.get_document(0).await.expect("the document");
    let constraint = "<configuration><constraints><rsc_ticket id=\"t\" rsc=\"web\" ticket=\"east side\"/></constraints></configuration></deployable>";
    let text = text.replace("</deployable>", constraint);
    let updated = manager.update_deployment("shop", 0, &text, Fields::new());
    updated.await.expect("generation 2");
    let told = until("a service that waits", async || {
        let told = deployment.explain("web", "").await.ok()?;
        told.contains("ticket east side").then_some(told)
    })
    .await;
    let waits =
        "ticket east side is not granted to this site: ticket constraint t does not let it run";
    let remedy = "cpectl ticket shop grant 'east side'";
    assert!(told.contains(waits) && told.contains(remedy), "{told}");

    let unknown = deployment.grant_ticket("east").await;
    assert!(
        matches!(&unknown, Err(Error::NotFound(text)) if text.contains("it has east side")),
        "{unknown:?}"
    );
    deployment.grant_ticket("east side").await.expect("a grant");
    let granted = async || {
        let status = deployment.get_status().await.ok()?;
        status.contains("\"granted\":true").then_some(())
    };
    until("a ticket that is granted", granted).await;
    systemd.kill("shop").await;
    until("the ticket after the death of the DPE", granted).await;
    let standby = deployment.set_ticket_standby("east side", true).await;
    standby.expect("standby");
    until("a service that waits again", async || {
        let told = deployment.explain("web", "").await.ok()?;
        told.contains("cpectl ticket shop activate 'east side'")
            .then_some(())
    })
    .await;
    deployment
        .revoke_ticket("east side")
        .await
        .expect("a revocation");
    // The DPE tells its events after its answers.
    cpe.await_event("ticket.revoked", "shop").await;
    let events = cpe.all_events().await;
    let told = events.iter().map(|event| event.kind.as_str());
    let told: Vec<&str> = told.filter(|kind| kind.starts_with("ticket.")).collect();
    assert_eq!(told, ["ticket.granted", "ticket.standby", "ticket.revoked"]);
    let orders: Vec<_> = events
        .iter()
        .filter(|event| {
            event.details.contains_key("ticket") && event.details.contains_key("action")
        })
        .map(|event| (event.details["action"].as_str(), event.state.as_str()))
        .collect();
    let expected = [
        ("grant-ticket", "refused"),
        ("grant-ticket", "done"),
        ("ticket-standby", "done"),
        ("revoke-ticket", "done"),
    ];
    assert_eq!(orders, expected);
}

/// Whoever may only look is told the names that are set: a value may be a secret.
async fn assert_values_are_withheld(bus: &Bus) {
    let stranger = zbus::connection::Builder::address(bus.address().as_str())
        .auth_mechanism(zbus::connection::AuthMechanism::Anonymous);
    let stranger = stranger.build().await.expect("a connection without a name");
    let looked = deployment(&stranger, "shop").await.get_status().await;
    let looked = looked.expect("a status");
    for told in [
        "\"permanent\":{\"rack\":\"\"}",
        "\"options\":{\"db_REPL_INFO\":\"\"}",
        "\"values_withheld\":true",
    ] {
        assert!(looked.contains(told), "{told}: {looked}");
    }
    assert!(!looked.contains("web1|7"), "{looked}");
}

/// The event log has who set and deleted what.
async fn assert_settings_are_told(cpe: &Cpe) {
    let events = cpe.all_events().await;
    let orders = events
        .iter()
        .filter(|event| event.details.contains_key("lifetime") && event.state == "done");
    let orders: Vec<_> = orders
        .map(|event| {
            (
                &*event.details["action"],
                &*event.details["name"],
                &*event.assembly,
            )
        })
        .collect();
    // More people read events than may read values.
    assert!(!format!("{events:?}").contains("web1|7"));
    let set = [
        ("set-attribute", "rack", "web1"),
        ("set-attribute", "db_REPL_INFO", ""),
    ];
    assert_eq!(
        orders,
        [&set[..], &[("delete-attribute", "rack", "web1")]].concat()
    );
}

#[tokio::test]
async fn attributes_and_options_are_set_refused_and_kept_by_the_dpe() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    let set = async |assembly: &str, name: &str, value: &str| {
        deployment
            .set_attribute(assembly, "forever", name, value)
            .await
    };
    set("web1", "rack", "7").await.expect("an attribute");
    set("", "db_REPL_INFO", "web1|7").await.expect("an option");
    for (refused, reason) in [
        (set("web9", "rack", "7").await, "no assembly \"web9\""),
        (
            set("", "stonith-enabled", "false").await,
            "deployment document",
        ),
        (set("web1", "standby", "on").await, "cpectl standby"),
        (set("web1", "a b", "1").await, "blanks"),
        (
            deployment.set_attribute("", "reboot", "a", "1").await,
            "lasts forever",
        ),
        (
            deployment.delete_attribute("web1", "never", "a").await,
            "`forever` or `reboot`",
        ),
    ] {
        let error = refused.expect_err(reason).message();
        assert!(error.contains(reason), "{error}");
    }
    let kept = async || {
        let status = deployment.get_status().await.ok()?;
        let all = [
            "\"permanent\":{\"rack\":\"7\"}",
            "\"options\":{\"db_REPL_INFO\":\"web1|7\"}",
        ];
        all.iter().all(|text| status.contains(text)).then_some(())
    };
    until("what was set", kept).await;
    assert_values_are_withheld(&bus).await;
    systemd.kill("shop").await;
    until("what was set after the death of the DPE", kept).await;
    let deleted = deployment.delete_attribute("web1", "forever", "rack").await;
    deleted.expect("a deletion");
    until("an attribute that is gone", async || {
        let status = deployment.get_status().await.ok()?;
        (!status.contains("rack")).then_some(())
    })
    .await;
    assert_settings_are_told(&cpe).await;
}

#[tokio::test]
async fn it_explains_nothing_before_anything_is_known() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    // Nobody listens at the address of its assembly.
    cpe.create("shop").await.expect("a deployment");
    let deployment = cpe.deployment("shop").await;
    let refused = until("a DPE that answers", async || {
        let refused = deployment.explain("web", "").await.expect_err("no answer");
        refused.message().contains("web1").then_some(refused)
    })
    .await;
    assert!(
        matches!(&refused, Error::NotReady(text) if text.contains("nothing is known about web1")),
        "{refused:?}"
    );
    systemd.kill("shop").await;
    let refused = deployment.explain("web", "").await;
    assert!(matches!(refused, Err(Error::NotReady(_))), "{refused:?}");
}

#[tokio::test]
async fn policy_simulate_takes_the_input_of_a_deployment_that_runs() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop", "other"]).await;
    let cpe = bus.cpe().await;
    let (code, _, err) = policy_simulate(&bus, &["-L"]).await;
    assert_eq!((code, err.contains("no deployments")), (105, true), "{err}");

    deploy(&bus, &cpe).await;
    for words in [
        ["-LS"].as_slice(),
        &["--live", "-S"],
        &["--live=shop", "-S"],
    ] {
        let (code, out, err) = policy_simulate(&bus, words).await;
        assert_eq!(code, 0, "{words:?}: {err}");
        assert!(out.contains("Online: [ web1 web2 ]"), "{words:?}: {out}");
        assert!(
            out.contains("web") && out.contains("Started web1"),
            "{words:?}: {out}"
        );
    }
    let (code, out, err) =
        policy_simulate(&bus, &["--live", "shop", "-R", "--node-standby=web1"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("( web1 -> web2 )"), "{out}");
    let (code, out, err) = policy_simulate(&bus, &["explain", "web", "-L"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("web is started on web1 and stays"), "{out}");

    let manager = cpe.manager().await;
    let other = document("other", "");
    manager
        .create_deployment(&other, Fields::new())
        .await
        .expect("a second deployment");
    let (code, _, err) = policy_simulate(&bus, &["--live"]).await;
    assert_eq!((code, err.contains("other shop")), (109, true), "{err}");
    let (code, _, err) = policy_simulate(&bus, &["--live", "none"]).await;
    assert_eq!((code, err.contains("other shop")), (105, true), "{err}");
}

#[tokio::test]
async fn inputs_of_past_decisions_are_kept_listed_and_given_also_after_a_restart() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    deploy(&bus, &cpe).await;
    let deployment = cpe.deployment("shop").await;
    let kept = async || {
        let text = deployment.list_inputs().await.ok()?;
        let list: KeptInputList = cpe_bus::json::from_json(&text).expect("a list");
        assert_eq!(list.deployment, "shop");
        (!list.inputs.is_empty()).then_some(list.inputs)
    };
    let inputs = until("an input", kept).await;
    let first = &inputs[0];
    assert_eq!((first.transition, first.name.as_str()), (Some(1), "1"));
    let cib = deployment.get_kept_input("1").await.expect("its text");
    assert!(
        cib.starts_with("<cib") && cib.len() as u64 == first.bytes,
        "{cib}"
    );
    for absent in ["0", "99", "", "../state.sqlite"] {
        let refused = deployment.get_kept_input(absent).await;
        assert!(
            matches!(&refused, Err(Error::NotFound(text)) if text.contains("there are: 1")),
            "{absent}: {refused:?}"
        );
    }
    systemd.kill("shop").await;
    // The next DPE may have a first transition of its own.
    let after = until("an input after the death of the DPE", async || {
        deployment.get_kept_input("1").await.ok()
    });
    assert!(after.await.starts_with("<cib"));
}

#[tokio::test]
async fn policy_simulate_says_who_does_not_answer() {
    let bus = Bus::start();
    let (code, _, err) = policy_simulate(&bus, &["-L"]).await;
    assert_eq!((code, err.contains("cpe.service")), (102, true), "{err}");
    let (code, _, err) = policy_simulate(&bus, &["-L", "--bus", "unix:path=/nowhere/at/all"]).await;
    assert_eq!(code, 102, "{err}");
}

#[tokio::test]
async fn a_running_dpe_has_exactly_the_documented_members() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.expect("a deployment");
    super::harness::await_name(&cpe.connection, &dpe_name("shop")).await;
    let running = introspection::introspect(&cpe, &dpe_name("shop"), DPE_PATH).await;
    introspection::compare(introspection::DPE, &running);
}
