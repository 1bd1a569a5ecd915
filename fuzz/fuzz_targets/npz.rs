//! Any bytes as a file: read or refused, and what is read fits its sizes.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use neuroxide_files::npz;

fuzz_target!(|bytes: &[u8]| {
    let read = npz::read(Cursor::new(bytes), bytes.len() as u64, &mut |_, array| {
        let count: usize = array.shape.iter().product();
        assert_eq!(array.bytes.len(), count * array.dtype.size());
        Ok(())
    });
    if let Err(error) = read {
        assert_eq!(error.code(), "ERR_FORMAT", "{error}");
    }
});
