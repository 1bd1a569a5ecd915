//! Any bytes as an npy file: read or refused, and what is read fits its sizes.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use neuroxide_files::npy;

fuzz_target!(|bytes: &[u8]| {
    match npy::read(&mut Cursor::new(bytes), bytes.len() as u64) {
        Ok(array) => {
            let count: usize = array.shape.iter().product();
            assert_eq!(array.bytes.len(), count * array.dtype.size());
        }
        Err(error) => assert_eq!(error.code(), "ERR_FORMAT", "{error}"),
    }
});
