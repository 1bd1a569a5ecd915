//! The way back from other threads to the JavaScript thread of an environment.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use napi::sys;

use crate::failure::{Outcome, check};
use crate::home::Home;
use crate::panics;
use crate::value;

/// Something to do on the JavaScript thread.
type Task = Box<dyn FnOnce(sys::napi_env, &Home) -> Outcome<()> + Send>;

/// Posts tasks from any thread.
///
/// Sound as long as no thread posts after the environment's end: every thread that holds a
/// `Sender` is joined by the environment's clean-up hook, and Node runs those hooks in reverse
/// order, so the queue, made before the hook, is still there.
#[derive(Clone, Copy)]
pub struct Sender(sys::napi_threadsafe_function);

// SAFETY: Node documents threadsafe functions as callable from any thread.
unsafe impl Send for Sender {}
// SAFETY: as above; calls lock a mutex of the queue.
unsafe impl Sync for Sender {}

impl Sender {
    /// Queues a task; it is dropped unrun where the environment ends first.
    pub fn post(self, task: impl FnOnce(sys::napi_env, &Home) -> Outcome<()> + Send + 'static) {
        let task: Box<Task> = Box::new(Box::new(task));
        let data = Box::into_raw(task);
        // SAFETY: the queue lives (see `Sender`); it takes the pointer over only when it answers ok.
        let status = unsafe {
            sys::napi_call_threadsafe_function(
                self.0,
                data.cast(),
                sys::ThreadsafeFunctionCallMode::nonblocking,
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: the queue refused the pointer, which still is the box made above.
            drop(unsafe { Box::from_raw(data) });
        }
    }
}

/// The JavaScript thread's end of the queue.
pub struct Channel {
    sender: Sender,
    /// Runs and promises under way; the event loop stays alive while there are some.
    pending: Cell<usize>,
}

impl Channel {
    /// Makes the queue of an environment. It does not keep the event loop alive until [`Channel::begin`].
    pub fn open(env: sys::napi_env, home: *const Home) -> Outcome<Self> {
        let name = value::text(env, "neuroxide")?;
        let mut raw = ptr::null_mut();
        // SAFETY: no function is given, so `deliver` gets everything; `home` outlives the queue, since
        // the environment's data is freed after its threadsafe functions.
        let status = unsafe {
            sys::napi_create_threadsafe_function(
                env,
                ptr::null_mut(),
                ptr::null_mut(),
                name,
                0,
                1,
                ptr::null_mut(),
                None,
                home.cast_mut().cast(),
                Some(deliver),
                &raw mut raw,
            )
        };
        check(env, status)?;
        // SAFETY: made just now on this thread.
        check(env, unsafe { sys::napi_unref_threadsafe_function(env, raw) })?;
        Ok(Self { sender: Sender(raw), pending: Cell::new(0) })
    }

    pub fn sender(&self) -> Sender {
        self.sender
    }

    /// Something began whose end will be posted: the process has to wait for it.
    pub fn begin(&self, env: sys::napi_env) -> Outcome<()> {
        if self.pending.get() == 0 {
            // SAFETY: called on the JavaScript thread; the queue lives as long as the environment.
            check(env, unsafe { sys::napi_ref_threadsafe_function(env, self.sender.0) })?;
        }
        self.pending.set(self.pending.get() + 1);
        Ok(())
    }

    /// It has ended.
    pub fn end(&self, env: sys::napi_env) -> Outcome<()> {
        self.pending.set(self.pending.get() - 1);
        if self.pending.get() == 0 {
            // SAFETY: as in `begin`.
            check(env, unsafe { sys::napi_unref_threadsafe_function(env, self.sender.0) })?;
        }
        Ok(())
    }
}

/// Runs one task on the JavaScript thread.
unsafe extern "C" fn deliver(
    env: sys::napi_env,
    _function: sys::napi_value,
    context: *mut c_void,
    data: *mut c_void,
) {
    // SAFETY: `data` is the box that `post` queued, delivered once.
    let task = unsafe { Box::from_raw(data.cast::<Task>()) };
    if env.is_null() {
        // The environment is ending; the task's captures are dropped and nothing else is touched.
        return;
    }
    let outcome = panics::caught(|| {
        // SAFETY: the queue was made with the environment's `Home`, which outlives it.
        let home = unsafe { &*context.cast::<Home>() };
        task(env, home)
    });
    if let Err(failure) = outcome {
        failure.throw(env);
        raise(env);
    }
}

/// Makes an exception in a callback what it would be in any other: an uncaught one.
fn raise(env: sys::napi_env) {
    let mut exception = ptr::null_mut();
    // SAFETY: on the JavaScript thread within the delivering scope; both calls only read and clear
    // the pending exception, and may fail where the environment is ending.
    unsafe {
        if sys::napi_get_and_clear_last_exception(env, &raw mut exception) == sys::Status::napi_ok {
            sys::napi_fatal_exception(env, exception);
        }
    }
}
