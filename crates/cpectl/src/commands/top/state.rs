//! What is known, and what of it is shown.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cpe_bus::Event;
use cpe_status::{AssemblyStatus, DeploymentStatus, ServiceStatus};

use super::orders::{Order, Planned};

/// Events that are kept to be shown.
const EVENTS: usize = 200;
/// What is older than this is not live.
pub(super) const STALE: Duration = Duration::from_secs(10);

/// Something that the daemon has said, or that it says nothing.
#[derive(Debug)]
pub(super) enum Told {
    Statuses(Vec<DeploymentStatus>),
    Event(Box<Event>),
    /// Why nothing is heard.
    Silence(String),
    /// An answer to read: its title and lines.
    Text(String, Vec<String>),
    /// What an order would bring.
    Planned(Order, Planned),
    /// What came of an order.
    Done(String),
}

/// A line of the view that can be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    Deployment(&'a DeploymentStatus),
    Assembly(&'a AssemblyStatus),
    /// What runs nowhere stands under this head.
    Nowhere,
    Service(&'a ServiceStatus),
}

/// What stands over the view.
#[derive(Debug, Default)]
pub(super) enum Dialog {
    #[default]
    None,
    Help,
    /// The text that rows and events have to contain is being typed.
    Filter,
    Text {
        title: String,
        lines: Vec<String>,
        scroll: usize,
    },
    /// Which verb?
    Verbs(Vec<Order>),
    /// Is this to be done? The name is typed.
    Plan {
        order: Order,
        planned: Planned,
        typed: String,
    },
}

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    statuses: Vec<DeploymentStatus>,
    events: VecDeque<Event>,
    /// When the statuses came.
    heard: Option<Instant>,
    /// Wall clock of the newest status, µs since the Unix epoch.
    heard_at: u64,
    trouble: Option<String>,
    /// The deployment that is looked at; else all are.
    open: Option<String>,
    /// There is no way back to all.
    only_one: bool,
    chosen: usize,
    pub(super) filter: String,
    pub(super) dialog: Dialog,
    /// Said in the last line, until the next key.
    pub(super) remark: String,
    /// Verbs may be used.
    pub(super) acts: bool,
}

impl State {
    pub(super) fn new(name: Option<String>, acts: bool) -> State {
        State {
            statuses: Vec::new(),
            events: VecDeque::new(),
            heard: None,
            heard_at: 0,
            trouble: None,
            only_one: name.is_some(),
            open: name,
            chosen: 0,
            filter: String::new(),
            dialog: Dialog::None,
            remark: String::new(),
            acts,
        }
    }

    /// Takes in what was told.
    pub(super) fn take(&mut self, told: Told, now: Instant) {
        match told {
            Told::Statuses(statuses) => {
                let newest = statuses.iter().map(|own| own.time).max();
                self.heard_at = newest.unwrap_or(self.heard_at).max(self.heard_at);
                self.statuses = statuses;
                self.heard = Some(now);
                self.trouble = None;
                self.stay_inside();
            }
            Told::Event(event) => {
                self.events.push_back(*event);
                if self.events.len() > EVENTS {
                    self.events.pop_front();
                }
            }
            Told::Silence(why) => self.trouble = Some(why),
            Told::Text(title, lines) => {
                self.remark.clear();
                self.dialog = Dialog::Text {
                    title,
                    lines,
                    scroll: 0,
                };
            }
            Told::Planned(order, planned) => {
                self.remark.clear();
                self.dialog = Dialog::Plan {
                    order,
                    planned,
                    typed: String::new(),
                };
            }
            Told::Done(text) => self.remark = text,
        }
    }

    /// How old what is shown is; `None`: nothing was heard yet.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.heard?))
    }

    /// Why what is shown is not of now, with the time that it is of; `None`: it is.
    pub(super) fn stale(&self, now: Instant) -> Option<(u64, &str)> {
        match (&self.trouble, self.age(now)) {
            (Some(why), _) => Some((self.heard_at, why)),
            (None, Some(age)) if age > STALE => Some((self.heard_at, "nothing is heard of cpe")),
            (None, _) => None,
        }
    }

    /// The deployment that is looked at, if it is known.
    pub(super) fn deployment(&self) -> Option<&DeploymentStatus> {
        let name = self.open.as_ref()?;
        self.statuses.iter().find(|status| status.name == *name)
    }

    /// The name of the deployment that is looked at.
    pub(super) fn open_name(&self) -> Option<&str> {
        self.open.as_deref()
    }

    pub(super) fn statuses(&self) -> &[DeploymentStatus] {
        &self.statuses
    }

    /// The rows that the filter leaves.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        match (self.deployment(), &self.open) {
            (Some(status), _) => self.rows_of(status),
            (None, Some(_)) => Vec::new(),
            (None, None) => {
                let all = self.statuses.iter();
                let wanted = all.filter(|own| self.fits(&[&own.name, own.state.as_str()]));
                wanted.map(Row::Deployment).collect()
            }
        }
    }

    fn rows_of<'a>(&'a self, status: &'a DeploymentStatus) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        let fits = |own: &&ServiceStatus| self.fits(&[&own.name, &own.agent, own.state.as_str()]);
        for assembly in &status.assemblies {
            let whole = self.fits(&[&assembly.name, assembly.state.as_str()]);
            let here = status.services.iter();
            let here = here.filter(|own| own.assembly == assembly.name);
            let here: Vec<&ServiceStatus> = here.filter(|own| whole || fits(own)).collect();
            if whole || !here.is_empty() {
                rows.push(Row::Assembly(assembly));
                rows.extend(here.into_iter().map(Row::Service));
            }
        }
        let known = |own: &&ServiceStatus| {
            let mut all = status.assemblies.iter();
            all.any(|assembly| assembly.name == own.assembly)
        };
        let others = status.services.iter().filter(|own| !known(own));
        let others: Vec<&ServiceStatus> = others.filter(fits).collect();
        if !others.is_empty() {
            rows.push(Row::Nowhere);
            rows.extend(others.into_iter().map(Row::Service));
        }
        rows
    }

    /// The events that the filter leaves, of what is looked at, newest first.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        let own = self.events.iter().rev();
        let own = own.filter(|event| {
            let open = self.open.as_ref();
            open.is_none_or(|name| *name == event.deployment)
        });
        own.filter(|event| {
            let Event {
                kind,
                deployment,
                assembly,
                service,
                reason,
                ..
            } = event;
            self.fits(&[kind, deployment, assembly, service, reason])
        })
    }

    fn fits<T: AsRef<str>>(&self, texts: &[T]) -> bool {
        let mut texts = texts.iter();
        self.filter.is_empty() || texts.any(|text| text.as_ref().contains(&self.filter))
    }

    pub(super) fn chosen(&self) -> usize {
        self.chosen
    }

    pub(super) fn chosen_row(&self) -> Option<Row<'_>> {
        self.rows().get(self.chosen).copied()
    }

    /// Chooses another row.
    pub(super) fn step(&mut self, down: bool, by: usize) {
        self.chosen = match down {
            true => self.chosen.saturating_add(by),
            false => self.chosen.saturating_sub(by),
        };
        self.stay_inside();
    }

    pub(super) fn stay_inside(&mut self) {
        let last = self.rows().len().saturating_sub(1);
        self.chosen = self.chosen.min(last);
    }

    /// Looks at the chosen deployment.
    pub(super) fn enter(&mut self) {
        if let Some(Row::Deployment(status)) = self.chosen_row() {
            self.open = Some(status.name.clone());
            (self.chosen, self.filter) = (0, String::new());
        }
    }

    /// Looks at all deployments again.
    pub(super) fn leave(&mut self) {
        if self.only_one || self.open.is_none() {
            return;
        }
        let name = self.open.take();
        self.filter.clear();
        let mut names = self.statuses.iter().map(|status| Some(&status.name));
        self.chosen = names.position(|own| own == name.as_ref()).unwrap_or(0);
    }
}
