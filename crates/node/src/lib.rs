//! The N-API boundary: handles in, handles out.
//!
//! A tensor is a number here and an object of its own in TypeScript. Every export is one raw
//! callback that decodes its arguments, asks the environment's engine, and writes what the caller
//! wants to know into an array that both sides share.

mod autograd;
mod background;
mod batches;
mod call;
mod channel;
mod diagnostics;
mod exports;
mod failure;
mod files;
mod home;
mod io;
mod json;
mod optimizers;
mod panics;
mod programs;
mod tensors;
mod training;
mod value;
mod weak;

use napi::bindgen_prelude::Object;
use napi::{Env, JsValue};
use napi_derive::napi;

/// Runs once in each environment that loads the addon.
#[napi(module_exports)]
pub fn load(exports: Object<'_>, env: Env) -> napi::Result<()> {
    let registered = panics::caught(|| {
        let home = home::Home::attach(env.raw())?;
        exports::register(env.raw(), exports.raw(), home)
    });
    if let Err(failure) = registered {
        failure.throw(env.raw());
    }
    Ok(())
}
