//! Services as rows: as a tree of groups, clones and bundles, or one row for each instance.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{
    DeploymentStatus, ResourceKind, ResourceStatus, ServiceRole, ServiceState, ServiceStatus,
};
use cpe_terminal::Cell;

use super::screen::fraction;
use crate::cells::{or_dash, service_state};
use crate::output::{BAD, FAINT};

/// The heads of a row.
pub(super) const HEADS: [&str; 6] = [
    "SERVICE", "STATE", "ASSEMBLY", "AGENT", "FAILURES", "REMARK",
];

type Row = [Cell; 6];

/// Instances by their service.
pub(super) type ByService<'a> = BTreeMap<&'a str, Vec<&'a ServiceStatus>>;

/// One row for each instance.
pub(super) fn flat(services: &[ServiceStatus]) -> Vec<Row> {
    services.iter().map(|service| row(service, 0)).collect()
}

/// The tree.
pub(super) fn rows(status: &DeploymentStatus) -> Vec<Row> {
    let by_service = by_service(&status.services);
    let mut rows = Vec::new();
    for resource in &status.resources {
        element(resource, 0, &by_service, &mut rows);
    }
    rows.extend(left_over(status).map(|service| row(service, 0)));
    rows
}

/// Instances of services that are not in the tree.
pub(super) fn left_over(status: &DeploymentStatus) -> impl Iterator<Item = &ServiceStatus> {
    let all = status.resources.iter().flat_map(ResourceStatus::all);
    let known: BTreeSet<&str> = all.map(|it| it.name.as_str()).collect();
    let services = status.services.iter();
    services.filter(move |service| !known.contains(service.service.as_str()))
}

pub(super) fn by_service(services: &[ServiceStatus]) -> ByService<'_> {
    let mut by_service = ByService::new();
    for service in services {
        by_service
            .entry(&service.service)
            .or_default()
            .push(service);
    }
    by_service
}

/// An element of the tree with all below it.
fn element(resource: &ResourceStatus, depth: usize, all: &ByService<'_>, rows: &mut Vec<Row>) {
    if resource.kind == ResourceKind::Service {
        let own = all.get(resource.name.as_str()).into_iter().flatten();
        rows.extend(own.map(|service| row(service, depth)));
        return;
    }
    rows.push(head(resource, depth, all));
    for member in &resource.members {
        if resource.kind == ResourceKind::Clone && member.kind == ResourceKind::Group {
            for instance in instances(member, all) {
                group_instance(member, &instance, depth + 1, all, rows);
            }
        } else {
            element(member, depth + 1, all, rows);
        }
    }
}

/// Which instance of a cloned group: its number, or else the assembly where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Instance<'a> {
    Number(u32),
    In(&'a str),
}

impl<'a> Instance<'a> {
    fn of(service: &'a ServiceStatus) -> Instance<'a> {
        let number = service.name.strip_prefix(&service.service);
        let number = number.and_then(|rest| rest.strip_prefix(':')?.parse().ok());
        number.map_or(Instance::In(&service.assembly), Instance::Number)
    }
}

/// The instances of a cloned group; what is nowhere only if nothing is anywhere.
fn instances<'a>(group: &ResourceStatus, all: &ByService<'a>) -> BTreeSet<Instance<'a>> {
    let members = group.members.iter();
    let rows = members.flat_map(|member| all.get(member.name.as_str()).into_iter().flatten());
    let mut instances: BTreeSet<Instance<'a>> = rows.map(|row| Instance::of(row)).collect();
    if instances.len() > 1 {
        instances.remove(&Instance::In(""));
    }
    instances
}

fn group_instance(
    group: &ResourceStatus,
    instance: &Instance<'_>,
    depth: usize,
    all: &ByService<'_>,
    rows: &mut Vec<Row>,
) {
    let name = match instance {
        Instance::Number(number) => format!("{}:{number}", group.name),
        Instance::In(_) => group.name.clone(),
    };
    let own = |member: &ResourceStatus| -> Option<&ServiceStatus> {
        let mut services = all.get(member.name.as_str()).into_iter().flatten();
        services.find(|it| Instance::of(it) == *instance).copied()
    };
    let members: Vec<Option<&ServiceStatus>> = group.members.iter().map(own).collect();
    let there = members.iter().flatten();
    let running = there.clone().filter(|service| service.state.runs()).count();
    let place = there.clone().map(|service| service.assembly.as_str());
    let place = place.max().unwrap_or_default();
    rows.push([
        indented(&name, depth),
        fraction((running, members.len())),
        Cell::from(or_dash(place)),
        Cell::new("group", FAINT),
        Cell::from("-"),
        Cell::from(""),
    ]);
    for (member, service) in group.members.iter().zip(members) {
        let absent = ServiceStatus {
            name: member.name.clone(),
            agent: member.agent.clone(),
            state: ServiceState::Stopped,
            ..ServiceStatus::default()
        };
        rows.push(row(service.unwrap_or(&absent), depth + 1));
    }
}

/// The row of what contains services: how many of them run.
fn head(resource: &ResourceStatus, depth: usize, all: &ByService<'_>) -> Row {
    let mut kind = resource.kind.to_string();
    if resource.kind == ResourceKind::Clone || resource.kind == ResourceKind::Bundle {
        kind += &format!(" of {}", resource.instances);
    }
    for (is_so, word) in [
        (resource.unique, ", unique"),
        (resource.promotable, ", promotable"),
    ] {
        kind += if is_so { word } else { "" };
    }
    [
        indented(&resource.name, depth),
        fraction(how_many(resource, all)),
        Cell::from("-"),
        Cell::new(kind, FAINT),
        Cell::from("-"),
        Cell::from(""),
    ]
}

/// How many services below it run, and how many are to.
fn how_many(resource: &ResourceStatus, all: &ByService<'_>) -> (usize, usize) {
    let leaves = resource.all().into_iter();
    let leaves = leaves.filter(|it| it.kind == ResourceKind::Service);
    leaves.fold((0, 0), |(some, wanted), leaf| {
        let own = all.get(leaf.name.as_str()).into_iter().flatten();
        let running = own.filter(|service| service.state.runs()).count();
        let leaf_wanted = usize::try_from(leaf.wanted).unwrap_or(usize::MAX);
        (some + running, wanted + leaf_wanted.max(running))
    })
}

fn row(service: &ServiceStatus, depth: usize) -> Row {
    [
        indented(&service.name, depth),
        match (service.role, service.state) {
            (ServiceRole::Promoted, ServiceState::Unmanaged) => {
                let style = service_state(service.state).style();
                Cell::new("unmanaged, promoted", style)
            }
            _ => service_state(service.state),
        },
        Cell::from(or_dash(&service.assembly)),
        Cell::new(&service.agent, FAINT),
        match service.failures {
            0 => Cell::from("-"),
            cpe_status::INFINITE_FAILURES.. => Cell::new("INFINITY", BAD),
            failures => Cell::new(failures.to_string(), BAD),
        },
        Cell::from(&service.reason),
    ]
}

fn indented(name: &str, depth: usize) -> Cell {
    Cell::from(format!("{}{name}", "  ".repeat(depth)))
}

#[cfg(test)]
mod tests {
    use cpe_terminal::Table;

    use super::*;
    use crate::output::PLAIN;

    fn instance(name: &str, service: &str, assembly: &str, state: ServiceState) -> ServiceStatus {
        ServiceStatus {
            name: name.into(),
            service: service.into(),
            agent: "ocf:sim:a".into(),
            assembly: assembly.into(),
            state,
            ..ServiceStatus::default()
        }
    }

    fn part(name: &str, kind: ResourceKind, members: Vec<ResourceStatus>) -> ResourceStatus {
        ResourceStatus {
            name: name.into(),
            kind,
            instances: 2,
            wanted: if kind == ResourceKind::Service { 2 } else { 0 },
            members,
            ..ResourceStatus::default()
        }
    }

    fn leaf(name: &str) -> ResourceStatus {
        part(name, ResourceKind::Service, Vec::new())
    }

    fn text(status: &DeploymentStatus) -> Vec<String> {
        let lines = Table::new(HEADS, PLAIN, rows(status)).lines(None);
        let lines = lines.iter().skip(1).map(|line| line.as_str().trim_end());
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_group_in_a_clone_is_shown_by_assembly_with_its_members_in_order() {
        let group = part("pair", ResourceKind::Group, vec![leaf("b"), leaf("a")]);
        let status = DeploymentStatus {
            services: vec![
                instance("a", "a", "n1", ServiceState::Started),
                instance("b", "b", "n1", ServiceState::Promoted),
                instance("b", "b", "n2", ServiceState::Started),
            ],
            resources: vec![part("pairs", ResourceKind::Clone, vec![group])],
            ..DeploymentStatus::default()
        };
        let expected = [
            "pairs    3/4       -         clone of 2  -",
            "  pair   2/2       n1        group       -",
            "    b    promoted  n1        ocf:sim:a   -",
            "    a    started   n1        ocf:sim:a   -",
            "  pair   1/2       n2        group       -",
            "    b    started   n2        ocf:sim:a   -",
            "    a    stopped   -                     -",
        ];
        assert_eq!(text(&status), expected);
        let flat = flat(&status.services);
        assert_eq!(flat.len(), 3);
    }

    #[test]
    fn instances_with_numbers_are_instances_of_a_group_by_their_numbers() {
        let group = part("g", ResourceKind::Group, vec![leaf("a")]);
        let mut clone = part("c", ResourceKind::Clone, vec![group]);
        clone.unique = true;
        let status = DeploymentStatus {
            services: vec![
                instance("a:0", "a", "n1", ServiceState::Started),
                instance("a:1", "a", "n1", ServiceState::Started),
                instance("a:2", "a", "", ServiceState::Stopped),
            ],
            resources: vec![clone],
            ..DeploymentStatus::default()
        };
        let expected = [
            "c        2/2      -         clone of 2, unique  -",
            "  g:0    1/1      n1        group               -",
            "    a:0  started  n1        ocf:sim:a           -",
            "  g:1    1/1      n1        group               -",
            "    a:1  started  n1        ocf:sim:a           -",
            "  g:2    0/1      -         group               -",
            "    a:2  stopped  -         ocf:sim:a           -",
        ];
        assert_eq!(text(&status), expected);
    }

    #[test]
    fn wide_and_control_characters_do_not_move_columns() {
        let mut wide = instance("漢字", "漢字", "n1", ServiceState::Started);
        wide.reason = "a\u{1b}[2Jb\n".into();
        let status = DeploymentStatus {
            services: vec![wide, instance("ab", "ab", "n1", ServiceState::Failed)],
            resources: vec![part(
                "g",
                ResourceKind::Group,
                vec![leaf("漢字"), leaf("ab")],
            )],
            ..DeploymentStatus::default()
        };
        let expected = [
            "g        1/4      -         group      -",
            r"  漢字   started  n1        ocf:sim:a  -         a\u{1b}[2Jb\n",
            "  ab     failed   n1        ocf:sim:a  -",
        ];
        assert_eq!(text(&status), expected);
    }

    #[test]
    fn what_is_in_no_tree_is_shown_at_the_end() {
        let status = DeploymentStatus {
            services: vec![
                instance("old", "old", "n1", ServiceState::Started),
                instance("a", "a", "n1", ServiceState::Started),
            ],
            resources: vec![leaf("a")],
            ..DeploymentStatus::default()
        };
        let shown = text(&status);
        assert!(shown[0].starts_with("a ") && shown[1].starts_with("old "));
    }
}
