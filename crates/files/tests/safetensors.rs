//! What becomes of safetensors files that are sound, odd, broken, or made to do harm.

#[path = "cases/safetensors.rs"]
mod cases;

use std::io::Cursor;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Error;
use neuroxide_files::{Array, safetensors};

use cases::Contents;

fn read(bytes: &[u8]) -> Result<Contents, Error> {
    let mut tensors = Vec::new();
    let metadata = safetensors::read(&mut Cursor::new(bytes), bytes.len() as u64, &mut |name, array| {
        tensors.push((name, array));
        Ok(())
    })?;
    Ok((tensors, metadata))
}

#[test]
fn what_is_no_sound_file_is_refused() {
    let cases = cases::refused();
    assert!(cases.len() >= 44);
    for (what, bytes) in cases {
        let error = read(&bytes).expect_err(what);
        assert_eq!(error.code(), "ERR_FORMAT", "{what}: {error}");
        assert!(error.message().contains("; expected "), "{what}: {error}");
        assert!(error.message().len() < 1000, "{what}");
    }
}

#[test]
fn what_tensors_cannot_have_is_refused_by_name() {
    for (name, bytes) in cases::unsupported() {
        let error = read(&bytes).expect_err(name);
        assert_eq!(error.code(), "ERR_FORMAT");
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn what_is_odd_but_sound_is_read_as_tensors_have_it() {
    for (what, bytes, expected) in cases::accepted() {
        assert_eq!(read(&bytes).expect(what), expected, "{what}");
    }
}

fn written(tensors: &[(&str, Array)], metadata: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
    let metadata: Vec<_> = metadata.iter().map(|&(key, text)| (key.to_owned(), text.to_owned())).collect();
    let prepared = safetensors::prepare(tensors.iter().map(|(name, array)| (*name, array)), &metadata)?;
    let mut out = Vec::new();
    prepared.write(&mut out).expect("a Vec takes everything");
    Ok(out)
}

#[test]
fn what_is_written_is_read_again_and_has_the_same_bytes_in_any_order() {
    let float = Array { dtype: DType::F32, shape: vec![1, 2], bytes: vec![1, 2, 3, 4, 5, 6, 7, 8] };
    let byte = Array { dtype: DType::U8, shape: vec![3], bytes: vec![7, 8, 9] };
    let none = Array { dtype: DType::F64, shape: vec![0], bytes: vec![] };
    let texts = [("z", "\"quoted\"\n"), ("a", "ü")];
    let bytes = written(&[("b", byte.clone()), ("", none.clone()), ("f", float.clone())], &texts).unwrap();
    assert_eq!(
        written(&[("f", float.clone()), ("b", byte.clone()), ("", none.clone())], &texts).unwrap(),
        bytes
    );
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(header % 8, 0, "elements begin at a multiple of eight");
    let (tensors, metadata) = read(&bytes).unwrap();
    assert_eq!(tensors, [(String::new(), none), ("f".to_owned(), float), ("b".to_owned(), byte)]);
    let texts = texts.map(|(key, text)| (key.to_owned(), text.to_owned()));
    assert_eq!(metadata, texts);
    assert_eq!(read(&written(&[], &[]).unwrap()).unwrap(), (vec![], vec![]));
    assert_eq!(read(&written(&[], &[("a", "b")]).unwrap()).unwrap().1.len(), 1);
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let byte = || Array { dtype: DType::U8, shape: vec![1], bytes: vec![7] };
    assert_eq!(written(&[("a", byte()), ("a", byte())], &[]).unwrap_err().code(), "ERR_VALUE");
    assert_eq!(written(&[("__metadata__", byte())], &[]).unwrap_err().code(), "ERR_VALUE");
    let long = "x".repeat(100_000_001);
    assert_eq!(written(&[], &[("a", &long)]).unwrap_err().code(), "ERR_VALUE");
}
