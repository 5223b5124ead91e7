//! What a check reports: at once where nothing else can be meant, else put aside until it is known
//! that all ways have failed. Of what was put aside no more than five reports are shown, and none
//! twice.

use crate::xml::{Document, ElementId};

/// Reports that are shown of those that were put aside.
const SHOWN: usize = 5;

/// The size of the first store of reports.
const FIRST_STORE: usize = 8;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    TypeValue,
    DuplicateId,
    NoState,
    Sequence,
    ExtraInInterleave,
    ElementName,
    ElementWrong,
    NoElement,
    AttributesInvalid,
    ContentInvalid,
    ExtraContent,
    InvalidAttribute,
}

/// Where a check is: the element, and its child that is looked at.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) element: Option<ElementId>,
    pub(super) child: Option<ElementId>,
}

#[derive(Clone)]
struct Report {
    kind: Kind,
    words: [String; 2],
    place: Place,
}

/// All reports of one check.
pub(super) struct Reports<'d> {
    document: &'d Document,
    lines: Vec<String>,
    /// What was put aside. What was taken back stays in its place until another report gets it.
    aside: Vec<Report>,
    /// How many of them count.
    count: usize,
    /// The one that the next one is compared with. It may be one that was taken back.
    last: Option<usize>,
    /// The size of the store; when it grows, `last` is set right.
    store: usize,
}

impl<'d> Reports<'d> {
    pub(super) fn new(document: &'d Document) -> Reports<'d> {
        Reports {
            document,
            lines: Vec::new(),
            aside: Vec::new(),
            count: 0,
            last: None,
            store: FIRST_STORE,
        }
    }

    pub(super) fn lines(self) -> Vec<String> {
        self.lines
    }

    /// How many are put aside.
    pub(super) fn aside(&self) -> usize {
        self.count
    }

    /// Shows a report, and before it what was put aside and may be its cause.
    pub(super) fn show(&mut self, kind: Kind, words: [&str; 2], place: Place) {
        self.show_aside();
        let words = words.map(str::to_owned);
        self.line(&Report { kind, words, place });
    }

    /// Puts a report aside, unless the last one says the same of the same element.
    pub(super) fn put_aside(&mut self, kind: Kind, words: [&str; 2], place: Option<Place>) {
        if self.count >= self.store {
            self.store *= 2;
            self.last = Some(self.count - 1);
        }
        let last = self.last.and_then(|last| self.aside.get(last));
        if let (Some(last), Some(place)) = (last, place)
            && last.place.element == place.element
            && last.kind == kind
        {
            return;
        }
        let report = Report {
            kind,
            words: words.map(str::to_owned),
            place: place.unwrap_or_default(),
        };
        match self.aside.get_mut(self.count) {
            Some(old) => *old = report,
            None => self.aside.push(report),
        }
        self.last = Some(self.count);
        self.count += 1;
    }

    /// Takes back all but the first ones.
    pub(super) fn take_back(&mut self, to: usize) {
        if self.count > to {
            self.count = to;
            if to == 0 {
                self.last = None;
            }
        }
    }

    /// Takes back what said that other elements were expected in the place of this one.
    pub(super) fn take_back_names(&mut self, found: &str) {
        while let Some(last) = self.last.and_then(|last| self.aside.get(last)) {
            let other = last.kind == Kind::ElementName && last.words[1] == found;
            if !other && last.kind != Kind::NoElement {
                return;
            }
            match self.count {
                0 => self.last = None,
                count => {
                    self.count = count - 1;
                    self.last = self.count.checked_sub(1);
                }
            }
        }
    }

    /// Shows what was put aside: all ways have failed.
    pub(super) fn show_aside(&mut self) {
        let reports = std::mem::take(&mut self.aside);
        let mut shown = 0;
        for (at, report) in reports[..self.count].iter().enumerate() {
            let same = |known: &Report| {
                known.kind == report.kind
                    && known.place.element == report.place.element
                    && known.words == report.words
            };
            if shown < SHOWN && !reports[..at].iter().any(same) {
                self.line(report);
                shown += 1;
            }
        }
        self.aside = reports;
        self.count = 0;
    }

    fn line(&mut self, report: &Report) {
        let [one, two] = &report.words;
        let text = match report.kind {
            Kind::TypeValue => format!("Type {one} doesn't allow value '{two}'"),
            Kind::DuplicateId => format!("ID {one} redefined"),
            Kind::NoState => "Internal error: no state".to_owned(),
            Kind::Sequence => "Invalid sequence in interleave".to_owned(),
            Kind::ExtraInInterleave => format!("Extra element {one} in interleave"),
            Kind::ElementName => format!("Expecting element {one}, got {two}"),
            Kind::ElementWrong => format!("Did not expect element {one} there"),
            Kind::NoElement => format!("Expecting an element {one}, got nothing"),
            Kind::AttributesInvalid => format!("Element {one} failed to validate attributes"),
            Kind::ContentInvalid => format!("Element {one} failed to validate content"),
            Kind::ExtraContent => format!("Element {one} has extra content: {two}"),
            Kind::InvalidAttribute => format!("Invalid attribute {one} for element {two}"),
        };
        let at = report.place.child.or(report.place.element);
        let at = at.map(|at| {
            let element = self.document.element(at);
            let (line, _) = element.position();
            format!("Entity: line {line}: element {}: ", element.name())
        });
        let at = at.unwrap_or_default();
        self.lines
            .push(format!("{at}Relax-NG validity error : {text}"));
    }
}
