//! The contract is the one that is committed, and what it says is there.

use std::path::Path;

use serde_json::Value;

use crate::harness::Setting;

#[test]
fn the_contract_is_the_committed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = cpe_gateway::rest::contract() + "\n";
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if made != committed && std::env::var_os("RECORD_CONTRACT").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    assert!(
        made == committed,
        "docs/openapi.json differs: look at `RECORD_CONTRACT=1 cargo test -p cpe-gateway --test gateway contract`, then at `git diff`"
    );
}

/// axum does not tell its routes. Those of the resources come from the declarations that the
/// contract comes from: so there may be no other, and none that was forgotten.
#[test]
fn every_resource_is_routed_and_in_the_contract() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rest");
    let mut declared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        declared += text.matches("#[utoipa::path(").count();
        for other in [".route(", ".route_service(", ".nest(", ".merge("] {
            assert!(!text.contains(other), "{}: {other}", path.display());
        }
    }
    let contract: Value = serde_json::from_str(&cpe_gateway::rest::contract()).unwrap();
    let paths = contract["paths"].as_object().unwrap().values();
    let operations: usize = paths.map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(declared, operations);
}

#[tokio::test]
async fn every_operation_of_the_contract_is_there_and_says_which_refusals_it_has() {
    let setting = Setting::new().await;
    let text = setting.get("", "/openapi.json").send(&setting).await.text;
    let contract: Value = serde_json::from_str(&text).unwrap();
    assert!(contract["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = 0;
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "two operations are called {id}");
            for status in ["400", "403", "405", "406", "429", "500", "503"] {
                let schema = &operation["responses"][status]["content"]["application/problem+json"]
                    ["schema"];
                assert_eq!(
                    schema["$ref"], "#/components/schemas/Problem",
                    "{method} {path} {status}"
                );
            }
            let asked = path.replace("{name}", "shop").replace(['{', '}'], "");
            let who = if asked.ends_with("stream") {
                "nobody"
            } else {
                "owner"
            };
            let asking = setting.ask(who, &method.to_uppercase(), &asked);
            let head = asking.begin(&setting).await.status().as_u16();
            assert_ne!(head, 405, "{method} {path}");
            let declared = operation["responses"].as_object().unwrap();
            assert!(
                declared.contains_key(&head.to_string()),
                "{method} {path}: {head} is not declared"
            );
        }
    }
    assert_eq!(operations, 35);
}
