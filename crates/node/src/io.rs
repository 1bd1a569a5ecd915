//! The pinned array through which both sides read and write numbers without a call.

use std::ptr;

use napi::sys;
use neuroxide_core::error::Error;

use crate::call::whole;
use crate::failure::{Failure, Outcome, wrong_argument};
use crate::value::{self, Strong};

/// Set to 1 when a sweep is due.
pub const PRESSURE: usize = 0;
/// The module path that JavaScript is in.
pub const PATH: usize = 1;
/// The source line that JavaScript is at, where that is recorded.
pub const SITE: usize = 2;
/// 1 while a trace is open.
pub const TRACING: usize = 3;
/// Rank of a result; element type and flags follow.
pub const RANK: usize = 4;
/// Number of descriptors that a run has written.
pub const DESCRIBED: usize = 7;
/// Sizes of a result.
pub const SIZES: usize = 8;
/// Attributes of the call.
pub const ATTRS: usize = 64;
/// Lists of handles and numbers, in and out.
pub const LIST: usize = 512;
/// Descriptors of a run's outputs begin here, or after the handles where those reach further.
pub const DESCRIPTORS: usize = 600;

/// Places that every array has to have.
const LEAST: usize = 1024;
/// Sizes that fit between [`SIZES`] and [`ATTRS`], and more than any tensor has axes.
pub const MAX_RANK: usize = 32;

/// The array of one environment.
pub struct Io {
    data: *mut f64,
    length: usize,
    /// Keeps the array, and with it the memory, alive.
    array: Option<Strong>,
}

impl Io {
    pub const fn absent() -> Self {
        Self { data: ptr::null_mut(), length: 0, array: None }
    }

    pub fn is_ready(&self) -> bool {
        self.length != 0
    }

    /// Pins `array`, or answers with the one pinned before.
    pub fn pin(&mut self, env: sys::napi_env, array: sys::napi_value) -> Outcome<sys::napi_value> {
        if let Some(pinned) = &self.array {
            return pinned.get(env);
        }
        let typed = value::as_typed(env, array)
            .filter(|typed| typed.kind == sys::TypedarrayType::float64_array && typed.exclusive)
            .filter(|typed| typed.bytes / size_of::<f64>() >= LEAST)
            .ok_or_else(|| wrong_argument(0, &format!("a Float64Array of {LEAST} or more numbers")))?;
        self.array = Some(Strong::new(env, array)?);
        self.data = typed.data.cast();
        self.length = typed.bytes / size_of::<f64>();
        Ok(array)
    }

    pub fn get(&self, index: usize) -> f64 {
        assert!(index < self.length, "an index within the shared array");
        // SAFETY: within the pinned array, whose memory never moves; JavaScript runs on this thread only.
        unsafe { self.data.add(index).read() }
    }

    pub fn set(&mut self, index: usize, number: f64) {
        assert!(index < self.length, "an index within the shared array");
        // SAFETY: as for `get`.
        unsafe { self.data.add(index).write(number) };
    }

    /// Places from `start` to the end of the array.
    pub fn room(&self, start: usize) -> usize {
        self.length - start
    }

    /// `count` numbers from `start`.
    pub fn slice(&self, start: usize, count: usize) -> Outcome<&[f64]> {
        if count > self.length - start {
            return Err(too_long(count, self.length - start));
        }
        // SAFETY: within the pinned array. JavaScript, which could write it, does not run while the
        // reference lives: it is tied to a borrow of the state, and no export calls JavaScript under one.
        Ok(unsafe { std::slice::from_raw_parts(self.data.add(start), count) })
    }

    /// The attributes of this call.
    pub fn attrs(&self, count: usize) -> Outcome<&[f64]> {
        if count > LIST - ATTRS {
            return Err(too_long(count, LIST - ATTRS));
        }
        self.slice(ATTRS, count)
    }

    /// The first `count` numbers of the list.
    pub fn list(&self, count: usize) -> Outcome<&[f64]> {
        self.slice(LIST, count)
    }

    /// Writes the list.
    pub fn write_list(&mut self, numbers: impl ExactSizeIterator<Item = f64>) -> Outcome<()> {
        if numbers.len() > self.room(LIST) {
            return Err(too_long(numbers.len(), self.room(LIST)));
        }
        for (index, number) in numbers.enumerate() {
            self.set(LIST + index, number);
        }
        Ok(())
    }

    /// An id that JavaScript has written; anything else than a small whole number reads as 0, "none".
    pub fn id(&self, index: usize) -> u32 {
        whole(self.get(index)).and_then(|id| u32::try_from(id).ok()).unwrap_or(0)
    }
}

fn too_long(count: usize, room: usize) -> Failure {
    Failure::Core(Error::Value(format!("a list of {count} numbers; expected at most {room}")))
}
