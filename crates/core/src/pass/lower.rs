//! Turns nodes into steps over virtual buffers, then buffers into slots.

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Node, NodeId, Type};
use crate::op::Op;
use crate::pass::fuse::{Group, Region};
use crate::pass::memory::{Lifetime, pack};
use crate::pass::order::{Order, order};
use crate::pass::schedule::schedule;
use crate::pass::simplify::simplify;
use crate::plan::{Expr, Instr, Kernel, Operand, Plan, Step};
use crate::shape::View;

/// What is lowered: nodes, how the outside lies in memory, and what has to come out.
pub struct Source<'a> {
    pub nodes: &'a [Node],
    /// Layout of the n-th `Op::Input`.
    pub inputs: &'a [View],
    /// Element type and layout of the n-th `Op::State`.
    pub states: &'a [(DType, View)],
    /// Nodes to deliver and the layout wanted; `None` leaves it to the pass.
    pub outputs: &'a [(NodeId, Option<View>)],
    /// One step per node, nothing fused: for looking at every value.
    pub separate: bool,
}

/// What a slot of a plan is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Arena,
    Input(u32),
    State(u32),
    Output(u32),
}

/// Where a step came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The op that a failure of the step is reported of.
    pub name: String,
    /// All ops that the step computes.
    pub ops: String,
    pub path: u32,
    pub site: u32,
    /// The op of the library that the step is part of.
    pub called: Option<&'static str>,
    /// The forward op whose gradient the step is part of.
    pub gradient_of: Option<&'static str>,
}

/// A plan and what has to be bound to it.
pub struct Lowered {
    pub plan: Plan,
    pub slots: Vec<Slot>,
    /// `Const` and `Slot` nodes whose values the run-time scalars are.
    pub scalars: Vec<NodeId>,
    /// Layout of each output in its slot.
    pub outputs: Vec<View>,
    pub origins: Vec<Origin>,
    /// The `States` that are written.
    pub written: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Temp,
    Bound(Slot),
}

pub(super) struct Buf {
    pub(super) kind: Kind,
    bytes: usize,
    first: usize,
    last: usize,
}

#[derive(Clone)]
pub(super) enum Place {
    /// A run-time scalar.
    Scalar(u32),
    /// Made of run-time scalars by a few ops, in whatever kernel reads it.
    Uniform {
        node: NodeId,
        size: usize,
    },
    Memory(Region),
}

pub(super) struct Lowering<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) order: Order,
    pub(super) places: Vec<Option<Place>>,
    /// Nodes that another one's kernel computes.
    pub(super) absorbed: Vec<bool>,
    pub(super) group: Option<Group>,
    pub(super) bufs: Vec<Buf>,
    steps: Vec<Step>,
    scalars: Vec<NodeId>,
    origins: Vec<Origin>,
    pub(super) written: Vec<u32>,
}

/// Whether two views name the same elements in the same order; strides of axes of size 1 say nothing.
fn same_elements(a: &View, b: &View) -> bool {
    let strides = a.strides.iter().zip(&b.strides).zip(&a.shape);
    a.shape == b.shape && a.offset == b.offset && strides.into_iter().all(|((a, b), &n)| a == b || n == 1)
}

/// Lowers a graph to a plan.
pub fn lower(source: &Source<'_>) -> Result<Lowered> {
    if source.separate {
        return lower_as_is(source);
    }
    let (nodes, stands_for) = simplify(source.nodes);
    let outputs: Vec<_> =
        source.outputs.iter().map(|(node, view)| (stands_for[node.0 as usize], view.clone())).collect();
    lower_as_is(&Source { nodes: &nodes, outputs: &outputs, ..*source })
}

fn lower_as_is(source: &Source<'_>) -> Result<Lowered> {
    let roots: Vec<NodeId> = source.outputs.iter().map(|&(node, _)| node).collect();
    let mut order = order(source.nodes, &roots);
    if !source.separate {
        schedule(source.nodes, &mut order);
    }
    order.drop_checks(source.nodes);
    let mut lowering = Lowering {
        source,
        places: vec![None; source.nodes.len()],
        absorbed: vec![false; source.nodes.len()],
        group: None,
        bufs: Vec::new(),
        steps: Vec::new(),
        scalars: Vec::new(),
        origins: Vec::new(),
        written: Vec::new(),
        order,
    };
    for at in 0..lowering.order.nodes.len() {
        let id = lowering.order.nodes[at];
        if !lowering.absorbed[id.0 as usize] {
            lowering.node(id)?;
            lowering.checks(id);
            if source.separate {
                lowering.flush();
            }
        }
    }
    lowering.flush();
    Ok(lowering.finish())
}

impl Lowering<'_> {
    pub(super) fn get(&self, id: NodeId) -> &Node {
        &self.source.nodes[id.0 as usize]
    }

    fn node(&mut self, id: NodeId) -> Result<()> {
        let node = self.get(id);
        let inputs = node.inputs.clone();
        match node.op.clone() {
            Op::Input(n) => {
                let view = self.source.inputs[n as usize].clone();
                self.bind(id, Slot::Input(n), view);
            }
            Op::State(n) => {
                let view = self.source.states[n as usize].1.clone();
                self.bind(id, Slot::State(n), view);
            }
            Op::Const(_) | Op::Slot(_) => {
                let index = self.scalars.len() as u32;
                self.scalars.push(id);
                self.places[id.0 as usize] = Some(Place::Scalar(index));
            }
            Op::Leaf => return Err(Error::Internal("lower: a leaf without a value".into())),
            Op::View(view) => self.view(id, inputs[0], &view),
            Op::Cast(_) if self.is_literal(inputs[0]) => {
                let place = self.places[inputs[0].0 as usize].clone();
                self.places[id.0 as usize] = place;
            }
            op if op.is_elementwise() => self.elementwise(id, &op, &inputs),
            Op::Assign(view) => self.assign(id, inputs[0], inputs[1], &view),
            Op::MatMul => self.matmul(id, inputs[0], inputs[1]),
            op => self.kernel(id, &op, &inputs)?,
        }
        Ok(())
    }

    fn is_literal(&self, id: NodeId) -> bool {
        self.get(id).ty.weak.is_some() && matches!(self.places[id.0 as usize], Some(Place::Scalar(_)))
    }

    fn bind(&mut self, id: NodeId, slot: Slot, view: View) {
        let buf = self.bound(slot);
        let dtype = self.get(id).ty.dtype;
        self.places[id.0 as usize] = Some(Place::Memory(Region { buf, dtype, view }));
    }

    fn bound(&mut self, slot: Slot) -> usize {
        let kind = Kind::Bound(slot);
        self.bufs.iter().position(|b| b.kind == kind).unwrap_or_else(|| {
            self.bufs.push(Buf { kind, bytes: 0, first: usize::MAX, last: 0 });
            self.bufs.len() - 1
        })
    }

    pub(super) fn temp(&mut self, dtype: DType, view: View) -> Region {
        let bytes = view.numel() * dtype.size();
        self.bufs.push(Buf { kind: Kind::Temp, bytes, first: usize::MAX, last: 0 });
        Region { buf: self.bufs.len() - 1, dtype, view }
    }

    pub(super) fn emit(&mut self, kernel: Kernel, ins: &[Region], outs: &[Region], name: &str, at: NodeId) {
        self.emit_as(kernel, ins, outs, (name, name), at);
    }

    /// The same with a name for failures and one for all that is computed.
    pub(super) fn emit_as(
        &mut self,
        kernel: Kernel,
        ins: &[Region],
        outs: &[Region],
        (name, ops): (&str, &str),
        at: NodeId,
    ) {
        let step = self.steps.len();
        for region in ins.iter().chain(outs) {
            let buf = &mut self.bufs[region.buf];
            buf.first = buf.first.min(step);
            buf.last = buf.last.max(step);
        }
        let operand =
            |r: &Region| Operand { slot: r.buf as u32, dtype: r.dtype, base: 0, view: r.view.clone() };
        let node = self.get(at);
        let origin = Origin {
            name: name.to_owned(),
            ops: ops.to_owned(),
            path: node.path,
            site: node.site,
            called: node.called,
            gradient_of: node.gradient_of,
        };
        self.origins.push(origin);
        self.steps.push(Step {
            kernel,
            ins: ins.iter().map(operand).collect(),
            outs: outs.iter().map(operand).collect(),
            origin: (self.origins.len() - 1) as u32,
        });
    }

    // Reading a node's memory.

    /// Gives a member of the open group memory of its own; the group stays open.
    pub(super) fn store(&mut self, id: NodeId) -> Option<Region> {
        let group = self.group.as_ref()?;
        let reg = group.reg(id)?;
        let Type { dtype, shape, .. } = &self.get(id).ty;
        let dtype = *dtype;
        // The kernel walks its own shape, the node has one of the same elements in the same order.
        let walked = group.layout();
        let (layout, own) =
            match if walked.shape == *shape { Some(walked.clone()) } else { walked.reshape(shape) } {
                Some(own) => (walked, own),
                None => (View::contiguous(&group.shape), View::contiguous(shape)),
            };
        let stored = group
            .outs
            .iter()
            .find(|(r, out)| *r == reg && out.view == layout && self.bufs[out.buf].kind == Kind::Temp)
            .map(|(_, out)| out.clone());
        let region = if let Some(region) = stored {
            region
        } else {
            let region = self.temp(dtype, layout);
            self.group.as_mut()?.outs.push((reg, region.clone()));
            region
        };
        let region = Region { view: own, ..region };
        self.places[id.0 as usize] = Some(Place::Memory(region.clone()));
        Some(region)
    }

    /// A node's memory, possibly still to be written by the open group.
    pub(super) fn region(&mut self, id: NodeId) -> Region {
        match self.places[id.0 as usize].clone() {
            Some(Place::Memory(region)) => region,
            Some(Place::Scalar(index)) => self.fill(id, index),
            Some(Place::Uniform { node, .. }) => self.spread(id, node),
            None => self.store(id).expect("nodes are lowered before their readers"),
        }
    }

    /// A node's memory, written.
    pub(super) fn read(&mut self, id: NodeId) -> Region {
        let region = self.region(id);
        if self.group.as_ref().is_some_and(|g| g.writes(region.buf)) {
            self.flush();
        }
        region
    }

    pub(super) fn read_contiguous(&mut self, id: NodeId) -> Region {
        let region = self.read(id);
        self.contiguous(region, id)
    }

    pub(super) fn contiguous(&mut self, region: Region, at: NodeId) -> Region {
        if region.view.is_contiguous() {
            return region;
        }
        let copy = self.temp(region.dtype, View::contiguous(&region.view.shape));
        self.emit(Kernel::Copy, &[region], std::slice::from_ref(&copy), "copy", at);
        copy
    }

    fn fill(&mut self, id: NodeId, index: u32) -> Region {
        let ty = self.get(id).ty.clone();
        let region = self.temp(ty.dtype, View::contiguous(&ty.shape));
        self.emit_fill(index, &region, id);
        region
    }

    pub(super) fn emit_fill(&mut self, index: u32, region: &Region, at: NodeId) {
        let expr = Expr {
            instrs: vec![Instr::Scalar { index, dtype: region.dtype }],
            outs: SmallVec::from_slice(&[0]),
        };
        self.emit(Kernel::Elementwise(expr), &[], std::slice::from_ref(region), "fill", at);
    }

    pub(super) fn out(&mut self, id: NodeId) -> Region {
        let ty = self.get(id).ty.clone();
        let region = self.temp(ty.dtype, View::contiguous(&ty.shape));
        self.places[id.0 as usize] = Some(Place::Memory(region.clone()));
        region
    }

    // From virtual buffers to slots.

    fn finish(mut self) -> Lowered {
        let mut outputs = Vec::new();
        for (n, (id, wanted)) in self.source.outputs.iter().enumerate() {
            let region = self.region(*id);
            let slot = Kind::Bound(Slot::Output(n as u32));
            let layout = match wanted {
                Some(view) => view.clone(),
                None if region.view.is_dense() && self.bufs[region.buf].kind == Kind::Temp => {
                    View { offset: 0, ..region.view.clone() }
                }
                None => View::contiguous(&region.view.shape),
            };
            let whole = same_elements(&region.view, &layout)
                && self.bufs[region.buf].bytes == layout.numel() * region.dtype.size();
            if whole && self.bufs[region.buf].kind == Kind::Temp {
                self.bufs[region.buf].kind = slot;
            } else {
                let buf = self.bound(Slot::Output(n as u32));
                let target = Region { buf, dtype: region.dtype, view: layout.clone() };
                self.emit(Kernel::Copy, &[region], &[target], "output", *id);
            }
            outputs.push(layout);
        }
        let temps: Vec<usize> = (0..self.bufs.len())
            .filter(|&i| self.bufs[i].kind == Kind::Temp && self.bufs[i].first != usize::MAX)
            .collect();
        let lifetimes: Vec<Lifetime> = temps
            .iter()
            .map(|&i| Lifetime {
                bytes: self.bufs[i].bytes,
                first: self.bufs[i].first,
                last: self.bufs[i].last,
            })
            .collect();
        let (offsets, arena_bytes) = pack(&lifetimes);
        let mut slots = vec![Slot::Arena];
        let mut target: Vec<(u32, usize)> = vec![(0, 0); self.bufs.len()];
        for (&i, &offset) in temps.iter().zip(&offsets) {
            target[i] = (0, offset);
        }
        for (i, buf) in self.bufs.iter().enumerate() {
            if let Kind::Bound(slot) = buf.kind {
                target[i] = (slots.len() as u32, 0);
                slots.push(slot);
            }
        }
        for step in &mut self.steps {
            for operand in step.ins.iter_mut().chain(&mut step.outs) {
                (operand.slot, operand.base) = target[operand.slot as usize];
            }
        }
        let plan = Plan { steps: self.steps, slots: slots.len(), scalars: self.scalars.len(), arena_bytes };
        Lowered { plan, slots, scalars: self.scalars, outputs, origins: self.origins, written: self.written }
    }
}
