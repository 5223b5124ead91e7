//! Between the bus's records and the controller's: the same fields, in types of crates that do not
//! know each other.

use controller::{
    AssemblyId, Attribute, Attributes, Ban, Event, Hello, Keeping, Occupant, Operation, Place,
    Question, Record, RecordState, Reply, ServiceId, Task, Value, Whose, Why,
};
use cpe_bus::fields::bounded;
use cpe_bus::records::question;
use cpe_bus::{
    AgentDescription, Error, GuestSecret, HelloReply, NodeAttributes, OperationRecord,
    OperationState, SECRET_NAMES, names_secret,
};
use cpe_daemon::{Cut, Hidden};

pub(crate) fn hello(reply: HelloReply) -> Hello {
    Hello {
        facts: reply.facts.values(),
        machine_id: reply.machine_id,
        boot_id: reply.boot_id,
        version: reply.version,
        capabilities: reply.capabilities,
        lease_remaining_ms: reply.lease_remaining_ms,
        leaving: reply.leaving,
    }
}

pub(crate) fn occupant(described: AgentDescription) -> Occupant {
    Occupant {
        machine_id: described.machine_id,
        deployment: described.deployment,
        assembly: described.assembly,
    }
}

pub(crate) fn attributes(all: NodeAttributes) -> Attributes {
    let values = all.values.into_iter().map(|(name, known)| {
        let attribute = Attribute {
            value: known.value,
            dampening_ms: known.dampening_ms,
        };
        (name, attribute)
    });
    Attributes {
        version: all.version,
        values: values.collect(),
    }
}

/// What a guest asks, after [`question::Question::check`].
pub(crate) fn question(asked: question::Question) -> Question {
    let optional = |text: String| (!text.is_empty()).then_some(text);
    let whose = |node: String| match optional(node) {
        None => Whose::Own,
        Some(node) => Whose::Of(AssemblyId::from(node)),
    };
    let place = |node: String| match asked.place {
        question::Place::Boot => Place::Boot(whose(node)),
        question::Place::EveryBoot => Place::EveryBoot,
        question::Place::Assembly => Place::Assembly(whose(node)),
        question::Place::Deployment => Place::Deployment,
    };
    match asked.what {
        question::What::Get => Question::Get {
            place: place(asked.node),
            name: optional(asked.name),
        },
        question::What::Set | question::What::Delete => Question::Put {
            place: place(asked.node),
            name: asked.name,
            value: (asked.what == question::What::Set).then_some(asked.value),
            keeping: Keeping {
                dampening_ms: asked.dampening_ms,
                redampen: asked.redampen,
                private: asked.private,
            },
        },
        question::What::Nodes => Question::Nodes,
        question::What::Locate => Question::Locate(asked.name.into()),
        question::What::Overview => Question::Overview,
        question::What::Ban => Question::Ban(Ban {
            service: asked.name.into(),
            assembly: whose(asked.node),
            promoted: asked.promoted,
        }),
        question::What::Clear => Question::Clear {
            service: optional(asked.name).map(ServiceId::from),
            assembly: optional(asked.node).map(|node| Whose::Of(node.into())),
        },
    }
}

/// What is passed on to the agent of another guest: what concerns its boot.
///
/// # Errors
/// [`Error::InvalidArgument`]: anything else, which no agent can answer.
pub(crate) fn passed_on(asked: Question) -> cpe_bus::Result<question::Question> {
    let boot = |what| question::Question::new(what, question::Place::Boot);
    Ok(match asked {
        Question::Put {
            place: Place::Boot(_),
            name,
            value,
            keeping,
        } => question::Question {
            name,
            dampening_ms: keeping.dampening_ms,
            redampen: keeping.redampen,
            private: keeping.private,
            ..match value {
                Some(value) => question::Question {
                    value,
                    ..boot(question::What::Set)
                },
                None => boot(question::What::Delete),
            }
        },
        Question::Get {
            place: Place::Boot(_),
            name,
        } => question::Question {
            name: name.unwrap_or_default(),
            ..boot(question::What::Get)
        },
        Question::Get { .. }
        | Question::Put { .. }
        | Question::Nodes
        | Question::Locate(_)
        | Question::Overview
        | Question::Ban(_)
        | Question::Clear { .. } => {
            return Err(Error::InvalidArgument(
                "only attributes of a guest's boot are asked of its agent".to_owned(),
            ));
        }
    })
}

/// An answer, for the bus.
pub(crate) fn answer(reply: Reply) -> question::Reply {
    match reply {
        Reply::Done => question::Reply::Done,
        Reply::Values(values) => {
            let value = |known: Value| question::Value {
                node: known.node,
                name: known.name,
                value: known.value,
            };
            question::Reply::Values(values.into_iter().map(value).collect())
        }
        Reply::Refused { why, text } => {
            let why = match why {
                Why::NoNode => question::Why::NoNode,
                Why::NoSuch => question::Why::NoSuch,
                Why::Invalid => question::Why::Invalid,
                Why::NotNow => question::Why::NotNow,
            };
            question::Reply::Refused(why, text)
        }
    }
}

/// An answer of the agent of `assembly`, after [`question::Reply::check_guests`]: what it says is
/// of its own guest, and cannot drive the terminal of another.
pub(crate) fn reply(assembly: &AssemblyId, answer: question::Reply) -> Reply {
    match answer {
        question::Reply::Done => Reply::Done,
        question::Reply::Values(values) => {
            let value = |known: question::Value| Value {
                node: assembly.in_document().to_owned(),
                name: known.name,
                value: known.value,
            };
            Reply::Values(values.into_iter().map(value).collect())
        }
        question::Reply::Refused(why, text) => {
            let why = match why {
                question::Why::NoNode => Why::NoNode,
                question::Why::NoSuch => Why::NoSuch,
                question::Why::Invalid => Why::Invalid,
                question::Why::NotNow => Why::NotNow,
            };
            let text = harmless(&text);
            Reply::Refused { why, text }
        }
    }
}

/// A text of an agent's for the tool of another guest: bounded, with blanks for control characters.
pub(crate) fn harmless(text: &str) -> String {
    let text = bounded(text, question::MAX_TEXT);
    text.replace(char::is_control, " ")
}

pub(crate) fn operation(operation: Operation) -> cpe_bus::Operation {
    cpe_bus::Operation {
        id: operation.id,
        resource: operation.resource,
        class: operation.class,
        provider: operation.provider,
        agent: operation.kind,
        action: operation.action.to_string(),
        interval_ms: operation.interval_ms,
        timeout_ms: operation.timeout_ms,
        parameters: operation.parameters,
        meta: operation.meta,
        annotations: operation.annotations,
        configure: operation.configure.map(|configure| *configure),
        verbose: operation.verbose,
    }
}

/// Whether a service begins something for which its agent needs values that only its guest has.
/// What ends or looks is done without.
pub(crate) fn begins_with_secrets(operation: &Operation) -> bool {
    let begins = matches!(
        operation.action,
        Task::Start | Task::Promote | Task::MigrateFrom
    );
    let mut values = operation.parameters.values();
    begins && values.any(|value| GuestSecret::of_value(value).is_some())
}

/// The values of an operation that nothing may tell, as far as they are known here.
pub(crate) fn secrets_of(operation: &Operation) -> Hidden {
    let Some(names) = operation.annotations.get(SECRET_NAMES) else {
        return Hidden::default();
    };
    let parameters = operation.parameters.iter();
    let secret = parameters.filter(|(name, _)| names_secret(names, name));
    Hidden::new(secret.map(|(_, value)| value.as_str()))
}

/// Takes out of a record what its agent would have taken out if it were of this version.
fn without_secrets(mut record: Record) -> Record {
    let hidden = secrets_of(&record.operation);
    if hidden == Hidden::default() {
        return record;
    }
    let take_out = |text: &mut String, before: u64| {
        let cut = match before {
            0 => Cut::No,
            _ => Cut::Beginning,
        };
        *text = hidden.take_out(std::mem::take(text), cut);
    };
    take_out(&mut record.exit_reason, 0);
    take_out(&mut record.output, 0);
    if let Some(said) = &mut record.said {
        take_out(&mut said.out, said.out_cut);
        take_out(&mut said.err, said.err_cut);
    }
    record
}

pub(crate) fn record(record: OperationRecord) -> Record {
    without_secrets(Record {
        operation: Operation {
            id: record.operation.id,
            resource: record.operation.resource,
            class: record.operation.class,
            provider: record.operation.provider,
            kind: record.operation.agent,
            action: Task::from(record.operation.action.as_str()),
            interval_ms: record.operation.interval_ms,
            timeout_ms: record.operation.timeout_ms,
            parameters: record.operation.parameters,
            meta: record.operation.meta,
            annotations: record.operation.annotations,
            configure: None,
            verbose: record.operation.verbose,
        },
        state: match record.state {
            OperationState::Pending => RecordState::Pending,
            OperationState::Complete => RecordState::Complete,
            OperationState::Cancelled => RecordState::Cancelled,
        },
        call_id: record.call_id,
        status: record.status.number(),
        rc: record.rc,
        started: record.started,
        completed: record.completed,
        last_rc_change: record.last_rc_change,
        last_run: record.last_run,
        exec_ms: record.exec_ms,
        queue_ms: record.queue_ms,
        exit_reason: record.exit_reason,
        output: record.output,
        said: record.said.map(Box::new),
    })
}

pub(crate) fn event(event: Event) -> cpe_bus::Event {
    cpe_bus::Event {
        id: event.id,
        cursor: 0,
        time: event.time,
        kind: event.kind.as_str().to_owned(),
        deployment: event.deployment,
        assembly: event.assembly.map_or_else(String::new, String::from),
        service: event.service.map_or_else(String::new, String::from),
        state: event.state,
        reason: event.reason,
        details: event.details,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_a_boot_is_passed_on() {
        let own = || Place::Boot(Whose::Own);
        let get = |place| Question::Get { place, name: None };
        assert_eq!(passed_on(get(own())).unwrap().what, question::What::Get);
        let put = |place| Question::Put {
            place,
            name: "a".into(),
            value: None,
            keeping: Keeping::default(),
        };
        assert_eq!(passed_on(put(own())).unwrap().what, question::What::Delete);
        let ban = Ban {
            service: "db".into(),
            assembly: Whose::Own,
            promoted: false,
        };
        let clear = Question::Clear {
            service: None,
            assembly: None,
        };
        for other in [
            Question::Ban(ban),
            clear,
            Question::Overview,
            get(Place::Deployment),
            put(Place::EveryBoot),
        ] {
            let said = format!("{other:?}");
            let error = passed_on(other).expect_err(&said).message();
            assert!(error.contains("of a guest's boot"), "{said}: {error}");
        }
    }

    #[test]
    fn what_an_agent_of_an_earlier_version_says_is_told_without_secrets() {
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            pairs.collect()
        };
        let text = || "no login with canary on 5432".to_owned();
        let told = record(OperationRecord {
            operation: cpe_bus::Operation {
                parameters: pairs(&[("dsn", "canary"), ("pin", "543"), ("port", "5432")]),
                annotations: pairs(&[(SECRET_NAMES, " dsn pin ")]),
                ..cpe_bus::Operation::default()
            },
            exit_reason: text(),
            output: text(),
            said: Some(cpe_bus::Said {
                out: text(),
                err: text(),
                ..cpe_bus::Said::default()
            }),
            ..OperationRecord::default()
        });
        let said = told.said.unwrap();
        for told in [told.exit_reason, told.output, said.out, said.err] {
            assert_eq!(told, "no login with *** on 5432");
        }
    }

    #[test]
    fn an_agent_answers_for_its_own_guest_and_in_plain_text() {
        let value = question::Value {
            node: "web9".into(),
            name: "a".into(),
            value: "1".into(),
        };
        let said = reply(&"web1".into(), question::Reply::Values(vec![value]));
        assert!(matches!(said, Reply::Values(values) if values[0].node == "web1"));
        let text = format!("no\u{1b}[2J\u{9b}2J{}", "x".repeat(question::MAX_TEXT));
        let refused = question::Reply::Refused(question::Why::Invalid, text);
        let Reply::Refused { text, .. } = reply(&"web1".into(), refused) else {
            panic!("it is refused");
        };
        assert!(text.starts_with("no [2J 2J"), "{text}");
        assert!(text.len() <= question::MAX_TEXT);
    }
}
