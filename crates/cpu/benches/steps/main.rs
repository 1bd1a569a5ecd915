//! What a step of training costs, and how much of it is not kernels.
//!
//! `cargo bench -p neuroxide-cpu --bench steps -- seed` runs the workloads whose names contain a word. Each is
//! measured in epochs of the runner and call by call through the engine; beside it stands the same with a
//! backend that prepares every plan without its steps, so that what remains is everything around the kernels.
//! `NEUROXIDE_ISA` and `NEUROXIDE_THREADS` choose what is measured, as they do elsewhere.

#![allow(clippy::print_stdout, reason = "a benchmark is there to print")]

mod hollow;
mod models;

use std::sync::Arc;
use std::time::Instant;

use hollow::Hollow;
use models::{BATCH, MNIST, Net, SEED, Workload};
use neuroxide_core::backend::Backend;
use neuroxide_core::engine::{Engine, RunArg};
use neuroxide_core::error::Result;
use neuroxide_core::runner::{Control, Event};
use neuroxide_cpu::{CpuBackend, Options};

/// Seconds that a row is repeated for; the fastest epoch counts.
const SECONDS: f64 = 1.0;

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let cpu = CpuBackend::new(Options::default())?;
    println!("{}, {} threads; µs a step", cpu.isa(), cpu.threads());
    println!("{:<16} {:>22} {:>9} {:>9}", "", "", "whole", "around");
    for workload in [SEED, MNIST] {
        if !wanted.is_empty() && !wanted.iter().any(|word| workload.name.contains(word)) {
            continue;
        }
        let backends: [Arc<dyn Backend>; 2] = [cpu.clone(), Arc::new(Hollow(cpu.clone()))];
        let rows: [(&str, Measure); 3] = [
            ("epoch, shuffled", |backend, workload| epochs(backend, workload, true)),
            ("epoch, in order", |backend, workload| epochs(backend, workload, false)),
            ("call", calls),
        ];
        for (what, measure) in rows {
            let [whole, around] = backends.each_ref().map(|backend| measure(backend, &workload));
            println!("{:<16} {what:>22} {:>9.2} {:>9.2}", workload.name, whole?, around?);
        }
    }
    Ok(())
}

type Measure = fn(&Arc<dyn Backend>, &Workload) -> Result<f64>;

/// Microseconds a step in the fastest of the epochs that fit.
fn epochs(backend: &Arc<dyn Backend>, workload: &Workload, shuffle: bool) -> Result<f64> {
    let e = &mut Engine::new(Arc::clone(backend));
    let net = Net::new(e, workload)?;
    let program = net.trace(e)?;
    let (job, _) = e.job(&net.job(program, usize::MAX, shuffle))?;
    let (begin, mut last, mut best) = (Instant::now(), Instant::now(), f64::INFINITY);
    let control = Control::default();
    let mut failure = None;
    job.run(&control, &mut |event| match event {
        Event::Epoch { .. } => {
            best = best.min(last.elapsed().as_secs_f64());
            last = Instant::now();
            if begin.elapsed().as_secs_f64() > SECONDS {
                control.abort();
            }
        }
        Event::Failed(error) => failure = Some(error),
        _ => {}
    });
    failure.map_or(Ok(best * 1e6 / (workload.samples / BATCH) as f64), Err)
}

/// Microseconds a call of the program in the fastest hundred calls, output released.
fn calls(backend: &Arc<dyn Backend>, workload: &Workload) -> Result<f64> {
    const CALLS: usize = 100;
    let e = &mut Engine::new(Arc::clone(backend));
    let net = Net::new(e, workload)?;
    let program = net.trace(e)?;
    let args: Vec<RunArg> = net.batch(e)?.into_iter().map(RunArg::Tensor).collect();
    let (begin, mut best) = (Instant::now(), f64::INFINITY);
    while begin.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            for output in e.run(program, &args)? {
                e.release(output);
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best * 1e6 / CALLS as f64)
}
