//! What an agent's Hello means for an assembly: by what is durably known of it, and by the life
//! that it had until now. Nothing is changed here.

use super::{Course, Life};
use crate::machines::facts::{AssemblyFacts, Departure, LastEvent};

/// What follows from a Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its guest was booted again while it was to be made safe: so it is safe.
    MadeSafe,
    /// Its fencing goes on. What it tells of itself is of use only if it was heard all the time.
    StaysFenced {
        /// Its history and its attributes are taken.
        heard: bool,
    },
    /// It is online, and what was to fence it is over.
    Online(Answer),
}

/// How an assembly comes online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its guest was booted since it was last heard: what ran there is gone.
    pub rebooted: bool,
    /// What nobody noticed until now.
    pub gap: Gap,
    /// The event that tells it.
    pub event: Option<Told>,
}

/// What became of an assembly without anybody noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nothing.
    None,
    /// It had said that it leaves, or had to be restarted, and was booted again.
    Expected,
    /// It was booted again: the loss is told first, and counts as a failure.
    Loss,
}

/// Why an event says that an assembly comes online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It was lost, late or being fenced.
    Recovered,
    /// It is there for the first time, or after it was safe or rebooted.
    Online,
}

/// Says what a Hello from a guest of boot `boot_id` means.
pub(crate) fn judge(facts: &AssemblyFacts, boot_id: &str, course: &Course) -> Verdict {
    let rebooted = !facts.boot_id.is_empty() && facts.boot_id != boot_id;
    // What a lost assembly's fencing was for is over when its agent is back. A device that was
    // asked will do its work anyway, and an assembly that is fenced for another reason stays so.
    if let Some(fence) = course.fence().filter(|fence| fence.outlives_return()) {
        return if rebooted && !fence.is_requested() {
            Verdict::MadeSafe
        } else {
            Verdict::StaysFenced {
                heard: course.is_heard(),
            }
        };
    }
    let thought_up = course.is_heard() || matches!(course.life(), Life::Unknown { .. });
    let unnoticed = rebooted && thought_up && facts.last_event != LastEvent::Safe;
    // An earlier DPE told that it was lost, or had to be restarted: that counted as its failure.
    let known = matches!(facts.last_event, LastEvent::Lost | LastEvent::Fencing);
    Verdict::Online(Answer {
        rebooted,
        gap: match facts.departure {
            _ if !unnoticed => Gap::None,
            Departure::None if !known => Gap::Loss,
            Departure::None | Departure::Leaving | Departure::Left => Gap::Expected,
        },
        event: event(facts.last_event, rebooted),
    })
}

fn event(last: LastEvent, rebooted: bool) -> Option<Told> {
    match last {
        LastEvent::Lost | LastEvent::Fencing => Some(Told::Recovered),
        LastEvent::Missed if !rebooted => Some(Told::Recovered),
        LastEvent::Nothing | LastEvent::Safe => Some(Told::Online),
        _ => rebooted.then_some(Told::Online),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: fn() -> Course = || Course::unknown(5);

    fn online() -> Course {
        let mut course = Course::unknown(5);
        course.answer();
        course
    }

    fn missed() -> Course {
        let mut course = online();
        course.miss();
        course
    }

    fn lost() -> Course {
        let mut course = missed();
        course.lose();
        course
    }

    fn fenced(mut course: Course) -> Course {
        course.demand_fence(true, "a test");
        course
    }

    fn requested(course: Course) -> Course {
        let mut course = fenced(course);
        course.fence_mut().expect("its fence").request(1, 10);
        course
    }

    fn facts(boot_id: &str, last_event: LastEvent) -> AssemblyFacts {
        AssemblyFacts {
            boot_id: boot_id.to_owned(),
            last_event,
            ..AssemblyFacts::default()
        }
    }

    fn comes(rebooted: bool, unnoticed: bool, event: Option<Told>) -> Verdict {
        Verdict::Online(Answer {
            rebooted,
            gap: if unnoticed { Gap::Loss } else { Gap::None },
            event,
        })
    }

    #[test]
    fn a_boot_after_the_guest_said_that_it_leaves_is_no_loss() {
        let mut facts = facts("a", LastEvent::Online);
        facts.departure = Departure::Leaving;
        for course in [UNKNOWN(), online()] {
            let Verdict::Online(answer) = judge(&facts, "b", &course) else {
                panic!("it is online");
            };
            assert_eq!(
                (answer.gap, answer.event),
                (Gap::Expected, Some(Told::Online))
            );
        }
        assert_eq!(judge(&facts, "a", &online()), comes(false, false, None));
    }

    #[test]
    fn a_loss_that_an_earlier_dpe_told_is_not_told_again() {
        for last_event in [LastEvent::Lost, LastEvent::Fencing] {
            let expected = Verdict::Online(Answer {
                rebooted: true,
                gap: Gap::Expected,
                event: Some(Told::Recovered),
            });
            assert_eq!(judge(&facts("a", last_event), "b", &UNKNOWN()), expected);
        }
    }

    #[test]
    fn the_table_of_returns() {
        use LastEvent as Last;
        let recovered = Some(Told::Recovered);
        let new = Some(Told::Online);
        let table = [
            // Former boot, last event, former life, and what a Hello of boot "b" means.
            ("", Last::Nothing, UNKNOWN(), comes(false, false, new)),
            ("b", Last::Online, UNKNOWN(), comes(false, false, None)),
            ("b", Last::Online, online(), comes(false, false, None)),
            ("b", Last::Missed, missed(), comes(false, false, recovered)),
            ("b", Last::Lost, lost(), comes(false, false, recovered)),
            ("b", Last::Safe, Course::safe(), comes(false, false, new)),
            ("a", Last::Online, UNKNOWN(), comes(true, true, new)),
            ("a", Last::Online, online(), comes(true, true, new)),
            ("a", Last::Missed, missed(), comes(true, true, new)),
            ("a", Last::Lost, lost(), comes(true, false, recovered)),
            ("a", Last::Safe, Course::safe(), comes(true, false, new)),
            ("a", Last::Safe, UNKNOWN(), comes(true, false, new)),
            // Being fenced because it was lost: over, unless a device was asked.
            (
                "b",
                Last::Fencing,
                fenced(lost()),
                comes(false, false, recovered),
            ),
            (
                "a",
                Last::Fencing,
                fenced(lost()),
                comes(true, false, recovered),
            ),
            (
                "b",
                Last::Fencing,
                requested(lost()),
                Verdict::StaysFenced { heard: false },
            ),
            (
                "a",
                Last::Fencing,
                requested(lost()),
                Verdict::StaysFenced { heard: false },
            ),
            // Being fenced for another reason: goes on, unless a reboot did it.
            (
                "b",
                Last::Fencing,
                fenced(online()),
                Verdict::StaysFenced { heard: true },
            ),
            ("a", Last::Fencing, fenced(online()), Verdict::MadeSafe),
            (
                "a",
                Last::Fencing,
                requested(missed()),
                Verdict::StaysFenced { heard: true },
            ),
        ];
        for (boot_id, last_event, course, verdict) in table {
            let facts = facts(boot_id, last_event);
            let found = judge(&facts, "b", &course);
            assert_eq!(
                found, verdict,
                "boot {boot_id:?}, {last_event:?}, {course:?}"
            );
        }
    }
}
