//! Keeps this process apart from the other DPEs of the host.
//!
//! All of them are of one user, so by the rules of kill(2) one that was taken over could end the
//! others again and again, until their guests' leases are over. Landlock forbids it: no signal
//! leaves the processes that descend from this one.

use landlock::{ABI, Access, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope};

/// From now on this process and what it starts send signals to each other only. To be called before
/// there are other threads. Where the kernel has no Landlock, or one without that (before 6.12), it
/// is said, and nothing else happens.
pub fn keep_signals_in() {
    let scope = Scope::from_all(ABI::V6) & Scope::Signal;
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(scope)
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.restrict_self());
    match restricted {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => {}
        Ok(_) => tracing::info!(
            "this kernel cannot keep the signals of one DPE from the others (Landlock, from Linux 6.12 on)"
        ),
        Err(error) => {
            tracing::warn!(%error, "the signals of this DPE are not kept from the others")
        }
    }
}
