//! What a person has to know or to decide about the document as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::comment::Remark;
use super::node::Nodes;
use super::renames::{self, LeftOut};
use super::section::LEFT_OUT;
use crate::problem::quote;
use crate::secret::{CIBSECRET, is_secret};
use crate::tree::Element;
use crate::value;

/// The option that every cluster has, and about which nobody has to decide.
const WATCHDOG: &str = "'have-watchdog'";

/// The most names that one comment lists.
const LISTED: usize = 20;

/// The comments at the top of the document.
pub(super) fn of(
    root: &Element<'_>,
    configuration: &Element<'_>,
    nodes: &Nodes<'_, '_>,
    is_guess: bool,
) -> Vec<Remark> {
    let facts = Facts::of(configuration);
    let mut remarks = vec![Remark::Said(
        "Made of a cluster's CIB. What begins with \"Decide\" needs a person. Then: cpectl validate, cpectl plan, \
         cpectl deploy."
            .to_owned(),
    )];
    let mut decide = |text: String| remarks.push(Remark::Decide(text));
    if is_guess {
        decide("the name of the deployment; it is a guess".to_owned());
    }
    decide("a uuid, if the cloud manager knows the deployment and its guests by one".to_owned());
    match nodes.is_empty() {
        true => decide("the assemblies: the CIB names no node that could be one".to_owned()),
        false => decide(
            "the addresses; they are guesses. Each guest needs cpe-agent, and a socket on this host that leads to it"
                .to_owned(),
        ),
    }
    decide(fencing(&facts));
    if facts.has_devices && nodes.is_renamed() {
        decide(
            "what fencing devices call their hosts: some nodes have other names here, and pcmk_host_map says what the \
             device calls them; target-pattern is as it was"
                .to_owned(),
        );
    }
    if !facts.secrets.is_empty() {
        let secrets = listed(&facts.secrets);
        decide(format!(
            "who may read this file: it has secrets in it ({secrets})"
        ));
    }
    if !facts.local_secrets.is_empty() {
        let secrets = listed(&facts.local_secrets);
        decide(format!(
            "the values of {secrets}: they are on the nodes only, under /var/lib/pacemaker/lrm/secrets; put \
             each into a file of the guests, and write value=\"cpe-guest-file:/PATH\""
        ));
    }
    left_out(root, configuration, nodes, &mut remarks);
    refused(configuration, &mut remarks);
    remarks
}

/// How assemblies are made safe.
fn fencing(facts: &Facts<'_>) -> String {
    match facts.has_devices {
        true => "the fencing devices of the cluster are those of the assemblies: their agents run on this host, as \
                 user dpe, and have to be installed here; a <fencing> of an assembly counts instead of them"
            .to_owned(),
        false => "the fencing: the cluster has no device, so each assembly is made safe by its lease, unless a \
                  <fencing> in it says how else"
            .to_owned(),
    }
}

/// What is not in the document.
fn left_out(
    root: &Element<'_>,
    configuration: &Element<'_>,
    nodes: &Nodes<'_, '_>,
    remarks: &mut Vec<Remark>,
) {
    if root.children.iter().any(|child| child.name == "status") {
        remarks.push(Remark::Said(
            "Left out: <status>. The state comes from the guest agents.".to_owned(),
        ));
    }
    for name in LEFT_OUT {
        let mut sections = configuration.children.iter();
        if !sections.any(|child| child.name == name && !child.children.is_empty()) {
            continue;
        }
        remarks.push(Remark::Decide(match name {
            "acls" => "who may do what; <acls> is left out: /etc/cpe/access.toml says it here".to_owned(),
            _ => "who hears of what happens; <alerts> is left out: a sink in /etc/cpe/sinks.d runs the same alert agents"
                .to_owned(),
        }));
    }
    if !nodes.remote.is_empty() {
        let names = listed(&nodes.remote);
        remarks.push(Remark::Decide(format!(
            "what becomes of the Pacemaker Remote nodes {names}: a guest with cpe-agent in it is an <assembly>, and \
             needs neither connection nor remote-node"
        )));
    }
    if !nodes.ping.is_empty() {
        let names = listed(&nodes.ping);
        remarks.push(Remark::Said(format!(
            "Left out: the ping nodes {names}. Nothing ever runs there."
        )));
    }
}

/// What is not in the document because it would be refused there, each once, and why.
fn refused<'e>(configuration: &'e Element<'_>, remarks: &mut Vec<Remark>) {
    let mut found: BTreeMap<String, (BTreeSet<&str>, String)> = BTreeMap::new();
    let mut note = |left_out: LeftOut<'e>| {
        let of_name = found.entry(left_out.what);
        let (values, _) = of_name.or_insert((BTreeSet::new(), left_out.why));
        values.extend(left_out.value);
    };
    configuration.visit(&mut |around| {
        for outer in &around.children {
            let children = outer.children.iter();
            children
                .filter_map(|it| renames::left_out(Some(around), outer, it))
                .for_each(&mut note);
        }
    });
    for (what, (values, why)) in found {
        let values: Vec<&str> = values.into_iter().collect();
        let text = match values.is_empty() {
            true => what,
            false => format!("{what}={}", listed(&values)),
        };
        let why = why.replace(": remove it", "");
        remarks.push(match text.contains(WATCHDOG) {
            true => Remark::Said(format!("Left out: {text}. Here {why}.")),
            false => Remark::Decide(format!("{text}, which is left out: {why}")),
        });
    }
}

/// What the configuration has that somebody should know.
struct Facts<'e> {
    has_devices: bool,
    /// Names of parameters whose values are secret.
    secrets: Vec<&'e str>,
    /// The same, where the value is not in the CIB.
    local_secrets: Vec<&'e str>,
}

impl<'e> Facts<'e> {
    fn of(configuration: &'e Element<'_>) -> Self {
        let mut facts = Facts {
            has_devices: false,
            secrets: Vec::new(),
            local_secrets: Vec::new(),
        };
        configuration.visit(&mut |element| {
            facts.has_devices |= element.value("class") == Some("stonith");
            let (Some(name), Some(value)) = (element.value("name"), element.value("value")) else {
                return;
            };
            if element.name != "nvpair" {
                return;
            }
            if value.starts_with(CIBSECRET) {
                facts.local_secrets.push(name);
            } else if is_secret(name) && value::boolean(value).is_err() {
                facts.secrets.push(name);
            }
        });
        facts
    }
}

/// `'a', 'b' and 3 more`, each once.
fn listed(names: &[&str]) -> String {
    let mut once: Vec<&str> = names.to_vec();
    once.sort_unstable();
    once.dedup();
    let shown: Vec<String> = once.iter().take(LISTED).map(|name| quote(name)).collect();
    match once.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
