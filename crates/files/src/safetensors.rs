//! safetensors files: eight bytes of length, a header of JSON, and the elements.
//!
//! The crate `safetensors` decides what offsets and shapes are sound. What it lets pass and may still surprise is
//! decided here: keys that stand twice are refused, and bytes are the same whenever the same tensors are written.

use std::io::{self, Read, Write};

use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::element::Element;
use crate::header::{Header, METADATA};
use crate::{Array, Sink, bytes_of, malformed};

/// The longest header, as every reader of these files has it.
const LONGEST_HEADER: usize = 100_000_000;
/// Bytes that say how long the header is.
const LENGTH: usize = 8;

/// Reads a file of `length` bytes: tells the tensors one after the other and gives the metadata in its order.
pub fn read(source: &mut dyn Read, length: u64, sink: &mut Sink<'_>) -> Result<Vec<(String, String)>> {
    let (header, size) = header_of(source, length)?;
    let Header { metadata, mut tensors } = header;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let sound = Metadata::new(None, tensors.clone()).map_err(|error| {
        malformed(format!("a header that does not fit its data: {error}"), "a safetensors file")
    })?;
    let end = (LENGTH + size) as u64 + sound.data_len() as u64;
    if end != length {
        return Err(malformed(
            format!("{length} bytes, where the header describes {end}"),
            "a file that is neither cut nor longer than its tensors",
        ));
    }
    for (name, info) in tensors {
        let element = element_of(&name, info.dtype)?;
        let raw = bytes_of(source, info.data_offsets.1 - info.data_offsets.0)?;
        let (dtype, bytes) = element.converted(&name, raw)?;
        sink(name, Array { dtype, shape: info.shape, bytes })?;
    }
    Ok(metadata)
}

fn header_of(source: &mut dyn Read, length: u64) -> Result<(Header, usize)> {
    if length < LENGTH as u64 {
        return Err(malformed(
            format!("{length} bytes"),
            "a safetensors file, which begins with 8 for its header",
        ));
    }
    let mut eight = [0; LENGTH];
    source.read_exact(&mut eight).map_err(|error| crate::unreadable(&error))?;
    let size = u64::from_le_bytes(eight);
    let room = length - LENGTH as u64;
    if size > room || size > LONGEST_HEADER as u64 {
        return Err(malformed(
            format!("a header of {size} bytes in a file of {length}"),
            "one within the file and of at most 100000000 bytes. Is it a safetensors file?",
        ));
    }
    let text = String::from_utf8(bytes_of(source, size as usize)?)
        .map_err(|error| malformed(format!("a header that is no text: {error}"), "UTF-8"))?;
    let header = serde_json::from_str(&text).map_err(|error| {
        malformed(format!("a header that cannot be read: {error}"), "that of a safetensors file")
    })?;
    Ok((header, size as usize))
}

fn element_of(name: &str, dtype: Dtype) -> Result<Element> {
    Ok(match dtype {
        Dtype::BOOL => Element::Bool,
        Dtype::U8 => Element::U8,
        Dtype::I8 => Element::I8,
        Dtype::U16 => Element::U16,
        Dtype::I16 => Element::I16,
        Dtype::U32 => Element::U32,
        Dtype::I32 => Element::I32,
        Dtype::U64 => Element::U64,
        Dtype::I64 => Element::I64,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        other => {
            return Err(malformed(
                format!("\"{name}\" has elements of type {other}"),
                "BOOL, U8, I8, U16, I16, U32, I32, U64, I64, F16, BF16, F32 or F64",
            ));
        }
    })
}

/// A file that is ready to be written.
pub struct Prepared<'a> {
    header: Vec<u8>,
    tensors: Vec<&'a Array>,
}

/// Lays a file out. Tensors stand in the order that the crate gives them: the widest elements first, then by name.
pub fn prepare<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a Array)>,
    metadata: &[(String, String)],
) -> Result<Prepared<'a>> {
    let mut sorted: Vec<_> =
        tensors.into_iter().map(|(name, array)| (stored(array.dtype), name, array)).collect();
    sorted.sort_by(|(dtype, name, _), (other, than, _)| other.cmp(dtype).then(name.cmp(than)));
    let mut end = 0;
    let infos: Vec<_> = sorted
        .iter()
        .map(|&(dtype, name, array)| {
            let start = end;
            end += array.bytes.len();
            let info = TensorInfo { dtype, shape: array.shape.clone(), data_offsets: (start, end) };
            (name.to_owned(), info)
        })
        .collect();
    let mut names: Vec<&str> = sorted.iter().map(|&(_, name, _)| name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let name = pair[0];
        return Err(Error::Value(format!("two tensors called \"{name}\"; expected a name for each")));
    }
    if names.contains(&METADATA) {
        return Err(Error::Value(format!("a tensor called \"{METADATA}\"; expected another name")));
    }
    let sound = Metadata::new(None, infos)
        .map_err(|error| Error::Internal(format!("a header that does not fit its data: {error}")))?;
    let tensors = sorted.into_iter().map(|(_, _, array)| array).collect();
    Ok(Prepared { header: header_text(&sound, metadata)?.into_bytes(), tensors })
}

/// The header with the metadata first, in the order given: the crate's own map would write another one each time.
fn header_text(tensors: &Metadata, metadata: &[(String, String)]) -> Result<String> {
    let written = |result: serde_json::Result<String>| {
        result.map_err(|error| Error::Internal(format!("a header that cannot be written: {error}")))
    };
    let rest = written(serde_json::to_string(tensors))?;
    let mut text = String::from("{");
    if !metadata.is_empty() {
        text.push_str(&written(serde_json::to_string(METADATA))?);
        for (at, (key, value)) in metadata.iter().enumerate() {
            text.push_str(if at == 0 { ":{" } else { "," });
            text.push_str(&written(serde_json::to_string(key))?);
            text.push(':');
            text.push_str(&written(serde_json::to_string(value))?);
        }
        text.push_str(if rest == "{}" { "}" } else { "}," });
    }
    text.push_str(rest.strip_prefix('{').unwrap_or(&rest));
    // Elements begin at a multiple of eight, and blanks are what readers allow.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(LENGTH) - text.len()));
    if text.len() > LONGEST_HEADER {
        return Err(Error::Value(format!(
            "names and metadata of {} bytes; expected at most {LONGEST_HEADER}",
            text.len()
        )));
    }
    Ok(text)
}

fn stored(dtype: DType) -> Dtype {
    match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I32 => Dtype::I32,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
    }
}

impl Prepared<'_> {
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&(self.header.len() as u64).to_le_bytes())?;
        out.write_all(&self.header)?;
        self.tensors.iter().try_for_each(|tensor| out.write_all(&tensor.bytes))
    }
}
