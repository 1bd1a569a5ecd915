//! The constant set of exports: ops are numbers, not functions.

use std::ffi::{CStr, c_char};
use std::ptr;

use napi::sys;

use crate::call::dispatch;
use crate::failure::{Outcome, check};
use crate::home::Home;
use crate::{autograd, diagnostics, files, optimizers, programs, tensors, training, value};

/// One function of the addon.
struct Export {
    name: &'static CStr,
    callback: sys::napi_callback,
}

/// `name(arity) => body` becomes a row with a raw callback, which costs no boxing and no scope.
macro_rules! exports {
    ($($name:literal ($arity:literal) => $body:path;)*) => {
        const EXPORTS: &[Export] = &[$(Export {
            name: $name,
            callback: {
                unsafe extern "C" fn callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
                    // SAFETY: Node calls with its own arguments, and `register` attaches the `Home`.
                    unsafe { dispatch::<$arity, _>(env, info, $body) }
                }
                Some(callback)
            },
        }),*];
    };
}

exports! {
    c"init"(1) => tensors::init;
    c"intern"(1) => tensors::intern;
    c"pathName"(1) => tensors::path_name;
    c"apply"(6) => tensors::apply;
    c"applyList"(4) => tensors::apply_list;
    c"create"(4) => tensors::create;
    c"number"(2) => tensors::number;
    c"parameter"(3) => tensors::parameter;
    c"meta"(1) => tensors::meta;
    c"read"(2) => tensors::read;
    c"readAsync"(1) => tensors::read_async;
    c"assign"(2) => tensors::assign;
    c"alive"(1) => tensors::alive;
    c"release"(1) => tensors::release;
    c"releaseMany"(1) => tensors::release_many;
    c"sweep"(0) => tensors::sweep;
    c"pressure"(1) => tensors::pressure;
    c"seed"(1) => tensors::seed;
    c"rngState"(0) => tensors::rng_state;
    c"setRngState"(3) => tensors::set_rng_state;

    c"setRequiresGrad"(2) => autograd::set_requires_grad;
    c"gradEnabled"(1) => autograd::grad_enabled;
    c"backward"(3) => autograd::backward;
    c"gradients"(5) => autograd::gradients;
    c"gradOf"(2) => autograd::grad_of;
    c"setGrad"(2) => autograd::set_grad;
    c"zeroGrad"(1) => autograd::zero_grad;
    c"producer"(3) => autograd::producer;

    c"traceBegin"(2) => programs::trace_begin;
    c"traceEnd"(2) => programs::trace_end;
    c"traceAbort"(0) => programs::trace_abort;
    c"run"(3) => programs::run;
    c"runAsync"(3) => programs::run_async;
    c"programFree"(1) => programs::free;
    c"explain"(1) => programs::explain;
    c"verifyBegin"(1) => programs::verify_begin;
    c"verifyReplay"(0) => programs::verify_replay;
    c"verifyEnd"(1) => programs::verify_end;
    c"verifyAbort"(0) => programs::verify_abort;

    c"optimizerCreate"(4) => optimizers::create;
    c"optimizerHyper"(4) => optimizers::hyper;
    c"optimizerStep"(1) => optimizers::step;
    c"optimizerSteps"(3) => optimizers::steps;
    c"optimizerState"(4) => optimizers::state;
    c"optimizerFree"(1) => optimizers::free;
    c"optimizerInfo"(1) => optimizers::info;

    c"saveFile"(7) => files::save;
    c"loadFile"(3) => files::load;
    c"loadedTensor"(3) => files::loaded;

    c"fitStart"(2) => training::start;
    c"fitResume"(2) => training::resume;
    c"fitAbort"(1) => training::abort;

    c"setMode"(2) => diagnostics::set_mode;
    c"memory"(0) => diagnostics::memory;
    c"counters"(0) => diagnostics::counters;
    c"device"(0) => diagnostics::device;
    c"debugCalls"(2) => diagnostics::debug_calls;
    c"debugPanic"(0) => diagnostics::debug_panic;
}

/// Makes the functions and puts them on `exports`.
pub fn register(env: sys::napi_env, exports: sys::napi_value, home: *const Home) -> Outcome<()> {
    for export in EXPORTS {
        let mut function = ptr::null_mut();
        let (name, length) = (export.name.as_ptr().cast::<c_char>(), export.name.count_bytes() as isize);
        // SAFETY: the name is static, and `home` lives as long as the environment and its functions.
        let status = unsafe {
            sys::napi_create_function(
                env,
                name,
                length,
                export.callback,
                home.cast_mut().cast(),
                &raw mut function,
            )
        };
        check(env, status)?;
        value::set(env, exports, export.name, function)?;
    }
    Ok(())
}
