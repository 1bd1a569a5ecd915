//! Turns nodes into steps over virtual buffers, then buffers into slots.

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Node, NodeId};
use crate::op::{Op, ViewOp};
use crate::pass::fuse::{Group, Region};
use crate::pass::memory::{Lifetime, pack};
use crate::pass::order::{Order, order};
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
    pub name: String,
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
    Memory(Region),
}

pub(super) struct Lowering<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) order: Order,
    pub(super) places: Vec<Option<Place>>,
    /// Nodes that an epilogue has taken over.
    pub(super) absorbed: Vec<bool>,
    pub(super) group: Option<Group>,
    pub(super) bufs: Vec<Buf>,
    steps: Vec<Step>,
    scalars: Vec<NodeId>,
    origins: Vec<Origin>,
    written: Vec<u32>,
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
    let order = order(source.nodes, &roots);
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
    fn store(&mut self, id: NodeId) -> Option<Region> {
        let group = self.group.as_ref()?;
        let reg = group.reg(id)?;
        let layout = group.layout();
        let dtype = self.get(id).ty.dtype;
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
        self.places[id.0 as usize] = Some(Place::Memory(region.clone()));
        Some(region)
    }

    /// A node's memory, possibly still to be written by the open group.
    fn region(&mut self, id: NodeId) -> Region {
        match self.places[id.0 as usize].clone() {
            Some(Place::Memory(region)) => region,
            Some(Place::Scalar(index)) => self.fill(id, index),
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

    // Views and elementwise nodes.

    fn view(&mut self, id: NodeId, input: NodeId, op: &ViewOp) {
        if let Some(Place::Scalar(index)) = self.places[input.0 as usize] {
            self.places[id.0 as usize] = Some(Place::Scalar(index));
            return;
        }
        let same = self.get(id).ty.shape == self.get(input).ty.shape
            && matches!(op, ViewOp::Alias | ViewOp::Detach | ViewOp::Reshape(_) | ViewOp::Expand(_));
        if let Some(group) = &mut self.group
            && same
            && let Some(reg) = group.reg(input)
        {
            group.name_reg(id, reg);
            return;
        }
        let region = self.region(input);
        let place = if let Some(view) = op.apply(&region.view) {
            Region { view, ..region }
        } else {
            let source = self.read_contiguous(input);
            Region { view: op.apply(&source.view).expect("a contiguous tensor takes every view"), ..source }
        };
        self.places[id.0 as usize] = Some(Place::Memory(place));
    }

    fn elementwise(&mut self, id: NodeId, op: &Op, inputs: &[NodeId]) {
        let shape = self.get(id).ty.shape.clone();
        if self.group.as_ref().is_some_and(|g| {
            g.shape != shape
                || g.is_full()
                || inputs.iter().any(|&i| g.reg(i).is_none() && self.pending(g, i))
        }) {
            self.flush();
        }
        if self.group.is_none() {
            self.group = Some(Group::new(&shape));
        }
        let regs: SmallVec<[u16; 3]> = inputs.iter().map(|&i| self.operand(i)).collect();
        let dtype_of = |n: usize| self.get(inputs[n]).ty.dtype;
        let instr = match *op {
            Op::Unary(op) => Instr::Unary { op, dtype: dtype_of(0), a: regs[0] },
            Op::Binary(op) => Instr::Binary { op, dtype: dtype_of(0), a: regs[0], b: regs[1] },
            Op::Where => Instr::Where { dtype: dtype_of(1), cond: regs[0], a: regs[1], b: regs[2] },
            Op::Cast(to) => Instr::Cast { from: dtype_of(0), to, a: regs[0] },
            _ => Instr::Iota { axis: 0 },
        };
        let group = self.group.as_mut().expect("opened above");
        let reg = group.push(instr);
        group.name_reg(id, reg);
        group.names.push(op.name());
    }

    /// Whether memory that a node lies in is still to be written by the group.
    pub(super) fn pending(&self, group: &Group, id: NodeId) -> bool {
        matches!(&self.places[id.0 as usize], Some(Place::Memory(region)) if group.writes(region.buf))
    }

    /// The register that holds an operand in the open group.
    fn operand(&mut self, id: NodeId) -> u16 {
        let dtype = self.get(id).ty.dtype;
        let place = self.places[id.0 as usize].clone();
        let group = self.group.as_mut().expect("the caller opened a group");
        if let Some(reg) = group.reg(id) {
            return reg;
        }
        match place {
            Some(Place::Scalar(index)) => group.scalar(index, dtype),
            Some(Place::Memory(region)) => group.load(region),
            None => unreachable!("nodes are lowered before their readers"),
        }
    }

    /// Emits the open group: whatever is read outside of it gets memory.
    pub(super) fn flush(&mut self) {
        let Some(group) = &self.group else { return };
        let needed: Vec<NodeId> = group
            .members()
            .iter()
            .copied()
            .filter(|&m| {
                self.places[m.0 as usize].is_none()
                    && (self.order.is_root[m.0 as usize]
                        || self.order.readers[m.0 as usize].iter().any(|&r| !group.contains(r)))
            })
            .collect();
        for id in needed {
            self.store(id);
        }
        let Some(group) = self.group.take() else { return };
        if group.outs.is_empty() {
            return;
        }
        let mut names = group.names.clone();
        names.dedup();
        let outs: Vec<Region> = group.outs.iter().map(|(_, r)| r.clone()).collect();
        let at = *group.members().last().expect("a group has members");
        self.emit(Kernel::Elementwise(group.expr()), &group.ins, &outs, &names.join(" "), at);
    }

    // Writes.

    fn assign(&mut self, id: NodeId, state: NodeId, value: NodeId, view: &View) {
        let Some(Place::Memory(target)) = self.places[state.0 as usize].clone() else {
            unreachable!("the first operand of a write is a state")
        };
        if let Kind::Bound(Slot::State(n)) = self.bufs[target.buf].kind
            && !self.written.contains(&n)
        {
            self.written.push(n);
        }
        let region = Region { view: view.clone(), ..target.clone() };
        let joins = self.group.as_ref().is_some_and(|g| {
            g.reg(value).is_some() && g.shape == view.shape && g.only_at(region.buf, view) && !g.is_full()
        });
        if joins {
            let group = self.group.as_mut().expect("checked above");
            let reg = group.reg(value).expect("checked above");
            // A second write to the same place in one kernel replaces the first.
            group.outs.retain(|(_, r)| *r != region);
            group.outs.push((reg, region));
            if *view == target.view {
                group.name_reg(id, reg);
            } else {
                group.join(id);
            }
        } else if let Some(Place::Scalar(index)) = self.places[value.0 as usize] {
            self.flush();
            self.emit_fill(index, &region, id);
        } else {
            let mut source = self.read(value);
            self.flush();
            if source.buf == region.buf && source.view != region.view {
                let copy = self.temp(source.dtype, View::contiguous(&source.view.shape));
                self.emit(Kernel::Copy, &[source], std::slice::from_ref(&copy), "copy", id);
                source = copy;
            }
            if source != region {
                self.emit(Kernel::Copy, &[source], &[region], "assign", id);
            }
        }
        self.places[id.0 as usize] = Some(Place::Memory(target));
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
            let whole =
                region.view == layout && self.bufs[region.buf].bytes == layout.numel() * region.dtype.size();
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
