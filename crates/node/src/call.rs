//! From a raw Node-API callback to a Rust function: arguments in, result or exception out.

use std::cell::RefMut;
use std::ptr;
use std::slice;

use napi::sys;
use neuroxide_core::error::Error;

use crate::failure::{Failure, Outcome, wrong_argument};
use crate::home::{Home, State};
use crate::io;
use crate::panics;
use crate::value::{self, Returns};

/// One call from JavaScript.
pub struct Call<'a> {
    pub env: sys::napi_env,
    pub home: &'a Home,
    args: &'a [sys::napi_value],
}

/// The body of every registered callback: fetches up to `N` arguments, runs `body`, throws what failed.
///
/// # Safety
/// `env` and `info` must be those that Node gave to the callback, and the callback must have been
/// registered with a pointer to the environment's [`Home`].
pub unsafe fn dispatch<const N: usize, R: Returns>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    body: fn(&Call<'_>) -> Outcome<R>,
) -> sys::napi_value {
    let mut args = [ptr::null_mut(); N];
    let (mut count, mut data) = (N, ptr::null_mut());
    let outcome = panics::caught(|| {
        // SAFETY: the arguments' array has room for `N`, absent ones are filled with undefined.
        let status = unsafe {
            sys::napi_get_cb_info(
                env,
                info,
                &raw mut count,
                args.as_mut_ptr(),
                ptr::null_mut(),
                &raw mut data,
            )
        };
        crate::failure::check(env, status)?;
        // SAFETY: callbacks are registered with the environment's `Home`, which lives until the
        // environment is destroyed, after the last call.
        let home = unsafe { &*data.cast::<Home>() };
        body(&Call { env, home, args: &args })?.give(env)
    });
    match outcome {
        Ok(value) => value,
        Err(failure) => {
            failure.throw(env);
            ptr::null_mut()
        }
    }
}

impl Call<'_> {
    /// The environment's state, ready for ops.
    pub fn state(&self) -> Outcome<RefMut<'_, State>> {
        let mut state = self.home.state()?;
        if state.io.is_ready() {
            state.calls += 1;
            Ok(state)
        } else {
            Err(Failure::Core(Error::Internal("init has to be called first".into())))
        }
    }

    /// The same for what may append nodes: they belong to the module and line that JavaScript is at.
    pub fn at_work(&self) -> Outcome<RefMut<'_, State>> {
        let mut state = self.state()?;
        let (path, site) = (state.io.id(io::PATH), state.io.id(io::SITE));
        state.engine.set_context(path, site);
        Ok(state)
    }

    pub fn value(&self, index: usize) -> sys::napi_value {
        self.args[index]
    }

    pub fn number(&self, index: usize) -> Outcome<f64> {
        value::as_number(self.env, self.args[index]).ok_or_else(|| wrong_argument(index, "a number"))
    }

    /// A whole number that is not negative: a count, a code, an index.
    pub fn count(&self, index: usize) -> Outcome<usize> {
        whole(self.number(index)?).ok_or_else(|| wrong_argument(index, "a whole number, not negative"))
    }

    pub fn flag(&self, index: usize) -> Outcome<bool> {
        value::as_boolean(self.env, self.args[index]).ok_or_else(|| wrong_argument(index, "a boolean"))
    }

    pub fn text(&self, index: usize) -> Outcome<String> {
        value::as_text(self.env, self.args[index]).ok_or_else(|| wrong_argument(index, "a string"))
    }

    /// Lets `read` see the bytes of a TypedArray.
    pub fn with_bytes<T>(&self, index: usize, read: impl FnOnce(&[u8]) -> T) -> Outcome<T> {
        let typed = self.typed(index)?;
        if typed.bytes == 0 {
            return Ok(read(&[]));
        }
        if typed.exclusive {
            // SAFETY: Node-API gave `bytes` bytes at `data`. Only this thread can write them, and no
            // JavaScript runs while `read` does.
            return Ok(read(unsafe { slice::from_raw_parts(typed.data, typed.bytes) }));
        }
        // Other threads may write shared memory meanwhile: take one copy, element by element.
        let mut copy = Vec::with_capacity(typed.bytes);
        for offset in 0..typed.bytes {
            // SAFETY: `offset` lies within the array; a volatile read of a byte is never torn.
            copy.push(unsafe { typed.data.add(offset).read_volatile() });
        }
        Ok(read(&copy))
    }

    /// Lets `write` fill the bytes of a TypedArray.
    pub fn with_bytes_mut<T>(&self, index: usize, write: impl FnOnce(&mut [u8]) -> T) -> Outcome<T> {
        let typed = self.typed(index)?;
        if typed.bytes == 0 {
            return Ok(write(&mut []));
        }
        if !typed.exclusive {
            return Err(wrong_argument(index, "memory that is not shared between threads"));
        }
        // SAFETY: Node-API gave `bytes` bytes at `data`. Only this thread can reach them, no JavaScript
        // runs while `write` does, and Rust holds no other reference into the array.
        Ok(write(unsafe { slice::from_raw_parts_mut(typed.data, typed.bytes) }))
    }

    pub fn f64s(&self, index: usize) -> Outcome<Vec<f64>> {
        let typed = self.typed(index)?;
        if typed.kind != sys::TypedarrayType::float64_array {
            return Err(wrong_argument(index, "a Float64Array"));
        }
        self.with_bytes(index, |bytes| {
            bytes.as_chunks().0.iter().map(|&chunk| f64::from_ne_bytes(chunk)).collect()
        })
    }

    pub fn i32s(&self, index: usize) -> Outcome<Vec<i32>> {
        let typed = self.typed(index)?;
        if typed.kind != sys::TypedarrayType::int32_array {
            return Err(wrong_argument(index, "an Int32Array"));
        }
        self.with_bytes(index, |bytes| {
            bytes.as_chunks().0.iter().map(|&chunk| i32::from_ne_bytes(chunk)).collect()
        })
    }

    fn typed(&self, index: usize) -> Outcome<value::Typed> {
        value::as_typed(self.env, self.args[index]).ok_or_else(|| wrong_argument(index, "a TypedArray"))
    }

    /// The elements of an array of objects; only plain arrays are passed here, so no getter runs.
    pub fn elements(&self, index: usize, count: usize) -> Outcome<Vec<sys::napi_value>> {
        (0..count).map(|i| value::element(self.env, self.args[index], i)).collect()
    }
}

/// The index or count that a JavaScript number stands for.
pub fn whole(number: f64) -> Option<usize> {
    // Up to 2^53 every whole number is exact. Conversions cost a cycle or two, where `fract` is a call.
    let whole = number as u64;
    (whole <= 1 << 53 && whole as f64 == number).then_some(whole as usize)
}
