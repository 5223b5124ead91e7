//! The faults that a graph can have.

use std::fmt;

/// An action of the graph, with a name for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its number in the graph.
    pub number: u32,
    /// Its key and node: `web_start_0 on n1`.
    pub name: String,
}

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

/// A fault of a graph. Displayed, it is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The graph does not say what an action does.
    Undescribed {
        /// Number of the action.
        number: u32,
    },
    /// Two synapses have the same action.
    Repeated {
        /// The action.
        action: Named,
    },
    /// An action waits for an action that does not exist.
    UnknownInput {
        /// The action that waits.
        action: Named,
        /// Number of the input.
        input: u32,
    },
    /// Actions wait for each other, each for the next and the last for the first.
    Circle {
        /// The actions, in the order in which they would have to be done.
        actions: Vec<Named>,
    },
    /// A resource is started (or taken over by a live migration) more than once.
    StartedTwice {
        /// Id of the resource; an instance of a clone has an id of its own.
        resource: String,
        /// The actions that start it.
        starts: Vec<Named>,
    },
    /// A resource is started although it is active on another node and is not stopped there.
    ActiveElsewhere {
        /// The action that starts it.
        start: Named,
        /// The node where it is active.
        node: String,
    },
    /// A resource is started without waiting for its own stop.
    StartBeforeStop {
        /// The action that starts it.
        start: Named,
        /// The stop.
        stop: Named,
    },
    /// A live migration ends on the source before the target has taken over, or begins on the
    /// target before the source has let go.
    MigrationOutOfOrder {
        /// The action that should come first.
        first: Named,
        /// The action that should wait for it.
        then: Named,
    },
    /// Something happens before the fencing that it has to wait for: on the node that is fenced, or
    /// on any node if it is the start of a resource that requires fencing.
    BeforeFencing {
        /// The action that should wait.
        action: Named,
        /// The fencing.
        fencing: Named,
    },
    /// Something happens on an unclean node that is not fenced.
    OnUncleanNode {
        /// The action.
        action: Named,
        /// Name of the node.
        node: String,
    },
    /// A resource is started, promoted or migrated before an action that is ordered before that.
    BeforeRequired {
        /// The action that should wait.
        action: Named,
        /// The action that it is ordered after.
        required: Named,
    },
}

impl Finding {
    /// Whether carrying out the graph could do harm. Otherwise a part of it is never carried out,
    /// and that is all.
    pub fn is_unsafe(&self) -> bool {
        !matches!(self, Finding::Circle { .. })
    }

    /// Numbers of the actions involved.
    pub fn actions(&self) -> Vec<u32> {
        match self {
            Finding::Undescribed { number } => vec![*number],
            Finding::Repeated { action }
            | Finding::UnknownInput { action, .. }
            | Finding::OnUncleanNode { action, .. } => vec![action.number],
            Finding::Circle { actions } => numbers(actions),
            Finding::StartedTwice { starts, .. } => numbers(starts),
            Finding::ActiveElsewhere { start, .. } => vec![start.number],
            Finding::StartBeforeStop { start, stop } => vec![stop.number, start.number],
            Finding::MigrationOutOfOrder { first, then } => vec![first.number, then.number],
            Finding::BeforeFencing { action, fencing } => vec![fencing.number, action.number],
            Finding::BeforeRequired { action, required } => vec![required.number, action.number],
        }
    }
}

fn numbers(actions: &[Named]) -> Vec<u32> {
    actions.iter().map(|action| action.number).collect()
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Undescribed { number } => {
                write!(out, "the graph does not say what its action {number} does")
            }
            Finding::Repeated { action } => write!(out, "{action} is in the graph twice"),
            Finding::UnknownInput { action, input } => write!(
                out,
                "{action} waits for action {input}, which does not exist"
            ),
            Finding::Circle { actions } => {
                write!(out, "actions wait for each other in a circle: ")?;
                for action in actions {
                    write!(out, "{action}, then ")?;
                }
                match actions.first() {
                    Some(first) => write!(out, "{first} again"),
                    None => Ok(()),
                }
            }
            Finding::StartedTwice { resource, starts } => {
                write!(out, "{resource} is started more than once: ")?;
                let names: Vec<&str> = starts.iter().map(|start| start.name.as_str()).collect();
                out.write_str(&names.join(", "))
            }
            Finding::ActiveElsewhere { start, node } => write!(
                out,
                "{start} would run although the resource is active on {node} and is not stopped there"
            ),
            Finding::StartBeforeStop { start, stop } => {
                write!(out, "{start} does not wait for {stop}")
            }
            Finding::MigrationOutOfOrder { first, then } => {
                write!(
                    out,
                    "{then} does not wait for {first} of the same migration"
                )
            }
            Finding::BeforeFencing { action, fencing } => {
                write!(out, "{action} does not wait for {fencing}")
            }
            Finding::OnUncleanNode { action, node } => write!(
                out,
                "{action} would be done on an unclean node, and {node} is not fenced"
            ),
            Finding::BeforeRequired { action, required } => write!(
                out,
                "{action} is ordered after {required}, and does not wait for it"
            ),
        }
    }
}
