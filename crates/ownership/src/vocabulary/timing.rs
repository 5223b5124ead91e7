//! All durations, in µs, with their reasons. `docs/dev/scale-out.md` derives the safe ones.

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;

/// How long the store keeps `alive` without a renewal.
pub const TTL_US: u64 = 3 * SECOND;
/// A permit lasts this long from the sending of the transaction that proved the session: the TTL
/// less a tenth, for what passes between a look at the permit and what follows from it.
pub const PERMIT_US: u64 = TTL_US - TTL_US / 10;
/// Who took a deployment from a lost session waits this long from the moment at which it learned
/// that it has it: the TTL and a tenth. Clocks that differ by a tenth each way would do.
pub const WAIT_US: u64 = TTL_US + TTL_US / 10;
/// How often a session is proved and its lease renewed.
pub const PROOF_US: u64 = SECOND;
/// After this an answer does not come any more: what was asked may or may not have been done.
pub const CALL_US: u64 = 300 * MS;
/// The same for a list of everything.
pub const LIST_US: u64 = 5 * SECOND;
/// How long until something that was refused is tried again.
pub const RETRY_US: u64 = 500 * MS;
/// The same for a change, and for a watch that has ended: other members may answer.
pub const SOON_US: u64 = 100 * MS;
/// After a claim that was refused or not answered a host looks again after this, and up to as much
/// more.
pub const RECLAIM_US: u64 = 75 * MS;
/// For each host that comes before it, a host waits this long before it claims,
pub const RANK_US: u64 = 300 * MS;
/// but not for more of them than this.
pub const MOST_RANKS: u64 = 5;
/// Claims of several hosts are apart by up to this.
pub const JITTER_US: u64 = 200 * MS;
/// A host that has just come takes nothing for so long: hosts that start together, as after a
/// power failure, see each other first.
pub const SETTLE_US: u64 = SECOND;
/// Deployments in one claim: two compares for each, and one for the claimer.
pub const MOST_CLAIMED: usize = 60;
/// A host that drains hands over one deployment in this time.
pub const DRAIN_US: u64 = SECOND / 5;
/// A host that has more than its share hands over one in this time.
pub const BALANCE_US: u64 = SECOND;
/// It does nothing of the kind for this long after a loss.
pub const QUIET_US: u64 = 600 * SECOND;
/// Deployments that a host has under way to others.
pub const MOST_HANDED: usize = 5;
/// What a host may have above its share, as one part in this many.
pub const SHARE_PARTS: u64 = 10;
/// Hosts that go within this time are taken together.
pub const HERD_US: u64 = 60 * SECOND;
/// More than these hundredths of all hosts, and at least two, are a herd.
pub const HERD_PERCENT: usize = 30;
/// How long a change is tried before its caller hears that its outcome is not known.
pub const CHANGE_US: u64 = 10 * SECOND;
/// Proofs that may tell of a newer revision than the watch has, before the watch is begun again.
pub const MOST_BEHIND: u32 = 3;
