//! Threads beside the JavaScript thread for single pieces of work that settle a promise.

use std::collections::HashMap;
use std::ptr;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use napi::sys;
use neuroxide_core::error::{Error, Result};

use crate::call::Call;
use crate::failure::{self, Failure, Outcome, check};
use crate::home::Home;
use crate::panics;
use crate::value::{self, Returns};

type Job = Box<dyn FnOnce() + Send>;

/// Which thread does a piece of work. A disk takes its time, and answers of a model shall not wait for it.
#[derive(Clone, Copy)]
pub enum Lane {
    Computing,
    Files,
}

/// The threads, each started by its first job, and the promises that jobs will settle.
#[derive(Default)]
pub struct Background {
    workers: [Option<(Sender<Job>, JoinHandle<()>)>; 2],
    promises: HashMap<u64, sys::napi_deferred>,
    next: u64,
}

impl Background {
    fn submit(&mut self, lane: Lane, job: Job) -> Result<()> {
        let worker = &mut self.workers[lane as usize];
        if worker.is_none() {
            let (sender, jobs) = mpsc::channel::<Job>();
            let thread = thread::Builder::new()
                .name("neuroxide-background".into())
                .spawn(move || jobs.into_iter().for_each(|job| job()))
                .map_err(|error| Error::Device(format!("no thread for asynchronous work: {error}")))?;
            *worker = Some((sender, thread));
        }
        let (sender, _) = worker.as_ref().expect("started above");
        sender.send(job).map_err(|_| Error::Internal("the background thread has ended".into()))
    }

    /// Lets the jobs given so far end, and joins the threads.
    pub fn stop(&mut self) {
        for (sender, thread) in self.workers.iter_mut().filter_map(Option::take) {
            drop(sender);
            // A panic of a job was caught in it, so the thread itself ends normally.
            let _ = thread.join();
        }
    }
}

/// A promise for what `work` returns; `work` runs on the thread of its lane, `finish` on the
/// JavaScript thread with its result, also where that is an error: it may hold references to let go of.
pub fn promise<T: Send + 'static, R: Returns>(
    call: &Call<'_>,
    lane: Lane,
    work: impl FnOnce() -> Result<T> + Send + 'static,
    finish: impl FnOnce(sys::napi_env, &Home, Result<T>) -> Outcome<R> + Send + 'static,
) -> Outcome<sys::napi_value> {
    let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: on the JavaScript thread within a call; both out pointers outlive it.
    check(call.env, unsafe { sys::napi_create_promise(call.env, &raw mut deferred, &raw mut promise) })?;
    let sender = call.home.channel().sender();
    let mut state = call.home.state()?;
    let id = state.background.next;
    state.background.next += 1;
    state.background.submit(
        lane,
        Box::new(move || {
            let result = panics::caught(work);
            sender.post(move |env, home| {
                home.channel().end(env)?;
                let deferred = home.state()?.background.promises.remove(&id);
                let outcome = finish(env, home, result).and_then(|value| value.give(env));
                deferred.map_or(Ok(()), |deferred| settle(env, deferred, outcome))
            });
        }),
    )?;
    state.background.promises.insert(id, deferred);
    call.home.channel().begin(call.env)?;
    Ok(promise)
}

fn settle(
    env: sys::napi_env,
    deferred: sys::napi_deferred,
    outcome: Outcome<sys::napi_value>,
) -> Outcome<()> {
    let rejection = match outcome {
        Ok(value) => {
            let value = if value.is_null() { value::undefined(env)? } else { value };
            // SAFETY: `deferred` was taken out of the table, so it is settled once.
            return check(env, unsafe { sys::napi_resolve_deferred(env, deferred, value) });
        }
        Err(Failure::Core(error)) => failure::error_object(env, &error)?,
        Err(Failure::Pending) => {
            let mut exception = ptr::null_mut();
            // SAFETY: on the JavaScript thread; an exception is pending.
            check(env, unsafe { sys::napi_get_and_clear_last_exception(env, &raw mut exception) })?;
            exception
        }
    };
    // SAFETY: as above.
    check(env, unsafe { sys::napi_reject_deferred(env, deferred, rejection) })
}
