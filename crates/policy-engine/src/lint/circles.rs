//! No actions wait for each other.

use super::Finding;
use super::view::View;

/// An action that waits for one that is not in the graph waits for ever, and so does all that waits
/// for it. Pacemaker's scheduler leaves such actions in its graphs: recurring monitors and
/// completions of groups whose start a colocation prevented late, and what is ordered after the
/// promotion of a clone that cannot start. They are not a mistake, and it does not matter whether
/// they also wait for each other.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let never_done = never_done(view);
    for circle in circles(view, &never_done) {
        let actions = circle.into_iter().map(|place| view.name(place)).collect();
        findings.push(Finding::Circle { actions });
    }
}

/// Which actions are never done: they wait, themselves or through others, for one that is not in
/// the graph.
fn never_done(view: &View<'_>) -> Vec<bool> {
    let mut never_done = vec![false; view.entries.len()];
    if view.complete {
        return never_done;
    }
    let mut open = Vec::new();
    let mut waiting: Vec<Vec<u32>> = vec![Vec::new(); view.entries.len()];
    for (place, _) in (0u32..).zip(&view.entries) {
        view.looked_at(view.input_count(place));
        for input in view.inputs(place) {
            match waiting.get_mut(input as usize) {
                Some(waiting) => waiting.push(place),
                None => open.push(place),
            }
        }
    }
    while let Some(place) = open.pop() {
        if !std::mem::replace(&mut never_done[place as usize], true) {
            open.extend(&waiting[place as usize]);
        }
    }
    never_done
}

/// How far the search has come with an action.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Untouched,
    /// On the way from the action where the search began.
    OnTheWay,
    Done,
    /// In a circle that was found.
    InCircle,
}

/// Follows inputs, depth first.
struct Walk<'v, 's> {
    view: &'v View<'s>,
    progress: Vec<Progress>,
    /// The way, each action with how many of its inputs were followed.
    way: Vec<(u32, usize)>,
    circles: Vec<Vec<u32>>,
}

/// Circles, in the order in which their actions would have to be done. No action is in two of them.
fn circles(view: &View<'_>, never_done: &[bool]) -> Vec<Vec<u32>> {
    let progress = never_done.iter().map(|never_done| match never_done {
        true => Progress::Done,
        false => Progress::Untouched,
    });
    let mut walk = Walk {
        view,
        progress: progress.collect(),
        way: Vec::new(),
        circles: Vec::new(),
    };
    // Numbers cannot fall all the way round.
    for (place, entry) in (0u32..).zip(&view.entries) {
        if entry.waits_for_later && walk.progress[place as usize] == Progress::Untouched {
            walk.from(place);
        }
    }
    view.looked_at(view.entries.len());
    walk.circles
}

impl Walk<'_, '_> {
    fn from(&mut self, begin: u32) {
        self.enter(begin);
        while let Some((place, followed)) = self.way.last_mut() {
            if *followed == self.view.input_count(*place) {
                let progress = &mut self.progress[*place as usize];
                if *progress == Progress::OnTheWay {
                    *progress = Progress::Done;
                }
                self.way.pop();
                continue;
            }
            let input = self.view.input(*place, *followed);
            *followed += 1;
            self.view.looked_at(1);
            match self.progress.get(input as usize) {
                Some(Progress::Untouched) => self.enter(input),
                Some(Progress::OnTheWay) => self.close(input),
                // known already, or not in the graph
                Some(Progress::Done | Progress::InCircle) | None => {}
            }
        }
    }

    fn enter(&mut self, place: u32) {
        if self.view.input_count(place) == 0 {
            self.progress[place as usize] = Progress::Done;
            return;
        }
        self.progress[place as usize] = Progress::OnTheWay;
        self.way.push((place, 0));
    }

    /// The way has come back to an action that is on it.
    fn close(&mut self, to: u32) {
        let back = self.way.iter().rev().map(|(place, _)| *place);
        let mut circle: Vec<u32> = back.take_while(|place| *place != to).collect();
        circle.push(to);
        let known = |place: &u32| self.progress[*place as usize] == Progress::InCircle;
        self.view.looked_at(circle.len());
        if circle.iter().any(known) {
            return;
        }
        for place in &circle {
            self.progress[*place as usize] = Progress::InCircle;
        }
        self.circles.push(circle);
    }
}
