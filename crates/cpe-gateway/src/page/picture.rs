//! A deployment as a picture: assemblies as columns, and in each the services that run there.

use std::collections::BTreeMap;

use cpe_status::{
    AssemblyState, AssemblyStatus, DeploymentStatus, INFINITE_FAILURES, ResourceKind,
    ResourceStatus, ServiceRole, ServiceState, ServiceStatus,
};
use maud::{Markup, html};

use super::words::{ago, count, of_assembly, of_service, part};

/// Above that many assemblies, columns become rows.
const MANY: usize = 40;

/// What runs where.
pub(super) fn of(status: &DeploymentStatus, may_act: bool) -> Markup {
    let homes = homes(&status.resources);
    let names: Vec<&str> = status
        .assemblies
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let elsewhere = |service: &&ServiceStatus| !names.contains(&service.assembly.as_str());
    let nowhere: Vec<&ServiceStatus> = status.services.iter().filter(elsewhere).collect();
    html! {
        section #picture aria-labelledby="picture-title" {
            h2 #picture-title.unseen { "What runs where" }
            ul.columns.rows[names.len() > MANY] {
                @for assembly in &status.assemblies {
                    (column(status, assembly, &homes, may_act))
                }
                @if !nowhere.is_empty() {
                    li.column.nowhere id="asm-" {
                        header { h3 { "Nowhere" } p.remark { "These run in no assembly." } }
                        ul.cards { @for service in nowhere { (card(status, service, &homes)) } }
                    }
                }
            }
        }
    }
}

/// By service: the groups, clones and bundles around it, outermost first.
type Homes<'s> = BTreeMap<&'s str, Vec<(&'s str, ResourceKind)>>;

fn homes(resources: &[ResourceStatus]) -> Homes<'_> {
    fn walk<'s>(
        at: &'s ResourceStatus,
        around: &mut Vec<(&'s str, ResourceKind)>,
        all: &mut Homes<'s>,
    ) {
        if at.members.is_empty() {
            all.insert(&at.name, around.clone());
            return;
        }
        around.push((&at.name, at.kind));
        for member in &at.members {
            walk(member, around, all);
        }
        around.pop();
    }
    let mut all = Homes::new();
    for resource in resources {
        walk(resource, &mut Vec::new(), &mut all);
    }
    all
}

fn column(
    status: &DeploymentStatus,
    assembly: &AssemblyStatus,
    homes: &Homes<'_>,
    may_act: bool,
) -> Markup {
    let sign = of_assembly(assembly.state);
    let here = status
        .services
        .iter()
        .filter(|it| it.assembly == assembly.name);
    let here: Vec<&ServiceStatus> = here.collect();
    let is_plain = assembly.host.is_empty() && assembly.reason.is_empty();
    let is_gone = matches!(
        assembly.state,
        AssemblyState::Lost
            | AssemblyState::Fencing
            | AssemblyState::Offline
            | AssemblyState::Unknown
    );
    html! {
        li id=(format!("asm-{}", assembly.name)) class=(format!("column {}", sign.tone)) data-assembly=(assembly.name)
            data-state=(sign.word) data-attempt=[waits(assembly)] data-standby[assembly.standby] data-gone[is_gone] {
            header {
                h3 {
                    @if may_act { button.pick type="button" title="Act on it" { (assembly.name) } } @else { span.pick { (assembly.name) } }
                    " " (sign.told())
                }
                p.remark {
                    @if !assembly.host.is_empty() { span { "on " (assembly.host) } }
                    @if assembly.last_heartbeat > 0 && is_gone {
                        span { "last heard " (ago(assembly.last_heartbeat)) " ago" }
                    } @else if is_plain {
                        span { (count(here.len(), "service")) }
                    }
                }
                @if !assembly.reason.is_empty() { p.reason { (assembly.reason) } }
            }
            ul.cards {
                @for service in &here { (card(status, service, homes)) }
                @if here.is_empty() { li.vacant { "no service" } }
            }
        }
    }
}

/// The loss for which it is being made safe.
fn waits(assembly: &AssemblyStatus) -> Option<&str> {
    Some(assembly.fencing_attempt.as_str()).filter(|attempt| !attempt.is_empty())
}

fn card(status: &DeploymentStatus, service: &ServiceStatus, homes: &Homes<'_>) -> Markup {
    let sign = of_service(service.state);
    let around = homes.get(service.service.as_str());
    let labels = around.into_iter().flatten();
    let outer = around
        .and_then(|it| it.first())
        .map_or("", |(name, _)| name);
    let explain = format!(
        "/deployments/{}/services/{}",
        part(&status.name),
        part(&service.service)
    );
    let is_promoted =
        service.role == ServiceRole::Promoted && service.state != ServiceState::Promoted;
    html! {
        li id=(format!("svc-{}-{}", service.name, marker(service, status))) class=(format!("card {}", sign.tone)) data-move=(service.name)
            data-service=(service.service) data-in=(outer) data-state=(sign.word) data-on=(service.assembly) {
            a.name href=(explain) title="Why is it there?" { (sign.mark()) (service.name) }
            span.word { (sign.word) @if is_promoted { ", promoted" } }
            @if service.since > 0 { span.since { (ago(service.since)) } }
            p.tags {
                @for (name, kind) in labels { span.tag title=(format!("in {} {name}", kind.as_str())) { (name) } }
                @if service.failures > 0 { span.tag.bad { (failures(service.failures)) } }
                span.agent { (service.agent.rsplit(':').next().unwrap_or_default()) }
            }
            @if !service.reason.is_empty() && sign.tone != "good" { p.reason { (service.reason) } }
        }
    }
}

/// Instances of a clone have one name each; those of an anonymous one may share it.
fn marker(service: &ServiceStatus, status: &DeploymentStatus) -> String {
    let same = status.services.iter().filter(|it| it.name == service.name);
    match same.count() {
        0 | 1 => String::new(),
        _ => service.assembly.clone(),
    }
}

fn failures(number: u32) -> String {
    match number {
        1 => "failed once".to_owned(),
        INFINITE_FAILURES.. => "failed for good".to_owned(),
        number => format!("failed {number} times"),
    }
}
