//! What this machine can do, beside which the speed of a training is stated: multiply-adds in registers, a sweep of
//! Adam over parameters that stay in the second-level caches, and reading and writing memory.
//!
//! The figures of a busy machine wander: `npm run bench:peers` calls this between its rounds and takes the medians.

mod registers;
mod sweep;

use std::fmt;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Instruction sets that the loops here are compiled for, the widest last; named as for `NEUROXIDE_ISA`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Isa {
    Portable,
    Avx2,
    Avx512,
}

impl Isa {
    /// Those that the processor has.
    fn available() -> Vec<Self> {
        #[allow(unused_mut, reason = "other architectures have nothing to add")]
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            found.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
        }
        found
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

/// One line of JSON: GFLOP/s by instruction set, microseconds of a sweep, GB/s; on one thread and on `threads`.
pub fn report(threads: usize) -> String {
    let sets = Isa::available();
    let widest = sets.last().copied().unwrap_or(Isa::Portable);
    let peaks = |threads| {
        let rates = sets.iter().filter_map(|&isa| Some((isa, registers::peak(isa, threads)?)));
        rates.map(|(isa, rate)| format!(r#""{isa}":{:.2}"#, rate / 1e9)).collect::<Vec<_>>().join(",")
    };
    let fields = [
        format!(r#""threads":{threads}"#),
        format!(r#""fma_one":{{{}}}"#, peaks(1)),
        format!(r#""fma":{{{}}}"#, peaks(threads)),
        format!(r#""adam_one_us":{:.3}"#, sweep::adam(widest, 1) * 1e6),
        format!(r#""adam_us":{:.3}"#, sweep::adam(widest, threads) * 1e6),
        format!(r#""adam_parameters":{}"#, sweep::PARAMETERS),
        format!(r#""cache_gbs":{:.2}"#, sweep::triad(widest, threads, sweep::CACHED) / 1e9),
        format!(r#""memory_gbs":{:.2}"#, sweep::triad(widest, threads, sweep::STREAMED) / 1e9),
    ];
    format!("{{{}}}", fields.join(","))
}

/// Seconds from when the first of the threads begins until the last one is done. Each prepares, waits at the barrier,
/// and tells when it began and ended, and a value of what it computed.
fn together(threads: usize, timed: impl Fn(&Barrier) -> (Instant, Instant, f32) + Sync) -> f64 {
    let ready = Barrier::new(threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| timed(&ready))).collect();
        let (mut first, mut last) = (None::<Instant>, None::<Instant>);
        for worker in workers {
            let (start, end, value) = worker.join().expect("a worker computes and never panics");
            std::hint::black_box(value);
            first = Some(first.map_or(start, |first| first.min(start)));
            last = Some(last.map_or(end, |last| last.max(end)));
        }
        first.zip(last).map_or(f64::INFINITY, |(first, last)| (last - first).as_secs_f64())
    })
}

/// The shortest of that many tries.
fn fastest(tries: usize, seconds: impl Fn() -> f64) -> f64 {
    (0..tries).map(|_| seconds()).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_begin_together_and_the_last_one_counts() {
        let seconds = together(2, |ready| {
            ready.wait();
            let start = Instant::now();
            thread::sleep(std::time::Duration::from_millis(20));
            (start, Instant::now(), 0.0)
        });
        assert!((0.02..2.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        for isa in Isa::available() {
            assert!((sweep::updated(isa, 3) - sweep::updated(Isa::Portable, 3)).abs() < 1e-7, "{isa}");
        }
    }
}
