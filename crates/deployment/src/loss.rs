//! What follows when an assembly is lost, said before it happens: `cpectl validate` and plans show
//! it. The times are those of [`failover`](crate::failover).

use std::time::Duration;

use cpe_status::Failover;

use crate::device::{DeviceUse, only_cuts_off};
use crate::model::{Deployment, FencingMode, Heartbeat};

/// Assemblies that a text names; of more it says how many.
const NAMED: usize = 8;

impl Deployment {
    /// For each way in which lost assemblies are made safe, in the order of the document: which
    /// assemblies these are, and when their services start elsewhere. Assemblies without an address
    /// run nothing and are left out.
    pub fn failover(&self) -> Vec<Failover> {
        let mut ways: Vec<(&FencingMode, Vec<String>)> = Vec::new();
        let reachable = self.assemblies.iter();
        for assembly in reachable.filter(|assembly| assembly.address.is_some()) {
            let mode = &assembly.fencing.mode;
            match ways.iter_mut().find(|(known, _)| is_same(known, mode)) {
                Some((_, assemblies)) => assemblies.push(assembly.name.clone()),
                None => ways.push((mode, vec![assembly.name.clone()])),
            }
        }
        let said = ways.into_iter().map(|(mode, assemblies)| Failover {
            fencing: mode.as_str().to_owned(),
            at_most_ms: at_most(mode, &self.heartbeat).map(millis),
            text: text(&assemblies, mode, &self.heartbeat),
            assemblies,
        });
        said.collect()
    }
}

/// Whether the same is to be said of both. Each assembly has a unit or a plug of its own.
fn is_same(one: &FencingMode, other: &FencingMode) -> bool {
    match (one, other) {
        (FencingMode::Agent { agent: one, .. }, FencingMode::Agent { agent: other, .. }) => {
            one == other
        }
        (FencingMode::Devices(one), FencingMode::Devices(other)) => {
            switches(one) == switches(other)
        }
        _ => one.as_str() == other.as_str(),
    }
}

/// The bound that is known beforehand, if there is one.
fn at_most(mode: &FencingMode, heartbeat: &Heartbeat) -> Option<Duration> {
    match mode {
        FencingMode::Lease => Some(heartbeat.safe_after()),
        FencingMode::None => Some(heartbeat.timeout),
        FencingMode::Agent { .. }
        | FencingMode::Unit { .. }
        | FencingMode::Devices(_)
        | FencingMode::Manager => None,
    }
}

fn text(assemblies: &[String], mode: &FencingMode, heartbeat: &Heartbeat) -> String {
    let one = assemblies.len() == 1;
    let (their, them, are_down, units_are) = match one {
        true => ("its", "it", "it is down", "its unit is"),
        false => ("their", "them", "they are down", "their units are"),
    };
    let lost = seconds(heartbeat.timeout);
    let elsewhere = format!("{their} services start elsewhere");
    let what = match mode {
        FencingMode::Lease => format!(
            "safe after at most {}, then {elsewhere}",
            seconds(heartbeat.safe_after())
        ),
        FencingMode::Unit { .. } => format!(
            "after {lost} {units_are} stopped; {elsewhere} when that is done, however long it takes"
        ),
        FencingMode::Agent { agent, .. } => format!(
            "after {lost} {agent} switches {them} off; {elsewhere} when that is done, however long it takes"
        ),
        FencingMode::Devices(levels) => format!(
            "after {lost} {} {them} off; {elsewhere} when that is done, however long it takes{}",
            switches(levels),
            cuts_off(levels, heartbeat)
        ),
        FencingMode::Manager => format!(
            "{their} services are not started elsewhere until the cloud manager or an administrator confirms that {are_down}"
        ),
        FencingMode::None => {
            format!("{elsewhere} after {lost}, and may run twice: nothing makes {them} safe")
        }
    };
    format!("{} lost: {what}", names(assemblies))
}

/// `ipmi1 switches`, `pdu1 and pdu2, or else ipmi1 switch`
fn switches(levels: &[Vec<DeviceUse>]) -> String {
    let of_level = |level: &Vec<DeviceUse>| {
        let ids: Vec<_> = level.iter().map(|used| used.device.id.clone()).collect();
        ids.join(" and ")
    };
    let levels: Vec<String> = levels.iter().map(of_level).collect();
    let verb = match levels.iter().any(|level| level.contains(" and ")) || levels.len() > 1 {
        true => "switch",
        false => "switches",
    };
    let shown = &levels[..levels.len().min(NAMED)];
    format!("{} {verb}", shown.join(", or else "))
}

/// What is waited for where nothing is switched off.
fn cuts_off(levels: &[Vec<DeviceUse>], heartbeat: &Heartbeat) -> String {
    let mut cutting = levels.iter().filter(|level| only_cuts_off(level));
    let Some(first) = cutting.next().and_then(|level| level.first()) else {
        return String::new();
    };
    format!(
        ", and where {} alone has cut a guest off, the end of its lease too, at most {}",
        first.device.id,
        seconds(heartbeat.safe_after())
    )
}

/// `web1, web2 and 7 more`
fn names(assemblies: &[String]) -> String {
    match assemblies.get(NAMED..) {
        Some(more) if !more.is_empty() => {
            format!("{} and {} more", assemblies[..NAMED].join(", "), more.len())
        }
        _ => assemblies.join(", "),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Rounded up to tenths: a bound that is said must hold. `17.3 s`, `5 s`
fn seconds(duration: Duration) -> String {
    let tenths = millis(duration).div_ceil(100);
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        tenth => format!("{}.{tenth} s", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(document: &str) -> Vec<Failover> {
        crate::read(document.as_bytes()).unwrap().failover()
    }

    fn document(attributes: &str, assemblies: &str) -> String {
        format!(
            r#"<deployable name="shop" {attributes}><assemblies>{assemblies}</assemblies></deployable>"#
        )
    }

    fn assembly(name: &str, fencing: &str) -> String {
        format!(
            r#"<assembly name="{name}" address="unix:/run/{name}.sock"><fencing {fencing}</fencing></assembly>"#
        )
    }

    #[test]
    fn assemblies_with_the_same_answer_share_a_line() {
        let lease = r#"mode="lease">"#;
        let said = said(&document(
            "",
            &[
                assembly("web1", lease),
                assembly("db1", r#"mode="unit" unit="db1.service">"#),
                assembly("web2", lease),
            ]
            .concat(),
        ));
        let texts: Vec<_> = said.iter().map(|said| said.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "web1, web2 lost: safe after at most 17.3 s, then their services start elsewhere",
                "db1 lost: after 5 s its unit is stopped; its services start elsewhere when that is done, however long it takes",
            ]
        );
        assert_eq!(said[0].assemblies, ["web1", "web2"]);
        assert_eq!(said[0].at_most_ms, Some(17_300));
        assert_eq!(said[1].at_most_ms, None);
    }

    #[test]
    fn the_time_is_that_of_the_document_rounded_up() {
        let quick = document(
            r#"lease="3s" heartbeat_timeout="2s" grace="2s""#,
            &assembly("web1", r#"mode="lease">"#),
        );
        assert!(said(&quick)[0].text.contains("at most 7.1 s,"));
        assert_eq!(seconds(Duration::from_millis(8_001)), "8.1 s");
        assert_eq!(seconds(Duration::from_millis(8_000)), "8 s");
    }

    #[test]
    fn what_has_no_bound_says_what_is_waited_for() {
        let agent = r#"mode="agent" agent="fence_virsh"><parameters><parameter name="plug"><value>1</value></parameter></parameters>"#;
        let said = said(&document(
            "",
            &[
                assembly("a", agent),
                assembly("b", r#"mode="manager">"#),
                assembly("c", r#"mode="none">"#),
                r#"<assembly name="d"/>"#.to_owned(),
            ]
            .concat(),
        ));
        let texts: Vec<_> = said.iter().map(|said| said.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "a lost: after 5 s fence_virsh switches it off; its services start elsewhere when that is done, however long it takes",
                "b lost: its services are not started elsewhere until the cloud manager or an administrator confirms that it is down",
                "c lost: its services start elsewhere after 5 s, and may run twice: nothing makes it safe",
            ]
        );
        assert_eq!(said[2].at_most_ms, Some(5_000));
    }

    #[test]
    fn of_many_assemblies_it_names_the_first() {
        let many: String = (0..40)
            .map(|n| assembly(&format!("n{n}"), r#"mode="manager">"#))
            .collect();
        let said = said(&document("", &many));
        assert!(
            said[0]
                .text
                .starts_with("n0, n1, n2, n3, n4, n5, n6, n7 and 32 more lost: their")
        );
        assert_eq!(said[0].assemblies.len(), 40);
    }
}
