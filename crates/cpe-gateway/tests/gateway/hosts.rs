//! The hosts that share deployments: for who has a role.

use serde_json::Value;

use crate::harness::Setting;

#[tokio::test]
async fn hosts_are_shown_to_who_has_a_role_and_to_nobody_else() {
    let setting = Setting::new().await;
    for who in ["admin", "viewer"] {
        let told = setting.get(who, "/v1/hosts").send(&setting).await;
        assert_eq!(told.status, 200, "{told:?}");
        let told = told.json();
        assert_eq!(told["shares"], true);
        let [first, second] = [0, 1].map(|at| &told["hosts"][at]);
        assert_eq!(
            (&first["name"], &first["answers"]),
            (&"a".into(), &true.into())
        );
        assert_eq!(
            (&first["since"], &first["address"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(second["since"], "2023-11-14T22:13:20Z");
        assert_eq!(second["state"], "draining");
    }
    let refused = setting.get("nobody", "/v1/hosts").send(&setting).await;
    refused.is_problem(403, "forbidden");
}
