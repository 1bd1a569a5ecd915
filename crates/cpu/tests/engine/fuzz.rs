//! Random step functions: as programs they do to the bit what they do eagerly, and leave nothing behind.
//!
//! `NEUROXIDE_FUZZ=20000` runs that many seeds, `NEUROXIDE_FUZZ_FROM` sets the first one. A seed
//! that fails is reduced to the steps it needs and printed op by op.

mod body;
mod state;
mod steps;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use neuroxide_core::backend::Backend;
use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{ArgSpec, Engine, Handle, ProgramId, RunArg, TraceOptions};
use neuroxide_core::error::{Error, Result};
use neuroxide_cpu::late::LateBackend;
use neuroxide_cpu::{CpuBackend, Options};

use crate::support::*;
use body::{Body, Notes};
use world::{Mode, World};

/// Calls of each function.
const CALLS: usize = 3;

/// An element type and the elements, or that there is no such tensor.
type Value = Option<(DType, Vec<u8>)>;

/// A value with its name; none where nothing can be said about it.
type Named = (String, Option<Value>);

fn same(a: &Value, b: &Value) -> bool {
    let (Some((t, x)), Some((u, y))) = (a, b) else { return a.is_none() == b.is_none() };
    let size = t.size();
    let is_nan = |v: &[u8]| match t {
        DType::F32 => f32::from_le_bytes(v.try_into().unwrap()).is_nan(),
        DType::F64 => f64::from_le_bytes(v.try_into().unwrap()).is_nan(),
        _ => false,
    };
    let equal = |(p, q): (&[u8], &[u8])| p == q || is_nan(p) && is_nan(q);
    t == u && x.len() == y.len() && x.chunks(size).zip(y.chunks(size)).all(equal)
}

/// A program and the flags that the function read while it was traced.
type Guarded = (Vec<bool>, ProgramId);

/// One of the two engines with its surroundings.
struct Side {
    e: Engine,
    world: World,
    backend: Arc<dyn Backend>,
}

/// A case: a seed and those of its steps that are taken.
#[derive(Clone)]
struct Case {
    seed: u64,
    mode: Mode,
    steps: Vec<usize>,
}

impl Side {
    fn new(case: &Case, threads: usize) -> Self {
        let options = Options { threads: Some(threads), ..Options::default() };
        let backend: Arc<dyn Backend> = if case.mode.late {
            LateBackend::new(options).unwrap()
        } else {
            CpuBackend::new(options).unwrap()
        };
        let mut e = Engine::new(Arc::clone(&backend));
        // Half of the worlds lower every call as a whole, the others run calls op by op until they come again.
        e.set_lower_at_once(case.seed % 2 == 1);
        let world = World::new(&mut e, case.seed, case.mode);
        e.set_anomaly(case.mode.anomaly);
        Self { e, world, backend }
    }

    fn value(&mut self, handle: Handle) -> (DType, Vec<u8>) {
        let dtype = self.e.info(handle).unwrap().ty.dtype;
        (dtype, self.e.read(handle).unwrap())
    }

    fn outputs(&mut self, handles: &[Handle]) -> Vec<Named> {
        handles.iter().enumerate().map(|(i, &h)| (format!("output {i}"), Some(Some(self.value(h))))).collect()
    }

    /// Everything that a call may change, with names; gradients that a program kept to itself are left out.
    fn snapshot(&mut self) -> Vec<Named> {
        let mut out = Vec::new();
        let w = &self.world;
        let groups =
            [("parameter", &w.params), ("buffer", &w.buffers), ("view", &w.views), ("argument", &w.args)];
        let named: Vec<(String, Handle)> = groups
            .iter()
            .flat_map(|(name, group)| group.iter().enumerate().map(move |(i, &h)| (format!("{name} {i}"), h)))
            .collect();
        for (name, handle) in named {
            let value = self.value(handle);
            out.push((name, Some(Some(value))));
        }
        for (at, param) in self.world.params.clone().into_iter().enumerate() {
            let value = match self.e.grad_of(param) {
                Err(_) => None,
                Ok(None) => Some(None),
                Ok(Some(grad)) => {
                    let value = self.value(grad);
                    self.e.release(grad);
                    Some(Some(value))
                }
            };
            out.push((format!("gradient {at}"), value));
        }
        let names =
            ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "grad_avg", "sum"];
        for (at, (id, members, _)) in self.world.optimizers.clone().into_iter().enumerate() {
            for param in 0..members.len() {
                let steps = self.e.optimizer_steps(id, param, None).unwrap();
                let count = Some((DType::U8, steps.to_le_bytes().to_vec()));
                out.push((format!("steps of {param} in optimizer {at}"), Some(count)));
                for name in names {
                    if let Some(state) = self.e.optimizer_state(id, param, name).unwrap() {
                        let value = self.value(state);
                        self.e.release(state);
                        out.push((format!("{name} of {param} in optimizer {at}"), Some(Some(value))));
                    }
                }
            }
        }
        let offset = self.e.stream().offset.to_le_bytes().to_vec();
        out.push(("random offset".into(), Some(Some((DType::U8, offset)))));
        out
    }

    /// Runs the function eagerly.
    fn eager(&mut self, case: &Case, notes: &mut Notes) -> Result<Vec<Handle>> {
        let number = self.e.number(0.75).unwrap();
        let args = [self.world.args.clone(), vec![number]].concat();
        notes.made.push(number);
        let plan = (case.seed, case.mode, case.steps.as_slice());
        Body::run(&mut self.e, &self.world, plan, &args, notes)
    }

    /// Which parameters require gradients: the function looks at it.
    fn flags(&mut self) -> Vec<bool> {
        let params = self.world.params.clone();
        params.into_iter().map(|param| self.e.info(param).unwrap().requires_grad).collect()
    }

    /// Runs the function as a program, traced where no earlier one fits.
    fn traced(&mut self, case: &Case, programs: &mut Vec<Guarded>, notes: &mut Notes) -> Result<Vec<Handle>> {
        let args: Vec<RunArg> =
            self.world.args.iter().map(|&a| RunArg::Tensor(a)).chain([RunArg::Number(0.75)]).collect();
        let flags = self.flags();
        for (_, program) in programs.iter().filter(|(guard, _)| *guard == flags) {
            match self.run(case, *program, &args) {
                Err(error) if error.code() == "ERR_GUARD_MISS" => {}
                done => return done,
            }
        }
        let mut specs: Vec<ArgSpec> = self.world.args.clone().iter().map(|&a| like(&mut self.e, a)).collect();
        specs.push(ArgSpec::Number { integral: false });
        let inner = self.e.trace_begin(&specs)?;
        notes.made.extend(&inner);
        let plan = (case.seed, case.mode, case.steps.as_slice());
        let program = match Body::run(&mut self.e, &self.world, plan, &inner, notes) {
            Ok(out) => self.e.trace_end(&out, TraceOptions { keep_grads: case.mode.keep_grads })?,
            Err(error) => {
                self.e.trace_abort();
                return Err(error);
            }
        };
        programs.push((flags, program));
        self.run(case, program, &args)
    }

    fn run(&mut self, case: &Case, program: ProgramId, args: &[RunArg]) -> Result<Vec<Handle>> {
        if !case.mode.verify {
            return self.e.run(program, args);
        }
        self.e.verify_begin(program)?;
        let out = self.e.run(program, args).or_else(|error| self.e.verify_abort().and(Err(error)))?;
        self.verify(case, &out)?;
        Ok(out)
    }

    fn verify(&mut self, case: &Case, traced: &[Handle]) -> Result<()> {
        self.e.verify_replay()?;
        let mut notes = Notes::default();
        let number = self.e.number(0.75).unwrap();
        notes.made.push(number);
        let args = [self.world.args.clone(), vec![number]].concat();
        let plan = (case.seed, case.mode, case.steps.as_slice());
        let eager = Body::run(&mut self.e, &self.world, plan, &args, &mut notes);
        let result = match eager {
            Ok(eager) => self.e.verify_end(&eager, traced),
            Err(error) => self.e.verify_abort().and(Err(error)),
        };
        self.let_go(notes);
        // Another code than any that the function throws itself.
        result.map_err(|error| Error::Internal(format!("verify: {error}")))
    }

    fn let_go(&mut self, notes: Notes) {
        for handle in notes.made {
            self.e.release(handle);
        }
    }

    /// Releases everything; what is left is a leak.
    fn end(mut self, programs: Vec<Guarded>) -> std::result::Result<(), String> {
        for (_, program) in programs {
            self.e.program_free(program);
        }
        self.world.release(&mut self.e);
        let left = (self.e.tensors(), self.e.nodes(), self.e.bytes().0);
        drop(self.e);
        self.backend.sync().map_err(|e| e.to_string())?;
        let held = self.backend.allocated_bytes();
        if left == (0, 0, 0) && held == 0 {
            Ok(())
        } else {
            Err(format!("left behind: {left:?} handles, nodes and bytes, {held} bytes of the backend"))
        }
    }
}

fn compare(what: &str, a: &[Named], b: &[Named]) -> std::result::Result<(), String> {
    for ((name, x), (_, y)) in a.iter().zip(b) {
        if let (Some(x), Some(y)) = (x, y)
            && !same(x, y)
        {
            let show = |v: &Value| v.as_ref().map(|(t, b)| format!("{t} {:02x?}", &b[..b.len().min(24)]));
            return Err(format!("{what}: {name} differs: {:?} and {:?}", show(x), show(y)));
        }
    }
    Ok(())
}

/// Whether an index or a divisor was bad; a program looks at all of them before it writes, in another order.
fn checks(error: &Error) -> bool {
    matches!(error.code(), "ERR_INDEX" | "ERR_VALUE")
}

/// Runs a case; what went wrong, and the lines of the last eager call.
fn check(case: &Case, lines: &RefCell<Vec<String>>) -> std::result::Result<(), String> {
    let (mut a, mut b) =
        (Side::new(case, case.mode.eager_threads), Side::new(case, case.mode.traced_threads));
    let mut programs = Vec::new();
    for call in 0..CALLS {
        let before = b.snapshot();
        let mut notes = [Notes::default(), Notes::default()];
        let eager = a.eager(case, &mut notes[0]);
        *lines.borrow_mut() = std::mem::take(&mut notes[0].lines);
        let traced = b.traced(case, &mut programs, &mut notes[1]);
        let what = format!("call {call}");
        let (x, y) = match (eager, traced) {
            (Ok(x), Ok(y)) => (x, y),
            // Values that nothing reads are not computed in programs.
            (Err(error), _) if error.code() == "ERR_ANOMALY" => return Ok(()),
            (Ok(_), Err(error)) if case.mode.alias && error.message().contains("shares memory") => {
                return Ok(());
            }
            (Err(x), Err(y))
                if x.code() == y.code() && x.code() != "ERR_INTERNAL" || checks(&x) && checks(&y) =>
            {
                return compare(&format!("{what}, after {y}"), &before, &b.snapshot());
            }
            (x, y) => {
                let show = |r: Result<Vec<Handle>>| r.map_or_else(|e| e.to_string(), |_| "fine".into());
                return Err(format!("{what}: eagerly {}, traced {}", show(x), show(y)));
            }
        };
        let told = &notes[1].lines;
        if !told.is_empty() && *told != *lines.borrow() {
            let at = told.iter().zip(lines.borrow().iter()).position(|(x, y)| x != y).unwrap_or(0);
            return Err(format!("{what}: line {at} of the trace is {:?}", told.get(at)));
        }
        compare(&what, &a.outputs(&x), &b.outputs(&y))?;
        compare(&what, &a.snapshot(), &b.snapshot())?;
        let feeds = notes[0].feeds;
        for (side, out) in [(&mut a, &x), (&mut b, &y)] {
            let fed = out.first().copied().filter(|_| feeds);
            side.world.between(&mut side.e, (case.seed, case.mode, call), fed);
        }
        let [eager_notes, traced_notes] = notes;
        a.let_go(eager_notes);
        b.let_go(traced_notes);
        for output in y {
            b.e.release(output);
        }
    }
    a.end(Vec::new()).map_err(|text| format!("eager: {text}"))?;
    b.end(programs).map_err(|text| format!("traced: {text}"))
}

/// What is wrong with a case, if anything; panics count.
fn failure(case: &Case, lines: &RefCell<Vec<String>>) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| check(case, lines))) {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Some(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
        }
    }
}

/// Leaves out steps as long as the case still fails.
fn shrink(mut case: Case) -> Case {
    let lines = RefCell::default();
    for late in [false, case.mode.late] {
        let mode = Mode { late, eager_threads: 1, traced_threads: 1, ..case.mode };
        let simpler = Case { mode, ..case.clone() };
        if failure(&simpler, &lines).is_some() {
            case = simpler;
            break;
        }
    }
    let mut size = case.steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < case.steps.len() {
            let mut fewer = case.clone();
            fewer.steps.drain(at..(at + size).min(case.steps.len()));
            if failure(&fewer, &lines).is_some() {
                case = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    case
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_functions_do_the_same_in_both_drivers() {
    let first = number("NEUROXIDE_FUZZ_FROM").unwrap_or(0);
    let count = number("NEUROXIDE_FUZZ").unwrap_or(2000);
    let most = number("NEUROXIDE_FUZZ_FAILURES").unwrap_or(1);
    let mut failures = 0;
    for seed in first..first + count {
        let mode = Mode::of(seed);
        let case = Case { seed, mode, steps: (0..mode.steps).collect() };
        let lines = RefCell::default();
        if failure(&case, &lines).is_none() {
            continue;
        }
        let small = shrink(case);
        let text = failure(&small, &lines).unwrap_or_else(|| "not every time".into());
        eprintln!("seed {seed}: {text}\n{:?}\n  {}\n", small.mode, lines.borrow().join("\n  "));
        failures += 1;
        assert!(failures < most, "{failures} seeds fail");
    }
    assert_eq!(failures, 0);
}
