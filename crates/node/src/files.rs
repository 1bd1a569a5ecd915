//! Tensors to files and from them, off the JavaScript thread.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use napi::sys;
use neuroxide_core::engine::{Elements, Loaded, Loader};
use neuroxide_core::error::{Error, Result};
use neuroxide_files::{Array, atomic, npy, npz, safetensors, unreadable};

use crate::background::{self, Lane};
use crate::call::Call;
use crate::failure::{Outcome, wrong_argument};
use crate::home::Home;
use crate::json;
use crate::tensors::making;
use crate::value;

/// Files that were read and whose tensors have not been asked for yet.
#[derive(Default)]
pub struct Shelf {
    files: HashMap<usize, Vec<Option<Loaded>>>,
    next: usize,
}

#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Npy,
    Npz,
}

fn format(call: &Call<'_>, index: usize) -> Outcome<Format> {
    match call.text(index)?.as_str() {
        "safetensors" => Ok(Format::Safetensors),
        "npy" => Ok(Format::Npy),
        "npz" => Ok(Format::Npz),
        _ => Err(wrong_argument(index, "'safetensors', 'npy' or 'npz'")),
    }
}

/// The texts of an array.
fn texts(call: &Call<'_>, index: usize, count: usize) -> Outcome<Vec<String>> {
    let texts = call.elements(index, count)?.into_iter();
    texts
        .map(|text| {
            value::as_text(call.env, text).ok_or_else(|| wrong_argument(index, "an array of strings"))
        })
        .collect()
}

/// The error of a file, with what was called and the path in front.
fn of_file(error: Error, op: &str, path: &str) -> Error {
    error.within(&format!("\"{path}\"")).within(op)
}

/// `saveFile(op, format, path, names, count, metadata, nMetadata) -> Promise`: the handles stand in the list.
/// The tensors are taken as they are now, also where a training that writes them waits for an answer; within a step of
/// it they are those after the step.
pub fn save(call: &Call<'_>) -> Outcome<sys::napi_value> {
    let (op, format, path) = (call.text(0)?, format(call, 1)?, call.text(2)?);
    let (count, words) = (call.count(4)?, call.count(6)?);
    let (names, words) = (texts(call, 3, count)?, texts(call, 5, words)?);
    let metadata: Vec<(String, String)> =
        words.as_chunks().0.iter().map(|[key, text]| (key.clone(), text.clone())).collect();
    let readings = {
        let mut state = call.at_work()?;
        let state = &mut *state;
        let handles = state.io.list(count)?.to_vec();
        state.engine.readings(&handles)?
    };
    background::promise(
        call,
        Lane::Files,
        move || {
            // Whoever waits to write the tensors need not wait for the disk: the readings end here.
            let arrays: Vec<Array> = readings
                .elements()?
                .into_iter()
                .map(|Elements { dtype, shape, bytes }| Array { dtype, shape, bytes })
                .collect();
            written(format, Path::new(&path), &names, &arrays, &metadata)
                .map_err(|error| of_file(error, &op, &path))
        },
        |_, _, done| Ok(done?),
    )
}

fn written(
    format: Format,
    path: &Path,
    names: &[String],
    arrays: &[Array],
    metadata: &[(String, String)],
) -> Result<()> {
    let named = || names.iter().map(String::as_str).zip(arrays);
    match format {
        Format::Safetensors => {
            let prepared = safetensors::prepare(named(), metadata)?;
            atomic::replace(&atomic::Disk, path, |out| prepared.write(out))
        }
        Format::Npy => {
            let array = arrays.first().ok_or_else(|| Error::Value("no array; expected one".into()))?;
            atomic::replace(&atomic::Disk, path, |out| npy::write(array, out))
        }
        Format::Npz => {
            npz::check_names(names.iter().map(String::as_str))?;
            atomic::replace(&atomic::Disk, path, |out| npz::write(named(), out))
        }
    }
}

/// What a file holds, its tensors made but not yet known to JavaScript.
#[derive(Default)]
struct Read {
    described: Vec<String>,
    tensors: Vec<Option<Loaded>>,
    metadata: Vec<(String, String)>,
}

/// `loadFile(op, format, path) -> Promise<string>`: JSON with the number of the file on the shelf, the names of its
/// tensors and its metadata.
pub fn load(call: &Call<'_>) -> Outcome<sys::napi_value> {
    let (op, format, path) = (call.text(0)?, format(call, 1)?, call.text(2)?);
    let loader = call.state()?.engine.loader();
    background::promise(
        call,
        Lane::Files,
        move || read(&loader, format, Path::new(&path)).map_err(|error| of_file(error, &op, &path)),
        |_, home: &Home, read| {
            let Read { described, tensors, metadata } = read?;
            let mut state = home.state()?;
            let shelf = &mut state.shelf;
            shelf.next += 1;
            let id = shelf.next;
            shelf.files.insert(id, tensors);
            let pairs =
                metadata.iter().map(|(key, text)| json::array([json::string(key), json::string(text)]));
            Ok(json::object([
                ("id", id.to_string()),
                ("names", json::array(described.iter().map(|name| json::string(name)))),
                ("metadata", json::array(pairs)),
            ]))
        },
    )
}

fn read(loader: &Loader, format: Format, path: &Path) -> Result<Read> {
    let unopened = |error| {
        Error::File(format!("it could not be opened: {error}; expected a file that exists and may be read"))
    };
    // Asked before it is opened: to open a pipe is to wait for somebody who writes into it.
    if !fs::metadata(path).map_err(unopened)?.is_file() {
        return Err(Error::File("a folder, a pipe or a device; expected a file".into()));
    }
    let file = File::open(path).map_err(unopened)?;
    let about = file.metadata().map_err(|error| unreadable(&error))?;
    let (mut source, length) = (BufReader::new(file), about.len());
    let mut out = Read::default();
    let mut keep = |name: String, array: Array| {
        out.tensors.push(Some(loader.tensor(array.dtype, &array.shape, &array.bytes)?));
        out.described.push(name);
        Ok(())
    };
    match format {
        Format::Safetensors => {
            let metadata = safetensors::read(&mut source, length, &mut keep)?;
            out.metadata = metadata;
        }
        Format::Npy => keep(String::new(), npy::read(&mut source, length)?)?,
        Format::Npz => npz::read(source, length, &mut keep)?,
    }
    Ok(out)
}

/// `loadedTensor(out, id, index) -> handle`: takes a tensor from the shelf; without an owner, lets the file go.
pub fn loaded(call: &Call<'_>) -> Outcome<f64> {
    let (id, index) = (call.count(1)?, call.number(2)?);
    if index < 0.0 {
        call.state()?.shelf.files.remove(&id);
        return Ok(0.0);
    }
    let index = call.count(2)?;
    let file = call.state()?.shelf.files.get_mut(&id).and_then(|file| file.get_mut(index)?.take());
    let tensor = file.ok_or_else(|| wrong_argument(1, "a file whose tensors have not been taken"))?;
    making(call, |engine, _| Ok(engine.take_loaded(tensor)?))
}
