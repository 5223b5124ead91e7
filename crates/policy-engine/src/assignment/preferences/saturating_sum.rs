//! A sequence of saturating score additions, composed into one.
//!
//! Scores saturate, so additions cannot simply be added up: a score that has reached an infinity
//! stays there. But a sequence of additions still only moves a score by a constant, except that low
//! scores end as -INFINITY and high scores as +INFINITY. [`ScoreSum`] says so in three numbers, and
//! two sums, one after the other, are a sum again. A fourth number says for which scores no
//! intermediate result is negative: the node then stays usable throughout the sequence
//! (scheduler-spec/03 §14.2 step 3).

use crate::model::Score;

const MIN: i32 = Score::MINUS_INFINITY.0;
const MAX: i32 = Score::INFINITY.0;

/// Above all scores.
const ABOVE_ALL: i32 = MAX + 1;

/// What a sequence of additions does to a score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ScoreSum {
    /// Scores up to this one become -INFINITY.
    floor_at: i32,
    /// Scores from this one on become +INFINITY, unless they are up to `floor_at`.
    ceiling_at: i32,
    /// What is added to the scores in between; 0 if there are none.
    delta: i32,
    /// From this score on, no intermediate result is negative.
    usable_from: i32,
}

impl ScoreSum {
    /// No addition.
    pub(super) const EMPTY: ScoreSum = ScoreSum {
        floor_at: MIN,
        ceiling_at: MAX,
        delta: 0,
        usable_from: MIN,
    };

    /// One addition, as [`Score::add`] does it.
    pub(super) fn of(added: Score) -> ScoreSum {
        let mut sum = if added.is_minus_infinity() {
            ScoreSum {
                floor_at: MAX,
                ceiling_at: ABOVE_ALL,
                ..ScoreSum::EMPTY
            }
        } else if added.is_infinity() {
            ScoreSum {
                ceiling_at: MIN + 1,
                ..ScoreSum::EMPTY
            }
        } else {
            ScoreSum {
                floor_at: MIN.max(MIN - added.0),
                ceiling_at: MAX.min(MAX - added.0),
                delta: added.0,
                ..ScoreSum::EMPTY
            }
        };
        sum.usable_from = sum.least_for(0);
        sum
    }

    /// This sequence, and then the next one.
    pub(super) fn then(self, next: ScoreSum) -> ScoreSum {
        let floor_at = self.least_for(next.floor_at + 1) - 1;
        let ceiling_at = self.least_for(next.ceiling_at);
        ScoreSum {
            floor_at,
            ceiling_at,
            delta: if floor_at + 1 < ceiling_at {
                self.delta + next.delta
            } else {
                0
            },
            usable_from: self.usable_from.max(self.least_for(next.usable_from)),
        }
    }

    /// The score after all additions.
    pub(super) fn apply(self, score: Score) -> Score {
        if score.0 <= self.floor_at {
            Score::MINUS_INFINITY
        } else if score.0 >= self.ceiling_at {
            Score::INFINITY
        } else {
            Score(score.0 + self.delta)
        }
    }

    /// Whether no intermediate result is negative when the additions start from this score.
    pub(super) fn stays_usable_from(self, score: Score) -> bool {
        score.0 >= self.usable_from
    }

    /// The least score that ends as `wanted` or more.
    fn least_for(self, wanted: i32) -> i32 {
        if wanted <= MIN {
            MIN
        } else if wanted > MAX {
            ABOVE_ALL
        } else {
            (wanted - self.delta)
                .max(self.floor_at + 1)
                .min(self.ceiling_at)
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
        fn a_sequence_of_additions_is_one_sum(start in score(), added in prop::collection::vec(score(), 0..8), split in 0..8usize) {
            let mut score = start;
            let mut stays_usable = true;
            for addend in &added {
                score = score.add(*addend);
                stays_usable &= score >= Score::ZERO;
            }
            let composed = |added: &[Score]| {
                added.iter().fold(ScoreSum::EMPTY, |sum, addend| sum.then(ScoreSum::of(*addend)))
            };
            let (first, second) = added.split_at(split.min(added.len()));
            let sum = composed(first).then(composed(second));
            prop_assert_eq!(sum.apply(start), score);
            prop_assert_eq!(sum.stays_usable_from(start), stays_usable);
        }
    }
}
