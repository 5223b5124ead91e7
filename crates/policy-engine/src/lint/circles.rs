//! Every input exists, and no actions wait for each other.

use super::Finding;
use super::view::View;

/// An action that waits for one that is not in the graph waits for ever, and so does all that waits
/// for it. Pacemaker's scheduler leaves such actions in its graphs: recurring monitors and
/// completions of groups whose start a colocation prevented late, and what is ordered after the
/// promotion of a clone that cannot start. They are no mistake, as long as the action that they
/// wait for exists, and whether they wait for each other as well does not matter.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut missing = Vec::new();
    for (index, synapse) in (0u32..).zip(&view.graph.synapses) {
        view.looked_at(synapse.inputs.len());
        for input in &synapse.inputs {
            if view.find(*input).is_some() {
                continue;
            }
            missing.push(index);
            if view.graph.head(*input).is_none() {
                findings.push(Finding::UnknownInput {
                    action: view.name(index),
                    input: *input,
                });
            }
        }
    }
    let in_vain = in_vain(view, missing);
    for circle in circles(view, &in_vain) {
        let actions = circle.into_iter().map(|index| view.name(index)).collect();
        findings.push(Finding::Circle { actions });
    }
}

/// Which entries wait, through others, for those with a missing input; themselves included.
fn in_vain(view: &View<'_>, missing: Vec<u32>) -> Vec<bool> {
    let mut in_vain = vec![false; view.entries.len()];
    if missing.is_empty() {
        return in_vain;
    }
    let mut waiting: Vec<Vec<u32>> = vec![Vec::new(); view.entries.len()];
    for (index, synapse) in (0u32..).zip(&view.graph.synapses) {
        view.looked_at(synapse.inputs.len());
        for input in synapse.inputs.iter().filter_map(|input| view.find(*input)) {
            waiting[input as usize].push(index);
        }
    }
    let mut open = missing;
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut in_vain[index as usize], true) {
            open.extend(&waiting[index as usize]);
        }
    }
    in_vain
}

/// How far the search has come with an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Untouched,
    /// On the way from the entry where the search began.
    OnTheWay,
    Done,
    /// In a circle that was found.
    InCircle,
}

/// Circles of entries, in the order in which they would have to be done. No entry is in two of
/// them.
fn circles(view: &View<'_>, in_vain: &[bool]) -> Vec<Vec<u32>> {
    let mut circles = Vec::new();
    let mut progress = vec![Progress::Untouched; view.entries.len()];
    // Entries on the way, each with how many of its inputs were followed.
    let mut way: Vec<(u32, usize)> = Vec::new();
    for begin in (0u32..).take(view.entries.len()) {
        if progress[begin as usize] != Progress::Untouched || in_vain[begin as usize] {
            continue;
        }
        progress[begin as usize] = Progress::OnTheWay;
        way.push((begin, 0));
        while let Some((index, followed)) = way.last_mut() {
            let Some(input) = view.inputs(*index).get(*followed) else {
                if progress[*index as usize] == Progress::OnTheWay {
                    progress[*index as usize] = Progress::Done;
                }
                way.pop();
                continue;
            };
            *followed += 1;
            view.looked_at(1);
            let Some(input) = view.find(*input).filter(|input| !in_vain[*input as usize]) else {
                continue;
            };
            match progress[input as usize] {
                Progress::Untouched => {
                    progress[input as usize] = Progress::OnTheWay;
                    way.push((input, 0));
                }
                Progress::OnTheWay => {
                    let at = way.iter().rposition(|(index, _)| *index == input);
                    let circle = way[at.unwrap_or(0)..].iter().rev();
                    let circle: Vec<u32> = circle.map(|(index, _)| *index).collect();
                    if circle
                        .iter()
                        .any(|index| progress[*index as usize] == Progress::InCircle)
                    {
                        continue;
                    }
                    for index in &circle {
                        progress[*index as usize] = Progress::InCircle;
                    }
                    circles.push(circle);
                }
                Progress::Done | Progress::InCircle => {}
            }
        }
    }
    circles
}
