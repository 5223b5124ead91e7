//! Rendezvous hashing, weighted by capacity: each deployment draws a lot for each host, and the
//! host with the best lot has it. A host that comes or goes changes no other host's lots.

use std::cmp::Ordering;

use crate::vocabulary::{DeploymentId, HostId, HostRecord, mixed};

/// Bits behind the point of a [`Lot`]'s cost.
const FRACTION_BITS: u32 = 24;

/// What a deployment has drawn for a host. The lowest wins; it is the host's with a chance that is
/// its part of all weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lot {
    /// `-log2` of a number that is evenly spread over (0, 1).
    cost: u64,
    weight: u64,
    host: u64,
}

impl Lot {
    /// The lot of these two. `capacity`: the host's weight; integers only, so that every machine
    /// draws the same.
    pub(crate) fn draw(deployment: &DeploymentId, host: &HostId, capacity: u32) -> Lot {
        let bits = mixed(deployment.hash() ^ host.hash().rotate_left(32)) | 1;
        Lot {
            cost: minus_log2(bits),
            weight: u64::from(capacity.max(1)),
            host: host.hash(),
        }
    }

    /// Whether this lot beats that one.
    pub(crate) fn beats(&self, other: &Lot) -> bool {
        // cost / weight, without division; neither side exceeds 2^62.
        let (own, others) = (self.cost * other.weight, other.cost * self.weight);
        match own.cmp(&others) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => self.host < other.host,
        }
    }
}

/// The host with the best lot for a deployment.
pub(crate) fn best<'a>(
    deployment: &DeploymentId,
    hosts: impl Iterator<Item = (&'a HostId, &'a HostRecord)>,
) -> Option<&'a HostId> {
    let lots = hosts.map(|(host, it)| (Lot::draw(deployment, host, it.capacity), host));
    let best = lots.reduce(|best, own| if own.0.beats(&best.0) { own } else { best });
    best.map(|(_, host)| host)
}

/// `-log2(number / 2^64)` with [`FRACTION_BITS`] bits behind the point. `number` is not 0.
fn minus_log2(number: u64) -> u64 {
    let zeros = number.leading_zeros();
    // 1 ≤ mantissa < 2, with 63 bits behind the point. Squaring doubles its logarithm.
    let mut mantissa = u128::from(number << zeros);
    let mut fraction = 0;
    for _ in 0..FRACTION_BITS {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >= 1 << 64 {
            fraction |= 1;
            mantissa >>= 1;
        }
    }
    (u64::from(1 + zeros) << FRACTION_BITS) - fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithm_is_what_it_is() {
        let one = 1 << FRACTION_BITS;
        assert_eq!(minus_log2(1 << 63), one);
        assert_eq!(minus_log2(1 << 61), 3 * one);
        // -log2(3/4)
        let found = minus_log2(3 << 62) as f64 / one as f64;
        assert!((found - 0.415_037).abs() < 1e-5, "{found}");
    }

    /// How many of 6000 deployments each host has.
    fn spread(hosts: &[(&str, u32)]) -> Vec<usize> {
        let mut counts = vec![0; hosts.len()];
        for number in 0..6000 {
            let deployment = DeploymentId::new(&format!("shop-{number}"));
            let draw = |host: &(&str, u32)| Lot::draw(&deployment, &HostId::new(host.0), host.1);
            let mut best = 0;
            for other in 1..hosts.len() {
                if draw(&hosts[other]).beats(&draw(&hosts[best])) {
                    best = other;
                }
            }
            counts[best] += 1;
        }
        counts
    }

    #[test]
    fn hosts_have_their_part_by_capacity() {
        let found = spread(&[("a", 100), ("b", 200), ("c", 300)]);
        for (count, expected) in found.into_iter().zip([1000, 2000, 3000]) {
            assert!(count.abs_diff(expected) < 150, "{count} of {expected}");
        }
    }

    #[test]
    fn a_new_host_takes_its_part_and_moves_nothing_else() {
        let owners = |hosts: &[(&str, u32)]| -> Vec<String> {
            let draw = |number: usize| {
                let deployment = DeploymentId::new(&format!("shop-{number}"));
                let lots = hosts.iter().map(|(name, weight)| {
                    (name, Lot::draw(&deployment, &HostId::new(name), *weight))
                });
                let best = lots.reduce(|a, b| if b.1.beats(&a.1) { b } else { a });
                best.expect("there are hosts").0.to_string()
            };
            (0..3000).map(draw).collect()
        };
        let before = owners(&[("a", 9), ("b", 9), ("c", 9)]);
        let after = owners(&[("a", 9), ("b", 9), ("c", 9), ("d", 9)]);
        let moved: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
        assert!(moved.iter().all(|(_, to)| *to == "d"));
        assert!(moved.len().abs_diff(750) < 100, "{}", moved.len());
    }
}
