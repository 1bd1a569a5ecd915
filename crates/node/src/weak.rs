//! Weak references to the JavaScript owners of handles.
//!
//! Node runs no finalizer inside a synchronous loop, so a tensor whose owner was collected is found
//! by asking: a weak reference whose object is gone belongs to a handle that nobody can use.

use std::ptr;

use napi::sys;

use crate::failure::{Outcome, check};
use crate::value::Scope;

/// References polled in one handle scope, so that a long poll does not pile up local values.
const POLL_BATCH: usize = 1024;

#[derive(Clone, Copy)]
struct Entry {
    handle: f64,
    /// Null where the slot holds nothing.
    owner: sys::napi_ref,
}

const EMPTY: Entry = Entry { handle: f64::NAN, owner: ptr::null_mut() };

/// The owners of all live handles, by slot.
#[derive(Default)]
pub struct Owners {
    entries: Vec<Entry>,
    live: usize,
}

impl Owners {
    /// Handles with an owner.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Notes that `object` owns `handle`.
    pub fn hold(&mut self, env: sys::napi_env, object: sys::napi_value, handle: f64) -> Outcome<()> {
        let mut owner = ptr::null_mut();
        // SAFETY: `object` belongs to the running scope; Node-API refuses what cannot be referenced.
        check(env, unsafe { sys::napi_create_reference(env, object, 0, &raw mut owner) })?;
        let slot = slot(handle);
        if slot >= self.entries.len() {
            self.entries.resize(slot + 1, EMPTY);
        }
        // The engine frees handles by itself where a trace is aborted; such a slot may still have its old owner.
        self.forget(env, self.entries[slot].handle);
        self.entries[slot] = Entry { handle, owner };
        self.live += 1;
        Ok(())
    }

    /// Drops the reference of a released handle.
    pub fn forget(&mut self, env: sys::napi_env, handle: f64) {
        if let Some(entry) = self.entries.get_mut(slot(handle))
            && entry.handle == handle
            && !entry.owner.is_null()
        {
            // SAFETY: the reference was made in this environment and is deleted once: the entry is emptied.
            unsafe { sys::napi_delete_reference(env, entry.owner) };
            *entry = EMPTY;
            self.live -= 1;
        }
    }

    /// Appends the handles whose owners were collected to `dead` and forgets them.
    pub fn collected(&mut self, env: sys::napi_env, dead: &mut Vec<f64>) -> Outcome<()> {
        for batch in self.entries.chunks_mut(POLL_BATCH) {
            let _scope = Scope::open(env)?;
            for entry in batch.iter_mut().filter(|entry| !entry.owner.is_null()) {
                let mut object = ptr::null_mut();
                // SAFETY: the reference lives as long as its entry.
                check(env, unsafe { sys::napi_get_reference_value(env, entry.owner, &raw mut object) })?;
                if object.is_null() {
                    // SAFETY: deleted once, since the entry is emptied.
                    unsafe { sys::napi_delete_reference(env, entry.owner) };
                    dead.push(entry.handle);
                    *entry = EMPTY;
                    self.live -= 1;
                }
            }
        }
        Ok(())
    }
}

/// The lower 32 bits of a handle.
fn slot(handle: f64) -> usize {
    handle as u64 as u32 as usize
}
