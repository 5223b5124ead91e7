//! Additions to a score, one after the other, as one.
//!
//! Scores saturate, so additions do not simply add up: what has reached an infinity stays there.
//! But a row of additions still only moves a score, except that whatever is low enough ends as
//! -INFINITY, and whatever is high enough as +INFINITY. [`Shift`] says so in three numbers, and a
//! row of shifts is a shift again. A fourth number says for which scores no sum on the way is
//! negative: then the node is usable at each step (scheduler-spec/03 §14.2 step 3).

use crate::model::Score;

const MIN: i32 = Score::MINUS_INFINITY.0;
const MAX: i32 = Score::INFINITY.0;

/// Above all scores.
const NONE: i32 = MAX + 1;

/// What a row of additions does to a score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shift {
    /// Scores up to this one become -INFINITY.
    low: i32,
    /// Scores from this one on become +INFINITY, unless they are up to `low`.
    high: i32,
    /// What is added to those in between; 0 if there are none.
    by: i32,
    /// From this score on no sum on the way is negative.
    smooth: i32,
}

impl Shift {
    /// No addition.
    pub(super) const NOTHING: Shift = Shift {
        low: MIN,
        high: MAX,
        by: 0,
        smooth: MIN,
    };

    /// One addition, as [`Score::add`] does it.
    pub(super) fn of(added: Score) -> Shift {
        let mut shift = if added.is_minus_infinity() {
            Shift {
                low: MAX,
                high: NONE,
                ..Shift::NOTHING
            }
        } else if added.is_infinity() {
            Shift {
                high: MIN + 1,
                ..Shift::NOTHING
            }
        } else {
            Shift {
                low: MIN.max(MIN - added.0),
                high: MAX.min(MAX - added.0),
                by: added.0,
                ..Shift::NOTHING
            }
        };
        shift.smooth = shift.least_for(0);
        shift
    }

    /// This row, and then the other.
    pub(super) fn then(self, next: Shift) -> Shift {
        let low = self.least_for(next.low + 1) - 1;
        let high = self.least_for(next.high);
        Shift {
            low,
            high,
            by: if low + 1 < high { self.by + next.by } else { 0 },
            smooth: self.smooth.max(self.least_for(next.smooth)),
        }
    }

    /// What becomes of a score.
    pub(super) fn apply(self, score: Score) -> Score {
        if score.0 <= self.low {
            Score::MINUS_INFINITY
        } else if score.0 >= self.high {
            Score::INFINITY
        } else {
            Score(score.0 + self.by)
        }
    }

    /// Whether no sum on the way from this score is negative.
    pub(super) fn is_smooth_from(self, score: Score) -> bool {
        score.0 >= self.smooth
    }

    /// The least score of which at least `wanted` becomes.
    fn least_for(self, wanted: i32) -> i32 {
        if wanted <= MIN {
            MIN
        } else if wanted > MAX {
            NONE
        } else {
            (wanted - self.by).max(self.low + 1).min(self.high)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn score() -> impl Strategy<Value = Score> {
        prop_oneof![
            Just(1_000_000),
            Just(-1_000_000),
            -20..20,
            -1_000_000..1_000_000,
            -1_000_000..-999_980,
            999_980..1_000_000,
        ]
        .prop_map(Score)
    }

    proptest! {
        #[test]
        fn a_row_of_additions_is_one_shift(start in score(), added in prop::collection::vec(score(), 0..8), split in 0..8usize) {
            let mut sum = start;
            let mut smooth = true;
            for score in &added {
                sum = sum.add(*score);
                smooth &= sum >= Score::ZERO;
            }
            let row = |added: &[Score]| {
                added.iter().fold(Shift::NOTHING, |row, score| row.then(Shift::of(*score)))
            };
            let (first, second) = added.split_at(split.min(added.len()));
            let shift = row(first).then(row(second));
            prop_assert_eq!(shift.apply(start), sum);
            prop_assert_eq!(shift.is_smooth_from(start), smooth);
        }
    }
}
