//! Loops over arrays: what an update by Adam costs at the least, and how fast arrays are read and written.

use std::time::Instant;

use super::{Isa, fastest, together};

/// Weights and biases of layers 784-128-10.
pub const PARAMETERS: usize = 101_770;
/// Elements of each of three arrays of a thread: 192 KiB together, within any second-level cache.
pub const CACHED: usize = 1 << 14;
/// The same beyond the caches: 192 MiB.
pub const STREAMED: usize = 1 << 24;

/// Tries of which the fastest counts.
const TRIES: usize = 12;
/// Sweeps in one try: together long beside starting them all at once.
const SWEEPS: usize = 40;
/// Bytes that the triads of a try read and write on a thread, at the least.
const TRIAD_BYTES: usize = 1 << 28;

/// Seconds of one update of [`PARAMETERS`] numbers, shared among threads that each keep theirs in the caches.
pub fn adam(isa: Isa, threads: usize) -> f64 {
    let share = PARAMETERS.div_ceil(threads);
    let seconds = fastest(TRIES, || {
        together(threads, |ready| {
            let mut state = Moments::new(share);
            // Once before the start, so that the arrays are where they stay.
            state.update(isa, 1);
            ready.wait();
            let start = Instant::now();
            state.update(isa, SWEEPS);
            (start, Instant::now(), state.weight[share / 2])
        })
    });
    seconds / SWEEPS as f64
}

/// Bytes a second of `a = b + 3·c` on all threads, two arrays read and one written, `count` elements each.
pub fn triad(isa: Isa, threads: usize, count: usize) -> f64 {
    let rounds = (TRIAD_BYTES / (12 * count)).max(1);
    let seconds = fastest(TRIES / 3, || {
        together(threads, |ready| {
            let (mut a, b, c) = (vec![1.0; count], vec![2.0; count], vec![3.0; count]);
            multiply_add(isa, &mut a, &b, &c, 1);
            ready.wait();
            let start = Instant::now();
            multiply_add(isa, &mut a, &b, &c, rounds);
            (start, Instant::now(), a[count / 2])
        })
    });
    (12 * count * rounds * threads) as f64 / seconds
}

/// A weight after some updates, for the tests.
#[cfg(test)]
pub fn updated(isa: Isa, sweeps: usize) -> f32 {
    let mut state = Moments::new(100);
    state.update(isa, sweeps);
    state.weight[7]
}

struct Moments {
    weight: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    gradient: Vec<f32>,
}

impl Moments {
    fn new(count: usize) -> Self {
        let gradient = (0..count).map(|i| 1e-3 * ((i % 61) as f32 - 30.5)).collect();
        Self { weight: vec![0.1; count], mean: vec![0.0; count], square: vec![0.0; count], gradient }
    }

    fn update(&mut self, isa: Isa, sweeps: usize) {
        let update = shell(isa, updates as Shell<Self>, updates_avx2, updates_avx512);
        // SAFETY: `shell` returns a function for an instruction set that this machine was found to have.
        unsafe { update(self, sweeps) }
    }
}

/// PyTorch's Adam with corrections for some step in the middle of a training.
#[inline(always)]
fn updates(Moments { weight, mean, square, gradient }: &mut Moments, sweeps: usize) {
    for _ in 0..sweeps {
        for (((w, m), v), &g) in weight.iter_mut().zip(mean.iter_mut()).zip(square.iter_mut()).zip(&*gradient)
        {
            *m += 0.1 * (g - *m);
            *v = 0.999 * *v + 0.001 * g * g;
            *w -= 1.1e-3 * *m / (v.sqrt() * 1.05 + 1e-8);
        }
    }
}

type Triad<'a> = (&'a mut [f32], &'a [f32], &'a [f32]);

fn multiply_add(isa: Isa, a: &mut [f32], b: &[f32], c: &[f32], rounds: usize) {
    let run = shell(isa, triads as Shell<Triad>, triads_avx2, triads_avx512);
    // SAFETY: `shell` returns a function for an instruction set that this machine was found to have.
    unsafe { run(&mut (a, b, c), rounds) }
}

#[inline(always)]
fn triads((a, b, c): &mut Triad, rounds: usize) {
    for _ in 0..rounds {
        for ((a, &b), &c) in a.iter_mut().zip(*b).zip(*c) {
            *a = b + 3.0 * c;
        }
        // Every round is to write, though the next one writes the same.
        std::hint::black_box(&mut *a);
    }
}

type Shell<T> = unsafe fn(&mut T, usize);

/// The one of three functions that is compiled for an instruction set.
fn shell<T>(isa: Isa, portable: Shell<T>, avx2: Shell<T>, avx512: Shell<T>) -> Shell<T> {
    match isa {
        Isa::Portable => portable,
        Isa::Avx2 => avx2,
        Isa::Avx512 => avx512,
    }
}

/// Compiles a body for both instruction sets of x86; elsewhere the names stand for the portable one.
macro_rules! compiled {
    ($body:ident, $state:ty, $avx2:ident, $avx512:ident) => {
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
        unsafe fn $avx2(state: &mut $state, times: usize) {
            $body(state, times);
        }
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx512f,avx512vl,avx2,fma"))]
        unsafe fn $avx512(state: &mut $state, times: usize) {
            $body(state, times);
        }
    };
}
compiled!(updates, Moments, updates_avx2, updates_avx512);
compiled!(triads, Triad<'_>, triads_avx2, triads_avx512);
