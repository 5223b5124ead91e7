//! Principals, methods and deployments, and what comes of them.

use super::Verdict::{Allowed, Denied, Hidden};
use super::*;

fn person(user: &str, groups: &[&str]) -> Who {
    Who {
        standing: Standing::Person,
        root: false,
        principal: format!("user:{user}"),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
    }
}

fn assumed(principal: &str, groups: &[&str]) -> Who {
    Who {
        standing: Standing::Assumed,
        principal: principal.to_owned(),
        ..person("", groups)
    }
}

fn owned(owner: &str, group: &str) -> Ownership {
    Ownership {
        owner: owner.to_owned(),
        group: group.to_owned(),
    }
}

fn policy(text: &str) -> Policy {
    parse(text, "cpe", "dpe").unwrap()
}

const FILE: &str = r#"
    strangers = "hidden"
    delegates = ["gateway"]
    [[grant]]
    principal = ["token:ci", "user:alice"]
    role = "owner"
    deployments = ["shop-*"]
    [[grant]]
    principal = ["group:ops"]
    role = "operator"
    deployments = ["*"]
    [[grant]]
    principal = ["cert:spiffe://example/monitor"]
    role = "viewer"
    deployments = ["*"]
    [[grant]]
    principal = ["user:eve"]
    role = "admin"
"#;

fn verdict(policy: &Policy, who: &Who, method: &str, name: &str, owned: &Ownership) -> Verdict {
    let needs = needs(Interface::Deployment, method).unwrap();
    policy.decide(who, needs, policy.role(who, name, Some(owned)))
}

/// What comes of these, by the highest role.
const METHODS: [&str; 5] = [
    "GetStatus",
    "Explain",
    "SetStandby",
    "GetDocument",
    "SetOwner",
];
const NOTHING: [Verdict; 5] = [Hidden; 5];
const VIEWS: [Verdict; 5] = [Allowed, Allowed, Denied, Denied, Denied];
const OPERATES: [Verdict; 5] = [Allowed, Allowed, Allowed, Denied, Denied];
const OWNS: [Verdict; 5] = [Allowed, Allowed, Allowed, Allowed, Denied];
const ALL: [Verdict; 5] = [Allowed; 5];

#[test]
fn principals_by_methods_by_deployments() {
    let policy = policy(FILE);
    let bobs = owned("user:bob", "web");
    let roots = owned("user:root", "");
    let none = Ownership::default();
    let table: &[(Who, &str, &Ownership, [Verdict; 5])] = &[
        (person("alice", &[]), "shop-1", &none, OWNS),
        (person("alice", &[]), "wiki", &none, NOTHING),
        (person("alice", &["ops"]), "wiki", &none, OPERATES),
        (person("bob", &[]), "wiki", &bobs, OWNS),
        (person("carl", &["web"]), "wiki", &bobs, OPERATES),
        (person("carl", &["webs"]), "wiki", &bobs, NOTHING),
        (person("eve", &[]), "wiki", &bobs, ALL),
        (person("dan", &["cpe"]), "wiki", &bobs, ALL),
        (assumed("token:ci", &[]), "shop-1", &none, OWNS),
        (assumed("token:ci", &[]), "shop", &none, NOTHING),
        (assumed("token:ci2", &[]), "shop-1", &none, NOTHING),
        (
            assumed("cert:spiffe://example/monitor", &[]),
            "x",
            &none,
            VIEWS,
        ),
        (assumed("user:bob", &[]), "wiki", &bobs, OWNS),
        // Nobody speaks for a member of the group that administers, or for root.
        (assumed("user:dan", &["cpe"]), "wiki", &bobs, NOTHING),
        (assumed("user:root", &["root"]), "wiki", &bobs, NOTHING),
        (assumed("user:root", &[]), "wiki", &roots, NOTHING),
        // An owner that is nobody is nobody.
        (assumed("", &[""]), "wiki", &none, NOTHING),
    ];
    for (who, name, owned, expected) in table {
        let found = METHODS.map(|method| verdict(&policy, who, method, name, owned));
        assert_eq!(found, *expected, "{who:?} {name}");
    }
}

#[test]
fn a_delegate_looks_at_everything_in_its_own_name_and_does_nothing() {
    let text = format!("{FILE}[[grant]]\nprincipal = \"user:gateway\"\nrole = \"admin\"\n");
    let policy = policy(&text);
    let gateway = Who {
        standing: Standing::Delegate,
        ..person("gateway", &["cpe", "ops", "dpe"])
    };
    let mine = owned("user:gateway", "ops");
    assert_eq!(
        verdict(&policy, &gateway, "GetStatus", "x", &mine),
        Verdict::Allowed
    );
    for method in ["Explain", "SetStandby", "GetDocument"] {
        assert_eq!(
            verdict(&policy, &gateway, method, "x", &mine),
            Verdict::Denied
        );
    }
    assert_eq!(
        policy.decide(&gateway, Needs::Recording, None),
        Verdict::Denied
    );
    assert_eq!(
        policy.decide(&gateway, Needs::Delegation, None),
        Verdict::Allowed
    );
    assert_eq!(
        policy.decide(&person("alice", &[]), Needs::Delegation, None),
        Verdict::Hidden
    );
}

#[test]
fn without_a_file_everybody_looks_and_the_group_administers() {
    let policy = Policy::without_file("cpe", "dpe");
    let mine = owned("user:bob", "web");
    for who in [
        person("bob", &["web"]),
        Who {
            standing: Standing::Unknown,
            ..person("", &[])
        },
    ] {
        assert_eq!(
            verdict(&policy, &who, "GetStatus", "x", &mine),
            Verdict::Allowed
        );
        assert_eq!(
            verdict(&policy, &who, "Explain", "x", &mine),
            Verdict::Denied
        );
    }
    let member = person("dan", &["cpe"]);
    assert_eq!(
        verdict(&policy, &member, "SetOwner", "x", &mine),
        Verdict::Allowed
    );
    let dpe = person("dpe", &["dpe"]);
    assert_eq!(
        policy.decide(&dpe, Needs::Recording, None),
        Verdict::Allowed
    );
    assert_eq!(
        verdict(&policy, &dpe, "GetDocument", "x", &mine),
        Verdict::Denied
    );
}

#[test]
fn a_file_that_was_wrong_from_the_start_leaves_root_alone_and_events_are_recorded() {
    let policy = Policy::closed("cpe", "dpe");
    let mine = owned("user:bob", "cpe");
    for who in [person("bob", &["cpe"]), assumed("user:bob", &[])] {
        assert_eq!(
            verdict(&policy, &who, "GetStatus", "x", &mine),
            Verdict::Hidden
        );
    }
    let root = Who {
        root: true,
        ..person("root", &["root"])
    };
    assert_eq!(
        verdict(&policy, &root, "SetOwner", "x", &mine),
        Verdict::Allowed
    );
    let dpe = person("dpe", &["dpe"]);
    assert_eq!(
        policy.decide(&dpe, Needs::Recording, None),
        Verdict::Allowed
    );
}

#[test]
fn a_delegate_hears_all_roles_of_whom_it_speaks_for() {
    let policy = policy(FILE);
    let all = || {
        [
            ("wiki", owned("user:alice", "")),
            ("mail", owned("", "ops")),
            ("db", owned("", "")),
        ]
        .into_iter()
    };
    let roles = policy.roles(&assumed("user:alice", &["ops"]), all());
    assert_eq!(
        roles,
        [
            (Role::Owner, "shop-*".to_owned()),
            (Role::Operator, "*".to_owned()),
            (Role::Owner, "wiki".to_owned()),
            (Role::Operator, "mail".to_owned()),
        ]
    );
    assert_eq!(policy.roles(&assumed("token:no", &[]), all()), []);
}

#[test]
fn principals_have_a_kind_and_a_name() {
    for text in ["user:a", "token:ci", "cert:CN=a b,O=c", "cert:spiffe://a/b"] {
        assert!(is_single(text) && is_principal(text), "{text}");
    }
    assert!(is_principal("group:ops") && !is_single("group:ops"));
    let long = format!("user:{}", "a".repeat(LONGEST_PRINCIPAL));
    for text in ["", "alice", "user:", "uid:7", "user:a\nb", &long] {
        assert!(!is_principal(text), "{text}");
    }
}
