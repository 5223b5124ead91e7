//! What tools in guests ask of the whole deployment, and what is answered.

use std::fmt;

use super::ids::{AssemblyId, ServiceId};

/// What an agent can do that asks, and that answers for its guest.
pub(crate) const QUESTIONS: &str = "questions";

/// Who has a value over all boots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The deployment: its options.
    Deployment,
    /// An assembly: its permanent attributes.
    Assembly(AssemblyId),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Deployment => f.write_str("the deployment"),
            Holder::Assembly(name) => write!(f, "{name}"),
        }
    }
}

/// Something that a tool in a guest wants to know, or to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The value of an attribute or an option; without a name all.
    Get {
        /// Where.
        place: Place,
        /// Its name.
        name: Option<String>,
    },
    /// Give an attribute or an option a value, or take it away. The shell lets no names and values
    /// through that a CIB cannot hold or that mean something to the controller: see
    /// [`Attributes`](crate::Attributes).
    Put {
        /// Where.
        place: Place,
        /// Its name.
        name: String,
        /// `None`: it has none any more.
        value: Option<String>,
        /// How it is kept in its guest.
        keeping: Keeping,
    },
    /// The assemblies, and whether they are online.
    Nodes,
    /// Where a service runs.
    Locate(ServiceId),
    /// The assemblies with their states, and what every service is there: what `crm_mon` shows.
    Overview,
    /// Keep a service off the assembly whose guest asks: off no other.
    Ban(Ban),
    /// End what [`Question::Ban`] has brought.
    Clear {
        /// Of which service; `None`: of all.
        service: Option<ServiceId>,
        /// Where: in no other assembly than that whose guest asks.
        assembly: Option<Whose>,
    },
}

/// What a value belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The present boot of an assembly's guest. Its agent keeps it.
    Boot(Whose),
    /// The present boots of all guests.
    EveryBoot,
    /// An assembly, over all boots.
    Assembly(Whose),
    /// The deployment: an option.
    Deployment,
}

/// Whose attributes are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of the assembly whose guest asks.
    Own,
    /// Those of this one.
    Of(AssemblyId),
}

/// How a guest's agent keeps what is set for its boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// How long changes wait for further ones; `None`: as before.
    pub dampening_ms: Option<u32>,
    /// Change the dampening of one that exists.
    pub redampen: bool,
    /// If it is new, keep it in the guest.
    pub private: bool,
}

/// Where a service must not run, or not be promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Which service.
    pub service: ServiceId,
    /// Where.
    pub assembly: Whose,
    /// It may run there, but not be promoted.
    pub promoted: bool,
}

/// What is answered to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is done, and durable.
    Done,
    /// What was asked for.
    Values(Vec<Value>),
    /// Nothing was done.
    Refused {
        /// Why, for programs.
        why: Why,
        /// Why, and what to do, for people.
        text: String,
    },
}

/// One value of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// The assembly that it is about; empty: the deployment.
    pub node: String,
    /// The attribute, the option or the service.
    pub name: String,
    /// The value; of an assembly its state; of a service its role, and in an overview its state
    /// and its agent too.
    pub value: String,
}

/// Why nothing was done, or nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no such assembly.
    NoNode,
    /// There is no such attribute, option or service.
    NoSuch,
    /// It is not allowed, or makes no sense.
    Invalid,
    /// Not now: try again.
    NotNow,
}

/// Who is to get an answer: the agent of an assembly, and by which number it knows the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The assembly.
    pub assembly: AssemblyId,
    /// The number.
    pub number: u64,
}

impl Question {
    /// Whether something changes if it is done.
    pub fn is_change(&self) -> bool {
        !matches!(
            self,
            Question::Get { .. } | Question::Nodes | Question::Locate(_) | Question::Overview
        )
    }
}

impl Reply {
    pub(crate) fn refused(why: Why, text: impl Into<String>) -> Reply {
        Reply::Refused {
            why,
            text: text.into(),
        }
    }
}
