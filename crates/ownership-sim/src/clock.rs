//! Clocks that run at their own rates.

/// Parts in a million.
const MILLION: u64 = 1_000_000;

/// A CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What it showed when the world began, µs.
    base_us: u64,
    /// How far it goes in a million µs.
    rate: u64,
}

impl Clock {
    /// That goes faster or slower by so many parts in a million.
    pub(crate) fn new(base_us: u64, drift: i64) -> Clock {
        let rate = MILLION.saturating_add_signed(drift);
        Clock { base_us, rate }
    }

    /// What it shows.
    pub(crate) fn at(&self, now_us: u64) -> u64 {
        self.base_us + (u128::from(now_us) * u128::from(self.rate) / u128::from(MILLION)) as u64
    }

    /// When it shows that, or later.
    pub(crate) fn when(&self, local_us: u64) -> u64 {
        let run = u128::from(local_us.saturating_sub(self.base_us));
        (run * u128::from(MILLION)).div_ceil(u128::from(self.rate)) as u64
    }
}
