//! What administrators have a DPE do: one way for each, whether it is asked for by its own method
//! or by an order with an id.

use std::collections::BTreeMap;

use cpe_bus::fields::{Reader, bounded, put};
use cpe_bus::orders::Ordered;
use cpe_bus::{Error, Fields, Result};

use super::link::Permit;
use crate::audit::{self, Order};
use crate::dpe::DpeCall;
use crate::host::Host;
use crate::registry::Deployment;

/// Bytes of a name that are taken.
const LONGEST_NAME: usize = 1024;
/// Bytes of an attribute's name and value that an event has at most.
const LONGEST_SHOWN: usize = 255;

/// What a DPE is to do, with which service and assembly; empty: with all.
#[derive(Debug, Clone)]
pub(super) struct Command {
    what: What,
    service: String,
    assembly: String,
    /// How upkeep is to be done: `force`, `fingerprint`.
    how: Fields,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) enum What {
    Cleanup,
    /// Of an operation, with an interval or with any.
    CleanupOperation(String, Option<u64>),
    Refresh,
    StandbyOfAll(bool),
    Standby(bool),
    Maintenance(bool),
    /// Of that attempt.
    ConfirmFenced(String),
    /// Off, on or reboot.
    Fence(String),
    GrantTicket(String),
    RevokeTicket(String),
    TicketStandby(String, bool),
    SetAttribute {
        lifetime: String,
        name: String,
        value: String,
    },
    DeleteAttribute {
        lifetime: String,
        name: String,
    },
    /// A verb and its options.
    Service(String, Fields),
    /// A verb.
    Debug(String),
}

/// Why a command did not come to its end.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: Error,
    /// It was sent, and no answer says that it was not done: nobody knows whether it was
    /// ([`Error::OutcomeUnknown`]).
    pub is_unknown: bool,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure.error {
            Error::OutcomeUnknown(text) => Error::OutcomeUnknown(format!(
                "{text}; look whether it was done before you try again"
            )),
            error => error,
        }
    }
}

impl Command {
    pub(super) fn new(what: What, service: String, assembly: String) -> Command {
        Command {
            what,
            service,
            assembly,
            how: Fields::new(),
        }
    }

    /// Upkeep of its word and of options: `service`, `assembly`, `operation`, `interval_ms`, `on`,
    /// `force`, `fingerprint`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with what would be right.
    pub(super) fn upkeep(verb: &str, options: &Fields) -> Result<Command> {
        let reader = Reader::new("options", options);
        let name = |key| {
            let name = reader.text(key, LONGEST_NAME)?;
            match name.is_empty() && options.contains_key(key) {
                // Perhaps a variable of a script that nobody has set: all would be meant.
                true => Err(reader.invalid(key, "a name, or left out", "an empty text")),
                false => Ok(name),
            }
        };
        let (service, assembly, operation) =
            (name("service")?, name("assembly")?, name("operation")?);
        let on = match (verb, options.contains_key("on")) {
            ("maintenance" | "standby", false) => {
                return Err(Error::InvalidArgument(format!(
                    "option `on` is missing: true switches {verb} on, false off"
                )));
            }
            _ => reader.boolean("on")?,
        };
        let wrong = |text: String| Err(Error::InvalidArgument(text));
        let what = match (verb, service.is_empty(), operation.is_empty()) {
            ("cleanup", _, true) => What::Cleanup,
            ("cleanup", false, false) => {
                What::CleanupOperation(operation, reader.optional_u64("interval_ms")?)
            }
            ("cleanup", true, false) => {
                return wrong(
                    "option `service` is missing: an operation is one of a service".into(),
                );
            }
            ("refresh", _, true) => What::Refresh,
            ("maintenance", true, true) => What::Maintenance(on),
            ("standby", true, true) if assembly.is_empty() => What::StandbyOfAll(on),
            ("standby", true, true) => What::Standby(on),
            ("refresh" | "maintenance" | "standby", ..) => {
                return wrong(format!(
                    "{verb} is not about what the options name: only a cleanup has an `operation`, maintenance and standby have no `service`"
                ));
            }
            _ => {
                return wrong(format!(
                    "`{}` is no upkeep: expected cleanup, refresh, maintenance or standby",
                    bounded(verb, LONGEST_SHOWN)
                ));
            }
        };
        let mut how = Fields::new();
        if reader.boolean("force")? {
            put(&mut how, "force", true);
        }
        let fingerprint = reader.text("fingerprint", LONGEST_NAME)?;
        if !fingerprint.is_empty() {
            put(&mut how, "fingerprint", fingerprint);
        }
        let command = Command::new(what, service, assembly);
        Ok(Command { how, ..command })
    }

    /// Of an assembly, or of all.
    pub(super) fn at(what: What, assembly: String) -> Command {
        Command::new(what, String::new(), assembly)
    }

    /// Of the deployment.
    pub(super) fn whole(what: What) -> Command {
        Command::new(what, String::new(), String::new())
    }

    /// An order in the words of the bus.
    pub(super) fn of(order: Ordered) -> Result<Command> {
        let (service, assembly) = order.place();
        let how = order.how();
        let what = match order.about_service() {
            // Where to, or from where, is an option.
            Some((verb, options)) => {
                let what = What::Service(verb.to_owned(), options);
                return Ok(Command::new(what, service, String::new()));
            }
            None => What::of(order, &service)?,
        };
        let command = Command::new(what, service, assembly);
        Ok(Command { how, ..command })
    }

    /// The method that does it, whose right it takes.
    pub(super) fn method(&self) -> &'static str {
        match self.what {
            What::Cleanup => "Cleanup",
            What::CleanupOperation(..) => "CleanupOperation",
            What::Refresh => "Refresh",
            What::StandbyOfAll(_) => "SetStandbyOfAll",
            What::Standby(_) => "SetStandby",
            What::Maintenance(_) => "SetMaintenance",
            What::ConfirmFenced(_) => "ConfirmFenced",
            What::Fence(_) => "Fence",
            What::GrantTicket(_) => "GrantTicket",
            What::RevokeTicket(_) => "RevokeTicket",
            What::TicketStandby(..) => "SetTicketStandby",
            What::SetAttribute { .. } => "SetAttribute",
            What::DeleteAttribute { .. } => "DeleteAttribute",
            What::Service(..) => "OrderService",
            What::Debug(_) => "Debug",
        }
    }

    /// Doing it twice is the same as doing it once, but for what others order in between.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(
            self.what,
            What::Cleanup
                | What::CleanupOperation(..)
                | What::Refresh
                | What::StandbyOfAll(_)
                | What::Standby(_)
                | What::Maintenance(_)
        )
    }

    /// An agent is had to do something: its end comes later.
    pub(super) fn is_debug(&self) -> bool {
        matches!(self.what, What::Debug(_))
    }

    /// Has the DPE do it, by whom `by` names. What it answers: a text, or nothing.
    async fn give(&self, dpe: &DpeCall, mut by: Fields) -> Result<String> {
        let (service, assembly) = (&*self.service, &*self.assembly);
        by.extend::<Fields>(self.how.clone());
        let done = match &self.what {
            What::Cleanup => dpe.cleanup(service, assembly, by).await,
            What::CleanupOperation(operation, interval_ms) => {
                if let Some(interval_ms) = interval_ms {
                    put(&mut by, "interval_ms", *interval_ms);
                }
                let cleaned = dpe.cleanup_operation(service, assembly, operation, by);
                cleaned.await
            }
            What::Refresh => dpe.refresh(service, assembly, by).await,
            What::StandbyOfAll(on) => dpe.set_standby_of_all(*on, by).await,
            What::Standby(on) => dpe.set_standby(assembly, *on, by).await,
            What::Maintenance(on) => dpe.set_maintenance(assembly, *on, by).await,
            What::ConfirmFenced(attempt) => dpe.confirm_fenced(assembly, attempt, by).await,
            What::Fence(power) => dpe.fence(assembly, power, by).await,
            What::GrantTicket(ticket) => dpe.grant_ticket(ticket, by).await,
            What::RevokeTicket(ticket) => dpe.revoke_ticket(ticket, by).await,
            What::TicketStandby(ticket, on) => dpe.set_ticket_standby(ticket, *on, by).await,
            What::SetAttribute {
                lifetime,
                name,
                value,
            } => {
                put(&mut by, "lifetime", lifetime.as_str());
                dpe.set_attribute(assembly, name, value, by).await
            }
            What::DeleteAttribute { lifetime, name } => {
                put(&mut by, "lifetime", lifetime.as_str());
                dpe.delete_attribute(assembly, name, by).await
            }
            What::Service(verb, options) => {
                let mut options = options.clone();
                options.extend::<Fields>(by);
                return dpe.order_service(verb, service, options).await;
            }
            What::Debug(verb) => return dpe.debug(verb, service, assembly, by).await,
        };
        done.map(|()| String::new())
    }
}

impl What {
    /// What an order is that is none about services.
    fn of(order: Ordered, service: &str) -> Result<What> {
        let wrong = |what: &str| Err(Error::InvalidArgument(what.to_owned()));
        Ok(match order {
            Ordered::Cleanup {
                action,
                interval_ms,
                ..
            } => match (action, interval_ms) {
                (Some(_), _) if service.is_empty() => {
                    return wrong("`action` is one of a service: say which `service`");
                }
                (None, Some(_)) => {
                    return wrong("`interval_ms` is of an `action`: say which, such as `monitor`");
                }
                (Some(action), interval_ms) => What::CleanupOperation(action.into(), interval_ms),
                (None, None) => What::Cleanup,
            },
            Ordered::Refresh { .. } => What::Refresh,
            Ordered::Fence { power, .. } => What::Fence(power.as_str().to_owned()),
            Ordered::ConfirmFenced { attempt, .. } => What::ConfirmFenced(attempt.into()),
            Ordered::Debug { verb, .. } => What::Debug(verb.as_str().to_owned()),
            Ordered::Maintenance { on, .. } => What::Maintenance(on),
            Ordered::Standby {
                assembly: None, on, ..
            } => What::StandbyOfAll(on),
            Ordered::Standby { on, .. } => What::Standby(on),
            Ordered::GrantTicket { ticket } => What::GrantTicket(ticket.into()),
            Ordered::RevokeTicket { ticket } => What::RevokeTicket(ticket.into()),
            Ordered::StandbyTicket { ticket } => What::TicketStandby(ticket.into(), true),
            Ordered::ActivateTicket { ticket } => What::TicketStandby(ticket.into(), false),
            Ordered::SetAttribute {
                lifetime,
                name,
                value,
                ..
            } => What::SetAttribute {
                lifetime: lifetime.as_str().to_owned(),
                name: name.into(),
                value: value.into(),
            },
            Ordered::DeleteAttribute { lifetime, name, .. } => What::DeleteAttribute {
                lifetime: lifetime.as_str().to_owned(),
                name: name.into(),
            },
            other => return Err(Error::Failed(format!("nobody knows how to do {other:?}"))),
        })
    }

    /// As the action of an event.
    fn action(&self) -> &'static str {
        match self {
            What::Cleanup => "cleanup",
            What::CleanupOperation(..) => "cleanup-operation",
            What::Refresh => "refresh",
            What::StandbyOfAll(_) => "standby-of-all",
            What::Standby(_) => "standby",
            What::Maintenance(_) => "maintenance",
            What::ConfirmFenced(_) => "confirm-fenced",
            What::Fence(_) => "fence",
            What::GrantTicket(_) => "grant-ticket",
            What::RevokeTicket(_) => "revoke-ticket",
            What::TicketStandby(..) => "ticket-standby",
            What::SetAttribute { .. } => "set-attribute",
            What::DeleteAttribute { .. } => "delete-attribute",
            What::Service(verb, _) => action(verb),
            What::Debug(verb) => debug_action(verb),
        }
    }

    /// What an event tells beside that.
    fn more(&self) -> Vec<(&'static str, String)> {
        let switch = |on: &bool| ("switch", if *on { "on" } else { "off" }.to_owned());
        match self {
            What::Cleanup | What::Refresh | What::Debug(_) => Vec::new(),
            What::CleanupOperation(operation, interval_ms) => {
                let interval = interval_ms.map_or_else(|| "any".to_owned(), |it| it.to_string());
                let operation = bounded(operation, LONGEST_SHOWN);
                vec![("operation", operation), ("interval_ms", interval)]
            }
            What::StandbyOfAll(on) | What::Standby(on) | What::Maintenance(on) => vec![switch(on)],
            What::ConfirmFenced(attempt) => vec![("attempt", attempt.clone())],
            What::Fence(power) => vec![("power", power.clone())],
            What::GrantTicket(ticket) | What::RevokeTicket(ticket) => {
                vec![("ticket", ticket.clone())]
            }
            What::TicketStandby(ticket, on) => vec![("ticket", ticket.clone()), switch(on)],
            // Not the value: more people read the event log than may read values.
            What::SetAttribute { lifetime, name, .. }
            | What::DeleteAttribute { lifetime, name } => {
                let name = bounded(name, LONGEST_SHOWN);
                vec![("name", name), ("lifetime", lifetime.clone())]
            }
            What::Service(_, options) => told_of_options(options),
        }
    }
}

/// Has the DPE do what somebody asks for, and the event log tell of it and of what came of it.
/// `who`: as [`audit::details`] has it. `permit`: of whom asks; `None` if nobody is there any more
/// who could be asked.
pub(super) async fn carry_out(
    host: &Host,
    deployment: &Deployment,
    (permit, who): (Option<&Permit>, &BTreeMap<String, String>),
    command: &Command,
) -> std::result::Result<String, Failure> {
    let mut options = Fields::new();
    put(&mut options, "by", audit::by(who));
    let not_begun = |error| Failure {
        error,
        is_unknown: false,
    };
    let dpe = reach(host, deployment).await.map_err(not_begun)?;
    if let Some(permit) = permit {
        // It has waited for its turn.
        let still = permit.still(command.method(), &deployment.name);
        still.await.map_err(not_begun)?;
    }
    let outcome = changed(deployment, command.give(&dpe, options).await);
    let mut more = command.what.more();
    if command.how.contains_key("force") {
        more.push(("force", "force".to_owned()));
    }
    let more: Vec<(&str, &str)> = more.iter().map(|(key, text)| (*key, &**text)).collect();
    let assembly = match &command.what {
        What::Service(_, options) => assembly_of(options),
        _ => command.assembly.clone(),
    };
    let order = Order {
        action: command.what.action(),
        deployment: &deployment.name,
        service: &command.service,
        assembly: &assembly,
        more: &more,
    };
    audit::record_by(host, who, order, &outcome).await;
    outcome.map_err(|error| {
        let is_unknown = error.leaves_it_open();
        Failure { error, is_unknown }
    })
}

/// The DPE; while none runs, the caller should try again.
pub(super) async fn reach(host: &Host, deployment: &Deployment) -> Result<DpeCall> {
    deployment.must_be_here()?;
    let pid = deployment.view().pid;
    let client = host.dpes.client(&deployment.name, pid).await;
    client.map_err(|error| away(deployment, &error))
}

/// It does not answer, for this reason.
pub(super) fn away(deployment: &Deployment, error: &impl std::fmt::Display) -> Error {
    let remark = match deployment.view().remark {
        remark if remark.is_empty() => error.to_string(),
        remark => remark,
    };
    Error::NotReady(format!(
        "the DPE of `{}` does not answer ({remark})",
        deployment.name
    ))
}

/// An answer of the DPE to a question; if there is none, in words for our caller, who knows nothing
/// of the DPE's bus name.
pub(super) fn passed_on<T>(deployment: &Deployment, answer: Result<T>) -> Result<T> {
    answer.map_err(|error| match is_no_answer(&error) {
        true => away(deployment, &"try again"),
        false => error,
    })
}

/// The same of a change. If it was sent, and no answer says that it was not done, it may have been:
/// nobody is told to try again.
pub(super) fn changed<T>(deployment: &Deployment, answer: Result<T>) -> Result<T> {
    passed_on(
        deployment,
        answer.map_err(|error| match error {
            known @ Error::OutcomeUnknown(_) => known,
            error if error.leaves_it_open() => Error::OutcomeUnknown(format!(
                "the DPE of `{}` was told, and has not answered",
                deployment.name
            )),
            error => error,
        }),
    )
}

/// Nobody has answered.
fn is_no_answer(error: &Error) -> bool {
    matches!(error, Error::ZBus(_)) && error.is_temporary()
}

/// Where to, or from where, as the options of an order about a service say.
fn assembly_of(options: &Fields) -> String {
    let assembly = Reader::new("options", options).text("assembly", LONGEST_SHOWN);
    assembly.unwrap_or_default()
}

/// What else of them is told. What is wrong with them the DPE says.
fn told_of_options(options: &Fields) -> Vec<(&'static str, String)> {
    let reader = Reader::new("options", options);
    let is_set = |key: &str| reader.boolean(key).unwrap_or_default();
    let for_ms = reader.u64("for_ms").unwrap_or_default();
    let said = |is_so: bool, key, value: String| is_so.then_some((key, value));
    let lifetime = reader.text("lifetime", LONGEST_SHOWN).unwrap_or_default();
    let more = [
        said(!lifetime.is_empty(), "lifetime", lifetime),
        said(for_ms > 0, "for_ms", for_ms.to_string()),
        said(is_set("promoted"), "role", "Promoted".to_owned()),
        said(is_set("force"), "force", "force".to_owned()),
    ];
    more.into_iter().flatten().collect()
}

/// The verb of an order as the action of an event.
fn action(verb: &str) -> &'static str {
    match verb {
        "move" => "move",
        "ban" => "ban",
        "clear" => "clear",
        "disable" => "disable",
        "enable" => "enable",
        "unmanage" => "unmanage",
        "manage" => "manage",
        "restart" => "restart",
        _ => "order",
    }
}

/// What an agent is had to do once as the action of an event.
fn debug_action(verb: &str) -> &'static str {
    match verb {
        "monitor" => "debug-monitor",
        "start" => "debug-start",
        "stop" => "debug-stop",
        _ => "debug",
    }
}
