//! The policy engine's input: a CIB made of the configuration and of what the controller knows
//! (scheduler-spec/02).
//!
//! | what the controller knows | `node_state` |
//! | --- | --- |
//! | online | member, expected member |
//! | lost | not member, expected member: *unclean*, whatever must wait for its fencing waits |
//! | safe | not member, expected down: offline |
//! | unknown | member without process, expected down: *pending*, nothing is decided about it |
//! | online, to be restarted | member with attribute `terminate`: unclean |
//!
//! The history is what agents reported, in the form that Pacemaker gives it: the last single
//! operation as `…_last_0`, recurring ones under their own keys, the last failure as
//! `…_last_failure_0`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use policy_engine::xml::{Decimal, Writer};

use super::in_use::{is_single, promotion, reloaded, start};
use super::living::Followed;
use super::migrations::{self, GivenUp};
use super::overlaid;
use crate::machines::arrivals::Arrivals;
use crate::machines::failures::FailureFacts;
use crate::machines::history::{self, History};
use crate::machines::overlay::Overlay;
use crate::machines::ticket::TicketFacts;
use crate::machines::values::{self, BanFacts, Values};
use crate::vocabulary::{
    AssemblyId, FORCE_RESTART, Holder, MIGRATE_SOURCE, MIGRATE_TARGET, OP_DIGEST, RC_PENDING,
    Record, RecordState, SECOND, ServiceId, Task, TicketId, TransitionKey, Unfenced,
    dispatcher_uuid,
};

/// The feature set whose history entries these are: one that the field's present tools read, too.
const FEATURE_SET: &str = "3.16.2";

/// In `crm_config`: nothing migrates live, all is stopped and started. The last set is the
/// strongest of those without a score.
const NO_LIVE_MIGRATION: &str = r#"<cluster_property_set id="cpe-deadlock"><nvpair id="cpe-deadlock-live-migration" name="live-migration" value="false"/></cluster_property_set>"#;

/// The state of an assembly in the policy engine's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeState {
    Unknown,
    Online,
    Lost,
    Safe,
}

/// One assembly for the CIB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub name: &'a AssemblyId,
    pub state: NodeState,
    pub standby: bool,
    pub maintenance: bool,
    /// To be fenced although it is online.
    pub terminate: bool,
    /// Not in the configuration any more.
    pub retired: bool,
    /// Services may run there that nobody knows of.
    pub in_doubt: bool,
    /// What live migrations may have brought there.
    pub arrivals: &'a Arrivals,
    pub history: &'a History,
    /// Its devices have let its guest in.
    pub unfenced: Option<&'a Unfenced>,
    /// What resource agents have set, by name.
    pub attributes: &'a BTreeMap<String, String>,
}

/// Everything that goes into a CIB.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// `<configuration>…</configuration>`.
    pub configuration: Cow<'a, str>,
    /// Its parameters that follow values beyond it.
    pub followed: Followed<'a>,
    /// Its resources that run in one assembly or nowhere.
    pub pins: &'a [(String, AssemblyId)],
    pub nodes: Vec<Node<'a>>,
    /// What is known not to run in an assembly, and cannot start there: nobody lets it in.
    pub kept_out: Vec<(AssemblyId, ServiceId)>,
    /// By assembly and resource.
    pub failures: &'a BTreeMap<(AssemblyId, String), FailureFacts>,
    /// What may migrate live may do so now.
    pub live_migration: bool,
    /// The host's time zone. The configuration may name another.
    pub host_time_zone: Option<&'a str>,
    /// Services of the configuration.
    pub services: BTreeSet<&'a ServiceId>,
    /// Tickets of the deployment about which something was said.
    pub tickets: &'a BTreeMap<TicketId, TicketFacts>,
    /// Permanent attributes and options that were set beside the configuration.
    pub values: &'a Values,
    /// Where services must not run, beside what the configuration says.
    pub bans: &'a BTreeMap<(AssemblyId, ServiceId), BanFacts>,
    /// What administrators want of single services beside the configuration.
    pub overlay: &'a Overlay,
    /// Epoch seconds.
    pub now_s: i64,
}

/// Writes the CIB.
pub(crate) fn write(input: &Input<'_>) -> String {
    let mut xml = Writer::with_capacity(input.configuration.len() * 2 + 1024);
    xml.open("cib")
        .attribute("crm_feature_set", FEATURE_SET)
        .attribute("validate-with", "pacemaker-3.7")
        .attribute("have-quorum", "1")
        .attribute("epoch", "1")
        .attribute("num_updates", "0")
        .attribute("admin_epoch", "0")
        .attribute("execution-date", &input.now_s.to_string());
    xml.verbatim(&configuration(input)).verbatim("\n");
    xml.open("status");
    tickets(input.tickets, &mut xml);
    let given_up = GivenUp::all(input);
    for node in &input.nodes {
        node_state(node, input, &given_up, &mut xml);
    }
    xml.finish()
}

/// The tickets (scheduler-spec/02 §5.1).
fn tickets<'a>(tickets: &'a BTreeMap<TicketId, TicketFacts>, xml: &mut Writer<'a>) {
    if tickets.is_empty() {
        return;
    }
    xml.open("tickets");
    for (name, facts) in tickets {
        xml.open("ticket_state")
            .attribute("id", name.as_str())
            .attribute("granted", word(facts.is_granted()))
            .attribute("standby", word(facts.is_in_standby()));
        if facts.last_granted() > 0 {
            let seconds = facts.last_granted() / SECOND;
            xml.attribute("last-granted", &seconds.to_string());
        }
        xml.close();
    }
    xml.close();
}

fn word(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

/// The configuration, with the nodes that are no longer in it but not yet empty, and with what
/// holds for this question only.
pub(super) fn configuration<'a>(input: &'a Input<'_>) -> Cow<'a, str> {
    let (mut retired, mut looked_for) = (Writer::new(), Writer::new());
    for node in &input.nodes {
        if node.retired {
            retired
                .open("node")
                .attribute("id", node.name.as_str())
                .attribute("uname", node.name.as_str())
                .close();
        }
        // What is pinned to an assembly may run in its former incarnation, and anywhere that is in
        // doubt, or to where something may have migrated.
        let elsewhere = input.pins.iter().filter(|(_, home)| home != node.name);
        let may_run = |home: &AssemblyId| {
            let former = node.retired && home.as_str() == node.name.in_document();
            node.in_doubt || node.arrivals.must_look() || former
        };
        for (resource, _) in elsewhere.filter(|(_, home)| may_run(home)) {
            looked_for
                .open("rsc_location")
                .attribute("id", &format!("looked-for.{resource}.{}", node.name))
                .attribute("rsc", resource)
                .attribute("node", node.name.as_str())
                .attribute("score", "-INFINITY")
                .attribute("resource-discovery", "exclusive")
                .close();
        }
    }
    not_let_in(input, &mut looked_for);
    let mut text = Cow::Borrowed(&*input.configuration);
    append(&mut text, "nodes", &retired.finish());
    append(&mut text, "constraints", &looked_for.finish());
    append(&mut text, "constraints", &bans(input));
    let overlay = overlaid::constraints(input.overlay, &input.configuration, input.bans);
    append(&mut text, "constraints", &overlay);
    append(
        &mut text,
        "crm_config",
        &kept(input.values, &Holder::Deployment),
    );
    for node in input.nodes.iter().filter(|node| !node.retired) {
        let holder = Holder::Assembly(node.name.clone());
        into_node(&mut text, node.name, &kept(input.values, &holder));
    }
    // The first counts: a document that names a zone has its option before this one.
    if let Some(zone) = input.host_time_zone {
        let mut option = Writer::new();
        option
            .open("cluster_property_set")
            .attribute("id", "cpe-clock");
        option
            .open("nvpair")
            .attribute("id", "cpe-clock-time-zone")
            .attribute("name", "time-zone")
            .attribute("value", zone);
        append(&mut text, "crm_config", &option.finish());
    }
    if !input.live_migration {
        append(&mut text, "crm_config", NO_LIVE_MIGRATION);
    }
    text
}

/// Where nobody lets the guest in, as far as nothing runs there: see `kept_out.rs`.
fn not_let_in<'a>(input: &'a Input<'_>, xml: &mut Writer<'a>) {
    for (name, resource) in &input.kept_out {
        xml.open("rsc_location")
            .attribute("id", &format!("not-let-in.{resource}.{name}"))
            .attribute("rsc", resource.as_str())
            .attribute("node", name.as_str())
            .attribute("score", "-INFINITY")
            .attribute("resource-discovery", "never")
            .close();
    }
}

/// What was set beside the configuration, as the strongest of its sets; nothing if that is nothing.
fn kept(all: &Values, holder: &Holder) -> String {
    let mut own = values::of(all, holder).peekable();
    if own.peek().is_none() {
        return String::new();
    }
    let (element, id) = match holder {
        Holder::Deployment => ("cluster_property_set", "kept.options".to_owned()),
        Holder::Assembly(name) => ("instance_attributes", format!("kept.{name}")),
    };
    let mut xml = Writer::new();
    xml.open(element)
        .attribute("id", &id)
        .attribute("score", "INFINITY");
    // A name may hold what an id cannot.
    for (number, (name, value)) in own.enumerate() {
        xml.open("nvpair")
            .attribute("id", &format!("{id}.{}", number + 1))
            .attribute("name", name)
            .attribute("value", value)
            .close();
    }
    xml.finish()
}

/// Puts elements into the element of a node, whose name needs no escapes.
fn into_node(text: &mut Cow<'_, str>, name: &AssemblyId, elements: &str) {
    if elements.is_empty() {
        return;
    }
    let start = format!("<node id=\"{name}\" uname=\"{name}\"");
    let Some(at) = text.find(&start).map(|at| at + start.len()) else {
        return;
    };
    let rest = &text[at..];
    if rest.starts_with("/>") {
        let full = format!(">{elements}</node>");
        text.to_mut().replace_range(at..at + 2, &full);
    } else if rest.starts_with('>') {
        text.to_mut().insert_str(at + 1, elements);
    }
}

/// Bans, with the ids that Pacemaker's tools give theirs, if the configuration has none of that id.
fn bans(input: &Input<'_>) -> String {
    let mut xml = Writer::new();
    for ((assembly, service), ban) in input.bans {
        let [own, other] = values::ban_ids(service, assembly);
        let is_taken = input.configuration.contains(&format!("\"{own}\""));
        let id = if is_taken { other } else { own };
        let role = if ban.promoted { "Promoted" } else { "Started" };
        xml.open("rsc_location")
            .attribute("id", &id)
            .attribute("rsc", service.as_str())
            .attribute("role", role)
            .attribute("node", assembly.as_str())
            .attribute("score", "-INFINITY")
            .close();
    }
    xml.finish()
}

/// Puts elements at the end of a section of the configuration.
fn append(text: &mut Cow<'_, str>, section: &str, elements: &str) {
    if elements.is_empty() {
        return;
    }
    let end = format!("</{section}>");
    if let Some(at) = text.find(&end) {
        text.to_mut().insert_str(at, elements);
    } else {
        let full = format!("<{section}>{elements}{end}");
        *text = Cow::Owned(text.replacen(&format!("<{section}/>"), &full, 1));
    }
}

fn node_state(node: &Node<'_>, input: &Input<'_>, given_up: &[GivenUp<'_>], xml: &mut Writer<'_>) {
    let (member, process, join, expected) = match node.state {
        NodeState::Online => ("true", "online", "member", "member"),
        NodeState::Lost => ("false", "offline", "down", "member"),
        NodeState::Safe => ("false", "offline", "down", "down"),
        NodeState::Unknown => ("true", "offline", "down", "down"),
    };
    xml.open("node_state").attributes([
        ("id", node.name.as_str()),
        ("uname", node.name.as_str()),
        ("in_ccm", member),
        ("crmd", process),
        ("join", join),
        ("expected", expected),
    ]);
    transient_attributes(node, input, xml);
    if node.state != NodeState::Safe {
        xml.open("lrm").attribute("id", node.name.as_str());
        xml.open("lrm_resources");
        for (resource, records) in node.history.resources() {
            let failure = input
                .failures
                .get(&(node.name.clone(), resource.to_owned()));
            let named = input.services.contains(&ServiceId::of_resource(resource));
            let cleaned_up = failure.and_then(|facts| facts.disbelieved());
            let mut records: Vec<&Record> = history::each(records).collect();
            if let Some(last) = cleaned_up.filter(|_| node.state == NodeState::Online) {
                let all = named && failure.is_some_and(|facts| !facts.believes_but_stops());
                disbelieve(&mut records, last, all);
            }
            let may_have_come = given_up.iter().any(|own| own.may_have_come(node, resource));
            // Nobody looks for what the document does not name: it is stopped by what is told.
            let unclear = may_have_come
                || node.arrivals.must_be_looked_for(resource)
                || migrations::may_be_nowhere(input, node, resource);
            if named && unclear {
                records.retain(|record| record.state == RecordState::Pending);
            }
            if named && node.state == NodeState::Online {
                records.retain(|record| !is_run_by_hand(record));
            }
            records.retain(|record| !given_up.iter().any(|own| own.is_over(node, record)));
            let seen: Vec<Cow<'_, Record>> = records
                .into_iter()
                .map(|it| input.followed.seen(it))
                .collect();
            let records: Vec<&Record> = seen.iter().map(AsRef::as_ref).collect();
            let start = start(resource, &records, node.history, &input.followed);
            let told = Told {
                records: &records,
                start: start.as_ref(),
                promotion: promotion(resource, &records, node.history),
                failure,
            };
            lrm_resource(node.name.as_str(), resource, told, input.now_s, xml);
        }
        xml.close();
        xml.close();
    }
    xml.close();
}

/// An administrator has it run once: nothing is decided by it. When it has ended, it is not
/// believed until it was looked at again: see `debug_results.rs`.
fn is_run_by_hand(record: &Record) -> bool {
    record.is_debug() && record.state == RecordState::Pending
}

/// Leaves out what a clean-up says not to believe: see `cleanup.rs`.
fn disbelieve(records: &mut Vec<&Record>, last: u32, all: bool) {
    let newer = |record: &Record| record.state == RecordState::Pending || record.call_id > last;
    let failed_stop = |record: &Record| record.operation.action == Task::Stop && record.failed();
    if all {
        records.retain(|record| newer(record));
    } else if records.iter().any(|record| !failed_stop(record)) {
        records.retain(|record| newer(record) || !failed_stop(record));
    }
}

fn transient_attributes(node: &Node<'_>, input: &Input<'_>, xml: &mut Writer<'_>) {
    let mut attributes: Vec<(String, String)> = Vec::new();
    let flags = [
        ("standby", node.standby || node.retired),
        ("maintenance", node.maintenance),
        (
            "terminate",
            node.terminate && node.state == NodeState::Online,
        ),
    ];
    for (name, _) in flags.into_iter().filter(|(_, on)| *on) {
        attributes.push((name.into(), "true".into()));
    }
    let unfenced = node.unfenced.into_iter().flat_map(Unfenced::attributes);
    attributes.extend(unfenced.map(|(name, value)| (name.to_owned(), value)));
    let own = node.attributes.iter();
    // No guest lets itself in.
    let own = own.filter(|(name, _)| !Unfenced::is_attribute(name));
    attributes.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    let own = (node.name.clone(), String::new())..;
    for ((_, resource), facts) in input
        .failures
        .range(own)
        .take_while(|((assembly, _), _)| assembly == node.name)
    {
        for (operation, count) in facts.counts() {
            if count.count > 0 {
                let name = format!("fail-count-{resource}#{operation}");
                attributes.push((name, count.text()));
            }
            let name = format!("last-failure-{resource}#{operation}");
            attributes.push((name, count.last_failure.to_string()));
        }
    }
    if attributes.is_empty() {
        return;
    }
    xml.open("transient_attributes")
        .attribute("id", node.name.as_str());
    xml.open("instance_attributes")
        .attribute("id", &format!("status-{}", node.name));
    for (name, value) in &attributes {
        xml.open("nvpair")
            .attribute("id", &format!("status-{}-{name}", node.name))
            .attribute("name", name)
            .attribute("value", value)
            .close();
    }
    xml.close();
    xml.close();
}

/// What the policy engine learns of a resource in an assembly.
#[derive(Clone, Copy)]
struct Told<'a> {
    records: &'a [&'a Record],
    /// It was started by this, before it was looked for.
    start: Option<&'a Record>,
    /// It is promoted by this, which no later record says.
    promotion: Option<&'a Record>,
    failure: Option<&'a FailureFacts>,
}

fn lrm_resource(node: &str, resource: &str, told: Told<'_>, now_s: i64, xml: &mut Writer<'_>) {
    let Told {
        records,
        start,
        promotion,
        failure,
    } = told;
    let Some(any) = records.first() else {
        return;
    };
    let provider = Some(&*any.operation.provider).filter(|provider| !provider.is_empty());
    xml.open("lrm_resource")
        .attribute("id", resource)
        .attribute("class", &any.operation.class)
        .optional("provider", provider)
        .attribute("type", &any.operation.kind);

    let in_state = |state: RecordState| {
        records
            .iter()
            .copied()
            .filter(move |record| record.state == state)
    };
    let complete: Vec<&Record> = in_state(RecordState::Complete).collect();
    let single = complete.iter().filter(|record| is_single(record));
    if let Some(last) = single.max_by_key(|record| record.call_id) {
        let id = format!("{resource}_last_0");
        entry(node, &id, &reloaded(last, &complete), None, xml);
    }
    for record in start.into_iter().chain(promotion) {
        entry(node, &operation_key(record), record, None, xml);
    }
    for record in complete.iter().filter(|record| !is_single(record)) {
        let operation = &record.operation;
        // A failed recurring operation is known as the last failure only, a notification says
        // nothing about the state.
        if matches!(operation.action, Task::MigrateTo | Task::MigrateFrom)
            || (operation.interval_ms > 0 && !record.failed())
        {
            let record = reloaded(record, &complete);
            entry(node, &operation_key(&record), &record, None, xml);
        }
    }
    // What is under way is under way now: by its own time it might be older than a failure, or have
    // expired, and would not count.
    for record in in_state(RecordState::Pending) {
        let id = match record.operation.interval_ms {
            0 => format!("{resource}_pending_{}", record.operation.action),
            _ => operation_key(record),
        };
        entry(node, &id, record, Some(now_s + 1), xml);
    }
    if let Some((record, when)) = failure.and_then(FailureFacts::last) {
        let id = format!("{resource}_last_failure_0");
        entry(node, &id, record, when, xml);
    }
    xml.close();
}

/// `RESOURCE_ACTION_INTERVAL`.
fn operation_key(record: &Record) -> String {
    format!(
        "{}_{}_{}",
        record.operation.resource, record.operation.action, record.operation.interval_ms
    )
}

/// Status, exit code and call id of an entry. To the policy engine a recurring operation that is
/// pending is not there, and would be begun again: one that waits for its first turn is in force.
fn result(record: &Record) -> (i32, i32, i64) {
    let call_id = i64::from(record.call_id);
    match record.state {
        _ if record.waits_for_its_first_turn() => (0, record.expected_rc(), call_id),
        RecordState::Pending => (-1, RC_PENDING, -1),
        _ => (record.status, record.rc, call_id),
    }
}

/// The transition key of an operation for which no DPE has asked.
fn unasked_key(record: &Record) -> String {
    let key = TransitionKey {
        action: 0,
        transition: 0,
        expected_rc: record.expected_rc(),
        uuid: dispatcher_uuid(0),
    };
    key.to_string()
}

/// One history entry (05 §18.5). `when`: epoch seconds of the host, for failures, so that their
/// expiry does not hang on a guest's clock, and for what is under way.
fn entry(node: &str, id: &str, record: &Record, when: Option<i64>, xml: &mut Writer<'_>) {
    let operation = &record.operation;
    let key: Cow<'_, str> = match TransitionKey::is_key(&operation.id) {
        true => Cow::Borrowed(&operation.id),
        false => Cow::Owned(unasked_key(record)),
    };
    let (status, rc, call_id) = result(record);
    // A reload that failed is recorded as what it amounts to: the resource is not as it should be.
    let action = match &operation.action {
        Task::ReloadAgent => &Task::Monitor,
        other => other,
    };
    let (action, resource) = (action.as_str(), operation.resource.as_str());
    let change = if record.last_rc_change > 0 {
        record.last_rc_change
    } else {
        record.started
    };
    let change = when.unwrap_or_else(|| i64::try_from(change / 1_000_000).unwrap_or(0));
    let (status, rc) = (Decimal::new(status), Decimal::new(rc));
    let interval = Decimal::new(operation.interval_ms);
    xml.open("lrm_rsc_op")
        .attribute("id", id)
        .joined(
            "operation_key",
            &[resource, "_", action, "_", interval.text()],
        )
        .attribute("operation", action)
        .attribute("crm-debug-origin", "dpe")
        .attribute("crm_feature_set", FEATURE_SET)
        .attribute("transition-key", &key)
        .joined(
            "transition-magic",
            &[status.text(), ":", rc.text(), ";", &key],
        )
        .attribute("exit-reason", &record.exit_reason)
        .attribute("on_node", node)
        .number("call-id", call_id)
        .attribute("rc-code", rc.text())
        .attribute("op-status", status.text())
        .attribute("interval", interval.text())
        .number("last-rc-change", change)
        .number("exec-time", record.exec_ms)
        .number("queue-time", record.queue_ms);
    for name in [MIGRATE_SOURCE, MIGRATE_TARGET, OP_DIGEST] {
        let value = operation.annotations.get(name).map(String::as_str);
        xml.optional(name, value);
    }
    // Of operations once only: a recurring one with other parameters is simply begun again.
    if let Some(names) = operation
        .annotations
        .get(FORCE_RESTART)
        .filter(|_| operation.interval_ms == 0)
    {
        let forces = |name: &str| names.split_ascii_whitespace().any(|known| known == name);
        let parameters = operation
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let digest = policy_engine::parameters_digest(parameters.filter(|(name, _)| forces(name)));
        xml.attribute(FORCE_RESTART, names)
            .attribute("op-restart-digest", &digest);
    }
    xml.close();
}
