//! A deployment's status as people read it, section by section.

use std::collections::BTreeMap;

use cpe_status::{
    AssemblyState, AssemblyStatus, BanStatus, ConfiguredService, DeploymentStatus, FailureStatus,
    FencingResult, FencingStatus, INFINITE_FAILURES, NextLook, RoomStatus, TransitionStatus,
};
use cpe_terminal::{Cell, Line, Table};

use super::{references, tree};
use crate::cells::{age, assembly_state, deployment_state, deployment_style, time};
use crate::commands::owner::shown;
use crate::commands::{orders, ticket};
use crate::output::{BAD, BUSY, FAINT, GOOD, HEAD, PLAIN, Screen};

/// A row for each deployment.
pub(super) fn summaries(statuses: &[DeploymentStatus]) -> Table<5> {
    let rows = statuses.iter().map(|status| {
        [
            Cell::from(&status.name),
            deployment_state(status.state),
            fraction(status.online()),
            fraction(status.running()),
            Cell::from(&status.summary),
        ]
    });
    let heads = [
        "NAME",
        "STATE",
        "ASSEMBLIES",
        "SERVICES",
        "WHAT IS GOING ON",
    ];
    Table::new(heads, HEAD, rows)
}

/// `shop: active, generation 3, 4 of 4 assemblies online, 9 of 9 services running`
pub(crate) fn headline(status: &DeploymentStatus) -> Line {
    let (online, assemblies) = status.online();
    let (running, services) = status.running();
    let line = Line::from(format!("{}: ", status.name))
        .styled(status.state.as_str(), deployment_style(status.state))
        .plain(format!(
            ", generation {}, {online} of {assemblies} assemblies online, {running} of {services} services running",
            status.generation
        ));
    match status.maintenance {
        true => line.plain(", in maintenance"),
        false => line,
    }
}

/// Whose it is, where that is more than root's.
fn owner(status: &DeploymentStatus) -> Option<String> {
    let (owner, group) = (shown(&status.owner), status.group.as_str());
    match (owner, group) {
        ("" | "root", "") => None,
        ("", group) => Some(format!("of group {group}")),
        (owner, "") => Some(format!("owner {owner}")),
        (owner, group) => Some(format!("owner {owner}, group {group}")),
    }
}

/// Which host runs its DPE, where that may be another one. If it is not the one that was asked, the
/// summary says so.
fn host(status: &DeploymentStatus) -> Option<String> {
    let since = time(status.host_since?);
    Some(format!("host {}, since {since}", status.host))
}

/// Further problems that are named below the summary.
const MOST_PROBLEMS: usize = 5;
/// Attempts of fencing that are shown.
const MOST_ATTEMPTS: usize = 5;

/// A deployment in sections.
pub(super) fn one(status: &DeploymentStatus, flat: bool, screen: &mut Screen) {
    // When the status was written; `None` where programs read times.
    let now = screen.is_terminal().then_some(status.time);
    screen.line(headline(status));
    if !status.summary.is_empty() {
        screen.line(format!("  {}", status.summary));
    }
    let further = status.problems.iter().skip(1);
    for problem in further.take(MOST_PROBLEMS) {
        screen.line(format!("  also: {problem}"));
    }
    for whose in [owner(status), host(status)].into_iter().flatten() {
        screen.line(format!("  {whose}"));
    }
    if let Some(transition) = &status.transition {
        screen.line(format!("  {}", progress(transition, now)));
    }
    if let Some(room) = &status.room {
        screen.line(format!("  {}", self::room(room)));
    }
    // That the interval is over is for programs: it comes again and again, and nothing turns then.
    let look = status.next_look.as_ref();
    if let Some(look) = look.filter(|look| !look.by_interval) {
        screen.line(format!("  {}", next_look(look)));
    }
    if !status.assemblies.is_empty() {
        screen.section(&assemblies(&status.assemblies, now));
    }
    let attributes = attributes(&status.assemblies);
    if !attributes.is_empty() {
        let heads = ["ASSEMBLY", "ATTRIBUTES SET BY AGENTS"];
        screen.section(&Table::new(heads, HEAD, attributes));
    }
    let kept = kept(status);
    if !kept.is_empty() {
        let heads = ["KEPT FOR", "ATTRIBUTES AND OPTIONS SET BESIDE THE DOCUMENT"];
        screen.section(&Table::new(heads, HEAD, kept));
    }
    if !status.services.is_empty() {
        let rows = match flat {
            true => tree::flat(&status.services),
            false => tree::rows(status),
        };
        screen.section(&Table::new(tree::HEADS, HEAD, rows));
    }
    if !status.tickets.is_empty() {
        screen.section(&ticket::table(&status.tickets));
    }
    before_starts(status, screen);
    if !status.failures.is_empty() {
        screen.section(&failures(&status.failures));
        let remedy = format!(
            "cpectl cleanup {} [SERVICE] [--assembly ASSEMBLY] forgets failures once their cause is gone",
            status.name
        );
        screen.line(Line::new().styled(remedy, FAINT));
    }
    beside(status, screen);
    if !status.fencing.is_empty() {
        let shown = status.fencing.len().min(MOST_ATTEMPTS);
        screen.section(&attempts(&status.fencing[..shown]));
        let more = status.fencing.len().saturating_sub(MOST_ATTEMPTS);
        if more > 0 {
            let text = format!("{more} earlier attempts: cpectl fencing {}", status.name);
            screen.line(Line::new().styled(text, FAINT));
        }
    }
}

/// What is wanted beside the document, and the bans of the document and of guests.
fn beside(status: &DeploymentStatus, screen: &mut Screen) {
    if !status.overlay.is_empty() {
        screen.section(&orders::table(&status.overlay));
        for remedy in orders::remedies(status) {
            screen.line(Line::new().styled(remedy, FAINT));
        }
    }
    if !status.bans.is_empty() {
        screen.section(&bans(&status.bans));
        for remedy in ends_of_bans(status) {
            screen.line(Line::new().styled(remedy, FAINT));
        }
    }
}

/// With what services start: values that they follow, and what is run before.
fn before_starts(status: &DeploymentStatus, screen: &mut Screen) {
    if !status.references.is_empty() {
        screen.section(&references::table(status));
    }
    if !status.configured.is_empty() {
        screen.section(&configured(&status.configured));
    }
}

/// A row for each service before which its guest runs a program.
fn configured(services: &[ConfiguredService]) -> Table<2> {
    let rows = services
        .iter()
        .map(|own| [Cell::from(&own.service), Cell::from(&own.program)]);
    Table::new(["SERVICE", "RUN BEFORE IT STARTS"], HEAD, rows)
}

/// How bans end: those of guests, and those of the document.
fn ends_of_bans(status: &DeploymentStatus) -> Vec<String> {
    let mut ends = Vec::new();
    if let Some(ban) = status.bans.iter().find(|ban| ban.set_by_guest) {
        ends.push(format!(
            "a tool in a guest set {}: cpectl cleanup {} {} ends it",
            ban.constraint, status.name, ban.service
        ));
    }
    if !status.bans.iter().all(|ban| ban.set_by_guest) {
        ends.push("a move left these in the document: delete them there to end it".to_owned());
    }
    ends
}

/// A row for each assembly in which agents have set any.
fn attributes(assemblies: &[AssemblyStatus]) -> Vec<[Cell; 2]> {
    let with_any = assemblies.iter().filter(|own| !own.attributes.is_empty());
    with_any
        .map(|assembly| pairs(&assembly.name, &assembly.attributes))
        .collect()
}

/// A row for each assembly that has permanent attributes, and one for options.
fn kept(status: &DeploymentStatus) -> Vec<[Cell; 2]> {
    let assemblies = status.assemblies.iter();
    let assemblies = assemblies.map(|own| (own.name.as_str(), &own.permanent));
    let all = assemblies.chain([("the deployment", &status.options)]);
    let with_any = all.filter(|(_, values)| !values.is_empty());
    with_any.map(|(name, values)| pairs(name, values)).collect()
}

fn pairs(name: &str, values: &BTreeMap<String, String>) -> [Cell; 2] {
    let pairs: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    [Cell::from(name), Cell::from(pairs.join(" "))]
}

/// With `now`, in microseconds since the Unix epoch, heartbeats have ages instead of times.
fn assemblies(assemblies: &[AssemblyStatus], now: Option<u64>) -> Table<5> {
    let heartbeat = |assembly: &AssemblyStatus| {
        let age = now.and_then(|now| age(assembly.last_heartbeat, now));
        age.map_or_else(|| time(assembly.last_heartbeat), |age| format!("{age} ago"))
    };
    let rows = assemblies.iter().map(|assembly| {
        [
            Cell::from(&assembly.name),
            assembly_state(assembly.state),
            Cell::from(&assembly.fencing),
            Cell::new(heartbeat(assembly), FAINT),
            Cell::from(remark(assembly)),
        ]
    });
    let heads = ["ASSEMBLY", "STATE", "FENCING", "LAST HEARTBEAT", "REMARK"];
    Table::new(heads, HEAD, rows)
}

/// The reason of the state, and what an administrator has set that the state does not say.
fn remark(assembly: &AssemblyStatus) -> String {
    let mut parts = Vec::new();
    for (is_set, state) in [
        (assembly.maintenance, AssemblyState::Maintenance),
        (assembly.standby, AssemblyState::Standby),
    ] {
        if is_set && assembly.state != state {
            parts.push(state.as_str());
        }
    }
    if !assembly.reason.is_empty() {
        parts.push(&assembly.reason);
    }
    parts.join("; ")
}

fn failures(failures: &[FailureStatus]) -> Table<8> {
    let rows = failures.iter().map(|failure| {
        [
            Cell::new(time(failure.time), FAINT),
            Cell::from(&failure.service),
            Cell::from(&failure.assembly),
            Cell::from(&failure.operation),
            Cell::new(count(failure), BAD),
            Cell::from(failure.rc.to_string()),
            Cell::from(match failure.forgotten {
                0 => "not by itself".to_owned(),
                forgotten => time(forgotten),
            }),
            Cell::from(&failure.reason),
        ]
    });
    let heads = [
        "FAILED",
        "SERVICE",
        "ASSEMBLY",
        "OPERATION",
        "COUNT",
        "CODE",
        "FORGOTTEN",
        "REASON",
    ];
    Table::new(heads, HEAD, rows)
}

/// `2 of 3`, `INFINITY, banned`: how often it failed, after how many failures the service leaves
/// the assembly, and whether it had to.
fn count(failure: &FailureStatus) -> String {
    let number = |count: u32| match count {
        INFINITE_FAILURES.. => "INFINITY".to_owned(),
        count => count.to_string(),
    };
    let mut text = number(failure.count);
    if (1..INFINITE_FAILURES).contains(&failure.threshold) {
        text += &format!(" of {}", failure.threshold);
    }
    if failure.banned {
        text += ", banned";
    }
    text
}

fn bans(bans: &[BanStatus]) -> Table<4> {
    let rows = bans.iter().map(|ban| {
        let score = match ban.role.as_str() {
            "" => ban.score.clone(),
            role => format!("{} as {role}", ban.score),
        };
        [
            Cell::from(&ban.constraint),
            Cell::from(&ban.service),
            Cell::from(&ban.assembly),
            Cell::from(score),
        ]
    });
    Table::new(
        ["LEFT BY A MOVE", "SERVICE", "ASSEMBLY", "SCORE"],
        HEAD,
        rows,
    )
}

/// Attempts to make assemblies safe, and to let them in.
pub(crate) fn attempts(attempts: &[FencingStatus]) -> Table<6> {
    let rows = attempts.iter().map(|attempt| {
        let style = match attempt.result {
            FencingResult::Succeeded => GOOD,
            FencingResult::Failed => BAD,
            FencingResult::Pending | FencingResult::GivenUp | FencingResult::Unknown => BUSY,
        };
        let remark = match attempt.detail.as_str() {
            "" => attempt.reason.clone(),
            detail => format!("{}: {detail}", attempt.reason),
        };
        [
            Cell::new(time(attempt.began), FAINT),
            Cell::from(&attempt.assembly),
            Cell::from(&attempt.device),
            Cell::new(attempt.result.as_str(), style),
            Cell::from(age(attempt.began, attempt.ended).unwrap_or_else(|| "-".into())),
            Cell::from(remark),
        ]
    });
    let heads = ["FENCING", "ASSEMBLY", "DEVICE", "RESULT", "TOOK", "REMARK"];
    Table::new(heads, HEAD, rows)
}

/// How far a transition is. With `now`, in microseconds since the Unix epoch, its actions have
/// ages.
fn progress(transition: &TransitionStatus, now: Option<u64>) -> String {
    let mut text = format!(
        "transition {} {}: {} of {} actions done",
        transition.number, transition.state, transition.done, transition.actions
    );
    if transition.failed > 0 {
        text.push_str(&format!(", {} failed", transition.failed));
    }
    let running: Vec<String> = transition
        .running
        .iter()
        .map(|action| {
            let what = match (action.service.as_str(), action.assembly.as_str()) {
                ("", assembly) => format!("{} {assembly}", action.action),
                (service, assembly) => format!("{} {service} on {assembly}", action.action),
            };
            match now.and_then(|now| age(action.since, now)) {
                Some(age) => format!("{what} ({age})"),
                None => what,
            }
        })
        .collect();
    if !running.is_empty() {
        text.push_str(&format!("; now: {}", running.join(", ")));
    }
    text
}

/// `rules are looked at next: 2026-11-29 10:00:00 CET (a rule may turn)`
fn next_look(look: &NextLook) -> String {
    format!(
        "rules are looked at next: {} ({})",
        time(look.time),
        look.reason
    )
}

/// `room for any one loss: no: db would not run without web2`
fn room(room: &RoomStatus) -> String {
    let age = if room.outdated {
        " (as of before the last change)"
    } else {
        ""
    };
    format!("room for any one loss: {}{age}", room.text)
}

pub(super) fn fraction((some, all): (usize, usize)) -> Cell {
    let style = if some == all { PLAIN } else { BAD };
    Cell::new(format!("{some}/{all}"), style)
}

#[cfg(test)]
mod tests {
    use cpe_status::{RunningAction, TransitionState};

    use super::*;

    #[test]
    fn the_host_is_said_by_the_one_that_runs_its_dpe() {
        let mut status = DeploymentStatus {
            host: "host-1".into(),
            ..DeploymentStatus::default()
        };
        assert_eq!(host(&status), None);
        status.host_since = Some(1_790_000_000_000_000);
        let told = host(&status).expect("a line");
        assert!(told.starts_with("host host-1, since 2026-09-2"), "{told}");
    }

    #[test]
    fn a_remark_says_what_is_set_and_the_state_does_not_say() {
        let mut assembly = AssemblyStatus {
            state: AssemblyState::Standby,
            standby: true,
            ..AssemblyStatus::default()
        };
        assert_eq!(remark(&assembly), "");
        assembly.maintenance = true;
        assembly.reason = "web1 answers".into();
        assert_eq!(remark(&assembly), "maintenance; web1 answers");
        assembly.state = AssemblyState::Lost;
        assert_eq!(remark(&assembly), "maintenance; standby; web1 answers");
    }

    #[test]
    fn a_fail_count_says_after_how_many_failures_the_service_leaves() {
        let mut failure = FailureStatus {
            count: 2,
            threshold: 3,
            ..FailureStatus::default()
        };
        assert_eq!(count(&failure), "2 of 3");
        failure.threshold = INFINITE_FAILURES;
        assert_eq!(count(&failure), "2");
        (failure.count, failure.banned) = (INFINITE_FAILURES, true);
        assert_eq!(count(&failure), "INFINITY, banned");
    }

    #[test]
    fn the_next_look_is_named_where_something_turns_then() {
        let look = |by_interval| NextLook {
            time: 1_700_000_200_000_000,
            reason: "a rule may turn".into(),
            by_interval,
        };
        let shown = |by_interval| {
            let status = DeploymentStatus {
                next_look: Some(look(by_interval)),
                ..DeploymentStatus::default()
            };
            let mut screen = Screen::new(None);
            one(&status, false, &mut screen);
            let lines = screen.into_lines();
            let texts = lines.iter().map(|line| line.as_str().to_owned());
            texts.collect::<Vec<_>>().join("\n")
        };
        let line = format!(
            "  rules are looked at next: {} (a rule may turn)",
            time(look(false).time)
        );
        assert!(shown(false).contains(&line), "{}", shown(false));
        assert!(!shown(true).contains("looked at"));
    }

    #[test]
    fn heartbeats_and_actions_have_ages_for_people_only() {
        let now = 1_700_000_200_000_000;
        let assembly = AssemblyStatus {
            last_heartbeat: now - 2_000_000,
            ..AssemblyStatus::default()
        };
        let heartbeat = |now| {
            let lines = assemblies(std::slice::from_ref(&assembly), now).lines(None);
            lines[1].as_str().trim().to_owned()
        };
        assert!(heartbeat(Some(now)).ends_with("2s ago"));
        let shown = heartbeat(None);
        assert!(shown.contains(&time(assembly.last_heartbeat)), "{shown}");

        let transition = TransitionStatus {
            number: 7,
            state: TransitionState::Running,
            actions: 3,
            done: 1,
            running: vec![RunningAction {
                action: "start".into(),
                service: "db".into(),
                assembly: "web1".into(),
                since: now - 80_000_000,
            }],
            ..TransitionStatus::default()
        };
        let text = "transition 7 running: 1 of 3 actions done; now: start db on web1";
        assert_eq!(progress(&transition, None), text);
        assert_eq!(progress(&transition, Some(now)), format!("{text} (1m 20s)"));
    }
}
