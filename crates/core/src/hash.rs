//! Hashing for keys that this process makes itself: a few cycles a word, no defence against crafted keys.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Words are mixed by a rotation and a multiplication, and the high half is folded into the low one at the end.
#[derive(Clone, Copy, Default)]
pub struct FastHasher(u64);

/// 2⁶⁴ divided by the golden ratio, odd: consecutive numbers spread over all bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl FastHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(SPREAD);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.mix(u64::from(byte));
        }
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    #[inline]
    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;
pub type FastSet<K> = HashSet<K, BuildHasherDefault<FastHasher>>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hash;

    fn hash(value: impl Hash) -> u64 {
        let mut hasher = FastHasher::default();
        value.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn small_keys_spread() {
        let low = |bits: u32, keys: usize| {
            let buckets: FastSet<u64> =
                (0..keys).map(|n| hash((n / 64, n % 64)) & ((1 << bits) - 1)).collect();
            buckets.len()
        };
        // Thrown at random, 4096 keys leave a share of 1/e of 4096 buckets empty.
        assert!(low(12, 4096) > 2200, "{}", low(12, 4096));
        assert_ne!(hash("matmul"), hash("matmux"));
        assert_ne!(hash([1usize, 2]), hash([2usize, 1]));
    }
}
