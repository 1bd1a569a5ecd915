//! Products of the CPU backend against those of other crates.
#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use neuroxide_bars::{Library, Ours, Shape};
use neuroxide_cpu::{CpuBackend, Isa, Options};

/// Numbers in [-1, 1), the same everywhere.
fn noise(count: usize, mut seed: u32) -> Vec<f32> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as f32 / (1u32 << 31) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn other_crates_agree() {
    let sizes = [
        (1, 1, 1),
        (13, 33, 31),
        (32, 784, 128),
        (784, 32, 128),
        (97, 300, 10),
        (130, 129, 520),
        (257, 511, 129),
    ];
    for isa in Isa::available() {
        for threads in [1, 2] {
            let backend = CpuBackend::new(Options { isa: Some(isa), threads: Some(threads) }).unwrap();
            for (m, k, n) in sizes {
                for turned in [[false, false], [true, false], [false, true], [true, true]] {
                    let shape = Shape { m, k, n, turned };
                    let (a, b) = (noise(m * k, 17), noise(k * n, 23));
                    let ours = Ours::new(&backend, shape, &a, &b).unwrap();
                    ours.multiply().unwrap();
                    let found = ours.result().unwrap();
                    for library in Library::ALL {
                        let mut expected = vec![f32::NAN; m * n];
                        library.multiply(shape, 1, &a, &b, &mut expected);
                        // Sums of k products in [-1, 1], in another order.
                        let bound = 4e-7 * k as f32;
                        let far =
                            found.iter().zip(&expected).find(|(x, y)| (*x - *y).abs() > bound || y.is_nan());
                        assert_eq!(far, None, "{shape:?}, {isa}, {threads} threads, {}", library.name());
                    }
                }
            }
        }
    }
}
