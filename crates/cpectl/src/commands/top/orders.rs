//! Verbs: for what they are, what they would bring, and how they are given.

use cpe_bus::fields::put;
use cpe_bus::{Fields, json};
use cpe_status::{AssemblyStatus, Plan, PlanAction, ServicePlan, ServiceStatus};

use crate::client::Client;
use crate::failure::{Failure, of_change};

/// A verb with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// The key that chooses it.
    pub key: char,
    pub verb: &'static str,
    pub deployment: String,
    /// The service or the assembly: what has to be typed.
    pub target: String,
    /// What it does, in a few words.
    pub what: &'static str,
}

/// What an order would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    pub lines: Vec<String>,
    /// It is not done from here.
    pub refused: bool,
    pub fingerprint: String,
}

/// What can be done with a service.
const SERVICE: [(char, &str, &str); 7] = [
    (
        'm',
        "move",
        "to another assembly, and nothing is left behind",
    ),
    ('r', "restart", "stop it and start it again"),
    ('d', "disable", "stop it and keep it stopped"),
    ('e', "enable", "end that"),
    ('u', "unmanage", "leave it alone"),
    ('g', "manage", "end that"),
    ('c', "cleanup", "forget its failures, and look again"),
];

/// What can be done with an assembly.
const ASSEMBLY: [(char, &str, &str); 2] = [
    (
        's',
        "standby",
        "move its services elsewhere and keep it free of them",
    ),
    ('u', "unstandby", "end that"),
];

pub(super) fn of_service(deployment: &str, service: &ServiceStatus) -> Vec<Order> {
    orders(deployment, &service.service, &SERVICE)
}

pub(super) fn of_assembly(deployment: &str, assembly: &AssemblyStatus) -> Vec<Order> {
    orders(deployment, &assembly.name, &ASSEMBLY)
}

fn orders(
    deployment: &str,
    target: &str,
    all: &[(char, &'static str, &'static str)],
) -> Vec<Order> {
    let order = |(key, verb, what): &(char, &'static str, &'static str)| Order {
        key: *key,
        verb,
        deployment: deployment.to_owned(),
        target: target.to_owned(),
        what,
    };
    all.iter().map(order).collect()
}

impl Order {
    /// `move web of shop`
    pub(super) fn text(&self) -> String {
        format!("{} {} of {}", self.verb, self.target, self.deployment)
    }

    /// `Some(on)`: it is about standby.
    fn standby(&self) -> Option<bool> {
        match self.verb {
            "standby" => Some(true),
            "unstandby" => Some(false),
            _ => None,
        }
    }

    /// The service that it tends.
    fn upkeep(&self) -> Fields {
        let mut options = Fields::new();
        put(&mut options, "service", self.target.as_str());
        options
    }

    /// What it would bring.
    pub(super) async fn plan(&self, client: &Client) -> Result<Planned, Failure> {
        let deployment = client.deployment(&self.deployment).await?;
        if let Some(on) = self.standby() {
            let told = deployment.plan_standby(&self.target, on).await?;
            return Ok(of_plan(&json::from_json(&told)?));
        }
        if self.verb == "cleanup" {
            let told = deployment.plan_upkeep(self.verb, self.upkeep()).await?;
            return Ok(of_service_plan(&json::from_json(&told)?));
        }
        let plan = deployment.plan_service(self.verb, &self.target, Fields::new());
        Ok(of_service_plan(&json::from_json(&plan.await?)?))
    }

    /// Gives it, if what would be done is still what was planned.
    pub(super) async fn give(&self, client: &Client, fingerprint: &str) -> Result<(), Failure> {
        let deployment = client.deployment(&self.deployment).await?;
        if let Some(on) = self.standby() {
            let set = deployment.set_standby(&self.target, on).await;
            return Ok(set.map_err(of_change)?);
        }
        if self.verb == "cleanup" {
            let mut options = self.upkeep();
            put(&mut options, "fingerprint", fingerprint);
            let cleaned = deployment.order_upkeep(self.verb, options).await;
            return Ok(cleaned.map_err(of_change)?);
        }
        let mut options = Fields::new();
        put(&mut options, "fingerprint", fingerprint);
        let order = deployment.order_service(self.verb, &self.target, options);
        order.await.map_err(of_change)?;
        Ok(())
    }
}

fn of_plan(plan: &Plan) -> Planned {
    let mut lines = actions(&plan.actions);
    let blocked = plan.blocked.iter();
    lines.extend(blocked.map(|own| format!("{} cannot run: {}", own.service, own.reason)));
    lines.extend(plan.warnings.iter().map(|text| format!("warning: {text}")));
    let refused = plan.refused.iter();
    lines.extend(refused.map(|text| format!("refused: {text}")));
    Planned {
        lines,
        refused: !plan.refused.is_empty(),
        fingerprint: String::new(),
    }
}

fn of_service_plan(plan: &ServicePlan) -> Planned {
    let mut lines = plan.changes.clone();
    if plan.unchanged {
        lines.push(match plan.verb.as_str() {
            "cleanup" => "there is nothing to forget".into(),
            _ => "it is so already".into(),
        });
    }
    lines.extend(actions(&plan.actions));
    lines.extend(plan.warnings.iter().map(|text| format!("warning: {text}")));
    let refused = plan.refused.iter();
    lines.extend(refused.map(|text| format!("refused: {text}")));
    lines.extend(plan.hints.iter().map(|text| format!("  {text}")));
    Planned {
        lines,
        refused: !plan.refused.is_empty(),
        fingerprint: plan.fingerprint.clone(),
    }
}

/// `move web web1 -> web2`
fn actions(actions: &[PlanAction]) -> Vec<String> {
    if actions.is_empty() {
        return vec!["nothing to start or stop".into()];
    }
    let line = |own: &PlanAction| {
        let place = match (own.from.as_str(), own.to.as_str()) {
            ("", to) => to.to_owned(),
            (from, "") => from.to_owned(),
            (from, to) if from == to => to.to_owned(),
            (from, to) => format!("{from} -> {to}"),
        };
        let words = [own.action.as_str(), &own.service, &place];
        let words = words.into_iter().filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    };
    actions.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standby_that_would_leave_services_out_is_refused() {
        let mut plan = Plan::default();
        assert!(!of_plan(&plan).refused);
        plan.refused.push("db would run nowhere".into());
        let planned = of_plan(&plan);
        assert!(planned.refused);
        let told = planned.lines.last().map(String::as_str);
        assert_eq!(told, Some("refused: db would run nowhere"));
    }
}
