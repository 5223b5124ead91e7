//! Changes over the gateway, for those to whom they were granted: the real cpe, a DPE and guests.

use end_to_end::{Document, Lab, System};
use serde_json::Value;

use crate::gateway;

const ACCESS: &str = r#"delegates = ["cpe-gateway"]
strangers = "hidden"
[[grant]]
principal = ["token:owner"]
role = "owner"
deployments = ["shop*"]
[[grant]]
principal = ["token:viewer"]
role = "viewer"
deployments = ["shop*"]
"#;

struct Rest {
    lab: Lab,
    owner: String,
    viewer: String,
}

fn rest(name: &str) -> Rest {
    let lab = gateway::boot(name, ACCESS);
    let token = |id: &str| lab.cpectl(&["token", "new", id]).ok().trim().to_owned();
    let (owner, viewer) = (token("owner"), token("viewer"));
    Rest { lab, owner, viewer }
}

impl Rest {
    /// Status and body of an answer.
    fn ask(&self, token: &str, arguments: &str) -> (String, String) {
        let bearer = format!("-H 'Authorization: Bearer {token}' {arguments}");
        gateway::ask(&self.lab, &bearer)
    }

    fn put(&self, tag: &str, file: &str) -> String {
        let arguments = format!(
            "-X PUT {tag} -H 'Content-Type: application/xml' --data-binary @{file} http://localhost/v1/deployments/shop/document"
        );
        self.ask(&self.owner, &arguments).0
    }

    fn generations(&self) -> usize {
        let history = self.lab.cpectl(&["--json", "history", "shop"]).ok();
        serde_json::from_str::<Vec<Value>>(&history).unwrap().len()
    }
}

#[test]
fn documents_are_changed_from_what_was_seen_and_by_owners_only() {
    let rest = rest("gateway-changes");
    let shop = "http://localhost/v1/deployments/shop";
    assert_eq!(rest.ask(&rest.viewer, shop).0, "200");
    assert_eq!(
        rest.ask(&rest.viewer, &format!("{shop}/services/db/explain"))
            .0,
        "200"
    );
    assert_eq!(rest.ask(&rest.viewer, &format!("{shop}/document")).0, "403");
    assert_eq!(rest.ask(&rest.owner, &format!("{shop}/document")).0, "200");
    let document = Document::new("shop", &["a", "b"]).sleeper("db", 100_001);
    rest.lab
        .write("/srv/one.xml", &document.xml().replace("100001", "100002"));
    rest.lab
        .write("/srv/two.xml", &document.xml().replace("100001", "100003"));
    assert_eq!(rest.put("", "/srv/one.xml"), "428");
    assert_eq!(rest.put("-H 'If-Match: \"g9\"'", "/srv/one.xml"), "412");
    assert_eq!(rest.generations(), 1, "nothing was stored");
    let (one, two) = std::thread::scope(|scope| {
        let tag = "-H 'If-Match: \"g1\"'";
        let one = scope.spawn(|| rest.put(tag, "/srv/one.xml"));
        let two = scope.spawn(|| rest.put(tag, "/srv/two.xml"));
        (one.join().unwrap(), two.join().unwrap())
    });
    let mut both = [one.as_str(), two.as_str()];
    both.sort_unstable();
    assert_eq!(both, ["202", "412"]);
    assert_eq!(rest.generations(), 2);
    rest.lab.write(
        "/srv/bad.xml",
        &document.xml().replace("address=", "adress="),
    );
    let arguments = format!(
        "-X PUT -H 'If-Match: \"g2\"' -H 'Content-Type: application/xml' --data-binary @/srv/bad.xml {shop}/document"
    );
    let (status, problem) = rest.ask(&rest.owner, &arguments);
    let problem: Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(status, "422", "{problem}");
    assert!(problem["errors"][0]["line"].as_u64() > Some(0), "{problem}");
    let by = rest.lab.cpectl(&["--json", "history", "shop"]).ok();
    assert!(by.contains("token:owner"), "who asked is known: {by}");
    // A cpe that was restarted is told again who calls.
    rest.lab.sh("systemctl restart cpe.service").ok();
    rest.lab.wait("documents can be read again", 30, || {
        rest.ask(&rest.owner, &format!("{shop}/document")).0 == "200"
    });
    assert_eq!(rest.ask(&rest.viewer, &format!("{shop}/document")).0, "403");
    rest.lab.cpectl(&["token", "revoke", "owner"]).ok();
    assert_eq!(rest.ask(&rest.owner, shop).0, "401");
}

#[test]
fn what_is_applied_is_what_was_planned() {
    let rest = rest("gateway-plans");
    let plan = |proposal: &str| {
        let arguments = format!(
            "-H 'Content-Type: application/json' -d '{proposal}' http://localhost/v1/plans"
        );
        let (status, body) = rest.ask(&rest.owner, &arguments);
        assert_eq!(status, "201", "{body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let apply = |plan: &Value| {
        let id = plan["id"].as_str().unwrap();
        rest.ask(
            &rest.owner,
            &format!("-X POST http://localhost/v1/plans/{id}/apply"),
        )
    };
    let home = rest.lab.status("shop").assembly_of("db").unwrap();
    let away = if home == "a" { "b" } else { "a" };
    let proposal =
        format!(r#"{{"deployment":"shop","verb":"move","service":"db","assembly":"{away}"}}"#);
    let outdated = plan(&proposal);
    let good = plan(&proposal);
    let (status, body) = apply(&good);
    assert_eq!(status, "202", "{body}");
    rest.lab.wait("db is there", 60, || {
        let status = rest.lab.status("shop");
        status.assembly_of("db").as_deref() == Some(away) && status.is_settled()
    });
    assert_eq!(apply(&good).0, "202", "a repeat is answered as before");
    let (status, body) = apply(&outdated);
    assert_eq!(status, "409", "{body}");
}
