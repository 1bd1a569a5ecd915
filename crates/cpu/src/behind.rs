//! Products whose elements a longer expression works on: the product goes to scratch memory first.

use neuroxide_core::error::Result;
use neuroxide_core::plan::{ALIGN, Expr, Instr, Kernel, Operand, Step};
use neuroxide_core::shape::View;
use smallvec::SmallVec;

use crate::executable::{Context, Place, Site, Task};
use crate::memory::Base;
use crate::schedule::Part;
use crate::{elementwise, matmul};

struct Behind {
    head: Box<dyn Task>,
    tail: Box<dyn Task>,
    /// Where the product lies in the scratch memory, and its size.
    start: usize,
    bytes: usize,
}

pub(crate) fn prepare(site: &Site<'_>, expr: &Expr, slots: usize, scalars: usize) -> Result<Box<dyn Task>> {
    let step = site.step;
    site.check(step.ins.len() >= 2 && !step.outs.is_empty(), "operands are missing")?;
    let Some(&Instr::Load { input: 0, dtype }) = expr.instrs.first() else {
        return Err(site.fault("the expression does not begin with its element"));
    };
    let plain = Expr::plain(dtype);
    let view = View::contiguous(&step.outs[0].view.shape);
    let bytes = view.numel() * dtype.size();
    let own = Operand { slot: slots as u32, dtype, base: 0, view };
    let place = Place::new(&own, slots + 1)?;
    let product = Step {
        kernel: Kernel::MatMul(plain.clone()),
        ins: step.ins[..2].into(),
        outs: [own.clone()].into_iter().collect(),
        origin: step.origin,
    };
    let head = matmul::prepare(
        &Site { step: &product, ins: &site.ins[..2], outs: &[place], isa: site.isa },
        &plain,
    )?;
    let rest = Step {
        kernel: Kernel::Elementwise(expr.clone()),
        ins: [own].into_iter().chain(step.ins[2..].iter().cloned()).collect(),
        outs: step.outs.clone(),
        origin: step.origin,
    };
    let ins: Vec<Place> = [place].into_iter().chain(site.ins[2..].iter().copied()).collect();
    let tail_site = Site { step: &rest, ins: &ins, outs: site.outs, isa: site.isa };
    let tail = elementwise::prepare(&tail_site, expr, scalars)?;
    let start = head.scratch().next_multiple_of(ALIGN);
    Ok(Box::new(Behind { head, tail, start, bytes }))
}

impl Behind {
    /// The task of a phase and what it calls the phase.
    fn at(&self, phase: usize) -> (&dyn Task, usize) {
        let phases = self.head.phases();
        if phase < phases { (&*self.head, phase) } else { (&*self.tail, phase - phases) }
    }
}

impl Task for Behind {
    fn phases(&self) -> usize {
        self.head.phases() + self.tail.phases()
    }

    fn cuts(&self, phase: usize) -> SmallVec<[usize; 3]> {
        let (task, phase) = self.at(phase);
        task.cuts(phase)
    }

    fn cost(&self, phase: usize) -> f64 {
        let (task, phase) = self.at(phase);
        task.cost(phase)
    }

    fn scratch(&self) -> usize {
        self.start + self.bytes
    }

    fn run(&self, cx: &Context<'_>, phase: usize, part: Part) -> Result<()> {
        let mut bases: SmallVec<[Base; 24]> = SmallVec::from_slice(cx.bases);
        bases.push(Base { ptr: cx.scratch.ptr.wrapping_add(self.start), bytes: self.bytes });
        let cx = Context { bases: &bases, ..*cx };
        let (task, phase) = self.at(phase);
        task.run(&cx, phase, part)
    }
}
