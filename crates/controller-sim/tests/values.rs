//! What tools in guests ask of the whole deployment, and what administrators set: kept over
//! everything, and what it brings about.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{Ban, Holder, Keeping, Place, Question, Request, Whose};
use controller_sim::faults::Fault;
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::{MS, World, at_rest, expect_well};

fn put(place: Place, name: &str, value: Option<&str>) -> Question {
    Question::Put {
        place,
        name: name.into(),
        value: value.map(str::to_owned),
        keeping: Keeping::default(),
    }
}

fn get(place: Place, name: &str) -> Question {
    let name = Some(name.to_owned());
    Question::Get { place, name }
}

fn of(name: &str) -> Whose {
    Whose::Of(name.into())
}

/// Three assemblies and a service.
fn three() -> World {
    at_rest(Scenario::plain(3, 1, Mode::Unit))
}

/// What a tool in a guest was answered last.
fn answer(world: &mut World, guest: usize, question: Question) -> String {
    world.ask_in(guest, question);
    world.run_for(1);
    let start = format!("node {guest}: answered ");
    let line = world.trace.iter().rev().find(|line| line.contains(&start));
    let line = line.map_or("no answer", |line| line.as_str());
    line.rsplit_once("}: ")
        .or_else(|| line.rsplit_once("Nodes: "))
        .or_else(|| line.rsplit_once("): "))
        .map_or(line, |(_, answer)| answer)
        .to_owned()
}

/// The values in an answer.
fn values(answer: &str) -> Vec<String> {
    let rows = answer.split("value: \"").skip(1);
    rows.map(|row| row.split('"').next().unwrap().to_owned())
        .collect()
}

/// The policy engine's input.
fn input(world: &World) -> String {
    world.controller().unwrap().input(world.time())
}

#[test]
fn what_one_guest_writes_another_reads_after_kills_and_reboots() {
    let mut world = three();
    let forever = || Place::Assembly(of("node1"));
    let written = answer(&mut world, 0, put(forever(), "data-status", Some("LATEST")));
    assert!(written.ends_with("Done"), "{written}");
    let written = answer(
        &mut world,
        0,
        put(Place::Deployment, "db_REPL_INFO", Some("node1|7")),
    );
    assert!(written.ends_with("Done"), "{written}");
    for fault in [Fault::KillDpe, Fault::PowerCut(0), Fault::KillAgent(1)] {
        world.inject(fault);
        world.run_for(30);
        for (place, name, value) in [
            (forever(), "data-status", "LATEST"),
            (Place::Deployment, "db_REPL_INFO", "node1|7"),
        ] {
            let read = answer(&mut world, 1, get(place, name));
            assert_eq!(values(&read), [value], "{read}");
        }
    }
    let cib = input(&world);
    let own = cib.split_once("<node id=\"node1\"").unwrap().1;
    let own = own.split_once("</node>").unwrap().0;
    assert!(
        own.contains("name=\"data-status\" value=\"LATEST\""),
        "{own}"
    );
    let options = cib.split_once("</crm_config>").unwrap().0;
    assert!(
        options.contains("name=\"db_REPL_INFO\" value=\"node1|7\""),
        "{options}"
    );
    let gone = answer(&mut world, 2, put(forever(), "data-status", None));
    assert!(gone.ends_with("Done"), "{gone}");
    let read = answer(&mut world, 1, get(forever(), "data-status"));
    assert!(values(&read).is_empty(), "{read}");
    expect_well(&world);
}

#[test]
fn an_answer_waits_for_the_disk_and_comes_after_the_dpe_was_killed() {
    let mut world = three();
    world.inject(Fault::SlowDisk(5_000 * MS));
    let slow = put(Place::Deployment, "site", Some("a"));
    world.ask_in(0, slow);
    world.run_until(world.now_us + 3 * MS);
    world.inject(Fault::KillDpe);
    world.run_for(8);
    let read = answer(&mut world, 1, get(Place::Deployment, "site"));
    assert_eq!(values(&read), ["a"], "the agent has asked again: {read}");
    expect_well(&world);
}

#[test]
fn a_boots_attribute_of_another_guest_is_set_there_and_goes_with_the_boot() {
    let mut world = three();
    let boot = || Place::Boot(of("node2"));
    let set = answer(&mut world, 0, put(boot(), "bootstrap", Some("true")));
    assert!(set.ends_with("Done"), "{set}");
    assert_eq!(
        world.guests[1].agent.attributes.values["bootstrap"].value,
        "true"
    );
    assert!(input(&world).contains("name=\"bootstrap\" value=\"true\""));
    let read = answer(&mut world, 2, get(boot(), "bootstrap"));
    assert_eq!(values(&read), ["true"], "{read}");
    let all = answer(&mut world, 2, get(Place::EveryBoot, "bootstrap"));
    assert_eq!(values(&all), ["true"], "{all}");
    world.inject(Fault::PowerCut(1));
    world.run_for(40);
    let read = answer(&mut world, 2, get(boot(), "bootstrap"));
    assert!(values(&read).is_empty(), "{read}");
    assert!(!input(&world).contains("bootstrap"));
    let unknown = answer(&mut world, 0, put(Place::Boot(of("node9")), "x", Some("1")));
    assert!(unknown.contains("NoNode"), "{unknown}");
    expect_well(&world);
}

#[test]
fn what_decides_is_refused_and_so_is_too_much() {
    let mut world = three();
    for name in ["stonith-enabled", "no-quorum-policy", "time-zone"] {
        let refused = answer(&mut world, 0, put(Place::Deployment, name, Some("false")));
        assert!(refused.contains("Invalid"), "{refused}");
        assert!(refused.contains("deployment document"), "{refused}");
    }
    let read = answer(&mut world, 0, get(Place::Deployment, "cluster-name"));
    assert_eq!(values(&read), ["sim"], "what the document says: {read}");
    for n in 0..70 {
        world.ask_in(0, put(Place::Deployment, &format!("o{n}"), Some("1")));
    }
    world.run_for(1);
    let busy = world
        .trace
        .iter()
        .filter(|line| line.contains("asks too often"));
    assert!(busy.count() > 0);
    world.run_for(10);
    let fine = answer(&mut world, 0, put(Place::Deployment, "o70", Some("1")));
    assert!(fine.ends_with("Done"), "{fine}");
    expect_well(&world);
}

#[test]
fn a_permanent_attribute_is_stronger_than_the_documents_and_weaker_than_the_boots() {
    let mut world = three();
    let holder = Holder::Assembly("node1".into());
    let set = |name: &str, value: &str| Request::Put {
        holder: holder.clone(),
        name: name.into(),
        value: Some(value.into()),
    };
    world.ask(set("rack", "7"));
    world.set_attribute(0, "rack", Some("8"), 0);
    world.run_for(5);
    let read = answer(&mut world, 1, get(Place::Assembly(of("node1")), "rack"));
    assert_eq!(values(&read), ["7"], "{read}");
    let status = world.controller().unwrap().status(world.time());
    assert_eq!(status.assemblies[0].permanent["rack"], "7");
    assert_eq!(status.assemblies[0].attributes["rack"], "8");
    let no_such = Request::Put {
        holder: Holder::Assembly("node9".into()),
        name: "rack".into(),
        value: Some("1".into()),
    };
    world.ask(no_such);
    let refused = world.trace.iter().rfind(|line| line.contains("refused: "));
    assert!(refused.unwrap().contains("there is no assembly \"node9\""));
    expect_well(&world);
}

#[test]
fn a_guest_bans_a_service_from_itself_until_it_is_cleaned_up() {
    let mut world = three();
    let [home] = world.runs_in("service1")[..] else {
        panic!("it runs once");
    };
    let home = home.to_owned();
    let guest = world.guest(&home);
    let where_it_is = answer(&mut world, guest, Question::Locate("service1".into()));
    assert!(where_it_is.contains(&home), "{where_it_is}");
    let overview = answer(&mut world, guest, Question::Overview);
    for part in [
        format!("node: \"{home}\", name: \"\", value: \"online\""),
        format!("node: \"{home}\", name: \"service1\", value: \"Started started "),
    ] {
        assert!(overview.contains(&part), "{overview}");
    }
    let ban = Question::Ban(Ban {
        service: "service1".into(),
        assembly: Whose::Own,
        promoted: false,
    });
    assert!(answer(&mut world, guest, ban).ends_with("Done"));
    world.run_for(20);
    assert_ne!(world.runs_in("service1"), [home.as_str()]);
    world.inject(Fault::KillDpe);
    world.run_for(30);
    assert_ne!(world.runs_in("service1"), [home.as_str()]);
    let status = world.controller().unwrap().status(world.time());
    let expected = format!("cli-ban-service1-on-{home}");
    assert_eq!(status.bans[0].constraint, expected);
    world.ask(Request::Cleanup {
        service: Some("service1".into()),
        assembly: None,
    });
    world.run_for(20);
    let status = world.controller().unwrap().status(world.time());
    assert!(status.bans.is_empty(), "{:?}", status.bans);
    expect_well(&world);
}

#[test]
fn a_guest_keeps_services_off_itself_only() {
    let mut world = three();
    let ban = Question::Ban(Ban {
        service: "service1".into(),
        assembly: of("node2"),
        promoted: false,
    });
    let lift = Question::Clear {
        service: None,
        assembly: Some(of("node2")),
    };
    let sick = |place: fn(Whose) -> Place| put(place(of("node2")), "#health-disk", Some("red"));
    for question in [ban, lift, sick(Place::Assembly), sick(Place::Boot)] {
        let refused = answer(&mut world, 0, question);
        assert!(refused.contains("off itself only"), "{refused}");
    }
    let own = put(Place::Assembly(Whose::Own), "#health-disk", Some("red"));
    assert!(answer(&mut world, 0, own).ends_with("Done"));
    expect_well(&world);
}

#[test]
fn a_ban_may_be_of_the_promoted_role_only() {
    let mut scenario = Scenario::plain(3, 1, Mode::Unit);
    scenario.services[0].form = Form::Promotable(1);
    scenario.most_promoted = 1;
    let mut world = at_rest(scenario);
    let [home] = world.promoted_in("service1")[..] else {
        panic!("one is promoted");
    };
    let home = home.to_owned();
    let guest = world.guest(&home);
    let ban = Question::Ban(Ban {
        service: "service1".into(),
        assembly: Whose::Own,
        promoted: true,
    });
    assert!(answer(&mut world, guest, ban).ends_with("Done"));
    world.run_for(20);
    assert_eq!(world.runs_in("service1").len(), 3);
    assert_ne!(world.promoted_in("service1"), [home.as_str()]);
    let clear = Question::Clear {
        service: Some("service1".into()),
        assembly: None,
    };
    assert!(answer(&mut world, guest, clear).ends_with("Done"));
    world.run_for(20);
    assert!(
        world
            .controller()
            .unwrap()
            .status(world.time())
            .bans
            .is_empty()
    );
    expect_well(&world);
}

#[test]
fn values_go_with_their_assembly_and_options_stay() {
    let mut world = three();
    for place in [Place::Assembly(of("node3")), Place::Deployment] {
        let done = answer(&mut world, 0, put(place, "x", Some("1")));
        assert!(done.ends_with("Done"), "{done}");
    }
    world.scenario.assemblies[2].present = false;
    world.scenario.generation += 1;
    world.ask(world.load_request());
    world.run_for(30);
    world.scenario.assemblies[2].present = true;
    world.scenario.generation += 1;
    world.ask(world.load_request());
    world.run_for(30);
    let read = answer(&mut world, 0, get(Place::Assembly(of("node3")), "x"));
    assert!(values(&read).is_empty(), "{read}");
    let read = answer(&mut world, 0, get(Place::Deployment, "x"));
    assert_eq!(values(&read), ["1"], "{read}");
    expect_well(&world);
}

#[test]
fn a_guests_own_value_is_that_of_the_assembly_that_it_is_when_the_dpe_is_asked() {
    let mut world = three();
    world.inject(Fault::Swap(0, 1));
    let is_released = |line: &String| line.contains("out Release { assembly: \"node1~1\"");
    while !world.trace.iter().any(is_released) {
        assert!(world.step());
    }
    world.ask_in(0, put(Place::Assembly(Whose::Own), "x", Some("1")));
    world.run_for(20);
    let read = answer(&mut world, 2, get(Place::Assembly(of("node2")), "x"));
    assert_eq!(values(&read), ["1"], "{read}");
    let read = answer(&mut world, 2, get(Place::Assembly(of("node1")), "x"));
    assert!(values(&read).is_empty(), "{read}");
    expect_well(&world);
}

#[test]
fn a_tool_that_sets_values_all_the_time_keeps_nothing_from_being_decided() {
    let mut world = three();
    // Longer than the tool's pause, and longer than values are held back together.
    world.decisions_take_us = 1_500 * MS;
    world.inject(Fault::Chatter(1, 600_000 * MS));
    world.run_for(30);
    let home = world.runs_in("service1")[0].to_owned();
    let (guest, began) = (world.guest(&home), world.executed().len());
    world.inject(Fault::KillService(guest, 0));
    world.run_for(40);
    let done = world.executed()[began..].join(", ");
    let trace = world.trace[world.trace.len() - 400..].join("\n");
    assert!(
        done.contains(&format!("start service1 {home}")),
        "{done}\n{trace}"
    );
    assert_eq!(world.runs_in("service1"), [home.as_str()]);
    // And who is lost is made safe, and what ran there starts elsewhere.
    world.inject(Fault::PowerCut(guest));
    world.run_for(60);
    assert_eq!(world.runs_in("service1").len(), 1);
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_tool_that_sets_values_all_the_time_has_few_decisions_made() {
    let mut world = three();
    world.inject(Fault::Chatter(1, 600_000 * MS));
    let decisions = |world: &World| {
        let asked = world
            .trace
            .iter()
            .filter(|line| line.contains(" in  Decided"));
        asked.count()
    };
    world.run_for(10);
    let before = decisions(&world);
    world.run_for(60);
    let asked = decisions(&world) - before;
    assert!((50..=65).contains(&asked), "one in a second: {asked}");
}
