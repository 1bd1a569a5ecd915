//! Files of safetensors.

use neuroxide_core::dtype::DType;
use neuroxide_files::Array;

pub type Contents = (Vec<(String, Array)>, Vec<(String, String)>);

pub fn file(header: impl AsRef<[u8]>, data: &[u8]) -> Vec<u8> {
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

pub fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let eight = [0; 8];
    let two = |second: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},"b":{{"dtype":"F32","shape":[1],"data_offsets":{second}}}}}"#
        )
    };
    vec![
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
    ]
}

/// Sound files of what tensors cannot have, each with what the error has to name.
pub fn unsupported() -> Vec<(&'static str, Vec<u8>)> {
    let mut cases: Vec<_> = [
        ("F8_E5M2", 8),
        ("F8_E4M3", 8),
        ("F8_E8M0", 8),
        ("F8_E4M3FNUZ", 8),
        ("F8_E5M2FNUZ", 8),
        ("F4", 4),
        ("F6_E2M3", 6),
        ("F6_E3M2", 6),
        ("C64", 64),
    ]
    .into_iter()
    .map(|(dtype, bits)| (dtype, file(tensor(dtype, "[8]", &format!("[0,{bits}]")), &vec![0; bits])))
    .collect();
    cases.push(("1099511627776", file(tensor("I64", "[1]", "[0,8]"), &(1_i64 << 40).to_le_bytes())));
    cases
}

fn named(name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) -> (String, Array) {
    (name.to_owned(), Array { dtype, shape: shape.to_vec(), bytes: bytes.to_vec() })
}

/// Files, with what is read of them.
pub fn accepted() -> Vec<(&'static str, Vec<u8>, Contents)> {
    let data: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut cases: Vec<_> = [
        ("as it is", one("")),
        ("blanks in front", format!("   {}", one(""))),
        ("blanks behind", format!("{}  \n", one(""))),
        ("a field that nobody knows", one(r#","made":{"by":["us",1,null,true,1.5]}"#)),
        ("values a hundred deep", nested(100)),
    ]
    .map(|(what, header)| (what, file(header, &data), (vec![named("a", DType::F32, &[2], &data)], vec![])))
    .into();
    for name in ["", "__proto__", "a.b", "ü"] {
        let header = one("").replacen("\"a\"", &format!("\"{name}\""), 1);
        cases.push((name, file(header, &data), (vec![named(name, DType::F32, &[2], &data)], vec![])));
    }
    let texts = [("b", "2"), ("__proto__", "1")].map(|(key, text)| (key.to_owned(), text.to_owned()));
    cases.extend([
        ("no tensors", file("{}", &[]), (vec![], vec![])),
        ("metadata", file(r#"{"__metadata__":{"b":"2","__proto__":"1"}}"#, &[]), (vec![], texts.into())),
    ]);
    let empty = r#"{"z":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},"y":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let several = vec![
        named("z", DType::F32, &[0, 5], &[]),
        named("y", DType::U8, &[0], &[]),
        named("a", DType::F32, &[1], &[0; 4]),
    ];
    cases.push(("some without elements", file(empty, &[0; 4]), (several, vec![])));
    for (what, bytes, tensor) in [
        (
            "a scalar",
            file(tensor("F32", "[]", "[0,4]"), &1_f32.to_le_bytes()),
            named("a", DType::F32, &[], &1_f32.to_le_bytes()),
        ),
        // A size of none makes any other harmless.
        (
            "none of many",
            file(tensor("F32", "[0,4611686018427387904]", "[0,0]"), &[]),
            named("a", DType::F32, &[0, 4_611_686_018_427_387_904], &[]),
        ),
        (
            "booleans",
            file(tensor("BOOL", "[3]", "[0,3]"), &[0, 1, 2]),
            named("a", DType::Bool, &[3], &[0, 1, 1]),
        ),
        (
            "long integers",
            file(tensor("I64", "[1]", "[0,8]"), &(-5_i64).to_le_bytes()),
            named("a", DType::I32, &[1], &(-5_i32).to_le_bytes()),
        ),
        (
            "half floats",
            file(tensor("F16", "[1]", "[0,2]"), &[0x00, 0x3c]),
            named("a", DType::F32, &[1], &1_f32.to_le_bytes()),
        ),
    ] {
        cases.push((what, bytes, (vec![tensor], vec![])));
    }
    cases
}
