//! What only the DPE knows or does: asked for tools of this guest, and answered for other guests.
//!
//! ```text
//!  tool ──▶ engine ──Question──▶ DPE ──Answer──▶ engine ──▶ tool
//!             ▲ what was not answered when a DPE says Hello is asked again
//! ```
//!
//! A tool waits until the DPE has answered, but no longer than [`PATIENCE`]: what becomes of its
//! question after that is not known. A DPE that is restarted meanwhile is asked again, so that a
//! tool does not notice.
//!
//! A tool may name this guest as its host. Where another assembly has that name, that one is meant:
//! so the DPE is asked about it first, and if there is no such assembly, it was this guest. What
//! the DPE said last is known while none is connected: services stop then, too.

use std::collections::BTreeMap;
use std::time::Duration;

use cpe_bus::records::question::{Place, Value, What, Why};
use cpe_bus::{Error, Question, Reply, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Engine;
use super::attributes::Named;
use super::commands::Outgoing;
use super::log::log;
use crate::attributes::exit_code::{DATA_ERROR, DISCONNECTED, NO_HOST, NO_SUCH, TRY_AGAIN};
use crate::attributes::{Answer, AttributeRequest, Change, Want};
use crate::clock::boottime_us;

/// How long a tool waits for the DPE: less than for this agent.
const PATIENCE: Duration = Duration::from_secs(9);
/// Tools that may wait: as many as are heard at a time.
const MOST_WAITING: usize = 32;

/// Tools that wait for the DPE.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
    /// The DPE that is connected answers questions.
    answered: bool,
    /// Names of this guest's host (at most two), and whether they mean this guest: what the DPE has
    /// said last. Otherwise they are those of another assembly.
    hosts: BTreeMap<String, bool>,
}

#[derive(Debug)]
struct Waiting {
    question: Question,
    reply: oneshot::Sender<Answer>,
    until: Instant,
    /// If there is no such assembly, this guest is meant.
    or_own: bool,
}

impl Questions {
    /// None waits. Numbers are those of no earlier process of this boot.
    pub(super) fn new() -> Questions {
        Questions {
            last: boottime_us(),
            ..Questions::default()
        }
    }

    /// A name of this guest's host means this guest, without a look: the DPE that is connected
    /// cannot be asked, or none is and the last one said so.
    pub(super) fn says_own(&self, host: &str, is_connected: bool) -> bool {
        match is_connected {
            true => !self.answered,
            false => self.hosts.get(host).copied().unwrap_or(false),
        }
    }

    /// When the first one has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }
}

/// A reply as a tool gets it.
fn for_tool(reply: Reply) -> Answer {
    match reply {
        Reply::Done => Answer::Done,
        Reply::Values(rows) => Answer::Rows(rows),
        Reply::Refused(why, message) => Answer::Refused {
            code: match why {
                Why::NoNode => NO_HOST,
                Why::NoSuch => NO_SUCH,
                Why::Invalid => DATA_ERROR,
                Why::NotNow => TRY_AGAIN,
            },
            message,
        },
    }
}

impl Engine {
    /// Passes on to the DPE what a tool asks for another guest's boot. `None`: it is for this one.
    pub(super) fn for_another(&self, request: &AttributeRequest) -> Option<Result<Question>> {
        let node = request.node.as_ref()?;
        if self.named(node) == Named::ThisGuest {
            return None;
        }
        let boot = |what| Question {
            node: node.clone(),
            ..Question::new(what, Place::Boot)
        };
        Some(Ok(match &request.want {
            Want::Name => return None,
            Want::Ask(question) => question.clone(),
            Want::Query { name } => Question {
                name: name.clone().unwrap_or_default(),
                ..boot(What::Get)
            },
            Want::Change(Change::Delete { name }) => Question {
                name: name.clone(),
                ..boot(What::Delete)
            },
            Want::Change(Change::Update { value: None, .. }) => {
                return Some(Err(Error::InvalidArgument(
                    "the dampening of another guest's attribute is changed with a value, \
                     that of this one's under its assembly's name (crm_node -n)"
                        .into(),
                )));
            }
            Want::Change(Change::Update {
                name,
                value: Some(value),
                dampening_ms,
                redampen,
                private,
            }) => Question {
                name: name.clone(),
                value: value.clone(),
                dampening_ms: *dampening_ms,
                redampen: *redampen,
                private: *private,
                ..boot(What::Set)
            },
        }))
    }

    /// Asks the DPE, now or when it is there.
    pub(super) fn ask_dpe(&mut self, mut question: Question, reply: oneshot::Sender<Answer>) {
        let named = self.named(&question.node);
        if named == Named::ThisGuest {
            question.node.clear();
        }
        let refusal = match question.check() {
            Err(error) => Some((DATA_ERROR, error.message())),
            Ok(()) if self.identity.deployment.is_empty() => Some((
                DISCONNECTED,
                "this guest belongs to no deployment, so there is nobody to ask".to_owned(),
            )),
            Ok(()) if self.peer.is_some() && !self.questions.answered => Some((
                DISCONNECTED,
                "the DPE of this deployment is of an earlier version, which answers no questions"
                    .to_owned(),
            )),
            Ok(()) if self.questions.waiting.len() >= MOST_WAITING => Some((
                TRY_AGAIN,
                format!("{MOST_WAITING} tools wait for the DPE already"),
            )),
            Ok(()) => None,
        };
        if let Some((code, message)) = refusal {
            let _ = reply.send(Answer::Refused { code, message });
            return;
        }
        self.wait_for_dpe(Waiting {
            question,
            reply,
            until: Instant::now() + PATIENCE,
            or_own: named == Named::Unclear,
        });
    }

    fn wait_for_dpe(&mut self, waiting: Waiting) {
        self.questions.last += 1;
        let number = self.questions.last;
        self.questions.waiting.insert(number, waiting);
        self.send_question(number);
    }

    fn send_question(&mut self, number: u64) {
        // What this guest's tools have set before must not come after.
        self.report_attributes_first();
        let (Some(peer), Some(waiting)) = (&self.peer, self.questions.waiting.get(&number)) else {
            return;
        };
        let asked = Outgoing::Question(number, Box::new(waiting.question.clone()));
        if peer.outbox.try_send(asked).is_err() {
            log!(
                warn,
                self.identity,
                "the DPE does not read questions; closing the connection"
            );
            self.drop_peer();
        }
    }

    /// A DPE has said Hello: it is asked what its predecessor did not answer.
    pub(super) fn ask_again(&mut self, answers: bool) {
        self.questions.answered = answers;
        if !answers {
            let text =
                "the DPE that is there now is of an earlier version, which answers no questions";
            self.give_questions_up(text);
            return;
        }
        let numbers: Vec<u64> = self.questions.waiting.keys().copied().collect();
        for number in numbers {
            self.send_question(number);
        }
    }

    /// Nobody is to be asked any more.
    pub(super) fn give_questions_up(&mut self, message: &str) {
        for (_, waiting) in std::mem::take(&mut self.questions.waiting) {
            let message = message.to_owned();
            let code = DISCONNECTED;
            let _ = waiting.reply.send(Answer::Refused { code, message });
        }
    }

    /// Tools that have waited long enough are told so.
    pub(super) fn end_questions(&mut self, now: Instant) {
        let waiting = std::mem::take(&mut self.questions.waiting).into_iter();
        let (over, waiting) = waiting.partition(|(_, own)| own.until <= now);
        self.questions.waiting = waiting;
        let over: BTreeMap<u64, Waiting> = over;
        let why = match &self.peer {
            Some(_) => "the DPE has not answered",
            None => "no DPE is connected",
        };
        for waiting in over.into_values() {
            let message = format!(
                "{why} within {} s: what was asked for may be done or not; ask again",
                PATIENCE.as_secs()
            );
            let code = DISCONNECTED;
            let _ = waiting.reply.send(Answer::Refused { code, message });
        }
    }

    /// The DPE has answered. Of an answer that comes late, or twice, nobody wants to know.
    pub(super) fn answered(&mut self, number: u64, reply: Reply) {
        let Some(waiting) = self.questions.waiting.remove(&number) else {
            return;
        };
        if waiting.or_own {
            let host = waiting.question.node.clone();
            match &reply {
                Reply::Refused(Why::NoNode, _) => {
                    self.questions.hosts.insert(host, true);
                    return self.ask_of_own(waiting);
                }
                Reply::Refused(Why::NotNow, _) => {}
                Reply::Done | Reply::Values(_) | Reply::Refused(..) => {
                    self.questions.hosts.insert(host, false);
                }
            }
        }
        let _ = waiting.reply.send(for_tool(reply));
    }

    /// The DPE is gone: what waits for its word on the name of this guest's host goes by the last
    /// one, if that meant this guest.
    pub(super) fn answer_as_the_last_dpe(&mut self) {
        let hosts = &self.questions.hosts;
        let waiting = std::mem::take(&mut self.questions.waiting).into_iter();
        let (own, others): (BTreeMap<_, _>, BTreeMap<_, _>) = waiting.partition(|(_, waiting)| {
            waiting.or_own && hosts.get(&waiting.question.node) == Some(&true)
        });
        self.questions.waiting = others;
        for waiting in own.into_values() {
            self.ask_of_own(waiting);
        }
    }

    /// There is no assembly of the name that a tool gave: it means this guest, by its host.
    fn ask_of_own(&mut self, mut waiting: Waiting) {
        waiting.question.node.clear();
        waiting.or_own = false;
        if waiting.question.place == Place::Boot
            && matches!(waiting.question.what, What::Get | What::Set | What::Delete)
        {
            let reply = self.answer_for_another(waiting.question);
            let _ = waiting.reply.send(for_tool(reply));
        } else {
            self.wait_for_dpe(waiting);
        }
    }

    /// Answers for another guest what concerns this one's boot.
    pub(super) fn answer_for_another(&mut self, question: Question) -> Reply {
        let change = match (question.place, question.what) {
            (Place::Boot, What::Get) => {
                let name = Some(question.name).filter(|name| !name.is_empty());
                let values = self.attributes.set.query(name.as_deref());
                let row = |(name, value)| Value {
                    node: self.identity.assembly.clone(),
                    name,
                    value,
                };
                return Reply::Values(values.into_iter().map(row).collect());
            }
            (Place::Boot, What::Set) => Change::Update {
                name: question.name,
                value: Some(question.value),
                dampening_ms: question.dampening_ms,
                redampen: question.redampen,
                private: question.private,
            },
            (Place::Boot, What::Delete) => Change::Delete {
                name: question.name,
            },
            _ => {
                let text = "only what concerns this guest's boot is asked here";
                return Reply::Refused(Why::Invalid, text.to_owned());
            }
        };
        match self.change_attribute(&change) {
            Ok(()) => Reply::Done,
            Err(Error::InvalidArgument(text) | Error::TooLarge(text)) => {
                Reply::Refused(Why::Invalid, text)
            }
            Err(error) => Reply::Refused(Why::NotNow, error.message()),
        }
    }
}
