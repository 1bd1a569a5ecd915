//! Plans made ready: every operand checked once, every loop laid out, nothing left to allocate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use neuroxide_core::backend::Fault;
use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::op::Composite;
use neuroxide_core::plan::{Kernel, Operand, Plan, Step};
use neuroxide_core::shape::show;
use smallvec::SmallVec;

use crate::isa::Isa;
use crate::memory::{Base, Block};
use crate::pool::{MAX_WIDTH, Pool, hold};
use crate::schedule::{Item, Part, Schedule, Touch, schedule};
use crate::{arg, copy, elementwise, entropy, index, matmul, random, reduce, softmax};

/// One run of an executable, as kernels see it.
pub(crate) struct Context<'a> {
    pub bases: &'a [Base],
    pub scalars: &'a [f64],
    pub seed: u64,
    pub rng_offset: u64,
    /// What kernels asked for with [`Task::scratch`]; each may use all of it.
    pub scratch: Base,
}

/// A prepared kernel.
pub(crate) trait Task: Send + Sync {
    /// Steps of which each needs all parts of the one before.
    fn phases(&self) -> usize {
        1
    }

    /// Ways to cut a phase, the best first: how many pieces there are to deal out.
    fn cuts(&self, phase: usize) -> SmallVec<[usize; 3]>;

    /// Nanoseconds that one thread needs for a phase, roughly.
    fn cost(&self, phase: usize) -> f64;

    /// The time that a cut takes, relative to the best one.
    fn delay(&self, _phase: usize, _cut: usize) -> f64 {
        1.0
    }

    /// What a part reads and writes; `None` stands for all of all operands. The parts of one phase
    /// never meet, whatever this says.
    fn touches(&self, _phase: usize, _part: Part) -> Option<Vec<Touch>> {
        None
    }

    /// Bytes that the parts and phases of one run share beside the operands; they hold nothing when
    /// the run begins.
    fn scratch(&self) -> usize {
        0
    }

    /// Whether a run may end in an error.
    fn fallible(&self) -> bool {
        false
    }

    fn run(&self, cx: &Context<'_>, phase: usize, part: Part) -> Result<()>;
}

/// An operand with its extent worked out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub slot: u32,
    /// Byte of the first element, from the start of the binding.
    pub first: usize,
    /// Bytes touched, from the start of the binding.
    pub low: usize,
    pub high: usize,
}

impl Place {
    fn new(operand: &Operand, slots: usize) -> Result<Self> {
        let Operand { slot, dtype, base, view } = operand;
        let size = dtype.size();
        let broken = |what: &str| Err(Error::Internal(format!("plan: an operand of slot {slot} {what}")));
        if *slot as usize >= slots {
            return broken("has no binding");
        }
        if base % size != 0 {
            return broken("is not aligned");
        }
        let first = base + view.offset * size;
        if view.numel() == 0 {
            return Ok(Self { slot: *slot, first, low: 0, high: 0 });
        }
        let (mut low, mut high) = (view.offset as isize, view.offset as isize);
        for (&dim, &stride) in view.shape.iter().zip(&view.strides) {
            let reach = (dim as isize - 1) * stride;
            if reach < 0 { low += reach } else { high += reach }
        }
        // Backward views may have their offset folded into the base, so only the sum counts.
        let byte = |element: isize| usize::try_from(*base as isize + element * size as isize).ok();
        let (Some(low), Some(high)) = (byte(low), byte(high + 1)) else {
            return broken("reaches below its storage");
        };
        Ok(Self { slot: *slot, first, low, high })
    }

    /// The first element. Valid for the extent of the operand, which `Executable::run` checked
    /// against the binding.
    #[inline(always)]
    pub fn ptr<T>(&self, cx: &Context<'_>) -> *mut T {
        cx.bases[self.slot as usize].ptr.wrapping_add(self.first).cast()
    }
}

/// What a kernel's `prepare` is given.
pub(crate) struct Site<'a> {
    pub step: &'a Step,
    pub ins: &'a [Place],
    pub outs: &'a [Place],
    pub isa: Isa,
    /// Threads that a run may have.
    pub width: usize,
}

impl Site<'_> {
    pub fn fault(&self, what: &str) -> Error {
        Error::Internal(format!("plan: {:?}: {what}", self.step.kernel))
    }

    pub fn count(&self, ins: usize, outs: usize) -> Result<()> {
        if self.step.ins.len() == ins && self.step.outs.len() == outs {
            Ok(())
        } else {
            Err(self.fault(&format!("{} ins and {} outs given", self.step.ins.len(), self.step.outs.len())))
        }
    }

    pub fn check(&self, holds: bool, what: &str) -> Result<()> {
        if holds { Ok(()) } else { Err(self.fault(what)) }
    }

    /// The shape of a row-major operand of a dtype.
    pub fn rows<'b>(&self, operand: &'b Operand, dtype: DType) -> Result<&'b [usize]> {
        self.check(operand.dtype == dtype, "element types do not fit")?;
        self.check(operand.view.is_contiguous(), "an operand is not contiguous")?;
        Ok(&operand.view.shape)
    }

    /// A shape read as `[a, b, c]`.
    pub fn triple(&self, shape: &[usize]) -> Result<[usize; 3]> {
        shape.try_into().map_err(|_| self.fault(&format!("{} is not of rank 3", show(shape))))
    }
}

/// The place of a flat position in a shape: `[2, 0]`.
pub(crate) fn position(shape: &[usize], flat: usize) -> String {
    let mut rest = flat;
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = rest % shape[axis];
        rest /= shape[axis];
    }
    show(&index)
}

/// A prepared plan of the CPU backend.
pub(crate) struct Executable {
    kernels: Vec<Prepared>,
    /// How threads share the work; without it one thread does it all.
    schedule: Option<Schedule>,
    slots: Vec<Slot>,
    scalars: usize,
    scratch: usize,
    /// Room for a run; a second run at the same time makes its own.
    room: Mutex<Room>,
}

/// What a run needs beside its bindings.
#[derive(Default)]
struct Room {
    bases: Vec<Base>,
    scratch: Option<Block>,
}

impl Room {
    fn reserve(&mut self, bytes: usize) -> Result<Base> {
        if bytes > 0 && self.scratch.is_none() {
            self.scratch = Some(Block::take(bytes)?);
        }
        let ptr = self.scratch.as_ref().map_or(std::ptr::null_mut(), Block::ptr);
        Ok(Base { ptr, bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(block) = self.scratch.take() {
            block.give();
        }
    }
}

struct Prepared {
    origin: u32,
    phases: usize,
    task: Box<dyn Task>,
}

/// What a binding has to offer.
#[derive(Clone, Copy)]
struct Slot {
    bytes: usize,
    /// A power of two: a division for each slot took a tenth of a small step.
    align: usize,
}

/// The first failure of a run in the order of the plan, whatever order threads met failures in.
struct Failures {
    /// The stage that a failure was met in: it is finished, since an earlier kernel may fail in another
    /// part of it, and later ones are left out.
    stage: AtomicUsize,
    first: Mutex<Option<(usize, usize, Error)>>,
}

impl Failures {
    const fn new() -> Self {
        Self { stage: AtomicUsize::new(usize::MAX), first: Mutex::new(None) }
    }

    fn report(&self, stage: usize, kernel: usize, part: usize, error: Error) {
        let mut first = hold(&self.first);
        if first.as_ref().is_none_or(|(k, p, _)| (kernel, part) < (*k, *p)) {
            *first = Some((kernel, part, error));
        }
        self.stage.fetch_min(stage, Ordering::Relaxed);
    }
}

impl Executable {
    /// Makes a plan ready for runs with up to `width` threads.
    pub fn prepare(plan: &Plan, isa: Isa, width: usize) -> Result<Self> {
        let mut slots = vec![Slot { bytes: 0, align: 1 }; plan.slots];
        if let Some(arena) = slots.first_mut() {
            arena.bytes = plan.arena_bytes;
        }
        let mut kernels = Vec::with_capacity(plan.steps.len());
        let mut touches = Vec::with_capacity(plan.steps.len());
        let mut scratch = 0;
        for step in &plan.steps {
            let ins = places(&step.ins, &mut slots)?;
            let outs = places(&step.outs, &mut slots)?;
            let site = Site { step, ins: &ins, outs: &outs, isa, width: width.clamp(1, MAX_WIDTH) };
            if !checks(&step.kernel) && step.outs.iter().all(|out| out.view.numel() == 0) {
                continue;
            }
            let task = task(&site, plan.scalars)?;
            scratch = scratch.max(task.scratch());
            let read = ins.iter().map(|place| Touch::whole(place, false));
            touches.push(read.chain(outs.iter().map(|place| Touch::whole(place, true))).collect());
            kernels.push(Prepared { origin: step.origin, phases: task.phases(), task });
        }
        let seen: Vec<(&dyn Task, Vec<Touch>)> =
            kernels.iter().map(|kernel: &Prepared| &*kernel.task).zip(touches).collect();
        let schedule = schedule(&seen, width.min(MAX_WIDTH));
        let room = Mutex::new(Room { bases: Vec::with_capacity(plan.slots), scratch: None });
        Ok(Self { kernels, schedule, slots, scalars: plan.scalars, scratch, room })
    }

    /// Lends room for the places of the slots, and the scratch memory of the run.
    pub fn with_room<R>(&self, body: impl FnOnce(&mut Vec<Base>, Base) -> R) -> Result<R> {
        let mut own = Room::default();
        let mut shared = self.room.try_lock();
        let room = match &mut shared {
            Ok(room) => room,
            Err(_) => &mut own,
        };
        let scratch = room.reserve(self.scratch)?;
        Ok(body(&mut room.bases, scratch))
    }

    /// A failure of the run as a whole, reported with its first step.
    pub fn fault(&self, error: Error) -> Fault {
        Fault { origin: self.kernels.first().map_or(0, |kernel| kernel.origin), error }
    }

    pub fn run(&self, cx: &Context<'_>, pool: &Pool) -> std::result::Result<(), Fault> {
        self.check(cx).map_err(|error| self.fault(error))?;
        match &self.schedule {
            Some(schedule) => self.run_together(cx, pool, schedule),
            None => self.kernels.iter().try_for_each(|kernel| {
                let fault = |error| Fault { origin: kernel.origin, error };
                (0..kernel.phases)
                    .try_for_each(|phase| kernel.task.run(cx, phase, Part::WHOLE).map_err(fault))
            }),
        }
    }

    fn run_together(
        &self,
        cx: &Context<'_>,
        pool: &Pool,
        schedule: &Schedule,
    ) -> std::result::Result<(), Fault> {
        let failures = Failures::new();
        pool.run(schedule.stages.len(), schedule.parts, &|stage, index| {
            if failures.stage.load(Ordering::Relaxed) < stage {
                return;
            }
            for &Item { task, phase, cut, of } in &schedule.stages[stage] {
                if index < of {
                    let part = Part { cut, index, of };
                    if let Err(error) = self.kernels[task].task.run(cx, phase, part) {
                        failures.report(stage, task, index, error);
                        return;
                    }
                }
            }
        });
        match failures.first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((kernel, _, error)) => Err(Fault { origin: self.kernels[kernel].origin, error }),
        }
    }

    /// Whether the bindings hold what the steps touch.
    fn check(&self, cx: &Context<'_>) -> Result<()> {
        if cx.bases.len() != self.slots.len() || cx.scalars.len() < self.scalars {
            return Err(Error::Internal(format!(
                "cpu: run with {} bindings and {} scalars; the plan has {} and {}",
                cx.bases.len(),
                cx.scalars.len(),
                self.slots.len(),
                self.scalars
            )));
        }
        for (at, (slot, base)) in self.slots.iter().zip(cx.bases).enumerate() {
            if base.bytes < slot.bytes || base.ptr as usize & (slot.align - 1) != 0 {
                return Err(Error::Internal(format!(
                    "cpu: slot {at} needs {} bytes aligned to {}; its binding has {}",
                    slot.bytes, slot.align, base.bytes
                )));
            }
        }
        Ok(())
    }
}

/// Whether a kernel has something to say even where it has nothing to write.
fn checks(kernel: &Kernel) -> bool {
    matches!(
        kernel,
        Kernel::CheckIndex { .. }
            | Kernel::CheckNonZero
            | Kernel::IndexSelect(_)
            | Kernel::IndexAdd
            | Kernel::ScatterAdd { .. }
            | Kernel::Composite(Composite::CrossEntropy { .. } | Composite::CrossEntropyGrad { .. })
    )
}

fn places(operands: &[Operand], slots: &mut [Slot]) -> Result<Vec<Place>> {
    let mut out = Vec::with_capacity(operands.len());
    for operand in operands {
        let place = Place::new(operand, slots.len())?;
        let slot = &mut slots[operand.slot as usize];
        slot.bytes = slot.bytes.max(place.high);
        slot.align = slot.align.max(operand.dtype.size());
        out.push(place);
    }
    Ok(out)
}

fn task(site: &Site<'_>, scalars: usize) -> Result<Box<dyn Task>> {
    match &site.step.kernel {
        Kernel::Elementwise(expr) => elementwise::prepare(site, expr, scalars),
        Kernel::Copy => copy::prepare(site),
        Kernel::Reduce { op, cut } => reduce::prepare(site, *op, *cut),
        Kernel::Arg(op) => arg::prepare(site, *op),
        Kernel::MatMul(expr) => matmul::prepare(site, expr, scalars),
        Kernel::Gather { axis } => index::gather(site, *axis),
        Kernel::IndexSelect(expr) => index::select(site, expr, scalars),
        Kernel::ScatterAdd { axis } => index::scatter_add(site, *axis),
        Kernel::IndexAdd => index::add(site),
        Kernel::Random { dist, offset } => random::prepare(site, *dist, *offset),
        Kernel::Composite(Composite::CrossEntropy { ignore } | Composite::CrossEntropyGrad { ignore }) => {
            entropy::prepare(site, *ignore)
        }
        Kernel::Composite(composite) => softmax::prepare(site, *composite),
        Kernel::CheckIndex { size, ignore } => index::check(site, *size, *ignore),
        Kernel::CheckNonZero => index::check_non_zero(site),
    }
}
