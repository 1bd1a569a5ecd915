//! Random numbers as a pure function of (seed, offset, index): Philox4x32-10.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC11).
//! A tensor takes a range of 128-bit counters ("blocks") of one global stream, so its numbers do
//! not depend on threads, on the driver, or on what else is drawn beside it.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The four words of one block.
#[inline(always)]
pub fn philox(seed: u64, block: u64) -> [u32; 4] {
    let mut counter = [block as u32, (block >> 32) as u32, 0, 0];
    let mut key = [seed as u32, (seed >> 32) as u32];
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

/// The words of `N` blocks from `first` on, word by word: side by side they keep a processor busy, where one alone
/// waits for each product before the next.
#[allow(clippy::needless_range_loop, reason = "lanes of four arrays at once, which vectorise")]
fn philox_lanes<const N: usize>(seed: u64, first: u64) -> [[u32; N]; 4] {
    let mut counter = [[0; N]; 4];
    for lane in 0..N {
        let block = first.wrapping_add(lane as u64);
        counter[0][lane] = block as u32;
        counter[1][lane] = (block >> 32) as u32;
    }
    let mut key = [seed as u32, (seed >> 32) as u32];
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        for lane in 0..N {
            let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0][lane]);
            let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2][lane]);
            counter[0][lane] = (b >> 32) as u32 ^ counter[1][lane] ^ key[0];
            counter[1][lane] = b as u32;
            counter[2][lane] = (a >> 32) as u32 ^ counter[3][lane] ^ key[1];
            counter[3][lane] = a as u32;
        }
    }
    counter
}

/// A number in [0, 1) with 24 bits.
#[inline(always)]
pub fn uniform_f32(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A number in [0, 1) with 53 bits.
#[inline(always)]
pub fn uniform_f64(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
    bits as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// Two independent standard normal numbers (Box–Muller) from two words.
pub fn normal_f32(a: u32, b: u32) -> [f32; 2] {
    // 1 - u lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * libm::logf(1.0 - uniform_f32(a))).sqrt();
    let angle = std::f32::consts::TAU * uniform_f32(b);
    [radius * libm::cosf(angle), radius * libm::sinf(angle)]
}

/// Two independent standard normal numbers from one block.
pub fn normal_f64(words: [u32; 4]) -> [f64; 2] {
    let radius = (-2.0 * libm::log(1.0 - uniform_f64(words[0], words[1]))).sqrt();
    let angle = std::f64::consts::TAU * uniform_f64(words[2], words[3]);
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}

/// An integer in [low, high) by fixed-point scaling of one word (bias below 2⁻³² · range).
#[inline(always)]
pub fn integer(word: u32, low: i32, high: i32) -> i32 {
    // At most 2³² − 1, so the product fits.
    let range = (i64::from(high) - i64::from(low)) as u64;
    let step = (u64::from(word) * range) >> 32;
    (i64::from(low) + step as i64) as i32
}

/// Writes a uniformly random order of `0..out.len()` (Fisher–Yates); block `i / 4` word `i % 4` places element `i`.
pub fn permutation(seed: u64, offset: u64, out: &mut [i32]) {
    const LANES: usize = 16;
    for (i, slot) in out.iter_mut().enumerate() {
        *slot = i as i32;
    }
    let mut words = [[0; LANES]; 4];
    for (draw, i) in (1..out.len()).rev().enumerate() {
        let (block, word) = (draw / 4, draw % 4);
        if word == 0 && block % LANES == 0 {
            words = philox_lanes(seed, offset + block as u64);
        }
        let j = integer(words[word][block % LANES], 0, (i + 1) as i32) as usize;
        out.swap(i, j);
    }
}

/// Blocks that a tensor of `numel` elements takes from the stream, whatever its distribution and
/// element type: two elements a block suffice for all of them.
pub fn blocks(numel: usize) -> u64 {
    numel.div_ceil(2) as u64
}

/// A position in the global stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    pub seed: u64,
    pub offset: u64,
}

impl Stream {
    pub const fn new(seed: u64) -> Self {
        Self { seed, offset: 0 }
    }

    /// A stream of its own for the `ordinal`-th long-running consumer of this one.
    #[must_use]
    pub fn fork(self, ordinal: u64) -> Self {
        let words = philox(self.seed ^ 0x6E65_7572_6F78_6964, ordinal);
        // 53 bits, so that JavaScript can hold and save the seed.
        Self::new((u64::from(words[0]) << 32 | u64::from(words[1])) >> 11)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_matches_the_published_vectors() {
        // Random123's known answers for counter 0 and key 0, and for all ones in the lower words.
        assert_eq!(philox(0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    #[test]
    fn lanes_are_the_blocks_one_by_one() {
        for first in [0, 7, u64::from(u32::MAX) - 3] {
            let lanes = philox_lanes::<8>(0x0123_4567_89ab_cdef, first);
            for (lane, block) in (first..first + 8).enumerate() {
                let words = [0, 1, 2, 3].map(|word| lanes[word][lane]);
                assert_eq!(words, philox(0x0123_4567_89ab_cdef, block));
            }
        }
    }

    #[test]
    fn uniforms_stay_below_one() {
        assert_eq!(uniform_f32(0), 0.0);
        assert!(uniform_f32(u32::MAX) < 1.0);
        assert!(uniform_f64(u32::MAX, u32::MAX) < 1.0);
    }

    #[test]
    fn normals_have_the_right_moments() {
        let n = 40_000;
        let draws: Vec<f64> =
            (0..n).flat_map(|i| normal_f32(philox(7, i)[0], philox(7, i)[1])).map(f64::from).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn permutations_hold_every_index_once() {
        for n in [0, 1, 2, 17, 1000] {
            let mut order = vec![0; n];
            permutation(3, 5, &mut order);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().enumerate().all(|(i, &x)| i as i32 == x));
            assert!(n < 17 || order != sorted);
        }
    }

    #[test]
    fn integers_cover_their_range() {
        assert_eq!(integer(0, -3, 4), -3);
        assert_eq!(integer(u32::MAX, -3, 4), 3);
        assert_eq!(integer(u32::MAX, i32::MIN, i32::MAX), i32::MAX - 1);
    }
}
