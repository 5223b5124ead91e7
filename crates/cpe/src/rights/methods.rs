//! What each method of the bus takes. A test holds this table against `docs/bus`: no method can be
//! forgotten, and one that is not here is refused to everybody.

use super::Role;

/// The objects that have methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    Manager,
    Deployment,
    Events,
    Hosts,
}

/// What it takes to call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// To look: everybody, or viewers where `strangers = "hidden"`.
    Look,
    /// At least this role, for the deployment that the call is about.
    Role(Role),
    /// To record events.
    Recording,
    /// To speak for others.
    Delegation,
}

use Interface::{Deployment, Events, Hosts, Manager};
use Needs::{Delegation, Look, Recording};

const VIEWER: Needs = Needs::Role(Role::Viewer);
const OPERATOR: Needs = Needs::Role(Role::Operator);
const OWNER: Needs = Needs::Role(Role::Owner);
const ADMIN: Needs = Needs::Role(Role::Admin);

/// Every method. Who plans or checks a document learns whether a guessed parameter is the one in
/// use: that takes who may read the document. Agents that are asked take time of their guests.
pub(crate) const METHODS: &[(Interface, &str, Needs)] = &[
    (Manager, "Assume", Delegation),
    (Manager, "CreateDeployment", OWNER),
    (Manager, "UpdateDeployment", OWNER),
    (Manager, "DestroyDeployment", OWNER),
    (Manager, "DestroyDeploymentAt", OWNER),
    (Manager, "ValidateDeployment", VIEWER),
    (Manager, "PlanDeployment", OWNER),
    (Manager, "CheckRoom", OWNER),
    (Manager, "ListSinks", ADMIN),
    (Manager, "Redeliver", ADMIN),
    (Manager, "HostFailed", ADMIN),
    (Manager, "ListDeployments", Look),
    (Deployment, "GetDocument", OWNER),
    (Deployment, "ListGenerations", OWNER),
    (Deployment, "GetStatus", Look),
    (Deployment, "GetOperations", Look),
    (Deployment, "GetInput", OWNER),
    (Deployment, "ListInputs", VIEWER),
    (Deployment, "GetKeptInput", OWNER),
    (Deployment, "Explain", VIEWER),
    (Deployment, "GetExplanation", VIEWER),
    (Deployment, "ListAgents", OPERATOR),
    (Deployment, "DescribeAgent", OPERATOR),
    (Deployment, "CheckAgents", OWNER),
    (Deployment, "Cleanup", OPERATOR),
    (Deployment, "CleanupOperation", OPERATOR),
    (Deployment, "Refresh", OPERATOR),
    (Deployment, "Debug", OWNER),
    (Deployment, "GetDebug", OWNER),
    (Deployment, "CheckRoom", VIEWER),
    (Deployment, "PlanService", VIEWER),
    (Deployment, "OrderService", OPERATOR),
    (Deployment, "GiveOrder", OPERATOR),
    (Deployment, "GetOrder", OPERATOR),
    (Deployment, "PlanUpkeep", VIEWER),
    (Deployment, "OrderUpkeep", OPERATOR),
    (Deployment, "PlanStandby", VIEWER),
    (Deployment, "SetStandby", OPERATOR),
    (Deployment, "SetStandbyOfAll", OPERATOR),
    (Deployment, "SetMaintenance", OPERATOR),
    (Deployment, "ConfirmFenced", OWNER),
    (Deployment, "Fence", OWNER),
    (Deployment, "GrantTicket", OWNER),
    (Deployment, "RevokeTicket", OWNER),
    (Deployment, "SetTicketStandby", OWNER),
    (Deployment, "SetAttribute", OWNER),
    (Deployment, "DeleteAttribute", OWNER),
    (Deployment, "SetOwner", ADMIN),
    (Events, "Query", Look),
    (Events, "Record", Recording),
    (Hosts, "List", VIEWER),
    (Hosts, "Get", VIEWER),
    (Hosts, "Drain", ADMIN),
    (Hosts, "Activate", ADMIN),
    (Hosts, "Remove", ADMIN),
    (Hosts, "ConfirmLost", ADMIN),
    (Hosts, "Move", OWNER),
    (Hosts, "GetStore", ADMIN),
    (Hosts, "BackUpStore", ADMIN),
];

/// What a method takes; `None`: there is no such method.
pub(crate) fn needs(interface: Interface, method: &str) -> Option<Needs> {
    METHODS
        .iter()
        .find(|entry| (entry.0, entry.1) == (interface, method))
        .map(|entry| entry.2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quick_xml::events::Event;

    use super::*;

    const MANAGER: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Manager.xml");
    const DEPLOYMENT: &str =
        include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Deployment.xml");
    const EVENTS: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Events.xml");
    const HOSTS: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Cpe1.Hosts.xml");

    /// The methods of an introspection document.
    fn documented(xml: &str) -> BTreeSet<String> {
        let mut reader = quick_xml::Reader::from_str(xml);
        let mut methods = BTreeSet::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) | Event::Empty(element)
                    if element.name().as_ref() == "method" =>
                {
                    let name = element.try_get_attribute("name").unwrap().unwrap();
                    methods.insert(name.value.into_owned());
                }
                Event::Eof => return methods,
                _ => {}
            }
        }
    }

    #[test]
    fn every_documented_method_takes_a_right_and_no_other_is_listed() {
        for (interface, xml) in [
            (Manager, MANAGER),
            (Deployment, DEPLOYMENT),
            (Events, EVENTS),
            (Hosts, HOSTS),
        ] {
            let here = METHODS.iter().filter(|entry| entry.0 == interface);
            let listed: Vec<String> = here.map(|entry| entry.1.to_owned()).collect();
            let unique: BTreeSet<String> = listed.iter().cloned().collect();
            assert_eq!(unique.len(), listed.len(), "{interface:?}: twice");
            assert_eq!(unique, documented(xml), "{interface:?}");
        }
        assert_eq!(needs(Events, "GetDocument"), None);
    }

    #[test]
    fn the_documentation_says_what_right_each_method_takes() {
        for (interface, method, needs) in METHODS {
            let right = match needs {
                Look => "look",
                Recording => "record",
                Delegation => "delegate",
                Needs::Role(role) => role.as_str(),
            };
            let xml = match interface {
                Manager => MANAGER,
                Deployment => DEPLOYMENT,
                Events => EVENTS,
                Hosts => HOSTS,
            };
            let (_, comment) = xml.split_once(&format!("      {method}:\n")).unwrap();
            let (comment, _) = comment.split_once("-->").unwrap();
            let said = comment.trim_end().rsplit_once('\n').unwrap().1.trim();
            assert_eq!(said, format!("Right: {right}."), "{method}");
        }
    }
}
