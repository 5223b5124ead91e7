//! What a check says of itself while it runs, and what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// One check: its number among the twelve, what it is about, and how it is done.
pub(crate) struct Check {
    pub(crate) number: u32,
    pub(crate) title: &'static str,
    pub(crate) run: fn(&crate::stage::Stage, &mut Findings),
}

/// What was found in one check.
#[derive(Default)]
pub(crate) struct Findings {
    failed: u32,
    not_done: u32,
}

impl Findings {
    /// Says what was done or measured.
    #[expect(
        clippy::unused_self,
        reason = "only a check that is being done says something"
    )]
    pub(crate) fn tell(&self, what: &str) {
        println!("  · {what}");
    }

    /// Says whether something holds.
    pub(crate) fn check(&mut self, what: &str, holds: bool) {
        println!("  {} {what}", if holds { "✓" } else { "✗" });
        self.failed += u32::from(!holds);
    }

    /// Says whether what was found is what was expected, and shows it if not.
    pub(crate) fn equal(&mut self, what: &str, found: &str, expected: &str) {
        let holds = found == expected;
        match holds {
            true => self.check(&format!("{what}: {expected}"), true),
            false => self.check(&format!("{what}: {found}, not {expected}"), false),
        }
    }

    /// Does something that panics if it does not hold.
    pub(crate) fn attempt(&mut self, what: &str, does: impl FnOnce()) {
        let holds = catch_unwind(AssertUnwindSafe(does)).is_ok();
        self.check(what, holds);
    }

    /// Waits until something holds, and says how long that took.
    pub(crate) fn within(&mut self, what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
        let begin = Instant::now();
        let mut held = holds();
        while !held && begin.elapsed().as_secs() < seconds {
            std::thread::sleep(Duration::from_millis(100));
            held = holds();
        }
        let took = begin.elapsed().as_secs_f64();
        self.check(&format!("{what} ({took:.1} s)"), held);
    }

    /// Says what this check should do and cannot: it has not passed then.
    pub(crate) fn not_done(&mut self, what: &str) {
        println!("  ? not checked: {what}");
        self.not_done += 1;
    }
}

/// How a check ended.
pub(crate) struct Verdict {
    pub(crate) number: u32,
    title: &'static str,
    failed: u32,
    not_done: u32,
    took: Duration,
}

impl Verdict {
    pub(crate) fn has_passed(&self) -> bool {
        self.failed == 0 && self.not_done == 0
    }
}

/// Does a check, also if it ends by a panic.
pub(crate) fn run(check: &Check, stage: &crate::stage::Stage) -> Verdict {
    println!("\n{}. {}", check.number, check.title);
    let begin = Instant::now();
    let mut findings = Findings::default();
    let ended = catch_unwind(AssertUnwindSafe(|| (check.run)(stage, &mut findings)));
    if ended.is_err() {
        findings.check("it was done to its end (why not, stands above)", false);
    }
    let verdict = Verdict {
        number: check.number,
        title: check.title,
        failed: findings.failed,
        not_done: findings.not_done,
        took: begin.elapsed(),
    };
    println!("  {}", words(&verdict));
    verdict
}

fn words(verdict: &Verdict) -> String {
    let parts = match (verdict.failed, verdict.not_done) {
        (0, 0) => "passed".to_owned(),
        (0, missing) => format!("FAILED: {missing} could not be checked"),
        (failed, 0) => format!("FAILED: {failed} did not hold"),
        (failed, missing) => {
            format!("FAILED: {failed} did not hold, {missing} could not be checked")
        }
    };
    format!("{parts} ({:.0} s)", verdict.took.as_secs_f64())
}

/// All of them, in the order of their numbers.
pub(crate) fn summary(verdicts: &mut [Verdict]) {
    verdicts.sort_by_key(|verdict| verdict.number);
    println!();
    for verdict in verdicts.iter() {
        println!(
            "{:>2}. {:<36} {}",
            verdict.number,
            verdict.title,
            words(verdict)
        );
    }
}
