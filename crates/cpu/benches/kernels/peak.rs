//! What a machine reaches when it does nothing but fused multiply-adds in registers.
#![allow(dead_code, reason = "each benchmark uses its part of this")]

#[cfg(target_arch = "x86_64")]
use std::{sync::Barrier, thread, time::Instant};

use neuroxide_cpu::Isa;

/// Chains that run beside each other: latency times ports, with some to spare, and fewer than registers.
#[cfg(target_arch = "x86_64")]
const CHAINS: usize = 12;

#[cfg(target_arch = "x86_64")]
const ROUNDS: usize = 1 << 18;

/// Operations of one calibration; 0 where there is no code for it.
pub fn flops(isa: Isa, threads: usize) -> f64 {
    let lanes = match isa {
        Isa::Avx512 => 16,
        Isa::Avx2 => 8,
        Isa::Portable => 0,
    };
    #[cfg(target_arch = "x86_64")]
    return (2 * lanes * CHAINS * ROUNDS * threads) as f64;
    #[cfg(not(target_arch = "x86_64"))]
    return (0 * lanes * threads) as f64;
}

/// GFLOP/s of f32 on that many threads at once, the best of many tries; none where there is no code for it.
pub fn gigaflops(isa: Isa, threads: usize) -> Option<f64> {
    let flops = flops(isa, threads);
    (flops > 0.0).then(|| flops / (0..200).map(|_| seconds(isa, threads)).fold(f64::INFINITY, f64::min) / 1e9)
}

/// Seconds of one calibration on that many threads at once.
#[cfg(not(target_arch = "x86_64"))]
pub fn seconds(_isa: Isa, _threads: usize) -> f64 {
    f64::INFINITY
}

/// Seconds of one calibration: from when the first thread begins until the last one is done.
#[cfg(target_arch = "x86_64")]
pub fn seconds(isa: Isa, threads: usize) -> f64 {
    let ready = Barrier::new(threads);
    let timed = || {
        ready.wait();
        let start = Instant::now();
        // SAFETY: a backend runs with an instruction set only where the processor has it.
        std::hint::black_box(unsafe {
            if isa == Isa::Avx512 { wide::chains512() } else { wide::chains256() }
        });
        (start, Instant::now())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(timed)).collect();
        let times: Vec<_> = workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker computes and never panics"))
            .collect();
        let first = times.iter().map(|&(start, _)| start).min();
        let last = times.iter().map(|&(_, end)| end).max();
        first.zip(last).map_or(f64::INFINITY, |(first, last)| (last - first).as_secs_f64())
    })
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_add_ps, _mm512_cvtss_f32,
        _mm512_fmadd_ps, _mm512_set1_ps,
    };
    use std::hint::black_box;

    use super::{CHAINS, ROUNDS};

    // The factor and the addend come out of black boxes, so that nothing of this is computed beforehand.
    macro_rules! chains {
        ($name:ident, $features:literal, $set:ident, $fma:ident, $add:ident, $first:ident) => {
            #[target_feature(enable = $features)]
            pub fn $name() -> f32 {
                let (factor, addend) = ($set(black_box(0.999)), $set(black_box(0.001)));
                let mut sums = [$set(black_box(1.0)); CHAINS];
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = $fma(*sum, factor, addend);
                    }
                }
                let mut total = sums[0];
                for &sum in &sums[1..] {
                    total = $add(total, sum);
                }
                $first(total)
            }
        };
    }
    chains!(chains512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_cvtss_f32);
    chains!(chains256, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_cvtss_f32);
}
