//! What is planned is no trouble: nothing of it is told as a failure or as a degradation.

use controller::{EventKind, Request, ServiceOrder, Task};

use crate::lab::*;
use crate::overlay::{PLACED, order_move, sticky};

/// `app` needs `db`, and runs elsewhere or with it.
fn both(together: bool) -> Lab {
    let all = [monitored("db", ""), monitored("app", "")].concat();
    let order = r#"<rsc_order id="o" first="db" then="app"/>"#.to_owned();
    let with = r#"<rsc_colocation id="c" rsc="app" with-rsc="db" score="INFINITY"/>"#;
    let rules = match together {
        true => order + with,
        false => order,
    };
    let text = sticky() + &resources(&all) + &constraints(&rules);
    let app = vec![done("app", Task::Start, 0, 2)];
    let histories = match together {
        true => [[started("db"), app].concat(), vec![]],
        false => [started("db"), app],
    };
    let mut lab = Lab::running(&text, histories);
    lab.wait(2);
    lab
}

fn is_well(lab: &Lab, what: &str) {
    for kind in [
        EventKind::ServiceUnrecoverable,
        EventKind::ServiceFailed,
        EventKind::DeploymentDegraded,
    ] {
        assert_eq!(lab.reasons(kind), [""; 0], "{what}");
    }
    assert_eq!(lab.places("app").len(), 1, "{what}");
    assert_eq!(lab.places("db").len(), 1, "{what}");
}

#[test]
fn a_restart_degrades_nothing() {
    for together in [false, true] {
        for service in ["db", "app"] {
            let mut lab = both(together);
            lab.order(service, ServiceOrder::Restart);
            lab.wait(2);
            is_well(&lab, service);
        }
        // Whatever takes its time.
        for held in ["stop app", "stop db", "start db", "start app"] {
            let mut lab = both(together).hold(held);
            lab.order("db", ServiceOrder::Restart);
            lab.wait(5);
            let at = lab.told().into_iter().find(|line| line.starts_with(held));
            lab.ends(&at.unwrap(), 0);
            lab.wait(2);
            is_well(&lab, held);
        }
    }
}

#[test]
fn a_move_degrades_nothing() {
    for together in [false, true] {
        for held in ["stop app", "stop db", "start db", "start app"] {
            let mut lab = both(together).hold(held);
            lab.order("db", order_move(Some("n2"), PLACED));
            lab.wait(5);
            let at = lab.told().into_iter().find(|line| line.starts_with(held));
            lab.ends(&at.unwrap(), 0);
            lab.wait(2);
            is_well(&lab, held);
            assert_eq!(lab.places("db"), ["n2"], "{held}");
        }
    }
}

#[test]
fn standby_degrades_nothing_that_can_run_elsewhere() {
    for held in ["stop app", "stop db", "start db", "start app"] {
        let mut lab = both(true).hold(held);
        lab.ask(Request::Standby {
            assembly: "n1".into(),
            on: true,
        });
        lab.wait(5);
        let at = lab.told().into_iter().find(|line| line.starts_with(held));
        lab.ends(&at.unwrap(), 0);
        lab.wait(2);
        is_well(&lab, held);
    }
}

#[test]
fn what_does_not_start_again_is_told() {
    let mut lab = both(false).fail(&["start db n1", "start db n2"]);
    lab.order("db", ServiceOrder::Restart);
    lab.wait(2);
    assert!(!lab.reasons(EventKind::DeploymentDegraded).is_empty());
    let given_up = lab.reasons(EventKind::ServiceUnrecoverable);
    assert_eq!(given_up.len(), 2, "{given_up:?}");
}
