//! Scores: integers that saturate at ±1,000,000 and whose negative infinity absorbs
//! (scheduler-spec/03 §1.2).

use std::fmt;

/// A score. Values at or beyond ±1,000,000 mean ±INFINITY.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(pub i32);

impl Score {
    /// +INFINITY.
    pub const INFINITY: Score = Score(1_000_000);
    /// -INFINITY.
    pub const MINUS_INFINITY: Score = Score(-1_000_000);
    /// Zero.
    pub const ZERO: Score = Score(0);

    /// `value` clamped to [-INFINITY, INFINITY].
    pub fn clamped(value: i64) -> Score {
        Score(value.clamp(-1_000_000, 1_000_000) as i32)
    }

    /// Sum of two scores: -INFINITY beats everything, then +INFINITY, else the clamped sum.
    #[allow(clippy::should_implement_trait)]
    pub fn add(self, other: Score) -> Score {
        if self.is_minus_infinity() || other.is_minus_infinity() {
            Score::MINUS_INFINITY
        } else if self.is_infinity() || other.is_infinity() {
            Score::INFINITY
        } else {
            Score::clamped(i64::from(self.0) + i64::from(other.0))
        }
    }

    /// The score with its sign turned round.
    pub fn negated(self) -> Score {
        Score(-self.0)
    }

    /// At or above +INFINITY.
    pub fn is_infinity(self) -> bool {
        self.0 >= Self::INFINITY.0
    }

    /// At or below -INFINITY.
    pub fn is_minus_infinity(self) -> bool {
        self.0 <= Self::MINUS_INFINITY.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_infinity() {
            f.write_str("INFINITY")
        } else if self.is_minus_infinity() {
            f.write_str("-INFINITY")
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl fmt::Debug for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_infinity_beats_infinity() {
        assert_eq!(
            Score::INFINITY.add(Score::MINUS_INFINITY),
            Score::MINUS_INFINITY
        );
        assert_eq!(Score(999_999).add(Score(5)), Score::INFINITY);
        assert_eq!(Score(5).add(Score(-7)), Score(-2));
    }

    #[test]
    fn infinities_are_shown_as_words() {
        assert_eq!(Score(2_000_000).to_string(), "INFINITY");
        assert_eq!(Score::MINUS_INFINITY.to_string(), "-INFINITY");
        assert_eq!(Score(-3).to_string(), "-3");
    }
}
