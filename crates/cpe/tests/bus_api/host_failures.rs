//! A host is said to be down: which assemblies of which deployments that confirms.

use cpe_bus::Fields;
use cpe_bus::fields::put;

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, until};

/// Deployments, and the hosts of their assemblies.
const DEPLOYMENTS: [(&str, &[(&str, &str)]); 4] = [
    ("shop", &[("web1", "compute-7"), ("web2", "compute-8")]),
    ("wiki", &[("web1", "compute-7")]),
    ("mail", &[("web1", "compute-8")]),
    ("news", &[("web1", "compute-7")]),
];

fn document(name: &str, assemblies: &[(&str, &str)]) -> String {
    let one = |(own, host): &(&str, &str)| {
        format!(
            r#"<assembly name="{own}" host="{host}" address="unix:/run/cpe/guests/{name}-{own}/agent.sock"><fencing mode="manager"/></assembly>"#
        )
    };
    let assemblies: String = assemblies.iter().map(one).collect();
    format!(
        r#"<deployable name="{name}"><assemblies>{assemblies}</assemblies><services><service name="web" class="ocf" provider="heartbeat" type="Dummy"/></services></deployable>"#
    )
}

/// As a DPE says it of an assembly that is lost.
fn lost(name: &str, host: &str, heard_us: u64) -> String {
    format!(
        r#"{{"name": "{name}", "host": "{host}", "state": "fencing", "fencing_attempt": "7-1", "last_heartbeat": {heard_us}}}"#
    )
}

async fn failed(cpe: &Cpe, at_us: Option<u64>) -> Vec<(String, String, String)> {
    let mut options = Fields::new();
    if let Some(at_us) = at_us {
        put(&mut options, "failed-at", at_us);
    }
    let manager = cpe.manager().await;
    let results = manager.host_failed("compute-7", options).await;
    let mut results = results.expect("results");
    results.sort();
    results
}

/// Deployment, assembly and outcome of each, which begins with these words.
fn assert_results(results: &[(String, String, String)], expected: &[(&str, &str, &str)]) {
    let same = results.iter().zip(expected).all(|(own, expected)| {
        own.0 == expected.0 && own.1 == expected.1 && own.2.starts_with(expected.2)
    });
    assert!(
        same && results.len() == expected.len(),
        "{results:#?}, not {expected:#?}"
    );
}

#[tokio::test]
async fn the_failure_of_a_host_confirms_what_is_on_it_in_all_deployments_and_nothing_else() {
    let names = DEPLOYMENTS.map(|(name, _)| name);
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &names).await;
    let mut cpe = bus.cpe().await;
    for (name, assemblies) in DEPLOYMENTS {
        let manager = cpe.manager().await;
        let text = document(name, assemblies);
        let created = manager.create_deployment(&text, Fields::new()).await;
        created.expect("a deployment");
        until("its DPE to have the document", async || {
            (!systemd.dpe(name).loads.is_empty()).then_some(())
        })
        .await;
        let all = assemblies.iter().map(|(own, host)| lost(own, host, 500));
        systemd.tell_assemblies(name, &all.collect::<Vec<_>>().join(", "));
    }
    cpe.kill();
    // What another version has accepted cannot be read here. Its DPE knows where it is.
    bus.tamper("UPDATE document SET text = '<from-the-future/>' WHERE name = 'news'");
    let cpe = bus.cpe().await;
    until("all DPEs to be known again", async || {
        let results = failed(&cpe, Some(1)).await;
        let known = results.iter().all(|(_, own, _)| !own.is_empty());
        (results.len() == 3 && known).then_some(())
    })
    .await;

    // What was heard after the host had failed is not down.
    systemd.tell_assemblies("wiki", &lost("web1", "compute-7", 700));
    let confirmed = [
        ("news", "web1", "confirmed"),
        ("shop", "web1", "confirmed"),
        ("wiki", "web1", "it was heard after"),
    ];
    assert_results(&failed(&cpe, Some(600)).await, &confirmed);
    let done = |name: &str| systemd.dpe(name).done;
    assert_eq!(names.map(|name| done(name).len()), [1, 0, 0, 1]);
    assert_eq!(done("shop"), ["confirm web1 7-1"]);
    // Without a time it is believed.
    let all = failed(&cpe, None).await;
    assert!(all.iter().all(|(.., outcome)| outcome == "confirmed"));
    assert_eq!(names.map(|name| done(name).len()), [2, 1, 0, 2]);

    // A DPE says no host of an assembly whose document has named another one since: nobody knows on
    // which of them it runs.
    systemd.tell_assemblies("shop", &lost("web1", "", 500));
    // And what nobody can ask is told.
    systemd.kill("news").await;
    let rest = [("news", "", ""), ("wiki", "web1", "confirmed")];
    assert_results(&failed(&cpe, None).await, &rest);
    assert_eq!(done("shop").len(), 2);

    let events = cpe.all_events().await.into_iter();
    let told = events.filter(|event| {
        event.details.get("action").map(String::as_str) == Some("host-failed")
            && event.deployment == "wiki"
    });
    let told: Vec<_> = told.collect();
    for event in &told {
        assert_eq!(event.details["host"], "compute-7", "{event:?}");
        assert_eq!(event.details["attempt"], "7-1", "{event:?}");
    }
    let last: Vec<&str> = told.iter().map(|event| event.state.as_str()).collect();
    assert!(last.ends_with(&["refused", "done", "done"]), "{last:?}");
}
