//! Tensors in files: safetensors, npy and npz.
//!
//! Whatever a file says is doubted. Every size is compared with what the file holds before memory is asked for, every
//! surprise is a typed error, and nothing here panics on any bytes. What is written replaces the earlier file whole or
//! not at all.

#![forbid(unsafe_code)]

pub mod atomic;
mod element;
mod header;
mod literal;
pub mod npy;
pub mod npz;
pub mod safetensors;

use std::io::{self, ErrorKind, Read};

use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};

/// Axes that a tensor may have.
pub const MAX_RANK: usize = 32;

/// A tensor: its elements in row-major order, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// What is told of each tensor of a file, in the order of the file.
pub type Sink<'a> = dyn FnMut(String, Array) -> Result<()> + 'a;

/// A file whose content is not what it should be: `given` and what was expected instead.
fn malformed(given: impl AsRef<str>, expected: &str) -> Error {
    Error::Format(format!("{}; expected {expected}", given.as_ref()))
}

/// A file that could not be read.
pub fn unreadable(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => malformed("the file ends too early", "as many bytes as it announces"),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => malformed(error.to_string(), "a sound file"),
        _ => Error::File(format!("reading failed: {error}; expected a file that can be read")),
    }
}

/// Exactly `count` bytes, for which the file is known to be long enough.
fn bytes_of(source: &mut dyn Read, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(count).map_err(|_| no_room(count))?;
    let read = source.take(count as u64).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if read < count {
        return Err(unreadable(&ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

fn no_room(bytes: usize) -> Error {
    Error::Device(format!("{bytes} bytes could not be allocated; expected a file that fits into memory"))
}

/// The number of elements, or an error where the sizes of a file multiply to more than there can be.
fn elements(shape: &[usize]) -> Result<usize> {
    if shape.len() > MAX_RANK {
        return Err(malformed(format!("a tensor with {} dims", shape.len()), "at most 32"));
    }
    shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size)).ok_or_else(|| {
        malformed(format!("the shape {shape:?}"), "one whose sizes multiply to a number of elements")
    })
}
