//! JavaScript values from and to Rust.

use std::ffi::{CStr, c_char};
use std::ptr;

use napi::sys;

use crate::failure::{Failure, Outcome, check};

/// What an export may return.
pub trait Returns {
    /// The value to hand to JavaScript; null stands for `undefined`.
    fn give(self, env: sys::napi_env) -> Outcome<sys::napi_value>;
}

impl Returns for () {
    fn give(self, _env: sys::napi_env) -> Outcome<sys::napi_value> {
        Ok(ptr::null_mut())
    }
}

impl Returns for f64 {
    fn give(self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        number(env, self)
    }
}

impl Returns for bool {
    fn give(self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        boolean(env, self)
    }
}

impl Returns for String {
    fn give(self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        text(env, &self)
    }
}

impl Returns for sys::napi_value {
    fn give(self, _env: sys::napi_env) -> Outcome<sys::napi_value> {
        Ok(self)
    }
}

pub fn number(env: sys::napi_env, number: f64) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call and `out` outlives it.
    check(env, unsafe { sys::napi_create_double(env, number, &raw mut out) })?;
    Ok(out)
}

pub fn boolean(env: sys::napi_env, boolean: bool) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call and `out` outlives it.
    check(env, unsafe { sys::napi_get_boolean(env, boolean, &raw mut out) })?;
    Ok(out)
}

pub fn text(env: sys::napi_env, text: &str) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    let (start, length) = (text.as_ptr().cast::<c_char>(), text.len() as isize);
    // SAFETY: `start` points at `length` bytes of UTF-8, which Node-API copies.
    check(env, unsafe { sys::napi_create_string_utf8(env, start, length, &raw mut out) })?;
    Ok(out)
}

pub fn null(env: sys::napi_env) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call and `out` outlives it.
    check(env, unsafe { sys::napi_get_null(env, &raw mut out) })?;
    Ok(out)
}

pub fn undefined(env: sys::napi_env) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call and `out` outlives it.
    check(env, unsafe { sys::napi_get_undefined(env, &raw mut out) })?;
    Ok(out)
}

pub fn object(env: sys::napi_env) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call and `out` outlives it.
    check(env, unsafe { sys::napi_create_object(env, &raw mut out) })?;
    Ok(out)
}

pub fn set(env: sys::napi_env, object: sys::napi_value, name: &CStr, value: sys::napi_value) -> Outcome<()> {
    // SAFETY: `object` is an object of this environment and scope, `name` ends with a nul.
    check(env, unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), value) })
}

/// An array of numbers.
pub fn numbers(env: sys::napi_env, values: &[f64]) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call and `out` outlives it.
    check(env, unsafe { sys::napi_create_array_with_length(env, values.len(), &raw mut out) })?;
    for (index, &item) in values.iter().enumerate() {
        let item = number(env, item)?;
        // SAFETY: `out` is the array just made and `item` a value of the same scope.
        check(env, unsafe { sys::napi_set_element(env, out, index as u32, item) })?;
    }
    Ok(out)
}

/// A new `Uint8Array` holding a copy of `bytes`.
pub fn bytes(env: sys::napi_env, bytes: &[u8]) -> Outcome<sys::napi_value> {
    typed(env, sys::TypedarrayType::uint8_array, 1, bytes)
}

/// A new `Float64Array` holding a copy of `numbers`.
pub fn f64s(env: sys::napi_env, numbers: &[f64]) -> Outcome<sys::napi_value> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
    typed(env, sys::TypedarrayType::float64_array, size_of::<f64>(), &bytes)
}

fn typed(
    env: sys::napi_env,
    kind: sys::napi_typedarray_type,
    size: usize,
    bytes: &[u8],
) -> Outcome<sys::napi_value> {
    let (mut data, mut buffer, mut array) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: `env` is the environment of the running call; both out pointers outlive it.
    check(env, unsafe { sys::napi_create_arraybuffer(env, bytes.len(), &raw mut data, &raw mut buffer) })?;
    if !bytes.is_empty() {
        // SAFETY: Node-API made a buffer of exactly `bytes.len()` bytes, which nothing else sees yet.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), bytes.len()) };
    }
    let length = bytes.len() / size;
    // SAFETY: `buffer` is the ArrayBuffer just made and as long as the array over it.
    check(env, unsafe { sys::napi_create_typedarray(env, kind, length, buffer, 0, &raw mut array) })?;
    Ok(array)
}

pub fn type_of(env: sys::napi_env, value: sys::napi_value) -> Outcome<sys::napi_valuetype> {
    let mut kind = sys::ValueType::napi_undefined;
    // SAFETY: `value` belongs to the running scope and `kind` outlives the call.
    check(env, unsafe { sys::napi_typeof(env, value, &raw mut kind) })?;
    Ok(kind)
}

/// The number that `value` is, or `None` where it is something else.
pub fn as_number(env: sys::napi_env, value: sys::napi_value) -> Option<f64> {
    let mut out = 0.0;
    // SAFETY: `value` belongs to the running scope; Node-API checks that it is a number.
    let status = unsafe { sys::napi_get_value_double(env, value, &raw mut out) };
    (status == sys::Status::napi_ok).then_some(out)
}

pub fn as_boolean(env: sys::napi_env, value: sys::napi_value) -> Option<bool> {
    let mut out = false;
    // SAFETY: `value` belongs to the running scope; Node-API checks that it is a boolean.
    let status = unsafe { sys::napi_get_value_bool(env, value, &raw mut out) };
    (status == sys::Status::napi_ok).then_some(out)
}

pub fn as_text(env: sys::napi_env, value: sys::napi_value) -> Option<String> {
    let mut length = 0;
    // SAFETY: without a buffer only the length is written; Node-API checks that `value` is a string.
    let status = unsafe { sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &raw mut length) };
    if status != sys::Status::napi_ok {
        return None;
    }
    let mut buffer = vec![0u8; length + 1];
    let start = buffer.as_mut_ptr().cast::<c_char>();
    // SAFETY: the buffer has room for `length` bytes and the closing nul, and its size is given.
    let status = unsafe { sys::napi_get_value_string_utf8(env, value, start, length + 1, &raw mut length) };
    if status != sys::Status::napi_ok {
        return None;
    }
    buffer.truncate(length);
    String::from_utf8(buffer).ok()
}

/// Where the elements of a TypedArray lie.
pub struct Typed {
    pub kind: sys::napi_typedarray_type,
    pub data: *mut u8,
    pub bytes: usize,
    /// False for memory that other threads may write meanwhile.
    pub exclusive: bool,
}

pub fn as_typed(env: sys::napi_env, value: sys::napi_value) -> Option<Typed> {
    let (mut kind, mut length, mut data, mut buffer) = (0, 0, ptr::null_mut(), ptr::null_mut());
    // SAFETY: `value` belongs to the running scope; Node-API checks that it is a TypedArray.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            &raw mut kind,
            &raw mut length,
            &raw mut data,
            &raw mut buffer,
            ptr::null_mut(),
        )
    };
    if status != sys::Status::napi_ok {
        return None;
    }
    let mut exclusive = false;
    // SAFETY: `buffer` was just given out by Node-API for the running scope.
    unsafe { sys::napi_is_arraybuffer(env, buffer, &raw mut exclusive) };
    let size = match kind {
        sys::TypedarrayType::int16_array | sys::TypedarrayType::uint16_array => 2,
        sys::TypedarrayType::int32_array
        | sys::TypedarrayType::uint32_array
        | sys::TypedarrayType::float32_array => 4,
        sys::TypedarrayType::float64_array
        | sys::TypedarrayType::bigint64_array
        | sys::TypedarrayType::biguint64_array => 8,
        _ => 1,
    };
    Some(Typed { kind, data: data.cast(), bytes: length * size, exclusive })
}

/// Calls a function; nothing of the environment may be borrowed meanwhile.
pub fn call(env: sys::napi_env, function: sys::napi_value, arguments: &[sys::napi_value]) -> Outcome<()> {
    let receiver = undefined(env)?;
    let (count, arguments) = (arguments.len(), arguments.as_ptr());
    // SAFETY: `function` and all arguments belong to the running scope.
    check(env, unsafe { sys::napi_call_function(env, receiver, function, count, arguments, ptr::null_mut()) })
}

/// A property of an object; getters run, so nothing of the environment may be borrowed meanwhile.
pub fn get(env: sys::napi_env, object: sys::napi_value, name: &CStr) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `object` belongs to the running scope, `name` ends with a nul.
    check(env, unsafe { sys::napi_get_named_property(env, object, name.as_ptr(), &raw mut out) })?;
    Ok(out)
}

/// An element of an array.
pub fn element(env: sys::napi_env, array: sys::napi_value, index: usize) -> Outcome<sys::napi_value> {
    let mut out = ptr::null_mut();
    // SAFETY: `array` belongs to the running scope; Node-API checks that it is an object.
    check(env, unsafe { sys::napi_get_element(env, array, index as u32, &raw mut out) })?;
    Ok(out)
}

/// The numbers of an array.
pub fn as_numbers(env: sys::napi_env, array: sys::napi_value) -> Outcome<Option<Vec<f64>>> {
    let mut is_array = false;
    // SAFETY: `array` belongs to the running scope and `is_array` outlives the call.
    check(env, unsafe { sys::napi_is_array(env, array, &raw mut is_array) })?;
    if !is_array {
        return Ok(None);
    }
    let mut length = 0;
    // SAFETY: `array` has just been seen to be an array.
    check(env, unsafe { sys::napi_get_array_length(env, array, &raw mut length) })?;
    (0..length as usize).map(|index| Ok(as_number(env, element(env, array, index)?))).collect()
}

/// A handle scope: values made while it is open are let go when it closes.
pub struct Scope {
    env: sys::napi_env,
    raw: sys::napi_handle_scope,
}

impl Scope {
    pub fn open(env: sys::napi_env) -> Outcome<Self> {
        let mut raw = ptr::null_mut();
        // SAFETY: `env` is the environment of the running thread and `raw` outlives the call.
        check(env, unsafe { sys::napi_open_handle_scope(env, &raw mut raw) })?;
        Ok(Self { env, raw })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // SAFETY: scopes are dropped in the reverse order of opening, on the thread that opened them.
        unsafe { sys::napi_close_handle_scope(self.env, self.raw) };
    }
}

/// A strong reference to a value, deleted by [`Strong::release`].
pub struct Strong(sys::napi_ref);

// SAFETY: another thread can only carry it: every method takes the environment, which is given out
// on the JavaScript thread alone, and dropping it does nothing.
unsafe impl Send for Strong {}
// SAFETY: as above.
unsafe impl Sync for Strong {}

impl Strong {
    pub fn new(env: sys::napi_env, value: sys::napi_value) -> Outcome<Self> {
        let mut raw = ptr::null_mut();
        // SAFETY: `value` is an object or function of the running scope.
        check(env, unsafe { sys::napi_create_reference(env, value, 1, &raw mut raw) })?;
        Ok(Self(raw))
    }

    pub fn get(&self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        let mut out = ptr::null_mut();
        // SAFETY: the reference lives until `release`, which takes it by value.
        check(env, unsafe { sys::napi_get_reference_value(env, self.0, &raw mut out) })?;
        if out.is_null() { Err(Failure::Pending) } else { Ok(out) }
    }

    pub fn release(self, env: sys::napi_env) {
        // SAFETY: taken by value, so it is deleted once; a failure only means that the environment is ending.
        unsafe { sys::napi_delete_reference(env, self.0) };
    }
}
