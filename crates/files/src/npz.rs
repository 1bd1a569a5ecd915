//! npz files: a zip with one npy file for each array.

use std::collections::HashSet;
use std::io::{self, Read, Seek, Write};

use neuroxide_core::error::{Error, Result};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::{Array, Sink, malformed, npy, unreadable};

/// How many bytes of a member one byte in the file may become: zeros by the gigabyte cost a sender nothing.
const LARGEST_RATIO: u64 = 100;
const ENDING: &str = ".npy";

/// Reads a file of `length` bytes: tells its arrays by their names without the ending.
pub fn read(source: impl Read + Seek, length: u64, sink: &mut Sink<'_>) -> Result<()> {
    let mut archive = ZipArchive::new(source).map_err(failed)?;
    let (mut names, mut packed) = (HashSet::new(), 0_u64);
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).map_err(failed)?;
        let shown = member.name().map_err(failed)?.into_owned();
        let Some(name) = shown.strip_suffix(ENDING).map(str::to_owned) else {
            return Err(malformed(format!("a member called \"{shown}\""), "names that end with .npy"));
        };
        if !names.insert(name.clone()) {
            return Err(malformed(format!("two members called \"{shown}\""), "a name for each"));
        }
        if !matches!(member.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            let how = member.compression();
            return Err(malformed(
                format!("\"{shown}\" packed as {how}"),
                "members that are stored or deflated",
            ));
        }
        let (size, within) = (member.size(), member.compressed_size());
        packed = packed.saturating_add(within);
        if size > within.saturating_mul(LARGEST_RATIO) || packed > length {
            return Err(malformed(
                format!("\"{shown}\" of {size} bytes packed in {within}, in a file of {length}"),
                "at most 100 bytes for each in the file. np.savez writes arrays unpacked",
            ));
        }
        let mut limited = (&mut member).take(size);
        let array = npy::read(&mut limited, size).map_err(|error| error.within(&shown))?;
        // To the end, where the checksum is compared.
        io::copy(&mut limited, &mut io::sink()).map_err(|error| unreadable(&error).within(&shown))?;
        let more = member.read(&mut [0]).map_err(|error| unreadable(&error).within(&shown))?;
        if more > 0 {
            return Err(malformed(
                format!("\"{shown}\" is longer than the {size} bytes that are announced"),
                "its size",
            ));
        }
        sink(name, array)?;
    }
    Ok(())
}

fn failed(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => unreadable(&error),
        other => malformed(format!("no zip that can be read: {other}"), "a file that np.savez has written"),
    }
}

/// Writes arrays as they are, unpacked, as `np.savez` does. Names are checked by [`check_names`].
pub fn write<'a>(
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
    out: impl Write + Seek,
) -> io::Result<()> {
    let mut zip = ZipWriter::new(out);
    for (name, array) in arrays {
        // Beyond four gigabytes sizes need the wider fields, which have to be announced.
        let large = npy::length(array) >= u32::MAX as usize;
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        zip.start_file(format!("{name}{ENDING}"), options).map_err(as_io)?;
        npy::write(array, &mut zip)?;
    }
    zip.finish().map_err(as_io)?.flush()
}

fn as_io(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// Refuses names that a zip cannot tell apart or that tools would unpack elsewhere.
pub fn check_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut known = HashSet::new();
    for name in names {
        let strange =
            name.starts_with('/') || name.contains(['\\', '\0']) || name.split('/').any(|part| part == "..");
        if strange || name.len() > 10_000 {
            return Err(Error::Value(format!(
                "\"{}\" as name in an npz; expected one that is no path to elsewhere",
                name.chars().take(60).collect::<String>()
            )));
        }
        if !known.insert(name) {
            return Err(Error::Value(format!("two arrays called \"{name}\"; expected a name for each")));
        }
    }
    Ok(())
}
