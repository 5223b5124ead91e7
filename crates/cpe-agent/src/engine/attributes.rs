//! Node attributes: kept like the history, reported to the DPE as a whole.
//!
//! A report is always the whole state, with a version, never a difference: nothing is lost when the
//! DPE comes back. Changes that follow each other closely are reported together, so that a resource
//! agent in a loop cannot keep the DPE busy.

use std::time::Duration;

use cpe_bus::Error;
use tokio::time::Instant;

use super::commands::Outgoing;
use super::log::log;
use super::{Engine, not_durable};
use crate::attributes::exit_code::{DATA_ERROR, IO_ERROR, NO_SUCH};
use crate::attributes::set::GuestAttributes;
use crate::attributes::socket::Asked;
use crate::attributes::{Answer, Change, Want};

/// Shortest time between two reports of attributes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// This guest's attributes, and when they are reported.
#[derive(Debug)]
pub(super) struct Kept {
    pub set: GuestAttributes,
    /// When they were last reported.
    reported: Option<Instant>,
    /// When the next report is due, if they have changed since the last.
    pub due: Option<Instant>,
}

impl Kept {
    pub(super) fn new(set: GuestAttributes) -> Self {
        Kept {
            set,
            reported: None,
            due: None,
        }
    }
}

/// Whom a tool means by the name of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// This guest.
    ThisGuest,
    /// Another assembly, if there is one of that name; else this guest, whose host has that name.
    Unclear,
    /// Another assembly.
    Another,
}

/// The answer to a change that was not made.
fn refused(error: &Error) -> Answer {
    Answer::Refused {
        code: match error {
            Error::InvalidArgument(_) | Error::TooLarge(_) => DATA_ERROR,
            Error::NotFound(_) => NO_SUCH,
            _ => IO_ERROR,
        },
        message: error.message(),
    }
}

impl Engine {
    /// Answers a tool, now or when the DPE has. What it has changed is on disk then.
    pub(super) fn tool_asks(&mut self, asked: Asked) {
        let Asked { request, reply } = asked;
        let answer = match (self.for_another(&request), request.want) {
            (Some(Ok(question)), _) | (None, Want::Ask(question)) => {
                self.ask_dpe(question, reply);
                return;
            }
            (Some(Err(error)), _) => refused(&error),
            (None, Want::Name) => self.values(None),
            (None, Want::Query { name }) => self.values(name.as_deref()),
            (None, Want::Change(change)) => match self.change_attribute(&change) {
                Ok(()) => Answer::Done,
                Err(error) => refused(&error),
            },
        };
        let _ = reply.send(answer);
    }

    /// Changes an attribute of this boot, durably.
    pub(super) fn change_attribute(&mut self, change: &Change) -> cpe_bus::Result<()> {
        let changed = self.attributes.set.with(change);
        changed.and_then(|set| self.keep_attributes(set))
    }

    fn values(&self, name: Option<&str>) -> Answer {
        Answer::Values {
            assembly: self.identity.assembly.clone(),
            values: self.attributes.set.query(name),
        }
    }

    /// Whom a tool means by that name of a node. The name of an assembly comes first: that of this
    /// guest's host may be that of another assembly, which only the DPE knows.
    pub(super) fn named(&self, node: &str) -> Named {
        let host = rustix::system::uname();
        let of_host = node == host.nodename().to_string_lossy() || node == "localhost";
        let is_alone = self.identity.deployment.is_empty();
        match () {
            () if node.is_empty() => Named::Another,
            () if node == self.identity.assembly => Named::ThisGuest,
            () if !of_host => Named::Another,
            () if is_alone || self.questions.says_own(node, self.peer.is_some()) => {
                Named::ThisGuest
            }
            () => Named::Unclear,
        }
    }

    /// Makes attributes durable, and reports them to the DPE now or soon.
    fn keep_attributes(&mut self, mut set: GuestAttributes) -> cpe_bus::Result<()> {
        if !self.identity.deployment.is_empty() {
            set.deployment.clone_from(&self.identity.deployment);
        }
        if set == self.attributes.set {
            return Ok(());
        }
        self.store.write_attributes(&set).map_err(not_durable)?;
        let news = set.version != self.attributes.set.version;
        self.attributes.set = set;
        if news {
            let last = self.attributes.reported;
            let soonest = last.map(|last| last + SHORTEST_PAUSE);
            match soonest {
                Some(soonest) if soonest > Instant::now() => self.attributes.due = Some(soonest),
                _ => self.report_attributes(),
            }
        }
        Ok(())
    }

    /// Makes a report that is due later at once: an operation's end must not overtake what its
    /// agent has set.
    pub(super) fn report_attributes_first(&mut self) {
        if self.attributes.due.is_some() {
            self.report_attributes();
        }
    }

    pub(super) fn report_attributes(&mut self) {
        self.attributes.due = None;
        self.attributes.reported = Some(Instant::now());
        let Some(peer) = &self.peer else { return };
        let all = Outgoing::Attributes(Box::new(self.attributes.set.reported()));
        if peer.outbox.try_send(all).is_err() {
            log!(
                warn,
                self.identity,
                "the DPE does not read node attributes; closing the connection"
            );
            self.drop_peer();
        }
    }

    /// Drops what services of another deployment have set; with `None`, what any service has set.
    pub(super) fn drop_attributes_unless(&mut self, deployment: Option<&str>) {
        let owner = self.attributes.set.deployment.as_str();
        let stays = deployment.is_some_and(|deployment| owner.is_empty() || owner == deployment);
        if stays || self.attributes.set.is_empty() {
            return;
        }
        let none = self.attributes.set.cleared();
        if let Err(error) = self.keep_attributes(none) {
            log!(error, self.identity, %error, "node attributes cannot be deleted");
        }
    }
}
