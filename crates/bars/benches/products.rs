//! Matrix products of the CPU backend beside crates, as shares of the peak: every instruction set, one
//! thread and all.
//!
//! Calibration and contestants take turns, so that all of them see the same clock; the fastest
//! round of each counts. The crates choose their instruction set themselves.
//!
//! `cargo bench -p neuroxide-bars -- 512` runs the rows whose names contain a word; `NEUROXIDE_THREADS`
//! is the largest number of threads.

#![allow(clippy::print_stdout, reason = "a benchmark is there to print")]

#[path = "../../cpu/benches/kernels/peak.rs"]
mod peak;

use std::sync::Arc;
use std::time::Instant;

use neuroxide_bars::{Library, Ours, Shape};
use neuroxide_core::error::Result;
use neuroxide_cpu::{CpuBackend, Isa, Options};

/// Seconds that a shape is repeated for on each number of threads, and of one turn.
const SECONDS: f64 = 1.5;
const TURN: f64 = 2e-3;

const NN: [bool; 2] = [false, false];
const TN: [bool; 2] = [true, false];
const NT: [bool; 2] = [false, true];

const SHAPES: [(&str, [usize; 3], [bool; 2]); 19] = [
    ("hidden layer", [32, 784, 128], NN),
    ("its weight's gradient", [784, 32, 128], TN),
    ("its input's gradient", [32, 128, 784], NT),
    ("hidden layer", [64, 784, 128], NN),
    ("output layer", [32, 128, 10], NN),
    ("its weight's gradient", [128, 32, 10], TN),
    ("its input's gradient", [32, 10, 128], NT),
    ("small hidden layer", [32, 10, 64], NN),
    ("its weight's gradient", [10, 32, 64], TN),
    ("one output", [32, 64, 1], NN),
    ("its weight's gradient", [64, 32, 1], TN),
    ("its input's gradient", [32, 1, 64], NT),
    ("square", [256, 256, 256], NN),
    ("square", [512, 512, 512], NN),
    ("square", [1024, 1024, 1024], NN),
    ("wide layer", [128, 784, 512], NN),
    ("wide layer", [1024, 784, 1024], NN),
    ("its weight's gradient", [784, 1024, 1024], TN),
    ("its input's gradient", [1024, 1024, 784], NT),
];

/// Something that computes a product when called.
type Contestant<'a> = (String, Box<dyn FnMut() -> Result<()> + 'a>);

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let most = CpuBackend::new(Options::default())?.threads();
    let isas: Vec<Isa> = Isa::available().filter(|&isa| isa != Isa::Portable).collect();
    for threads in if most == 1 { vec![1] } else { vec![1, most] } {
        println!(
            "\nproducts on {threads} threads: GFLOP/s and, of ours, the share of the peak in the same rounds"
        );
        let backends = isas
            .iter()
            .map(|&isa| CpuBackend::new(Options { isa: Some(isa), threads: Some(threads) }))
            .collect::<Result<Vec<_>>>()?;
        for (what, [m, k, n], turned) in SHAPES {
            let letters = turned.map(|turned| if turned { "T" } else { "N" }).concat();
            let name = format!("{what} {m}×{k}×{n} {letters}");
            if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
                row(&name, Shape { m, k, n, turned }, &isas, &backends, threads)?;
            }
        }
    }
    Ok(())
}

fn row(name: &str, shape: Shape, isas: &[Isa], backends: &[Arc<CpuBackend>], threads: usize) -> Result<()> {
    let (a, b) = (vec![0.5f32; shape.m * shape.k], vec![0.5f32; shape.k * shape.n]);
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for (isa, backend) in isas.iter().zip(backends) {
        let ours = Ours::new(backend, shape, &a, &b)?;
        contestants.push((isa.to_string(), Box::new(move || ours.multiply())));
    }
    for library in Library::ALL {
        if threads > 1 && library == Library::MatrixMultiply {
            continue;
        }
        let (a, b, mut c) = (&a, &b, vec![0f32; shape.m * shape.n]);
        let run = move || {
            library.multiply(shape, threads, a, b, &mut c);
            Ok(())
        };
        contestants.push((library.name().to_string(), Box::new(run)));
    }
    let mut peaks = vec![f64::INFINITY; isas.len()];
    let mut best = vec![f64::INFINITY; contestants.len()];
    let mut each = vec![1usize; contestants.len()];
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < SECONDS {
        for (peak, &isa) in peaks.iter_mut().zip(isas) {
            *peak = peak.min(peak::seconds(isa, threads));
        }
        for ((_, body), (best, each)) in contestants.iter_mut().zip(best.iter_mut().zip(&mut each)) {
            body()?;
            let start = Instant::now();
            for _ in 0..*each {
                body()?;
            }
            let seconds = start.elapsed().as_secs_f64() / *each as f64;
            *best = best.min(seconds);
            *each = ((TURN / seconds) as usize).clamp(1, 1 << 16);
        }
    }
    print!("{name:<44}");
    for (at, ((name, _), seconds)) in contestants.iter().zip(&best).enumerate() {
        print!(" {name} {:.1}", shape.flops() / seconds / 1e9);
        if let (Some(peak), Some(&isa)) = (peaks.get(at), isas.get(at)) {
            let share = 100.0 * shape.flops() / seconds / (peak::flops(isa, threads) / peak);
            print!(" ({share:.1} %)");
            if *seconds < 1e-5 {
                print!(" in {:.0} ns", seconds * 1e9);
            }
        }
    }
    println!();
    Ok(())
}
