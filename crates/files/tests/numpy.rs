//! What becomes of npy and npz files that are sound, odd, broken, or made to do harm.

#[path = "cases/numpy.rs"]
mod cases;

use std::io::Cursor;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Error;
use neuroxide_files::{Array, npy, npz};

fn read(bytes: &[u8]) -> Result<Array, Error> {
    npy::read(&mut Cursor::new(bytes), bytes.len() as u64)
}

#[test]
fn what_is_no_sound_file_is_refused() {
    let cases = cases::refused();
    assert!(cases.len() >= 29);
    for (what, bytes) in cases {
        let error = read(&bytes).expect_err(what);
        assert_eq!(error.code(), "ERR_FORMAT", "{what}: {error}");
        assert!(error.message().contains("; expected "), "{what}: {error}");
        assert!(error.message().len() < 1000, "{what}");
    }
}

#[test]
fn what_is_odd_but_sound_is_read_as_tensors_have_it() {
    for (what, bytes, expected) in cases::accepted() {
        assert_eq!(read(&bytes).expect(what), expected, "{what}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for shape in [vec![], vec![4], vec![2, 2], vec![4, 0, 2]] {
        for dtype in DType::ALL {
            let count: usize = shape.iter().product();
            let array = Array { dtype, shape: shape.clone(), bytes: vec![1; count * dtype.size()] };
            let mut bytes = Vec::new();
            npy::write(&array, &mut bytes).unwrap();
            assert_eq!(bytes.len(), npy::length(&array));
            assert_eq!((bytes.len() - array.bytes.len()) % 64, 0);
            assert_eq!(read(&bytes).unwrap(), array);
        }
    }
}

fn read_npz(bytes: &[u8]) -> Result<Vec<(String, Array)>, Error> {
    let mut arrays = Vec::new();
    npz::read(Cursor::new(bytes), bytes.len() as u64, &mut |name, array| {
        arrays.push((name, array));
        Ok(())
    })?;
    Ok(arrays)
}

#[test]
fn archives_are_read_packed_or_not() {
    for (what, bytes, expected) in cases::accepted_archives() {
        assert_eq!(read_npz(&bytes).expect(what), expected, "{what}");
    }
    let array = Array { dtype: DType::F32, shape: vec![1], bytes: 1_f32.to_le_bytes().into() };
    let mut out = Cursor::new(Vec::new());
    npz::write([("x", &array), ("", &array)], &mut out).unwrap();
    let expected = [("x".to_owned(), array.clone()), (String::new(), array)];
    assert_eq!(read_npz(&out.into_inner()).unwrap(), expected);
}

#[test]
fn archives_that_are_broken_or_do_harm_are_refused() {
    for (what, bytes) in cases::refused_archives() {
        let error = read_npz(&bytes).expect_err(what);
        assert_eq!(error.code(), "ERR_FORMAT", "{what}: {error}");
        assert!(error.message().contains("; expected "), "{what}: {error}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_not_written() {
    for names in [&["/etc/x"][..], &["../x"], &["a/../../x"], &["a\\b"], &["a\0"], &["a", "a"]] {
        assert_eq!(npz::check_names(names.iter().copied()).unwrap_err().code(), "ERR_VALUE", "{names:?}");
    }
    npz::check_names(["a", "b.c", "layer/weight", ""]).unwrap();
}
