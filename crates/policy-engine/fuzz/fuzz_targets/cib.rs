//! Any bytes as a CIB, through the reader, the whole engine and a simulated execution: `make fuzz`
//! (README.md in the folder above).

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_engine::simulation::execute;
use policy_engine::{Cib, RunOptions, graph, schedule};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(mut cib) = Cib::parse(text) else { return };
    let now = cib.execution_date().unwrap_or(1_700_000_000);
    let decided = schedule(&cib, now, RunOptions { scores: true, ..RunOptions::default() });
    let _ = graph::write(&decided.graph);
    execute(&mut cib, &decided.cluster, &decided.graph, &[], now);
    let again = Cib::parse(&cib.to_xml()).expect("what the engine writes can be read");
    schedule(&again, now, RunOptions::default());
});
