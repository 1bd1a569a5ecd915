//! Files of NumPy, one array or an archive of several.

use std::io::{Cursor, Write};

use neuroxide_core::dtype::DType;
use neuroxide_files::Array;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub type Contents = Vec<(String, Array)>;

fn file(version: u8, header: impl AsRef<[u8]>, data: &[u8]) -> Vec<u8> {
    let header = header.as_ref();
    let length = if version == 1 {
        (header.len() as u16).to_le_bytes().to_vec()
    } else {
        (header.len() as u32).to_le_bytes().to_vec()
    };
    [b"\x93NUMPY", &[version, 0][..], &length, header, data].concat()
}

fn header(descr: &str, fortran: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
}

fn plain(shape: &str) -> String {
    header("'<f4'", "False", shape)
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let eight = [0; 8];
    vec![
        ("nothing", vec![]),
        ("half a beginning", b"\x93NUM".to_vec()),
        ("another beginning", b"\x93NUMPX\x01\x00".to_vec()),
        ("version 4", file(4, plain("(2,)"), &eight)),
        ("version 0", file(0, plain("(2,)"), &eight)),
        ("version 1.1", [b"\x93NUMPY\x01\x01", &file(1, plain("(2,)"), &eight)[8..]].concat()),
        ("too few bytes", file(1, plain("(2,)"), &eight[..7])),
        ("a header beyond the end", [b"\x93NUMPY\x01\x00\xff\x00", plain("(2,)").as_bytes()].concat()),
        ("a header of more than 10,000 bytes", file(2, plain("(2,)") + &" ".repeat(10_001), &eight)),
        (
            "a header of four gigabytes",
            [&b"\x93NUMPY\x02\x00\xff\xff\xff\xff"[..], plain("(2,)").as_bytes()].concat(),
        ),
        ("a negative size", file(1, plain("(-2,)"), &eight)),
        ("sizes beyond numbers", file(1, plain("(4294967296, 4294967296, 4294967296)"), &eight)),
        ("a size beyond numbers", file(1, plain("(99999999999999999999999,)"), &eight)),
        ("more than the file has", file(1, plain("(1000000000000,)"), &eight)),
        ("bytes beyond numbers", file(1, header("'<f8'", "False", "(9223372036854775807,)"), &eight)),
        ("objects", file(1, header("'|O'", "False", "(1,)"), &eight)),
        ("objects by another name", file(1, header("'O'", "False", "(1,)"), &eight)),
        (
            "one setting more",
            file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}\n", &eight),
        ),
        ("one setting less", file(1, "{'descr': '<f4', 'shape': (2,)}\n", &eight)),
        (
            "a setting twice",
            file(1, "{'descr': '<f4', 'descr': '<i4', 'fortran_order': False, 'shape': (2,)}\n", &eight),
        ),
        ("code", file(1, plain("(2,) if __import__('os').system('true') else (2,)"), &eight)),
        ("code in place of the settings", file(1, "__import__('os').system('true')\n", &eight)),
        ("a shape as list", file(1, plain("[2]"), &eight)),
        ("a shape as number", file(1, plain("2"), &eight)),
        ("a shape as number in brackets", file(1, plain("(2)"), &eight)),
        ("a size as text", file(1, plain("('2',)"), &eight)),
        ("a broken size", file(1, plain("(2.0,)"), &eight)),
        ("brackets without end", file(1, plain(&"(".repeat(2000)), &eight)),
        ("33 dims", file(1, plain(&format!("({})", "1, ".repeat(33))), &eight)),
        ("an order that is no boolean", file(1, header("'<f4'", "0", "(2,)"), &eight)),
        ("a type that does not exist", file(1, header("'<f5'", "False", "(2,)"), &eight)),
        ("a type with escapes", file(1, header("'<f\\x34'", "False", "(2,)"), &eight)),
        ("a type that is no text", file(1, header("4", "False", "(2,)"), &eight)),
        ("texts", file(1, header("'<U1'", "False", "(2,)"), &eight)),
        ("several fields", file(1, header("[('a', '<f4'), ('b', '<i4')]", "False", "(1,)"), &eight)),
        ("complex numbers", file(1, header("'<c8'", "False", "(1,)"), &eight)),
        ("long floats", file(1, header("'<f16'", "False", "(0,)"), &eight)),
        ("dates", file(1, header("'<M8[ns]'", "False", "(1,)"), &eight)),
        ("bytes without a meaning", file(1, header("'|V8'", "False", "(1,)"), &eight)),
        ("words behind the settings", file(1, plain("(2,)") + "x", &eight)),
        (
            "a header that ends within",
            file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,", &eight),
        ),
        ("an empty header", file(1, "", &eight)),
        ("no UTF-8 in version 3", file(3, b"{'\xff': 1}\n", &eight)),
    ]
}

/// Files, with what is read of them.
pub fn accepted() -> Vec<(&'static str, Vec<u8>, Array)> {
    let data = floats(&[1.5, -2.0]);
    let expected = Array { dtype: DType::F32, shape: vec![2], bytes: data.clone() };
    let mut cases: Vec<_> = [
        ("version 1", file(1, plain("(2,)"), &data)),
        ("version 2", file(2, plain("(2,)"), &data)),
        ("version 3", file(3, plain("(2,)"), &data)),
        ("no end of line", file(1, plain("(2,)").trim_end(), &data)),
        ("a size of Python 2", file(1, plain("(2L,)"), &data)),
        ("bytes behind", file(1, plain("(2,)"), &[data.as_slice(), &[1, 2, 3]].concat())),
        (
            "another order of the settings",
            file(1, "{ 'shape':(2,),\n\"fortran_order\":False,'descr':\"<f4\"}", &data),
        ),
        ("the machine's order of bytes", file(1, header("'=f4'", "False", "(2,)"), &data)),
        ("by columns", file(1, header("'<f4'", "True", "(2,)"), &data)),
        (
            "the other order of bytes",
            file(
                1,
                header("'>f4'", "False", "(2,)"),
                &[1.5_f32.to_be_bytes(), (-2_f32).to_be_bytes()].concat(),
            ),
        ),
    ]
    .map(|(what, bytes)| (what, bytes, expected.clone()))
    .into();
    cases.extend(of_other_shapes());
    for (descr, data, dtype, bytes) in [
        ("'|b1'", vec![0, 1], DType::Bool, vec![0, 1]),
        ("'|u1'", vec![5, 255], DType::U8, vec![5, 255]),
        ("'>i2'", vec![0xff, 0xfe, 0, 1], DType::I32, [(-2_i32).to_le_bytes(), 1_i32.to_le_bytes()].concat()),
        ("'<f2'", vec![0, 0x3c, 0, 0xc0], DType::F32, floats(&[1.0, -2.0])),
        // Brain floats, as NumPy writes the arrays of ml_dtypes.
        ("'|V2'", vec![0x80, 0x3f, 0, 0xc0], DType::F32, floats(&[1.0, -2.0])),
    ] {
        let bytes = Array { dtype, shape: vec![2], bytes };
        cases.push((descr, file(1, header(descr, "False", "(2,)"), &data), bytes));
    }
    cases
}

fn of_other_shapes() -> Vec<(&'static str, Vec<u8>, Array)> {
    let array = |shape: &[usize], numbers: &[f32]| Array {
        dtype: DType::F32,
        shape: shape.to_vec(),
        bytes: floats(numbers),
    };
    vec![
        (
            "two dims by columns",
            file(1, header("'<f4'", "True", "(2, 3)"), &floats(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])),
            array(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ),
        ("a scalar", file(1, plain("()"), &floats(&[7.0])), array(&[], &[7.0])),
        ("no rows", file(1, plain("(0, 3)"), &[]), array(&[0, 3], &[])),
        (
            "none of many",
            file(1, plain("(0, 9223372036854775807)"), &[]),
            array(&[0, 9_223_372_036_854_775_807], &[]),
        ),
    ]
}

fn packed(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        zip.start_file(*name, options).expect("a sound name");
        zip.write_all(bytes).expect("a Vec takes everything");
    }
    zip.finish().expect("a Vec takes everything").into_inner()
}

/// Archives, with what is read of them.
pub fn accepted_archives() -> Vec<(&'static str, Vec<u8>, Contents)> {
    let numbers: Vec<f32> = (0..1000).map(|i| (i * i) as f32).collect();
    let bytes = file(1, plain("(1000,)"), &floats(&numbers));
    let array = Array { dtype: DType::F32, shape: vec![1000], bytes: floats(&numbers) };
    [("stored", CompressionMethod::Stored), ("deflated", CompressionMethod::Deflated)]
        .map(|(what, method)| {
            let names = ["a", "__proto__"].map(|name| (name.to_owned(), array.clone()));
            (what, packed(&[("a.npy", &bytes), ("__proto__.npy", &bytes)], method), names.into())
        })
        .into()
}

pub fn refused_archives() -> Vec<(&'static str, Vec<u8>)> {
    let small = file(1, plain("(2,)"), &[0; 8]);
    let bomb = file(1, plain("(1000000,)"), &vec![0; 4_000_000]);
    let stored = packed(&[("a.npy", &small)], CompressionMethod::Stored);
    let deflated = packed(&[("a.npy", &file(1, plain("(250,)"), &[7; 1000]))], CompressionMethod::Deflated);
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0xff;
        bytes
    };
    vec![
        ("nothing", vec![]),
        ("no zip", small.clone()),
        ("half a zip", stored[..stored.len() / 2].to_vec()),
        ("a zip bomb", packed(&[("a.npy", &bomb)], CompressionMethod::Deflated)),
        ("a member that is no npy", packed(&[("a.npy", b"hello")], CompressionMethod::Stored)),
        ("a member of another kind", packed(&[("a.txt", &small)], CompressionMethod::Stored)),
        ("a folder", packed(&[("a/", b"")], CompressionMethod::Stored)),
        ("a damaged element", flipped(&stored, 30 + 5 + small.len() - 1)),
        ("damaged packing", flipped(&deflated, 60)),
    ]
}
