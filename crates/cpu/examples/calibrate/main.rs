//! What this machine can do, beside which the speed of a training is stated: multiply-adds in registers, a sweep of
//! Adam over parameters that stay in the second-level caches, and reading and writing memory.
//!
//! `cargo run --release -p neuroxide-cpu --example calibrate -- [threads]` prints one line of JSON. The figures of a
//! busy machine wander: `npm run bench:peers` runs this between its rounds and takes the medians.

#![allow(clippy::print_stdout, reason = "what it measures is its output")]

#[path = "../../benches/kernels/peak.rs"]
mod peak;
mod sweep;

use neuroxide_cpu::Isa;

fn main() {
    let threads =
        std::env::args().nth(1).map_or(Some(1), |text| text.parse().ok()).filter(|&count| count > 0);
    let Some(threads) = threads else {
        eprintln!("usage: calibrate [threads]");
        std::process::exit(2);
    };
    let widest = Isa::detect();
    let fields = [
        format!(r#""threads":{threads},"isa":"{widest}""#),
        format!(r#""fma_one":{{{}}}"#, peaks(1)),
        format!(r#""fma":{{{}}}"#, peaks(threads)),
        format!(r#""adam_one_us":{:.3}"#, sweep::adam(widest, 1) * 1e6),
        format!(r#""adam_us":{:.3}"#, sweep::adam(widest, threads) * 1e6),
        format!(r#""adam_parameters":{}"#, sweep::PARAMETERS),
        format!(r#""cache_gbs":{:.2}"#, sweep::triad(widest, threads, sweep::CACHED) / 1e9),
        format!(r#""memory_gbs":{:.2}"#, sweep::triad(widest, threads, sweep::STREAMED) / 1e9),
    ];
    println!("{{{}}}", fields.join(","));
}

/// GFLOP/s of each instruction set that there is code for.
fn peaks(threads: usize) -> String {
    let rate = |isa| peak::gigaflops(isa, threads).map(|rate| format!(r#""{isa}":{rate:.2}"#));
    Isa::available().filter_map(rate).collect::<Vec<_>>().join(",")
}
