//! Any byte sequence as a CIB gives a result or an error, never a panic: seeded mutations of small
//! CIBs, through the whole engine.
//!
//! `fuzz/` has the same as a target of cargo-fuzz, for longer runs. `MUTATIONS=100000` lengthens
//! this one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use policy_engine::{Cib, RunOptions, graph, schedule};

const SEEDS: [&str; 3] = [
    include_str!("mutations/groups-and-failures.xml"),
    include_str!("mutations/promotable-clone.xml"),
    include_str!("mutations/bundle-and-guest.xml"),
];

/// Texts that mean something in some place.
const WORDS: [&str; 24] = [
    "-1",
    "0",
    "1",
    "99999999999999999999",
    "-INFINITY",
    "INFINITY",
    "",
    "true",
    "false",
    "Promoted",
    "Stopped",
    "P1Y",
    "#uname",
    "n1",
    "n2",
    "A",
    "G",
    "C",
    "stop",
    "start",
    "monitor",
    "fence",
    "n1:0",
    "<x/>",
];

/// A linear congruential generator: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

fn mutate(text: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(text.len());
        match numbers.below(6) {
            // Another value of an attribute.
            0..3 => {
                let Some(start) = text[at..]
                    .iter()
                    .position(|b| *b == b'"')
                    .map(|p| at + p + 1)
                else {
                    continue;
                };
                let Some(end) = text[start..]
                    .iter()
                    .position(|b| *b == b'"')
                    .map(|p| start + p)
                else {
                    continue;
                };
                let word = WORDS[numbers.below(WORDS.len())];
                text.splice(start..end, word.bytes());
            }
            // A line twice, or not at all.
            3..5 => {
                let start = text[..at]
                    .iter()
                    .rposition(|b| *b == b'\n')
                    .map_or(0, |p| p + 1);
                let end = text[at..]
                    .iter()
                    .position(|b| *b == b'\n')
                    .map_or(text.len(), |p| at + p + 1);
                let line = text[start..end].to_vec();
                if numbers.below(2) == 0 {
                    text.splice(start..end, []);
                } else {
                    let target = numbers.below(text.len());
                    let target = text[..target]
                        .iter()
                        .rposition(|b| *b == b'\n')
                        .map_or(0, |p| p + 1);
                    text.splice(target..target, line);
                }
            }
            // Any byte.
            _ => text[at] = numbers.below(256) as u8,
        }
        if text.is_empty() {
            return;
        }
    }
}

#[test]
fn no_mutation_of_a_cib_makes_the_engine_panic() {
    let rounds = std::env::var("MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3000);
    let (mut numbers, mut scheduled) = (Numbers(7), 0);
    for round in 0..rounds {
        let mut text = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        mutate(&mut text, &mut numbers);
        let text = String::from_utf8_lossy(&text);
        let decided = std::panic::catch_unwind(|| {
            let cib = Cib::parse(&text).ok()?;
            let options = RunOptions {
                scores: true,
                ..RunOptions::default()
            };
            let decided = schedule(&cib, cib.execution_date().unwrap_or(0), options);
            Some(graph::write(&decided.graph).len() + cib.to_xml().len())
        });
        match decided {
            Ok(Some(_)) => scheduled += 1,
            Ok(None) => {}
            Err(_) => panic!("round {round}: the engine panicked on\n{text}"),
        }
    }
    assert!(
        scheduled * 5 > rounds,
        "only {scheduled} of {rounds} mutations were CIBs still: the mutations are too wild"
    );
}
