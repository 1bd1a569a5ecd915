//! Trainings on threads of their own: starting, answering, stopping, and their events.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use napi::sys;
use neuroxide_core::engine::{AccumulationSpec, JobSpec, PhaseSpec, ProgramId};
use neuroxide_core::error::{Error, Result};
use neuroxide_core::rng::Stream;
use neuroxide_core::runner::{Asks, Control, Event, Job, Running, Standing, Start, Validates};

use crate::batches::Batches;
use crate::call::{Call, whole};
use crate::channel::Sender;
use crate::failure::{Failure, Outcome};
use crate::home::Home;
use crate::panics;
use crate::value::{self, Strong};

/// A training under way.
struct Run {
    control: Arc<Control>,
    batches: Arc<Batches>,
    thread: JoinHandle<()>,
    callback: Strong,
    facts: Facts,
}

/// What every epoch event repeats.
#[derive(Clone, Copy)]
struct Facts {
    key: f64,
    steps: usize,
    trains: bool,
}

/// The trainings of an environment.
#[derive(Default)]
pub struct Runs {
    active: HashMap<u32, Run>,
    last: u32,
}

impl Runs {
    /// Aborts all trainings and waits for their threads.
    pub fn stop(&mut self) {
        for run in self.active.values() {
            run.control.abort();
        }
        for (_, run) in self.active.drain() {
            // Panics are caught in the thread, so it ends normally. The reference goes with the environment.
            let _ = run.thread.join();
        }
    }
}

/// Reads the properties of a description; none of its getters runs while state is borrowed.
struct Reader {
    env: sys::napi_env,
    object: sys::napi_value,
}

impl Reader {
    fn field(&self, name: &CStr) -> Outcome<sys::napi_value> {
        value::get(self.env, self.object, name)
    }

    fn number(&self, name: &CStr) -> Outcome<f64> {
        value::as_number(self.env, self.field(name)?).ok_or_else(|| wrong(name, "a number"))
    }

    fn count(&self, name: &CStr) -> Outcome<usize> {
        whole(self.number(name)?).ok_or_else(|| wrong(name, "a whole number, not negative"))
    }

    fn flag(&self, name: &CStr) -> Outcome<bool> {
        value::as_boolean(self.env, self.field(name)?).ok_or_else(|| wrong(name, "a boolean"))
    }

    fn numbers(&self, name: &CStr) -> Outcome<Vec<f64>> {
        value::as_numbers(self.env, self.field(name)?)?.ok_or_else(|| wrong(name, "an array of numbers"))
    }

    /// An object, or `None` where it is null.
    fn object(&self, name: &CStr) -> Outcome<Option<Self>> {
        let object = self.field(name)?;
        match value::type_of(self.env, object)? {
            sys::ValueType::napi_null => Ok(None),
            sys::ValueType::napi_object => Ok(Some(Self { env: self.env, object })),
            _ => Err(wrong(name, "an object or null")),
        }
    }

    /// `{ program, rest, xs, count, batchSize, steps, sums, accumulation }`, with the steps of one pass and of one visit.
    fn phase(&self, name: &CStr) -> Outcome<Option<(PhaseSpec, usize, usize)>> {
        let Some(phase) = self.object(name)? else { return Ok(None) };
        let rest = phase.rest()?;
        let (count, batch_size) = (phase.count(c"count")?, phase.count(c"batchSize")?);
        if batch_size == 0 {
            return Err(wrong(c"batchSize", "at least 1"));
        }
        let visit = if rest.is_some() { count.div_ceil(batch_size) } else { count / batch_size };
        let steps = Some(phase.count(c"steps")?).filter(|&steps| steps > 0);
        let accumulation = match phase.object(c"accumulation")? {
            Some(more) => Some(AccumulationSpec {
                every: more.count(c"every")? as u64,
                full: more.program(c"program")?,
                rest: more.rest()?,
            }),
            None => None,
        };
        let data = phase.numbers(c"xs")?;
        let spec = PhaseSpec {
            rest,
            steps,
            sums: phase.numbers(c"sums")?.iter().map(|&sum| sum != 0.0).collect(),
            accumulation,
            ..PhaseSpec::new(phase.program(c"program")?, data, batch_size)
        };
        Ok(Some((spec, steps.unwrap_or(visit), visit)))
    }

    /// The program for the last batch; below 0 where there is none.
    fn rest(&self) -> Outcome<Option<ProgramId>> {
        if self.number(c"rest")? < 0.0 { Ok(None) } else { self.program(c"rest").map(Some) }
    }

    /// `{ step, sums, seen, batches }`
    fn begin(&self) -> Outcome<Start> {
        let running = Running { sums: self.numbers(c"sums")?, seen: self.number(c"seen")? };
        Ok(Start { step: self.count(c"step")?, running, batches: self.count(c"batches")? as u64 })
    }

    fn program(&self, name: &CStr) -> Outcome<ProgramId> {
        u32::try_from(self.count(name)?).map(ProgramId).map_err(|_| wrong(name, "a program"))
    }
}

fn wrong(name: &CStr, expected: &str) -> Failure {
    Failure::Core(Error::Value(format!("fit: {}; expected {expected}", name.to_string_lossy())))
}

/// Visits of all examples that have orders of their own.
const VISITS: usize = 1 << 31;

/// Refuses trainings of so many epochs or steps that the orders of the examples would come again.
fn require_orders(epochs: usize, steps: usize, visit: usize) -> Outcome<()> {
    let visits = epochs.checked_mul(steps).map(|all| all / visit.max(1));
    if epochs > VISITS || visits.is_none_or(|visits| visits > VISITS) {
        let text = format!(
            "fit: {epochs} epochs of {steps} batches; expected at most 2147483648 epochs and visits of all examples"
        );
        return Err(Failure::Core(Error::Value(text)));
    }
    Ok(())
}

/// `fitStart(spec, callback) -> run`: `key` below 0 takes one from the stream of the environment; `validates` is how many
/// epochs lie between two validations, or lists those after which it runs, counted from 1.
pub fn start(call: &Call<'_>) -> Outcome<f64> {
    let spec = Reader { env: call.env, object: call.value(0) };
    let (train, validation) = (spec.phase(c"train")?, spec.phase(c"validation")?);
    let steps = train.as_ref().or(validation.as_ref()).map_or(0, |(_, steps, _)| *steps);
    let epochs = spec.count(c"initialEpoch")?..spec.count(c"epochs")?;
    if let Some((_, steps, visit)) = &train {
        require_orders(epochs.end, *steps, *visit)?;
    }
    let (shuffle, key) = (spec.flag(c"shuffle")?, spec.number(c"key")?);
    let each = spec.flag(c"batches")?;
    let progress_ms = spec.count(c"progressMs")? as u64;
    let begin = spec.object(c"start")?.ok_or_else(|| wrong(c"start", "an object"))?.begin()?;
    let offset = spec.count(c"offset")? as u64;
    let validates = match value::as_number(call.env, spec.field(c"validates")?) {
        Some(every) => Validates::Every(whole(every).unwrap_or(1)),
        None => {
            Validates::After(spec.numbers(c"validates")?.iter().filter_map(|&epoch| whole(epoch)).collect())
        }
    };
    let asks = Asks { train: spec.flag(c"askTrain")?, validation: spec.flag(c"askValidation")? };
    let callback = Strong::new(call.env, call.value(1))?;

    let mut state = call.at_work()?;
    let stream = if key < 0.0 {
        state.engine.fork_stream()
    } else {
        Stream { offset, ..Stream::new(whole(key).unwrap_or_default() as u64) }
    };
    let facts = Facts { key: stream.seed as f64, steps, trains: train.is_some() };
    let spec = JobSpec {
        train: train.map(|(phase, ..)| phase),
        validation: validation.map(|(phase, ..)| phase),
        epochs,
        shuffle,
        numbers: Vec::new(),
        stream,
        progress_ms,
        batches: each,
        ask: true,
        start: begin,
        validates,
        asks,
    };
    let id = state.runs.last + 1;
    state.runs.last = id;
    let (control, batches) = (Arc::new(Control::default()), Arc::new(Batches::default()));
    let started = state.engine.job(&spec).and_then(|(job, _)| {
        launch(id, job, Arc::clone(&control), Arc::clone(&batches), call.home.channel().sender())
    });
    let thread = match started {
        Ok(thread) => thread,
        Err(error) => {
            callback.release(call.env);
            return Err(error.into());
        }
    };
    state.runs.active.insert(id, Run { control, batches, thread, callback, facts });
    call.home.channel().begin(call.env)?;
    Ok(f64::from(id))
}

/// Runs a job on a thread of its own, which posts every event; the last one even where it panics.
fn launch(
    id: u32,
    job: Job,
    control: Arc<Control>,
    batches: Arc<Batches>,
    sender: Sender,
) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(format!("neuroxide-fit-{id}")).spawn(move || {
        let mut tell = |event| match event {
            Event::Batch { epoch, step, values, .. } => {
                if batches.add(&control, epoch, step, &values) {
                    sender.post(move |env, home| deliver_batches(env, home, id));
                }
            }
            event => sender.post(move |env, home| deliver(env, home, id, event)),
        };
        let outcome = panics::caught(|| {
            job.run(&control, &mut tell);
            Ok::<(), Error>(())
        });
        if let Err(error) = outcome {
            tell(Event::Failed(error));
        }
    });
    thread.map_err(|error| Error::Device(format!("fit: no thread: {error}")))
}

/// `fitResume(run, stop)`: answers an event that waits, of an epoch or a batch; nothing happens where the run has ended.
pub fn resume(call: &Call<'_>) -> Outcome<()> {
    let (id, stop) = (call.count(0)?, call.flag(1)?);
    if let Some(run) = u32::try_from(id).ok().and_then(|id| call.home.state().ok()?.runs.control(id)) {
        run.resume(stop);
    }
    Ok(())
}

/// `fitAbort(run)`: the run ends after the step it is at.
pub fn abort(call: &Call<'_>) -> Outcome<()> {
    let id = call.count(0)?;
    if let Some(run) = u32::try_from(id).ok().and_then(|id| call.home.state().ok()?.runs.control(id)) {
        run.abort();
    }
    Ok(())
}

impl Runs {
    fn control(&self, id: u32) -> Option<Arc<Control>> {
        self.active.get(&id).map(|run| Arc::clone(&run.control))
    }
}

/// Calls the training's callback with the batches done since the last call.
fn deliver_batches(env: sys::napi_env, home: &Home, id: u32) -> Outcome<()> {
    let (function, argument) = {
        let state = home.state()?;
        let Some(run) = state.runs.active.get(&id) else { return Ok(()) };
        let gathered = run.batches.take();
        let object = value::object(env)?;
        let set = |name: &CStr, value| value::set(env, object, name, value);
        set(c"kind", value::text(env, "batches")?)?;
        set(c"epoch", value::number(env, gathered.epoch as f64)?)?;
        set(c"first", value::number(env, gathered.first as f64)?)?;
        set(c"count", value::number(env, gathered.count as f64)?)?;
        set(c"values", value::f64s(env, &gathered.values)?)?;
        (run.callback.get(env)?, object)
    };
    value::call(env, function, &[argument])
}

/// Calls the training's callback with one event; the last one ends it.
fn deliver(env: sys::napi_env, home: &Home, id: u32, event: Event) -> Outcome<()> {
    let last = matches!(event, Event::Done | Event::Aborted | Event::Failed(_));
    let (function, argument) = {
        let mut state = home.state()?;
        let Some(run) = state.runs.active.get(&id) else { return Ok(()) };
        let function = run.callback.get(env)?;
        let argument = describe(env, run.facts, event)?;
        if last && let Some(run) = state.runs.active.remove(&id) {
            run.callback.release(env);
            // It has sent its last event, so it is at its very end.
            let _ = run.thread.join();
        }
        (function, argument)
    };
    if last {
        home.channel().end(env)?;
    }
    // The state is free again: the callback may call any export.
    value::call(env, function, &[argument])
}

/// An event as a plain object.
fn describe(env: sys::napi_env, facts: Facts, event: Event) -> Outcome<sys::napi_value> {
    let object = value::object(env)?;
    let set = |name: &CStr, value| value::set(env, object, name, value);
    let number = |name: &CStr, number: usize| set(name, value::number(env, number as f64)?);
    let bad = |bad: Option<usize>| set(c"bad", value::number(env, bad.map_or(-1.0, |step| step as f64))?);
    let kind = match &event {
        Event::Progress { .. } | Event::Batch { .. } => "progress",
        Event::Ask(_) => "ask",
        Event::Left(_) => "left",
        Event::Epoch { .. } => "epoch",
        Event::Done => "done",
        Event::Aborted => "aborted",
        Event::Failed(_) => "error",
    };
    set(c"kind", value::text(env, kind)?)?;
    match event {
        Event::Progress { epoch, step, values, bad: first, .. } => {
            set(c"phase", value::text(env, if facts.trains { "train" } else { "validation" })?)?;
            number(c"epoch", epoch)?;
            number(c"step", step)?;
            number(c"steps", facts.steps)?;
            set(c"values", value::numbers(env, &values)?)?;
            bad(first)?;
        }
        Event::Ask(standing) | Event::Left(standing) => describe_standing(env, object, facts, &standing)?,
        Event::Epoch { epoch, values, validation, bad: first, offset, batches } => {
            number(c"epoch", epoch)?;
            set(c"key", value::number(env, facts.key)?)?;
            number(c"steps", facts.steps)?;
            set(c"values", value::numbers(env, &values)?)?;
            let validation = match validation {
                Some(values) => value::numbers(env, &values)?,
                None => value::null(env)?,
            };
            set(c"validation", validation)?;
            bad(first)?;
            set(c"offset", value::number(env, offset as f64)?)?;
            set(c"batches", value::number(env, batches as f64)?)?;
        }
        Event::Failed(error) => {
            set(c"code", value::text(env, error.code())?)?;
            set(c"message", value::text(env, error.message())?)?;
        }
        // Batches go their own way, many in one call.
        Event::Batch { .. } | Event::Done | Event::Aborted => {}
    }
    Ok(object)
}

/// What is known where a pass waits for an answer: enough to go on from there another time.
fn describe_standing(
    env: sys::napi_env,
    object: sys::napi_value,
    facts: Facts,
    standing: &Standing,
) -> Outcome<()> {
    let set = |name: &CStr, value| value::set(env, object, name, value);
    set(c"phase", value::text(env, if standing.validation { "validation" } else { "train" })?)?;
    set(c"epoch", value::number(env, standing.epoch as f64)?)?;
    set(c"step", value::number(env, standing.step as f64)?)?;
    set(c"steps", value::number(env, standing.steps as f64)?)?;
    set(c"first", value::boolean(env, standing.first)?)?;
    set(c"values", value::numbers(env, &standing.values)?)?;
    set(c"key", value::number(env, facts.key)?)?;
    set(c"sums", value::numbers(env, &standing.running.sums)?)?;
    set(c"seen", value::number(env, standing.running.seen)?)?;
    set(c"offset", value::number(env, standing.offset as f64)?)?;
    set(c"batches", value::number(env, standing.batches as f64)?)
}
