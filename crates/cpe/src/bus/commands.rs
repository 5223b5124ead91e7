//! What administrators have a DPE do: one way for each, whether it is asked for by its own method or
//! by an order with an id.

use std::collections::BTreeMap;

use cpe_bus::fields::{Reader, bounded, put};
use cpe_bus::orders::Ordered;
use cpe_bus::{Error, Fields, Result};

use crate::audit::{self, Order};
use crate::dpe::DpeCall;
use crate::host::Host;
use crate::registry::Deployment;

/// Bytes of an attribute's name and value that an event has at most.
const LONGEST_SHOWN: usize = 255;

/// What a DPE is to do. An empty service or assembly: all.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Cleanup {
        service: String,
        assembly: String,
    },
    CleanupOperation {
        service: String,
        assembly: String,
        operation: String,
        interval_ms: Option<u64>,
    },
    Refresh {
        service: String,
        assembly: String,
    },
    StandbyOfAll(bool),
    Standby {
        assembly: String,
        on: bool,
    },
    Maintenance {
        assembly: String,
        on: bool,
    },
    ConfirmFenced {
        assembly: String,
        attempt: String,
    },
    Fence {
        assembly: String,
        power: String,
    },
    GrantTicket(String),
    RevokeTicket(String),
    TicketStandby(String, bool),
    SetAttribute {
        assembly: String,
        lifetime: String,
        name: String,
        value: String,
    },
    DeleteAttribute {
        assembly: String,
        lifetime: String,
        name: String,
    },
    Service {
        verb: String,
        service: String,
        options: Fields,
    },
    Debug {
        verb: String,
        service: String,
        assembly: String,
    },
}

/// What the event log tells of a command.
#[derive(Debug, Default)]
struct Told<'a> {
    action: &'static str,
    service: &'a str,
    assembly: String,
    more: Vec<(&'static str, String)>,
}

/// Why a command did not come to its end.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: Error,
    /// It was sent, and there was no answer: nobody knows whether it was done.
    pub is_unknown: bool,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        failure.error
    }
}

impl Command {
    /// An order in the words of the bus.
    pub(super) fn of(order: Ordered) -> Result<Command> {
        let all = Option::unwrap_or_default;
        if let Some((verb, service, options)) = order.about_service() {
            let (verb, service) = (verb.to_owned(), service.to_owned());
            return Ok(Command::Service {
                verb,
                service,
                options,
            });
        }
        Ok(match order {
            Ordered::Cleanup {
                service,
                assembly,
                action: Some(operation),
                interval_ms,
            } => {
                let (service, assembly) = (all(service), all(assembly));
                if service.is_empty() {
                    return Err(Error::InvalidArgument(
                        "`action` is one of a service: say which `service`".into(),
                    ));
                }
                Command::CleanupOperation {
                    service,
                    assembly,
                    operation,
                    interval_ms,
                }
            }
            Ordered::Cleanup {
                interval_ms: Some(_),
                ..
            } => {
                return Err(Error::InvalidArgument(
                    "`interval_ms` is of an `action`: say which, such as `monitor`".into(),
                ));
            }
            Ordered::Cleanup {
                service, assembly, ..
            } => Command::Cleanup {
                service: all(service),
                assembly: all(assembly),
            },
            Ordered::Refresh { service, assembly } => Command::Refresh {
                service: all(service),
                assembly: all(assembly),
            },
            Ordered::Fence { assembly, power } => Command::Fence {
                assembly,
                power: power.as_str().to_owned(),
            },
            Ordered::ConfirmFenced { assembly, attempt } => {
                Command::ConfirmFenced { assembly, attempt }
            }
            Ordered::Debug {
                verb,
                service,
                assembly,
            } => Command::Debug {
                verb: verb.as_str().to_owned(),
                service,
                assembly,
            },
            Ordered::Maintenance { assembly, on } => Command::Maintenance {
                assembly: all(assembly),
                on,
            },
            Ordered::Standby { assembly: None, on } => Command::StandbyOfAll(on),
            Ordered::Standby {
                assembly: Some(assembly),
                on,
            } => Command::Standby { assembly, on },
            Ordered::GrantTicket { ticket } => Command::GrantTicket(ticket),
            Ordered::RevokeTicket { ticket } => Command::RevokeTicket(ticket),
            Ordered::StandbyTicket { ticket } => Command::TicketStandby(ticket, true),
            Ordered::ActivateTicket { ticket } => Command::TicketStandby(ticket, false),
            Ordered::SetAttribute {
                assembly,
                lifetime,
                name,
                value,
            } => {
                let lifetime = lifetime.as_str().to_owned();
                Command::SetAttribute {
                    assembly: all(assembly),
                    lifetime,
                    name,
                    value,
                }
            }
            Ordered::DeleteAttribute {
                assembly,
                lifetime,
                name,
            } => {
                let lifetime = lifetime.as_str().to_owned();
                Command::DeleteAttribute {
                    assembly: all(assembly),
                    lifetime,
                    name,
                }
            }
            other => {
                return Err(Error::Failed(format!("there is no way to do {other:?}")));
            }
        })
    }

    /// The method that does it, whose right it takes.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Command::Cleanup { .. } => "Cleanup",
            Command::CleanupOperation { .. } => "CleanupOperation",
            Command::Refresh { .. } => "Refresh",
            Command::StandbyOfAll(_) => "SetStandbyOfAll",
            Command::Standby { .. } => "SetStandby",
            Command::Maintenance { .. } => "SetMaintenance",
            Command::ConfirmFenced { .. } => "ConfirmFenced",
            Command::Fence { .. } => "Fence",
            Command::GrantTicket(_) => "GrantTicket",
            Command::RevokeTicket(_) => "RevokeTicket",
            Command::TicketStandby(..) => "SetTicketStandby",
            Command::SetAttribute { .. } => "SetAttribute",
            Command::DeleteAttribute { .. } => "DeleteAttribute",
            Command::Service { .. } => "OrderService",
            Command::Debug { .. } => "Debug",
        }
    }

    /// Doing it twice is the same as doing it once.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(
            self,
            Command::Cleanup { .. }
                | Command::CleanupOperation { .. }
                | Command::Refresh { .. }
                | Command::StandbyOfAll(_)
                | Command::Standby { .. }
                | Command::Maintenance { .. }
        )
    }

    fn told(&self) -> Told<'_> {
        let switch = |on: bool| ("switch", if on { "on" } else { "off" }.to_owned());
        let of = |action, service, assembly: &str, more| Told {
            action,
            service,
            assembly: assembly.to_owned(),
            more,
        };
        match self {
            Command::Cleanup { service, assembly } => of("cleanup", service, assembly, vec![]),
            Command::CleanupOperation {
                service,
                assembly,
                operation,
                interval_ms,
            } => {
                let interval = interval_ms.map_or_else(|| "any".to_owned(), |it| it.to_string());
                let operation = bounded(operation, LONGEST_SHOWN).to_string();
                let more = vec![("operation", operation), ("interval_ms", interval)];
                of("cleanup-operation", service, assembly, more)
            }
            Command::Refresh { service, assembly } => of("refresh", service, assembly, vec![]),
            Command::StandbyOfAll(on) => of("standby-of-all", "", "", vec![switch(*on)]),
            Command::Standby { assembly, on } => of("standby", "", assembly, vec![switch(*on)]),
            Command::Maintenance { assembly, on } => {
                of("maintenance", "", assembly, vec![switch(*on)])
            }
            Command::ConfirmFenced { assembly, attempt } => of(
                "confirm-fenced",
                "",
                assembly,
                vec![("attempt", attempt.clone())],
            ),
            Command::Fence { assembly, power } => {
                of("fence", "", assembly, vec![("power", power.clone())])
            }
            Command::GrantTicket(ticket) => {
                of("grant-ticket", "", "", vec![("ticket", ticket.clone())])
            }
            Command::RevokeTicket(ticket) => {
                of("revoke-ticket", "", "", vec![("ticket", ticket.clone())])
            }
            Command::TicketStandby(ticket, on) => of(
                "ticket-standby",
                "",
                "",
                vec![("ticket", ticket.clone()), switch(*on)],
            ),
            // Not the value: more people read the event log than may read values.
            Command::SetAttribute {
                assembly,
                lifetime,
                name,
                ..
            } => {
                let name = bounded(name, LONGEST_SHOWN).to_string();
                let more = vec![("name", name), ("lifetime", lifetime.clone())];
                of("set-attribute", "", assembly, more)
            }
            Command::DeleteAttribute {
                assembly,
                lifetime,
                name,
            } => {
                let name = bounded(name, LONGEST_SHOWN).to_string();
                let more = vec![("name", name), ("lifetime", lifetime.clone())];
                of("delete-attribute", "", assembly, more)
            }
            Command::Service {
                verb,
                service,
                options,
            } => {
                let (assembly, more) = told_of_options(options);
                of(action(verb), service, &assembly, more)
            }
            Command::Debug {
                verb,
                service,
                assembly,
            } => of(debug_action(verb), service, assembly, vec![]),
        }
    }

    /// Has the DPE do it, by whom `by` names. What it answers: a text, or nothing.
    async fn give(&self, dpe: &DpeCall, mut by: Fields) -> Result<String> {
        let done = match self {
            Command::Cleanup { service, assembly } => dpe.cleanup(service, assembly, by).await,
            Command::CleanupOperation {
                service,
                assembly,
                operation,
                interval_ms,
            } => {
                if let Some(interval_ms) = interval_ms {
                    put(&mut by, "interval_ms", *interval_ms);
                }
                dpe.cleanup_operation(service, assembly, operation, by)
                    .await
            }
            Command::Refresh { service, assembly } => dpe.refresh(service, assembly, by).await,
            Command::StandbyOfAll(on) => dpe.set_standby_of_all(*on, by).await,
            Command::Standby { assembly, on } => dpe.set_standby(assembly, *on, by).await,
            Command::Maintenance { assembly, on } => dpe.set_maintenance(assembly, *on, by).await,
            Command::ConfirmFenced { assembly, attempt } => {
                dpe.confirm_fenced(assembly, attempt, by).await
            }
            Command::Fence { assembly, power } => dpe.fence(assembly, power, by).await,
            Command::GrantTicket(ticket) => dpe.grant_ticket(ticket, by).await,
            Command::RevokeTicket(ticket) => dpe.revoke_ticket(ticket, by).await,
            Command::TicketStandby(ticket, on) => dpe.set_ticket_standby(ticket, *on, by).await,
            Command::SetAttribute {
                assembly,
                lifetime,
                name,
                value,
            } => {
                put(&mut by, "lifetime", lifetime.as_str());
                dpe.set_attribute(assembly, name, value, by).await
            }
            Command::DeleteAttribute {
                assembly,
                lifetime,
                name,
            } => {
                put(&mut by, "lifetime", lifetime.as_str());
                dpe.delete_attribute(assembly, name, by).await
            }
            Command::Service {
                verb,
                service,
                options,
            } => {
                let mut options = options.clone();
                options.extend::<Fields>(by);
                return dpe.order_service(verb, service, options).await;
            }
            Command::Debug {
                verb,
                service,
                assembly,
            } => {
                return dpe.debug(verb, service, assembly, by).await;
            }
        };
        done.map(|()| String::new())
    }
}

/// Has the DPE do what somebody asks for, and the event log tell of it and of what came of it.
/// `who`: as [`audit::details`] has it.
pub(super) async fn carry_out(
    host: &Host,
    deployment: &Deployment,
    who: &BTreeMap<String, String>,
    command: &Command,
) -> std::result::Result<String, Failure> {
    let mut options = Fields::new();
    put(&mut options, "by", audit::by(who));
    let dpe = reach(host, deployment).await.map_err(|error| Failure {
        error,
        is_unknown: false,
    })?;
    let answer = command.give(&dpe, options).await;
    let is_unknown = answer.as_ref().is_err_and(is_no_answer);
    let outcome = passed_on(deployment, answer);
    let told = command.told();
    let more: Vec<(&str, &str)> = told
        .more
        .iter()
        .map(|(key, text)| (*key, &**text))
        .collect();
    let order = Order {
        action: told.action,
        deployment: &deployment.name,
        service: told.service,
        assembly: &told.assembly,
        more: &more,
    };
    audit::record_by(host, who, order, &outcome).await;
    outcome.map_err(|error| Failure { error, is_unknown })
}

/// The DPE; while none runs, the caller should try again.
pub(super) async fn reach(host: &Host, deployment: &Deployment) -> Result<DpeCall> {
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

/// An answer of the DPE; if there is none, in words for our caller, who knows nothing of the DPE's
/// bus name.
pub(super) fn passed_on<T>(deployment: &Deployment, answer: Result<T>) -> Result<T> {
    answer.map_err(|error| match is_no_answer(&error) {
        true => away(deployment, &"try again"),
        false => error,
    })
}

/// Nobody has answered.
fn is_no_answer(error: &Error) -> bool {
    matches!(error, Error::ZBus(_)) && error.is_temporary()
}

/// What of the options of an order is told. What is wrong with them the DPE says.
fn told_of_options(options: &Fields) -> (String, Vec<(&'static str, String)>) {
    let reader = Reader::new("options", options);
    let text = |key: &str| reader.text(key, LONGEST_SHOWN).unwrap_or_default();
    let is_set = |key: &str| reader.boolean(key).unwrap_or_default();
    let for_ms = reader.u64("for_ms").unwrap_or_default();
    let said = |is_so: bool, key, value: String| is_so.then_some((key, value));
    let lifetime = text("lifetime");
    let more = [
        said(!lifetime.is_empty(), "lifetime", lifetime),
        said(for_ms > 0, "for_ms", for_ms.to_string()),
        said(is_set("promoted"), "role", "Promoted".to_owned()),
        said(is_set("force"), "force", "force".to_owned()),
    ];
    (text("assembly"), more.into_iter().flatten().collect())
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
