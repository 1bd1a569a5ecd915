//! What a processor reaches when it does nothing but fused multiply-adds in registers.

use super::Isa;

/// Operations a second on f32 with that many threads at once; none where there is no code for the instruction set.
#[cfg(not(target_arch = "x86_64"))]
pub fn peak(_isa: Isa, _threads: usize) -> Option<f64> {
    None
}

#[cfg(target_arch = "x86_64")]
pub use x86::peak;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_add_ps, _mm512_cvtss_f32,
        _mm512_fmadd_ps, _mm512_set1_ps,
    };
    use std::hint::black_box;
    use std::time::Instant;

    use super::Isa;
    use crate::calibrate::{fastest, together};

    /// Chains beside each other: more than latency times units, fewer than registers.
    const CHAINS: usize = 12;
    const ROUNDS: usize = 1 << 20;
    const TRIES: usize = 40;

    pub fn peak(isa: Isa, threads: usize) -> Option<f64> {
        let (lanes, run): (usize, unsafe fn() -> f32) = match isa {
            Isa::Portable => return None,
            Isa::Avx2 => (8, chains256),
            Isa::Avx512 => (16, chains512),
        };
        let seconds = fastest(TRIES, || {
            together(threads, |ready| {
                ready.wait();
                let start = Instant::now();
                // SAFETY: `Isa::available` has found this instruction set on the processor.
                let sum = unsafe { run() };
                (start, Instant::now(), sum)
            })
        });
        Some((2 * lanes * CHAINS * ROUNDS * threads) as f64 / seconds)
    }

    // Factor and addend come out of black boxes, so that nothing of this is computed beforehand.
    macro_rules! chains {
        ($name:ident, $features:literal, $set:ident, $fma:ident, $add:ident, $first:ident) => {
            #[target_feature(enable = $features)]
            fn $name() -> f32 {
                let (factor, addend) = ($set(black_box(0.999)), $set(black_box(0.001)));
                let mut sums = [$set(black_box(1.0)); CHAINS];
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = $fma(*sum, factor, addend);
                    }
                }
                let total = sums[1..].iter().fold(sums[0], |total, &sum| $add(total, sum));
                $first(total)
            }
        };
    }
    chains!(chains512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_cvtss_f32);
    chains!(chains256, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_cvtss_f32);
}
