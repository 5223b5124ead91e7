//! Explanations of a running deployment, and simulations of what would happen to it.

use end_to_end::{Document, Lab, System};

fn shop() -> Document {
    Document::new("shop", &["a", "b"])
        .sleeper("db", 100_001)
        .constraint(r#"<location service="db" assembly="a" score="200"/>"#)
}

#[test]
fn it_explains_where_a_service_is_and_why_it_is_not_elsewhere() {
    let lab = Lab::boot("explain").with_guests(&["a", "b"]);
    lab.deploy(&shop());
    let told = lab.cpectl(&["explain", "shop", "db"]).ok();
    assert!(told.contains("db is started on a and stays"), "{told}");
    let told = lab.cpectl(&["explain", "shop", "db", "--scores"]).ok();
    assert!(told.contains("+200  location constraint"), "{told}");
    let json = lab.cpectl(&["--json", "explain", "shop", "db", "b"]).ok();
    assert!(
        json.contains("\"explanations\"") && json.contains("\"lower\""),
        "{json}"
    );
    let whole = lab.cpectl(&["explain", "shop"]).ok();
    assert!(whole.contains("Everything is as it should be"), "{whole}");
    lab.cpectl(&["standby", "shop", "b", "--force"]).ok();
    let told = lab.cpectl(&["explain", "shop", "--assembly", "b"]).ok();
    assert!(
        told.contains("b is in standby") && told.contains("cpectl unstandby shop b"),
        "{told}"
    );
    for (words, known) in [
        (&["explain", "shop", "web"], "services are: db"),
        (&["explain", "store", "db"], "there are: shop"),
    ] {
        let refused = lab.cpectl(words);
        assert_eq!(refused.code, 4, "{words:?}");
        assert!(refused.stderr.contains(known), "{}", refused.stderr);
    }
    // An explanation costs a decision: strangers get none.
    let asked = "setpriv --reuid nobody --regid nogroup --clear-groups cpectl explain shop db";
    assert_eq!(lab.sh(asked).code, 6);
}

#[test]
fn policy_simulate_shows_what_a_deployment_would_do() {
    let lab = Lab::boot("live").with_guests(&["a", "b"]);
    lab.deploy(&shop());
    let told = lab.sh("policy-simulate -LS --node-standby a").ok();
    assert!(told.contains("( a -> b )"), "{told}");
    assert_eq!(
        lab.status("shop").assembly_of("db"),
        Some("a".to_owned()),
        "nothing was done"
    );
    let refused = lab.sh("policy-simulate --live store");
    assert_eq!(refused.code, 105, "{}", refused.stderr);
    assert!(refused.stderr.contains("there are: shop"));
}
