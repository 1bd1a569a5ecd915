//! Why an export could not answer, and how that reaches JavaScript.

use std::ptr;

use napi::sys;
use neuroxide_core::error::Error;

use crate::value;

/// What an export returns instead of a value.
pub enum Failure {
    /// Becomes an `Error` with a `code`.
    Core(Error),
    /// A JavaScript exception is under way already; it only has to be let through.
    Pending,
}

pub type Outcome<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

/// An argument that does not have the type its place asks for.
pub fn wrong_argument(index: usize, expected: &str) -> Failure {
    Failure::Core(Error::Value(format!("argument {} of the native call; expected {expected}", index + 1)))
}

/// Turns the status of a Node-API call into an outcome.
pub fn check(env: sys::napi_env, status: sys::napi_status) -> Outcome<()> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    let mut pending = false;
    // SAFETY: `env` is the environment of the running call and `pending` outlives it.
    unsafe { sys::napi_is_exception_pending(env, &raw mut pending) };
    if pending || status == sys::Status::napi_pending_exception {
        return Err(Failure::Pending);
    }
    Err(Failure::Core(match status {
        sys::Status::napi_invalid_arg
        | sys::Status::napi_object_expected
        | sys::Status::napi_string_expected
        | sys::Status::napi_function_expected
        | sys::Status::napi_number_expected
        | sys::Status::napi_boolean_expected
        | sys::Status::napi_array_expected => {
            Error::Value(format!("a value of the wrong type in a native call (Node-API status {status})"))
        }
        _ => Error::Internal(format!("Node-API answered with status {status}")),
    }))
}

/// An `Error` object with the code and message of `error`.
pub fn error_object(env: sys::napi_env, error: &Error) -> Outcome<sys::napi_value> {
    let code = value::text(env, error.code())?;
    let message = value::text(env, error.message())?;
    let mut object = ptr::null_mut();
    // SAFETY: both values are strings of the same environment and scope.
    check(env, unsafe { sys::napi_create_error(env, code, message, &raw mut object) })?;
    Ok(object)
}

impl Failure {
    /// Leaves the exception for the engine to raise when the export returns.
    pub fn throw(&self, env: sys::napi_env) {
        let Self::Core(error) = self else { return };
        if let Ok(object) = error_object(env, error) {
            // SAFETY: `object` was made in this environment and scope. A failure can only mean that
            // the environment is ending, when nothing can be thrown any more.
            unsafe { sys::napi_throw(env, object) };
        }
    }
}
