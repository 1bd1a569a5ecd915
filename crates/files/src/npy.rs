//! npy files: NumPy's format for one array.

use std::io::{self, Read, Write};

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;

use crate::element::Element;
use crate::literal::{Settings, parse};
use crate::{Array, bytes_of, elements, malformed, unreadable};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest header, as NumPy has it where it does not trust a file.
const LONGEST_HEADER: usize = 10_000;
/// Elements of files that are written begin at a multiple of this, so that they can be mapped.
const ALIGN: usize = 64;

/// Reads one array of a file, or a member of one, of `length` bytes. What stands behind it is not looked at, as NumPy
/// does: several arrays may follow each other.
pub fn read(source: &mut dyn Read, length: u64) -> Result<Array> {
    let mut start = [0; 8];
    source.read_exact(&mut start).map_err(|_| no_npy())?;
    if &start[..6] != MAGIC {
        return Err(no_npy());
    }
    let (major, minor) = (start[6], start[7]);
    let wide = match (major, minor) {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        _ => return Err(malformed(format!("npy version {major}.{minor}"), "1.0, 2.0 or 3.0")),
    };
    let mut size = [0; 4];
    source.read_exact(&mut size[..wide]).map_err(|error| unreadable(&error))?;
    let size = u32::from_le_bytes(size) as usize;
    let before = (start.len() + wide) as u64;
    if size > LONGEST_HEADER || before + size as u64 > length {
        return Err(malformed(
            format!("an npy header of {size} bytes in {length}"),
            "one within the file and of at most 10000 bytes",
        ));
    }
    let Settings { descr, fortran, shape } = parse(&text(bytes_of(source, size)?, major)?)?;
    let (element, swapped) = element_of(&descr)?;
    let bytes = elements(&shape)?
        .checked_mul(element.size())
        .filter(|&bytes| bytes as u64 <= length - before - size as u64)
        .ok_or_else(|| {
            malformed(
                format!("a file of {length} bytes with the shape {shape:?} of '{descr}'"),
                "one that holds as many",
            )
        })?;
    let mut raw = bytes_of(source, bytes)?;
    if swapped {
        raw.chunks_exact_mut(element.size()).for_each(<[u8]>::reverse);
    }
    if fortran && shape.len() > 1 {
        raw = row_major(&raw, &shape, element.size())?;
    }
    let (dtype, bytes) = element.converted("the array", raw)?;
    Ok(Array { dtype, shape, bytes })
}

fn no_npy() -> neuroxide_core::error::Error {
    malformed("a file that does not begin as npy files do", "one that np.save has written")
}

/// Version 3 is UTF-8; before it was Latin-1, whose bytes are the first characters of Unicode.
fn text(bytes: Vec<u8>, major: u8) -> Result<String> {
    if major < 3 {
        return Ok(bytes.into_iter().map(char::from).collect());
    }
    String::from_utf8(bytes)
        .map_err(|error| malformed(format!("an npy header that is no text: {error}"), "UTF-8"))
}

/// The element type of a description such as `'<f4'`, and whether its bytes stand in the other order.
fn element_of(descr: &str) -> Result<(Element, bool)> {
    let (order, kind) = match descr.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), kind)) => (order, kind),
        _ => ("", descr),
    };
    let element = match kind {
        "b1" | "?" => Element::Bool,
        "u1" => Element::U8,
        "i1" => Element::I8,
        "u2" => Element::U16,
        "i2" => Element::I16,
        "u4" => Element::U32,
        "i4" => Element::I32,
        "u8" => Element::U64,
        "i8" => Element::I64,
        "f2" => Element::F16,
        "f4" => Element::F32,
        "f8" => Element::F64,
        // Two bytes without a meaning: NumPy has no name for brain floats, and this is how they come out.
        "V2" => Element::BF16,
        _ => {
            let shown: String = descr.chars().take(30).collect();
            return Err(malformed(
                format!("elements of type '{shown}'"),
                "booleans, integers of 1 to 8 bytes, floats of 2 to 8, or '|V2' for bfloat16. Objects are never read",
            ));
        }
    };
    Ok((element, order == ">" && element.size() > 1 && element != Element::BF16))
}

/// The same elements with the last axis running fastest, from those whose first does.
fn row_major(raw: &[u8], shape: &[usize], size: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.try_reserve_exact(raw.len()).map_err(|_| crate::no_room(raw.len()))?;
    let mut strides = vec![size; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1].wrapping_mul(shape[axis - 1]);
    }
    let (mut index, mut at) = (vec![0; shape.len()], 0);
    while out.len() < raw.len() {
        out.extend_from_slice(&raw[at..at + size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Ok(out)
}

/// Bytes that [`write`] writes.
pub fn length(array: &Array) -> usize {
    header(array).len() + array.bytes.len()
}

/// Writes an array as version 1.0, which every reader knows.
pub fn write(array: &Array, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&header(array))?;
    out.write_all(&array.bytes)
}

fn header(array: &Array) -> Vec<u8> {
    let descr = match array.dtype {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I32 => "<i4",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
    };
    let shape = match array.shape.as_slice() {
        [one] => format!("({one},)"),
        sizes => format!("({})", sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let before = MAGIC.len() + 4;
    let total = (before + text.len() + 1).next_multiple_of(ALIGN);
    text.extend(std::iter::repeat_n(' ', total - before - text.len() - 1));
    text.push('\n');
    // At most 32 sizes of 20 digits: far below what two bytes can say.
    [MAGIC.as_slice(), &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
}
