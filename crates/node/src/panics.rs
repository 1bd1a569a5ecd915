//! A panic is a defect of this library; it becomes an error and never ends the process.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use neuroxide_core::error::Error;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Replaces the hook of this library (Node has none): a panic is printed the first time only,
/// since its message also stands in the error.
pub fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        let first = Once::new();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let message = payload
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
            first.call_once(|| print(info));
            LAST.with_borrow_mut(|last| *last = Some(format!("{message}{}", place.unwrap_or_default())));
        }));
    });
}

/// Runs `body`; a panic in it becomes an internal error.
pub fn caught<T, E: From<Error>>(body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // What a panic may leave half done is the engine's own state, which only this environment sees;
    // borrows of it end while unwinding.
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        let message = LAST.take().unwrap_or_else(|| "no message".to_owned());
        Err(E::from(Error::Internal(format!("a defect of neuroxide, please report it: {message}"))))
    })
}
