//! Each rule and each check is of use: hosts that make a mistake are found out within these seeds.

use ownership_sim::{Mutant, Options, run};

/// What a seed finds about hosts that make a mistake.
fn found(seed: u64, mutant: Option<Mutant>, harm_only: bool) -> String {
    let options = Options {
        mutant,
        harm_only,
        ..Options::default()
    };
    run(seed, options).violations.join("\n")
}

/// The mistake is found in that seed, in which hosts without it are well.
#[track_caller]
fn finds(mutant: Mutant, seed: u64, violation: &str) {
    assert_eq!(found(seed, None, false), "", "seed {seed}");
    let found = found(seed, Some(mutant), false);
    assert!(found.contains(violation), "{mutant:?}: {found:?}");
}

#[test]
fn a_dpe_that_does_not_look_at_its_permit_is_found() {
    finds(Mutant::NoPermitCheck, 4, "may act");
}

#[test]
fn a_dpe_that_outlives_its_session_and_takes_the_next_ones_permit_is_found() {
    finds(Mutant::AnySession, 13, "may act");
}

#[test]
fn a_permit_by_the_wall_clock_is_found() {
    finds(Mutant::WallClock, 13, "may act");
}

#[test]
fn epochs_by_the_wall_clock_are_found() {
    finds(Mutant::WallEpoch, 2, "with epoch");
}

#[test]
fn a_claimer_that_does_not_wait_is_found() {
    finds(Mutant::NoWait, 20, "may act");
}

#[test]
fn a_host_that_takes_another_machine_of_its_name_for_itself_is_found() {
    finds(Mutant::TrustName, 362, "may act");
}

#[test]
fn a_permit_that_is_counted_from_a_keepalive_is_found() {
    finds(Mutant::KeepAlivePermit, 380, "may act");
}

#[test]
fn a_permit_that_is_counted_from_the_answer_is_found() {
    finds(Mutant::LatePermit, 4, "may act");
}

#[test]
fn a_host_that_stays_alive_without_a_proof_is_found() {
    finds(Mutant::BlindKeepAlive, 70, "no DPE that acts");
}

#[test]
fn a_host_that_floods_the_store_is_found() {
    finds(Mutant::Impatient, 1, "requests a second");
}

#[test]
fn a_claim_that_does_not_compare_sessions_is_found() {
    finds(Mutant::BlindClaim, 2036, "whose session lives");
}

#[test]
fn a_record_that_is_given_away_while_its_dpe_runs_is_found() {
    finds(Mutant::HandOverRunning, 1, "is given away while");
}

#[test]
fn a_grant_that_is_used_again_is_found() {
    finds(Mutant::SameGrant, 1, "with epoch");
}

#[test]
fn a_host_that_stops_units_when_the_store_is_silent_is_found() {
    finds(Mutant::StopInSilence, 6, "only away");
}

#[test]
fn a_host_that_does_not_list_again_after_a_compaction_is_found() {
    finds(Mutant::IgnoreCompaction, 47, "no DPE that acts");
}

#[test]
fn a_change_that_is_answered_when_it_is_sent_is_found() {
    finds(Mutant::EarlyAnswer, 1, "acknowledged and not done");
}

#[test]
fn a_change_that_is_done_again_without_a_look_is_found() {
    finds(Mutant::Twice, 1, "is done 2 times");
}

#[test]
fn a_refusal_by_what_is_over_is_found() {
    finds(Mutant::OldRefusal, 95, "refused by what is over");
}

#[test]
fn a_host_that_does_not_answer_orders_is_found() {
    finds(Mutant::Mute, 13, "has never answered");
}

#[test]
fn a_host_that_takes_everything_is_found() {
    finds(Mutant::Greedy, 37, "a herd");
}

#[test]
fn a_host_that_takes_more_than_it_has_room_for_is_found() {
    finds(Mutant::Overfull, 8, "and room for");
}

#[test]
fn a_host_that_gives_everything_away_is_found() {
    finds(Mutant::Restless, 14, "a host joined");
}

#[test]
fn a_host_that_takes_from_very_many_that_are_gone_is_found() {
    finds(Mutant::NoGuard, 140, "one of very many");
}

/// Not only the rules are seen to be broken, but what they are for.
#[test]
fn a_service_that_runs_twice_is_found() {
    assert_eq!(found(113, None, true), "");
    let found = found(113, Some(Mutant::NoPermitCheck), true);
    assert!(found.contains("runs in 2 guests"), "{found:?}");
}

#[test]
fn every_mistake_has_a_test() {
    let tests = include_str!("mutants.rs");
    for mutant in Mutant::ALL {
        let call = format!("finds(Mutant::{mutant:?},");
        assert!(tests.contains(&call), "{call}");
    }
}
