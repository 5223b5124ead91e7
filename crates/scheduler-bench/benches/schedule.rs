//! Speed inside of one process: reading, scheduling, checking and virtual execution of generated
//! clusters. `cargo bench -p scheduler-bench`.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use policy_engine::{Cib, RunOptions, graph, lint, schedule, simulation};
use scheduler_bench::NOW;
use scheduler_bench::inputs::{self, State};

fn scheduling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule");
    group.sample_size(20);
    for (nodes, resources) in [(10, 50), (16, 500), (32, 1000)] {
        for state in [State::Fresh, State::Failed] {
            let text = inputs::cib(nodes, resources, state);
            let cib = Cib::parse(&text).expect("a generated CIB is readable");
            let id = BenchmarkId::new(state.name(), format!("{nodes}x{resources}"));
            group.bench_function(id, |bencher| {
                bencher.iter_with_large_drop(|| schedule(&cib, NOW, RunOptions::default()));
            });
        }
    }
    group.finish();
}

/// The check of a decision is to cost less than 2 % of it.
fn checking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lint");
    for (nodes, resources) in [(10, 50), (16, 500), (32, 1000)] {
        for state in [State::Fresh, State::Failed] {
            let text = inputs::cib(nodes, resources, state);
            let cib = Cib::parse(&text).expect("a generated CIB is readable");
            let scheduled = schedule(&cib, NOW, RunOptions::default());
            let id = BenchmarkId::new(state.name(), format!("{nodes}x{resources}"));
            group.bench_function(id, |bencher| bencher.iter(|| lint(&scheduled)));
        }
    }
    group.finish();
}

fn reading_and_writing(criterion: &mut Criterion) {
    let text = inputs::cib(16, 500, State::Failed);
    criterion.bench_function("read failed 16x500", |bencher| {
        bencher.iter_with_large_drop(|| Cib::parse(&text));
    });
    let cib = Cib::parse(&inputs::cib(16, 500, State::Fresh)).expect("a generated CIB is readable");
    let scheduled = schedule(&cib, NOW, RunOptions::default());
    criterion.bench_function("write the graph of fresh 16x500", |bencher| {
        bencher.iter(|| graph::write(&scheduled.graph));
    });
    criterion.bench_function("execute fresh 16x500", |bencher| {
        bencher.iter_batched(
            || cib.clone(),
            |mut cib| simulation::execute(&mut cib, &scheduled.cluster, &scheduled.graph, &[], NOW),
            BatchSize::LargeInput,
        );
    });
}

criterion_group!(benches, scheduling, checking, reading_and_writing);
criterion_main!(benches);
