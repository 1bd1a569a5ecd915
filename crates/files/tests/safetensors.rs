//! What becomes of safetensors files that are sound, odd, broken, or made to do harm.

use std::io::Cursor;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Error;
use neuroxide_files::{Array, safetensors};

type Contents = (Vec<(String, Array)>, Vec<(String, String)>);

fn read(bytes: &[u8]) -> Result<Contents, Error> {
    let mut tensors = Vec::new();
    let metadata = safetensors::read(&mut Cursor::new(bytes), bytes.len() as u64, &mut |name, array| {
        tensors.push((name, array));
        Ok(())
    })?;
    Ok((tensors, metadata))
}

fn file(header: impl AsRef<[u8]>, data: &[u8]) -> Vec<u8> {
    let header = header.as_ref();
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

/// A header of one tensor of two floats, with `more` behind its fields.
fn one(more: &str) -> String {
    format!(r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]{more}}}}}"#)
}

fn tensor(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

fn nested(depth: usize) -> String {
    one(&format!(",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth)))
}

#[test]
fn what_is_no_sound_file_is_refused() {
    let eight = [0; 8];
    let two = |second: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},"b":{{"dtype":"F32","shape":[1],"data_offsets":{second}}}}}"#
        )
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("fewer than eight bytes", vec![1, 2, 3]),
        ("no header", vec![0; 8]),
        ("a header longer than the file", [&100_u64.to_le_bytes()[..], b"{}"].concat()),
        ("a header longer than any", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
        (
            "a header of more than 100 MB",
            [&100_000_001_u64.to_le_bytes()[..], &vec![b' '; 100_000_001]].concat(),
        ),
        ("no UTF-8", file(b"{\"\xff\":1}", &[])),
        ("no JSON", file("hello!", &[])),
        ("half an object", file(&one("")[..20], &eight)),
        ("an array", file("[]", &[])),
        ("a number", file("1", &[])),
        ("a byte order mark", file("\u{feff}{}", &[])),
        ("filled up with NUL", file("{}\0\0\0\0\0\0", &[])),
        ("bytes behind the tensors", file(one(""), &[0; 9])),
        ("bytes behind no tensors", file("{}", &[1])),
        ("too few bytes", file(one(""), &[0; 7])),
        ("a hole", file(two("[8,12]"), &[0; 12])),
        ("a hole at the beginning", file(tensor("F32", "[1]", "[4,8]"), &eight)),
        ("an overlap", file(two("[0,4]"), &[0; 4])),
        ("half an overlap", file(two("[2,6]"), &[0; 6])),
        ("offsets the wrong way round", file(tensor("F32", "[2]", "[8,0]"), &eight)),
        ("negative offsets", file(tensor("F32", "[2]", "[-8,0]"), &eight)),
        ("three offsets", file(tensor("F32", "[2]", "[0,8,8]"), &eight)),
        ("one offset", file(tensor("F32", "[2]", "[0]"), &eight)),
        ("offsets beyond the file", file(tensor("F32", "[2]", "[0,80]"), &eight)),
        ("a shape of more", file(tensor("F32", "[3]", "[0,8]"), &eight)),
        ("a shape of less", file(tensor("F32", "[1]", "[0,8]"), &eight)),
        ("a negative size", file(tensor("F32", "[-2]", "[0,8]"), &eight)),
        ("a broken size", file(tensor("F32", "[2.0]", "[0,8]"), &eight)),
        ("a size as text", file(tensor("F32", "[\"2\"]", "[0,8]"), &eight)),
        ("a shape that is no array", file(tensor("F32", "2", "[0,8]"), &eight)),
        (
            "a shape beyond numbers",
            file(tensor("F32", "[4294967296,4294967296,4294967296]", "[0,8]"), &eight),
        ),
        // Its product is 64 modulo 2^64.
        (
            "a shape that wraps around",
            file(tensor("U8", "[4194305,4194305,211106198978564]", "[0,8]"), &eight),
        ),
        ("bytes beyond numbers", file(tensor("F64", "[9223372036854775807]", "[0,8]"), &eight)),
        ("huge integers", file(tensor("F32", "[99999999999999999999999]", "[0,8]"), &eight)),
        ("an unknown type", file(tensor("F33", "[2]", "[0,8]"), &eight)),
        ("a type in small letters", file(tensor("f32", "[2]", "[0,8]"), &eight)),
        ("metadata that is no text", file(r#"{"__metadata__":{"a":1}}"#, &[])),
        ("metadata that is no object", file(r#"{"__metadata__":"a"}"#, &[])),
        ("metadata twice", file(r#"{"__metadata__":{},"__metadata__":{}}"#, &[])),
        ("a key of metadata twice", file(r#"{"__metadata__":{"a":"1","a":"2"}}"#, &[])),
        ("no type", file(r#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, &eight)),
        ("no shape", file(r#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, &eight)),
        ("no offsets", file(r#"{"a":{"dtype":"F32","shape":[2]}}"#, &eight)),
        ("a type twice", file(one(r#","dtype":"I32""#), &eight)),
        ("a tensor that is no object", file(r#"{"a":[]}"#, &[])),
        ("a tensor twice", file(format!("{},{}", &one("")[..one("").len() - 1], &one("")[1..]), &eight)),
        ("values 200 deep", file(nested(200), &eight)),
        ("values a million deep", file(nested(1_000_000), &eight)),
        ("NaN", file(one(",\"x\":NaN"), &eight)),
        ("a comma too many", file(one(","), &eight)),
        ("an odd number of halved bytes", file(tensor("F4", "[3]", "[0,2]"), &[0; 2])),
        ("33 dims", file(tensor("F32", &format!("[{}2]", "1,".repeat(32)), "[0,8]"), &eight)),
        (
            "sizes without end",
            file(tensor("F32", &format!("[{}2]", "1,".repeat(1_000_000)), "[0,8]"), &eight),
        ),
    ];
    assert!(cases.len() >= 44);
    for (what, bytes) in cases {
        let error = read(&bytes).expect_err(what);
        assert_eq!(error.code(), "ERR_FORMAT", "{what}: {error}");
        assert!(error.message().contains("; expected "), "{what}: {error}");
        assert!(error.message().len() < 1000, "{what}");
    }
}

#[test]
fn types_that_tensors_cannot_have_are_refused_by_name() {
    for (dtype, bits) in [
        ("F8_E5M2", 8),
        ("F8_E4M3", 8),
        ("F8_E8M0", 8),
        ("F8_E4M3FNUZ", 8),
        ("F8_E5M2FNUZ", 8),
        ("F4", 4),
        ("F6_E2M3", 6),
        ("F6_E3M2", 6),
        ("C64", 64),
    ] {
        let bytes = file(tensor(dtype, "[8]", &format!("[0,{bits}]")), &vec![0; bits]);
        let error = read(&bytes).expect_err(dtype);
        assert_eq!(error.code(), "ERR_FORMAT");
        assert!(error.message().contains(dtype), "{error}");
    }
}

#[test]
fn what_is_odd_but_sound_is_read() {
    let data: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let expected = Array { dtype: DType::F32, shape: vec![2], bytes: data.clone() };
    for (what, header) in [
        ("as it is", one("")),
        ("blanks in front", format!("   {}", one(""))),
        ("blanks behind", format!("{}  \n", one(""))),
        ("a field that nobody knows", one(r#","made":{"by":["us",1,null,true,1.5]}"#)),
        ("values a hundred deep", nested(100)),
    ] {
        let (tensors, _) = read(&file(&header, &data)).expect(what);
        assert_eq!(tensors, [("a".to_owned(), expected.clone())], "{what}");
    }
    assert_eq!(read(&file("{}", &[])).expect("no tensors").0, []);
    let (_, metadata) = read(&file(r#"{"__metadata__":{"b":"2","__proto__":"1"}}"#, &[])).expect("metadata");
    assert_eq!(metadata, [("b".to_owned(), "2".to_owned()), ("__proto__".to_owned(), "1".to_owned())]);
    for name in ["", "__proto__", "a.b", "ü"] {
        let header = one("").replacen("\"a\"", &format!("\"{name}\""), 1);
        assert_eq!(read(&file(&header, &data)).expect(name).0[0].0, name);
    }
}

#[test]
fn scalars_and_tensors_without_elements_are_read() {
    let (tensors, _) = read(&file(tensor("F32", "[]", "[0,4]"), &1_f32.to_le_bytes())).expect("a scalar");
    assert!(tensors[0].1.shape.is_empty());
    let shared = r#"{"z":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},"y":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let (tensors, _) = read(&file(shared, &[0; 4])).expect("without elements");
    assert_eq!(tensors.len(), 3);
    // A size of none makes any other harmless.
    let (tensors, _) =
        read(&file(tensor("F32", "[0,4611686018427387904]", "[0,0]"), &[])).expect("none of many");
    assert!(tensors[0].1.bytes.is_empty());
}

#[test]
fn other_types_become_those_of_tensors() {
    let (tensors, _) = read(&file(tensor("BOOL", "[3]", "[0,3]"), &[0, 1, 2])).expect("booleans");
    assert_eq!(tensors[0].1, Array { dtype: DType::Bool, shape: vec![3], bytes: vec![0, 1, 1] });
    let (tensors, _) = read(&file(tensor("I64", "[1]", "[0,8]"), &(-5_i64).to_le_bytes())).expect("i64");
    assert_eq!(
        tensors[0].1,
        Array { dtype: DType::I32, shape: vec![1], bytes: (-5_i32).to_le_bytes().to_vec() }
    );
    let (tensors, _) = read(&file(tensor("F16", "[1]", "[0,2]"), &[0x00, 0x3c])).expect("f16");
    assert_eq!(tensors[0].1.bytes, 1_f32.to_le_bytes());
    let error =
        read(&file(tensor("I64", "[1]", "[0,8]"), &(1_i64 << 40).to_le_bytes())).expect_err("too large");
    assert!(error.message().contains("1099511627776"), "{error}");
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
