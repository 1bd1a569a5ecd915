//! Plans made ready: every operand checked once, every loop laid out, nothing left to allocate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use neuroxide_core::backend::Fault;
use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::plan::{Kernel, Operand, Plan, Step};
use neuroxide_core::shape::show;

use crate::isa::Isa;
use crate::memory::Base;
use crate::pool::Pool;
use crate::{arg, copy, elementwise, index, matmul, random, reduce, softmax};

/// One run of an executable, as kernels see it.
pub(crate) struct Context<'a> {
    pub bases: &'a [Base],
    pub scalars: &'a [f64],
    pub seed: u64,
    pub rng_offset: u64,
    pub pool: &'a Pool,
}

impl Context<'_> {
    /// Parts for `work` units where a part should have at least `grain`.
    pub fn parts(&self, work: usize, grain: usize) -> usize {
        if work < 2 * grain { 1 } else { (work / grain).min(self.pool.width()) }
    }
}

/// A prepared kernel.
pub(crate) trait Task: Send + Sync {
    fn run(&self, cx: &Context<'_>) -> Result<()>;
}

/// An operand with its extent worked out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    slot: u32,
    /// Byte of the first element, from the start of the binding.
    first: usize,
    /// Bytes touched, from the start of the binding.
    low: usize,
    high: usize,
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

    /// Whether two operands may share bytes in this run.
    pub fn overlaps(&self, other: &Self, cx: &Context<'_>) -> bool {
        let range = |place: &Self| {
            let base = cx.bases[place.slot as usize].ptr as usize;
            (base + place.low, base + place.high)
        };
        let ((low, high), (other_low, other_high)) = (range(self), range(other));
        low < other_high && other_low < high
    }
}

/// What a kernel's `prepare` is given.
pub(crate) struct Site<'a> {
    pub step: &'a Step,
    pub ins: &'a [Place],
    pub outs: &'a [Place],
    pub isa: Isa,
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

/// The lowest position at which something went wrong, whatever order threads found it in.
pub(crate) struct Lowest(AtomicUsize);

impl Lowest {
    pub const fn new() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }

    pub fn report(&self, position: usize) {
        self.0.fetch_min(position, Ordering::Relaxed);
    }

    pub fn get(&self) -> Option<usize> {
        let position = self.0.load(Ordering::Relaxed);
        (position != usize::MAX).then_some(position)
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
    /// Kernels with the origins of their steps.
    tasks: Vec<(u32, Box<dyn Task>)>,
    slots: Vec<Slot>,
    scalars: usize,
    /// Room for the places of the slots; a second run at the same time makes its own.
    room: Mutex<Vec<Base>>,
}

/// What a binding has to offer.
#[derive(Clone, Copy)]
struct Slot {
    bytes: usize,
    align: usize,
}

impl Executable {
    pub fn prepare(plan: &Plan, isa: Isa) -> Result<Self> {
        let mut slots = vec![Slot { bytes: 0, align: 1 }; plan.slots];
        if let Some(arena) = slots.first_mut() {
            arena.bytes = plan.arena_bytes;
        }
        let mut tasks = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let ins = places(&step.ins, &mut slots)?;
            let outs = places(&step.outs, &mut slots)?;
            let site = Site { step, ins: &ins, outs: &outs, isa };
            if !checks(&step.kernel) && step.outs.iter().all(|out| out.view.numel() == 0) {
                continue;
            }
            tasks.push((step.origin, task(&site, plan.scalars)?));
        }
        let room = Mutex::new(Vec::with_capacity(plan.slots));
        Ok(Self { tasks, slots, scalars: plan.scalars, room })
    }

    /// Lends room for the places of the slots.
    pub fn with_room<R>(&self, body: impl FnOnce(&mut Vec<Base>) -> R) -> R {
        match self.room.try_lock() {
            Ok(mut room) => body(&mut room),
            Err(_) => body(&mut Vec::with_capacity(self.slots.len())),
        }
    }

    /// A failure of the run as a whole, reported with its first step.
    pub fn fault(&self, error: Error) -> Fault {
        Fault { origin: self.tasks.first().map_or(0, |&(origin, _)| origin), error }
    }

    pub fn run(&self, cx: &Context<'_>) -> std::result::Result<(), Fault> {
        self.check(cx).map_err(|error| self.fault(error))?;
        for (origin, task) in &self.tasks {
            task.run(cx).map_err(|error| Fault { origin: *origin, error })?;
        }
        Ok(())
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
            if base.bytes < slot.bytes || !(base.ptr as usize).is_multiple_of(slot.align) {
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
        Kernel::MatMul(expr) => matmul::prepare(site, expr),
        Kernel::Gather { axis } => index::gather(site, *axis),
        Kernel::IndexSelect(expr) => index::select(site, expr),
        Kernel::ScatterAdd { axis } => index::scatter_add(site, *axis),
        Kernel::IndexAdd => index::add(site),
        Kernel::Random { dist, offset } => random::prepare(site, *dist, *offset),
        Kernel::Composite(composite) => softmax::prepare(site, *composite),
        Kernel::CheckIndex { size } => index::check(site, *size),
        Kernel::CheckNonZero => index::check_non_zero(site),
    }
}
