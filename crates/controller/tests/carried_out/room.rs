//! Whether there is room for every service after a loss.

use controller::{
    EventKind, Lifetime, Proposal, Refusal, Request, RoomInput, RoomQuestion, ServiceOrder,
};
use cpe_status::{RoomLoss, RoomOutcome, RoomReport};

use crate::lab::*;
use crate::overlay::{ban, sticky};

/// A `<primitive>` that takes so much memory.
fn takes(id: &str, memory: u32) -> String {
    let taken = format!(
        r#"<utilization id="{id}-u"><nvpair id="{id}-m" name="memory" value="{memory}"/></utilization>"#
    );
    primitive_with(id, "", &taken)
}

/// An assembly's content: so much memory.
fn has(memory: u32) -> String {
    format!(r#"<capacity memory="{memory}"/>"#)
}

/// Assemblies with so much memory each, and services that take so much.
fn with_memory(assemblies: &[u32], services: &[(&str, u32)]) -> Lab {
    let all: Vec<String> = assemblies.iter().map(|memory| has(*memory)).collect();
    let inner: Vec<&str> = all.iter().map(String::as_str).collect();
    let services: String = services
        .iter()
        .map(|(id, memory)| takes(id, *memory))
        .collect();
    let text = options("placement-strategy=balanced") + &sticky() + &resources(&services);
    Lab::with(&inner, &text)
}

impl Lab {
    fn room(&self, question: &RoomQuestion) -> RoomReport {
        let input = self.controller.plan_room(self.now(), question);
        input.unwrap().answer().unwrap()
    }

    fn room_for_any(&self) -> RoomReport {
        self.room(&RoomQuestion::Any)
    }

    /// The same of a document that is not in force.
    fn room_of(&self, document: &str) -> RoomInput {
        let proposal = Proposal::read("sim", document.to_owned()).unwrap();
        let input = self.controller.plan_room_of(self.now(), &proposal);
        input.unwrap()
    }

    fn without(&self, assembly: &str) -> RoomLoss {
        let report = self.room(&RoomQuestion::These(vec![assembly.into()]));
        report.losses.into_iter().next().unwrap_or_default()
    }
}

fn down(loss: &RoomLoss) -> Vec<&str> {
    let own = loss.services.iter();
    let own = own.filter(|own| own.outcome == RoomOutcome::Down);
    own.map(|own| own.service.as_str()).collect()
}

/// Remedies that help all, and those that help some.
fn remedies(loss: &RoomLoss) -> Vec<String> {
    let own = loss.remedies.iter();
    let line = |own: &cpe_status::RoomRemedy| match own.complete {
        true => own.text.clone(),
        false => format!("{} for {}", own.text, own.services.join(" ")),
    };
    own.map(line).collect()
}

#[test]
fn there_is_room_where_what_is_left_can_take_all() {
    let lab = with_memory(&[4096, 4096, 4096], &[("web", 2048), ("db", 2048)]);
    let report = lab.room_for_any();
    assert!(report.holds && report.losses.is_empty(), "{report:?}");
    assert_eq!((report.looked_at, report.not_looked_at), (3, 0));
    assert_eq!(report.text(), "yes");
}

#[test]
fn what_does_not_fit_is_named_with_what_is_missing_and_what_would_make_it_fit() {
    let mut lab = with_memory(&[4096, 4096], &[("db", 4096), ("web", 2048)]);
    let (db, web) = (lab.places("db"), lab.places("web"));
    assert_ne!(db, web);
    let loss = lab.without(&db[0]);
    assert!(!loss.holds);
    assert_eq!(down(&loss), ["db"], "{loss:?}");
    let reason = &loss.services[0].reason;
    assert!(
        reason.contains("not enough memory")
            && reason.contains("needs 4096, 2048 of 4096 are free"),
        "{reason}"
    );
    let raise = format!("raise the capacity of {}: memory by 2048, to 6144", web[0]);
    let more = "one more assembly with memory 4096".to_owned();
    assert_eq!(remedies(&loss), [raise, more]);
    let report = lab.room_for_any();
    let text = format!("no: db would not run without {} (and 1 more)", db[0]);
    let other = format!("no: web would not run without {} (and 1 more)", web[0]);
    assert!([text, other].contains(&report.text()), "{}", report.text());
    // What was proposed, carried out in the document, is as it was said.
    lab.changes("<capacity memory=\"4096\"/>", "<capacity memory=\"6144\"/>");
    lab.wait(1);
    let report = lab.room_for_any();
    assert!(report.holds, "{report:?}");
}

#[test]
fn what_is_foretold_comes_to_pass() {
    let mut lab = with_memory(
        &[4096, 2048, 1024],
        &[("a", 2048), ("b", 1024), ("c", 1024)],
    );
    for lost in ["n1", "n2"] {
        let told = lab.without(lost);
        let told: Vec<String> = down(&told).into_iter().map(str::to_owned).collect();
        let before: Vec<&str> = ["a", "b", "c"]
            .into_iter()
            .filter(|service| !lab.places(service).is_empty())
            .collect();
        lab.falls_silent(lost);
        lab.wait(30);
        let gone = before
            .into_iter()
            .filter(|service| lab.places(service).is_empty());
        assert_eq!(gone.collect::<Vec<_>>(), told, "{lost}");
    }
}

#[test]
fn services_that_must_be_apart_need_one_more_assembly() {
    let apart =
        constraints(r#"<rsc_colocation id="apart" rsc="b" with-rsc="a" score="-INFINITY"/>"#);
    let text = resources(&(primitive("a", "") + &primitive("b", ""))) + &apart;
    let lab = Lab::new(2, &text);
    let loss = lab.without("n1");
    assert_eq!(down(&loss), ["b"], "{loss:?}");
    let reason = &loss.services[0].reason;
    let named = reason.contains("colocation apart keeps it away from a");
    assert!(named, "{loss:?}");
    assert_eq!(remedies(&loss), ["one more assembly"]);
}

#[test]
fn what_an_administrator_has_forbidden_is_named_with_the_command_that_ends_it() {
    let text = sticky() + &resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ban("n2", Lifetime::Cleared));
    let loss = lab.without("n1");
    assert_eq!(down(&loss), ["web"]);
    let found = remedies(&loss);
    assert_eq!(found.len(), 2, "{loss:?}");
    assert!(found[0].ends_with(": cpectl clear sim web"), "{found:?}");
    assert_eq!(found[1], "one more assembly");
    lab.order("web", ServiceOrder::Clear { assembly: None });
    assert!(lab.room_for_any().holds);
}

#[test]
fn an_assembly_in_standby_is_no_room() {
    let mut lab = Lab::new(2, &resources(&primitive("web", "")));
    lab.ask(Request::Standby {
        assembly: "n2".into(),
        on: true,
    });
    let loss = lab.without("n1");
    assert_eq!(down(&loss), ["web"]);
    assert_eq!(remedies(&loss)[0], "cpectl unstandby sim n2");
}

#[test]
fn failures_that_keep_a_service_off_are_no_room() {
    let text = sticky() + &resources(&monitored("web", "migration-threshold=1"));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.wait(1);
    lab.monitor_fails("web");
    assert_eq!(lab.places("web"), ["n2"], "it has failed on n1 once");
    let loss = lab.without("n2");
    assert_eq!(down(&loss), ["web"]);
    let found = remedies(&loss);
    assert!(
        found[0].starts_with("cpectl cleanup sim web, once"),
        "{found:?}"
    );
}

#[test]
fn fewer_instances_are_bearable_and_no_promoted_one_is_not() {
    let text = resources(&clone("webs", "clone-max=3", &primitive("web", "")));
    let lab = Lab::new(3, &text);
    let report = lab.room_for_any();
    assert!(report.holds && report.losses.len() == 3, "{report:?}");
    let service = &report.losses[0].services[0];
    assert_eq!(service.outcome, RoomOutcome::Fewer);
    assert_eq!((service.before, service.after), (3, 2));
    assert_eq!(report.text(), "yes");

    let text = resources(&clone("dbs", "promotable=true", &primitive("db", "")));
    let mut lab = Lab::new(2, &text);
    lab.sets("n1", "master-db", "10", 0);
    lab.wait(1);
    assert_eq!(lab.promoted("db"), ["n1"]);
    let loss = lab.without("n1");
    assert_eq!(loss.services[0].outcome, RoomOutcome::NotPromoted);
    assert!(
        !loss.holds && !loss.services[0].reason.is_empty(),
        "{loss:?}"
    );
    lab.sets("n2", "master-db", "5", 0);
    lab.wait(1);
    assert!(lab.without("n1").holds);
}

#[test]
fn what_follows_something_that_cannot_run_is_named_too() {
    let members = takes("fs", 4096) + &takes("db", 1024);
    let text = options("placement-strategy=balanced") + &resources(&group("g", "", &members));
    let (large, small) = (has(8192), has(2048));
    let lab = Lab::with(&[&large, &small], &text);
    let loss = lab.without("n1");
    assert_eq!(down(&loss), ["fs", "db"]);
    let found = remedies(&loss);
    assert_eq!(
        found[0],
        "raise the capacity of n2: memory by 3072, to 5120"
    );
    assert_eq!(found[1], "one more assembly with memory 5120");
}

#[test]
fn hosts_and_pairs_are_lost_together() {
    let all = |hosts: [&str; 3]| -> String {
        let one = |(number, host): (usize, &str)| {
            let number = number + 1;
            format!(
                r#"<assembly name="n{number}" address="unix:/run/n{number}"{host}><fencing mode="unit" unit="n{number}.service"/></assembly>"#
            )
        };
        hosts.into_iter().enumerate().map(one).collect()
    };
    let text = resources(&primitive("web", ""));
    let (h1, h2) = (r#" host="h1""#, r#" host="h2""#);
    let mut lab = Lab::of(&all([h1, h1, h2]), &text);
    lab.all_answer();
    let report = lab.room(&RoomQuestion::AnyHost);
    assert!(report.holds && report.looked_at == 2, "{report:?}");
    let two = lab.room(&RoomQuestion::Two);
    assert!(two.holds && two.looked_at == 3, "{two:?}");
    let every = ["n1", "n2", "n3"].map(Into::into).to_vec();
    let every = lab.room(&RoomQuestion::These(every));
    assert_eq!(
        every.text(),
        "no: web would not run without n1 and n2 and n3"
    );

    let mut lab = Lab::of(&all([h1, h1, h1]), &text);
    lab.all_answer();
    let report = lab.room(&RoomQuestion::AnyHost);
    assert_eq!(
        report.text(),
        "no: web would not run without host h1 (n1, n2, n3)"
    );
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let lab = Lab::new(2, &resources(&primitive("web", "")));
    let ask = |question| lab.controller.plan_room(lab.now(), &question);
    let unknown = ask(RoomQuestion::These(vec!["n7".into()]));
    assert!(matches!(
        unknown,
        Err(Refusal::NotFound {
            kind: "assembly",
            ..
        })
    ));
    for question in [RoomQuestion::AnyHost, RoomQuestion::These(vec![])] {
        let refused = ask(question);
        assert!(
            matches!(refused, Err(Refusal::InvalidArgument(_))),
            "{refused:?}"
        );
    }
    let silent = Lab::of(&assemblies(&["", ""]), &resources(&primitive("web", "")));
    let early = silent
        .controller
        .plan_room(silent.now(), &RoomQuestion::Any);
    assert!(matches!(early, Err(Refusal::NotReady(_))));
}

#[test]
fn what_is_inside_an_assembly_runs_nowhere_else() {
    let own =
        r#"<services><service name="web" class="ocf" provider="sim" type="Simulated"/></services>"#;
    let all = assemblies(&[own, ""]);
    let mut lab = Lab::beside(&all, "", "");
    lab.all_answer();
    let loss = lab.without("n1");
    assert_eq!(down(&loss), ["web"]);
    let found = remedies(&loss);
    assert_eq!(
        found,
        ["move web out of <assembly name=\"n1\"> in the document"]
    );
}

#[test]
fn what_takes_too_long_is_ended_and_said() {
    let lab = Lab::new(3, &resources(&primitive("web", "")));
    let input = lab
        .controller
        .plan_room(lab.now(), &RoomQuestion::Any)
        .unwrap();
    let mut steps = 0;
    let mut goes_on = || {
        steps += 1;
        steps < 2
    };
    let detail = controller::RoomDetail::Services;
    let report = input.answer_in(|_| None, detail, &mut goes_on).unwrap();
    assert_eq!((report.looked_at, report.not_looked_at), (1, 2));
    assert_eq!(report.text(), "not known: 2 losses were not looked at");
}

#[test]
fn of_a_planned_document_it_is_said_what_would_be_once_all_is_done() {
    let mut lab = with_memory(&[4096, 4096], &[("db", 2048), ("web", 2048)]);
    assert!(lab.room_for_any().holds);
    let (before, after) = ("value=\"2048\"", "value=\"4096\"");
    let larger = lab.document.replace(before, after);
    let told = lab.room_of(&larger).answer_first(|_| None, &mut || true);
    let told = told.unwrap();
    assert!(told.planned && !told.holds, "{told:?}");
    assert_eq!((told.looked_at, told.not_looked_at), (2, 0));
    let more = "one more assembly with memory 4096".to_owned();
    assert!(remedies(&told.losses[0]).contains(&more), "{told:?}");
    assert!(
        told.losses[0].services[0]
            .reason
            .contains("not enough memory")
    );
    // A third assembly in the document is one more.
    let third = format!(
        r#"<assembly name="n3" address="unix:/run/n3">{}</assembly>"#,
        has(4096)
    );
    let one_more = larger.replace("</assemblies>", &(third + "</assemblies>"));
    let one_more = lab.room_of(&one_more).answer_first(|_| None, &mut || true);
    let one_more = one_more.unwrap();
    assert!(one_more.holds && one_more.looked_at == 3, "{one_more:?}");
    // Nothing was changed by asking; and what was told comes to pass.
    assert!(lab.room_for_any().holds);
    lab.changes(before, after);
    lab.wait(2);
    let now = lab.room_for_any();
    assert_eq!((now.text(), now.planned), (told.text(), false));
}

#[test]
fn a_planned_document_for_which_the_time_runs_out_is_neither_yes_nor_no() {
    let lab = with_memory(&[4096, 4096], &[("db", 4096), ("web", 2048)]);
    let small = lab.document.replace("value=\"2048\"", "value=\"1024\"");
    let input = lab.room_of(&small);
    let mut most_steps = None;
    for allowed in 0..100 {
        let mut steps = 0;
        let mut goes_on = || {
            steps += 1;
            steps <= allowed
        };
        let told = input.answer_first(|_| None, &mut goes_on).unwrap();
        assert_eq!(told.looked_at + told.not_looked_at, 2, "{allowed}");
        if told.not_looked_at == 0 {
            most_steps.get_or_insert(allowed);
        } else {
            assert!(told.holds || told.looked_at > 0, "{allowed}: {told:?}");
        }
        if allowed == 0 {
            assert_eq!(told.text(), "not known: 2 losses were not looked at");
        }
    }
    assert!(most_steps.is_some_and(|steps| steps >= 2), "{most_steps:?}");
}

#[test]
fn a_service_that_is_down_already_is_not_blamed_on_a_loss() {
    let lab = with_memory(&[1024, 1024], &[("web", 512), ("big", 9000)]);
    let report = lab.room_for_any();
    assert!(report.holds, "{report:?}");
    assert_eq!(report.down_already, ["big"]);
}

#[test]
fn status_and_events_say_it_half_a_minute_after_the_last_change() {
    let mut lab = with_memory(&[4096, 4096], &[("db", 4096), ("web", 2048)]);
    lab.wait(20);
    assert_eq!(lab.status().room, None, "not known yet");
    lab.wait(15);
    let room = lab.status().room.unwrap();
    assert!(!room.holds && !room.outdated, "{room:?}");
    assert!(room.text.starts_with("no: "), "{room:?}");
    assert_eq!(lab.reasons(EventKind::DeploymentRoomMissing).len(), 1);
    // A restarted DPE does not tell it again.
    lab.restarts();
    lab.all_answer();
    lab.wait(60);
    assert!(lab.status().room.is_some());
    assert_eq!(lab.reasons(EventKind::DeploymentRoomMissing).len(), 1);
    lab.changes("<capacity memory=\"4096\"/>", "<capacity memory=\"6144\"/>");
    assert!(lab.status().room.unwrap().outdated);
    assert!(lab.reasons(EventKind::DeploymentRoomRegained).is_empty());
    lab.wait(35);
    let room = lab.status().room.unwrap();
    assert!(room.holds && room.text == "yes", "{room:?}");
    assert_eq!(lab.reasons(EventKind::DeploymentRoomRegained).len(), 1);
    lab.wait(2000);
    assert_eq!(lab.reasons(EventKind::DeploymentRoomRegained).len(), 1);
}

/// What the example says in its comment.
#[test]
fn the_example_has_no_room_for_its_database() {
    let example = include_str!("../../../../examples/room.xml");
    let part = |name: &str| {
        let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
        let from = example.find(&begin).unwrap() + begin.len();
        &example[from..example.find(&end).unwrap()]
    };
    let services = format!("<services>{}</services>", part("services"));
    let rules = format!("<constraints>{}</constraints>", part("constraints"));
    let mut lab = Lab::beside(part("assemblies"), &(services + &rules), "");
    lab.all_answer();
    let home = &lab.places("db")[0];
    let loss = lab.without(home);
    assert_eq!(down(&loss), ["db"]);
    let found = remedies(&loss);
    assert!(found[0].ends_with("memory by 2048, to 6144"), "{found:?}");
    let report = lab.room(&RoomQuestion::AnyHost);
    assert!(!report.holds, "{report:?}");
}
