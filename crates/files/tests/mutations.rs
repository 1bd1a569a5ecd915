//! Files that are sound or hostile (all those of `cases`), changed at random: whatever comes out, nothing panics and
//! nothing takes more memory than the file warrants. The seed is fixed, so what fails once fails again.

mod cases;

use std::io::Cursor;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Error;
use neuroxide_core::error::Result;
use neuroxide_files::{Array, npy, npz, safetensors};

/// Marsaglia's xorshift, with a multiplication.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Bytes that the changed forms of one file have together, about: a header of 100 MB is changed once.
const MOST_BYTES: usize = 8_000_000;

/// Words that mean something to one of the parsers.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b":",
    b"\"",
    b"'",
    b"\\",
    b"\0",
    b"-1",
    b"0",
    b"1e9",
    b"NaN",
    b"null",
    b"18446744073709551615",
    b"9223372036854775808",
    b"4294967296",
    b"F32",
    b"F4",
    b"BOOL",
    b"I64",
    b"__metadata__",
    b"dtype",
    b"shape",
    b"data_offsets",
    b"'<f4'",
    b"'|O'",
    b"True",
    b"2L",
    b"\xff\xff\xff\xff",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"\x93NUMPY",
];

fn mutated(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    // Half of the files differ in one place: more changes seldom leave anything to be read.
    for _ in 0..=random.below(2) * random.below(4) {
        let at = random.below(bytes.len());
        match random.below(8) {
            _ if bytes.is_empty() => bytes.push(random.next() as u8),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.next() as u8),
            4 => {
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + 1 + random.below(16)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                let end = (at + word.len()).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
        }
    }
    bytes
}

/// Bytes that the tensors of a file take, or why it was refused.
type Reader = fn(&[u8]) -> Result<usize>;

fn read_safetensors(bytes: &[u8]) -> Result<usize> {
    let mut total = 0;
    safetensors::read(&mut Cursor::new(bytes), bytes.len() as u64, &mut |_, array| {
        total += checked(&array);
        Ok(())
    })?;
    Ok(total)
}

fn read_npy(bytes: &[u8]) -> Result<usize> {
    npy::read(&mut Cursor::new(bytes), bytes.len() as u64).map(|array| checked(&array))
}

fn read_npz(bytes: &[u8]) -> Result<usize> {
    let mut total = 0;
    npz::read(Cursor::new(bytes), bytes.len() as u64, &mut |_, array| {
        total += checked(&array);
        Ok(())
    })?;
    Ok(total)
}

fn checked(array: &Array) -> usize {
    let count: usize = array.shape.iter().product();
    assert_eq!(array.bytes.len(), count * array.dtype.size());
    array.bytes.len()
}

/// Says the length of a safetensors header anew, so that what was changed in it is looked at.
fn repaired(mut bytes: Vec<u8>, original: &[u8]) -> Vec<u8> {
    if let (Some(old), true) = (original.first_chunk(), bytes.len() > 8) {
        // Nothing where the length is a lie, or wherever it says.
        let data = (original.len() as u64 - 8).saturating_sub(u64::from_le_bytes(*old));
        let header = (bytes.len() as u64 - 8).saturating_sub(data);
        bytes[..8].copy_from_slice(&header.to_le_bytes());
    }
    bytes
}

/// How often a file is changed: up to `most` times, and less often where it has millions of bytes.
fn rounds(seed: &[u8], most: usize) -> usize {
    (MOST_BYTES / seed.len().max(1)).clamp(1, most)
}

/// Changes every file some times; how many were read and how many refused. An element of a file becomes four bytes at
/// most, but for archives, where it is packed.
fn tried(seeds: &[Vec<u8>], read: Reader, most: usize, growth: usize, repair: bool) -> (usize, usize) {
    let mut random = Random(0x6e65_7572_6f78_6964);
    let (mut accepted, mut refused) = (0, 0);
    for original in seeds {
        for round in 0..rounds(original, most) {
            let mut bytes = mutated(original, &mut random);
            if repair && !round.is_multiple_of(4) {
                bytes = repaired(bytes, original);
            }
            match read(&bytes) {
                Ok(total) => {
                    assert!(total <= growth * bytes.len(), "{total} bytes of a file of {}", bytes.len());
                    accepted += 1;
                }
                Err(Error::Format(message)) => {
                    assert!(message.contains("; expected "), "{message}");
                    refused += 1;
                }
                Err(other) => panic!("{other} of {:?}", &bytes[..bytes.len().min(2000)]),
            }
        }
    }
    (accepted, refused)
}

/// The files of tables, without what else those say.
fn files_of(refused: Vec<(&'static str, Vec<u8>)>) -> impl Iterator<Item = Vec<u8>> {
    refused.into_iter().map(|(_, bytes)| bytes)
}

fn arrays() -> Vec<(&'static str, Array)> {
    vec![
        ("0.weight", Array { dtype: DType::F32, shape: vec![3, 2], bytes: (0..24).collect() }),
        ("0.bias", Array { dtype: DType::F64, shape: vec![2], bytes: (0..16).collect() }),
        ("seen", Array { dtype: DType::I32, shape: vec![], bytes: vec![1, 0, 0, 0] }),
        ("mask", Array { dtype: DType::Bool, shape: vec![2, 0], bytes: vec![] }),
    ]
}

#[test]
fn safetensors_files_changed_at_random_are_read_or_refused() {
    use cases::safetensors::{accepted, refused, unsupported};
    let named = arrays();
    let metadata =
        [("format".to_owned(), "pt".to_owned()), ("neuroxide".to_owned(), "{\"format\":1}".to_owned())];
    let mut sound = Vec::new();
    let prepared = safetensors::prepare(named.iter().map(|(name, array)| (*name, array)), &metadata).unwrap();
    prepared.write(&mut sound).unwrap();
    let mut seeds = vec![sound];
    seeds.extend(files_of(refused()));
    seeds.extend(files_of(unsupported()));
    seeds.extend(accepted().into_iter().map(|(_, bytes, _)| bytes));
    let (accepted, refused) = tried(&seeds, read_safetensors, 4000, 4, true);
    assert!(accepted > 1000 && refused > 10_000, "{accepted} read, {refused} refused");
}

#[test]
fn npy_files_changed_at_random_are_read_or_refused() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for (_, array) in arrays() {
        let mut bytes = Vec::new();
        npy::write(&array, &mut bytes).unwrap();
        seeds.push(bytes);
    }
    seeds.extend(files_of(cases::numpy::refused()));
    seeds.extend(cases::numpy::accepted().into_iter().map(|(_, bytes, _)| bytes));
    let (accepted, refused) = tried(&seeds, read_npy, 5000, 4, false);
    assert!(accepted > 1000 && refused > 10_000, "{accepted} read, {refused} refused");
}

#[test]
fn npz_files_changed_at_random_are_read_or_refused() {
    let named = arrays();
    let mut out = Cursor::new(Vec::new());
    npz::write(named.iter().map(|(name, array)| (*name, array)), &mut out).unwrap();
    let mut seeds = vec![out.into_inner()];
    seeds.extend(files_of(cases::numpy::refused_archives()));
    seeds.extend(cases::numpy::accepted_archives().into_iter().map(|(_, bytes, _)| bytes));
    let (accepted, refused) = tried(&seeds, read_npz, 6000, 400, false);
    assert!(accepted > 100 && refused > 5000, "{accepted} read, {refused} refused");
}
