//! Turns nodes into steps over virtual buffers, then buffers into slots.

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Node, NodeId};
use crate::op::{Op, ViewOp};
use crate::pass::fuse::{Group, Region};
use crate::pass::memory::{Lifetime, pack};
use crate::pass::order::{Order, order};
use crate::plan::{Cut, Epilogue, Expr, Instr, Kernel, Operand, Plan, Step};
use crate::shape::{Dims, View};

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
enum Kind {
    Temp,
    Bound(Slot),
}

struct Buf {
    kind: Kind,
    bytes: usize,
    first: usize,
    last: usize,
}

#[derive(Clone)]
enum Place {
    /// A run-time scalar.
    Scalar(u32),
    Memory(Region),
}

struct Lowering<'a> {
    source: &'a Source<'a>,
    order: Order,
    places: Vec<Option<Place>>,
    /// Nodes that an epilogue has taken over.
    absorbed: Vec<bool>,
    group: Option<Group>,
    bufs: Vec<Buf>,
    steps: Vec<Step>,
    scalars: Vec<NodeId>,
    origins: Vec<Origin>,
    written: Vec<u32>,
}

/// Lowers a graph to a plan.
pub fn lower(source: &Source<'_>) -> Result<Lowered> {
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
    lowering.finish()
}

impl Lowering<'_> {
    fn get(&self, id: NodeId) -> &Node {
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
                self.places[id.0 as usize] = self.places[inputs[0].0 as usize].clone();
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

    fn temp(&mut self, dtype: DType, view: View) -> Region {
        let bytes = view.numel() * dtype.size();
        self.bufs.push(Buf { kind: Kind::Temp, bytes, first: usize::MAX, last: 0 });
        Region { buf: self.bufs.len() - 1, dtype, view }
    }

    fn emit(&mut self, kernel: Kernel, ins: &[Region], outs: &[Region], name: &str, at: NodeId) {
        let step = self.steps.len();
        for region in ins.iter().chain(outs) {
            let buf = &mut self.bufs[region.buf];
            buf.first = buf.first.min(step);
            buf.last = buf.last.max(step);
        }
        let operand =
            |r: &Region| Operand { slot: r.buf as u32, dtype: r.dtype, base: 0, view: r.view.clone() };
        let node = self.get(at);
        let origin = Origin { name: name.to_owned(), path: node.path, site: node.site, gradient_of: node.gradient_of };
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
        let region = match stored {
            Some(region) => region,
            None => {
                let region = self.temp(dtype, layout);
                self.group.as_mut()?.outs.push((reg, region.clone()));
                region
            }
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
    fn read(&mut self, id: NodeId) -> Region {
        let region = self.region(id);
        if self.group.as_ref().is_some_and(|g| g.writes(region.buf)) {
            self.flush();
        }
        region
    }

    fn read_contiguous(&mut self, id: NodeId) -> Region {
        let region = self.read(id);
        self.contiguous(region, id)
    }

    fn contiguous(&mut self, region: Region, at: NodeId) -> Region {
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

    fn emit_fill(&mut self, index: u32, region: &Region, at: NodeId) {
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
            g.shape != shape || g.is_full() || inputs.iter().any(|&i| g.reg(i).is_none() && self.pending(g, i))
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
    fn pending(&self, group: &Group, id: NodeId) -> bool {
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
    fn flush(&mut self) {
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

    // Kernels with memory of their own.

    fn out(&mut self, id: NodeId) -> Region {
        let ty = self.get(id).ty.clone();
        let region = self.temp(ty.dtype, View::contiguous(&ty.shape));
        self.places[id.0 as usize] = Some(Place::Memory(region.clone()));
        region
    }

    fn matmul(&mut self, id: NodeId, a: NodeId, b: NodeId) {
        let (a, b) = (self.read(a), self.read(b));
        let (a, b) = (self.batched(a, id), self.batched(b, id));
        let (last, epilogue, bias) =
            if self.source.separate { (id, Epilogue::default(), None) } else { self.epilogue(id) };
        let mut ins = vec![a, b];
        ins.extend(bias);
        let out = self.out(last);
        if last != id {
            self.places[id.0 as usize] = None;
        }
        let mut flat = out.clone();
        let rank = flat.view.rank();
        let (m, n) = (flat.view.shape[rank - 2], flat.view.shape[rank - 1]);
        let batch = flat.view.shape[..rank - 2].iter().product();
        flat.view = View::contiguous(&[batch, m, n]);
        let mut name = String::from("matmul");
        if epilogue.bias {
            name.push_str(" add");
        }
        if epilogue.relu {
            name.push_str(" relu");
        }
        self.emit(Kernel::MatMul(epilogue), &ins, &[flat], &name, id);
    }

    /// An operand as `[batch, rows, cols]`.
    fn batched(&mut self, region: Region, at: NodeId) -> Region {
        let shape = &region.view.shape;
        let rank = shape.len();
        let batch: usize = shape[..rank - 2].iter().product();
        let target = [batch, shape[rank - 2], shape[rank - 1]];
        if rank == 2 {
            let mut view = region.view.clone();
            view.shape.insert(0, 1);
            view.strides.insert(0, 0);
            return Region { view, ..region };
        }
        // Only the batch axes are merged: the strides of rows and columns are free.
        let lead = View { shape: shape[..rank - 2].into(), strides: region.view.strides[..rank - 2].into(), offset: 0 };
        if let Some(merged) = lead.reshape(&target[..1]) {
            let mut view = region.view.clone();
            view.shape = target[..].into();
            view.strides = [merged.strides[0], region.view.strides[rank - 2], region.view.strides[rank - 1]][..].into();
            return Region { view, ..region };
        }
        let copy = self.contiguous(region, at);
        Region { view: View::contiguous(&target), ..copy }
    }

    /// What can be done to a matmul's elements before they are stored: a bias that is added to
    /// each row, then relu, where nothing else reads what lies between.
    fn epilogue(&mut self, id: NodeId) -> (NodeId, Epilogue, Option<Region>) {
        let mut last = id;
        let mut epilogue = Epilogue::default();
        let mut bias = None;
        if let Some((add, region)) = self.bias_of(id) {
            self.absorbed[add.0 as usize] = true;
            epilogue.bias = true;
            bias = Some(region);
            last = add;
        }
        if let Some(relu) = self.only_reader(last)
            && matches!(self.get(relu).op, Op::Unary(crate::ops::table::UnaryOp::Relu))
        {
            self.absorbed[relu.0 as usize] = true;
            epilogue.relu = true;
            last = relu;
        }
        (last, epilogue, bias)
    }

    fn only_reader(&self, id: NodeId) -> Option<NodeId> {
        match self.order.readers[id.0 as usize][..] {
            [reader] if !self.order.is_root[id.0 as usize] => Some(reader),
            _ => None,
        }
    }

    fn bias_of(&mut self, id: NodeId) -> Option<(NodeId, Region)> {
        let add = self.only_reader(id)?;
        let node = self.get(add);
        if !matches!(node.op, Op::Binary(crate::ops::table::BinaryOp::Add)) || node.ty.shape != self.get(id).ty.shape {
            return None;
        }
        let other = *node.inputs.iter().find(|&&i| i != id)?;
        if self.group.as_ref().is_some_and(|g| self.pending(g, other)) {
            return None;
        }
        // The bias may be named by views that come after the matmul; they cost nothing to resolve now.
        let region = self.early_view(other)?;
        let rank = region.view.rank();
        if rank == 0 || region.view.strides[..rank - 1].iter().zip(&region.view.shape).any(|(&s, &n)| s != 0 && n != 1) {
            return None;
        }
        let view = View {
            shape: region.view.shape[rank - 1..].into(),
            strides: region.view.strides[rank - 1..].into(),
            offset: region.view.offset,
        };
        Some((add, Region { view, ..region }))
    }

    /// The memory of a node that is there already, or that is a chain of views of such a node.
    fn early_view(&self, id: NodeId) -> Option<Region> {
        match &self.places[id.0 as usize] {
            Some(Place::Memory(region)) if !self.group.as_ref().is_some_and(|g| g.writes(region.buf)) => {
                Some(region.clone())
            }
            None => {
                let node = self.get(id);
                let Op::View(op) = &node.op else { return self.early_leaf(id) };
                let inner = self.early_view(node.inputs[0])?;
                Some(Region { view: op.apply(&inner.view)?, ..inner })
            }
            _ => None,
        }
    }

    /// A state or input that the walk has not reached yet.
    fn early_leaf(&self, id: NodeId) -> Option<Region> {
        let (slot, view) = match self.get(id).op {
            Op::State(n) => (Slot::State(n), &self.source.states[n as usize].1),
            Op::Input(n) => (Slot::Input(n), &self.source.inputs[n as usize]),
            _ => return None,
        };
        let buf = self.bufs.iter().position(|b| b.kind == Kind::Bound(slot))?;
        if self.group.as_ref().is_some_and(|g| g.writes(buf)) {
            return None;
        }
        Some(Region { buf, dtype: self.get(id).ty.dtype, view: view.clone() })
    }

    fn kernel(&mut self, id: NodeId, op: &Op, inputs: &[NodeId]) -> Result<()> {
        let name = op.name();
        match op {
            Op::Reduce { op, first, count } => {
                let x = self.read_contiguous(inputs[0]);
                let rank = x.view.rank();
                let cut = if first + count == rank { Cut::Lanes } else { Cut::Chain };
                let (x, out) = (folded(&x, *first, *count), self.out(id));
                let out = folded(&out, *first, *count);
                self.emit(Kernel::Reduce { op: *op, cut }, &[x], &[out], name, id);
            }
            Op::Arg { op, axis } => {
                let x = self.read_contiguous(inputs[0]);
                let (x, out) = (folded(&x, *axis, 1), self.out(id));
                self.emit(Kernel::Arg(*op), &[x], &[folded(&out, *axis, 1)], name, id);
            }
            Op::Concat { axis } => self.concat(id, *axis, inputs),
            Op::Pad { before, .. } => {
                let out = self.out(id);
                if let Some(Place::Scalar(index)) = self.places[inputs[1].0 as usize] {
                    self.emit_fill(index, &out, id);
                } else {
                    let value = self.read(inputs[1]);
                    let view = value.view.expand(&out.view.shape);
                    self.emit(Kernel::Copy, &[Region { view, ..value }], std::slice::from_ref(&out), name, id);
                }
                let mut view = out.view.clone();
                for (axis, &start) in before.iter().enumerate() {
                    view = view.slice(axis, start, self.get(inputs[0]).ty.shape[axis], 1);
                }
                self.copy_into(inputs[0], Region { view, ..out }, name, id);
            }
            Op::Gather { axis } => {
                let (x, index) = (self.read_contiguous(inputs[0]), self.read_contiguous(inputs[1]));
                let out = self.out(id);
                self.emit(Kernel::Gather { axis: *axis }, &[x, index], &[out], name, id);
            }
            Op::IndexSelect { axis } => {
                let (x, index) = (self.read_contiguous(inputs[0]), self.read_contiguous(inputs[1]));
                let out = self.out(id);
                self.emit(Kernel::IndexSelect, &[folded(&x, *axis, 1), index], &[folded(&out, *axis, 1)], name, id);
            }
            Op::ScatterAdd { axis } | Op::IndexAdd { axis } => {
                let (index, source) = (self.read_contiguous(inputs[1]), self.read_contiguous(inputs[2]));
                let out = self.out(id);
                self.copy_into(inputs[0], out.clone(), name, id);
                if matches!(op, Op::ScatterAdd { .. }) {
                    self.emit(Kernel::ScatterAdd { axis: *axis }, &[index, source], &[out], name, id);
                } else {
                    let (source, out) = (folded(&source, *axis, 1), folded(&out, *axis, 1));
                    self.emit(Kernel::IndexAdd, &[index, source], &[out], name, id);
                }
            }
            Op::CheckNonZero => {
                let x = self.read_contiguous(inputs[0]);
                self.emit(Kernel::CheckNonZero, std::slice::from_ref(&x), &[], name, id);
                self.places[id.0 as usize] = Some(Place::Memory(x));
            }
            Op::Random(dist) => {
                let offset = self.get(id).random;
                let out = self.out(id);
                self.emit(Kernel::Random { dist: *dist, offset }, &[], &[out], name, id);
            }
            Op::Composite(composite) => {
                let x = self.read_contiguous(inputs[0]);
                let out = self.out(id);
                let (x, out) = (rows(&x), rows(&out));
                self.emit(Kernel::Composite(*composite), &[x], &[out], name, id);
            }
            _ => return Err(Error::Internal(format!("lower: no kernel for {name}"))),
        }
        Ok(())
    }

    /// Checks indices as soon as they are there, so that a bad one stops the run before a write.
    fn checks(&mut self, index: NodeId) {
        let mut done: SmallVec<[usize; 2]> = SmallVec::new();
        for at in 0..self.order.checks.len() {
            let (checked, reader) = self.order.checks[at];
            let node = self.get(reader);
            let (Op::Gather { axis } | Op::IndexSelect { axis } | Op::ScatterAdd { axis } | Op::IndexAdd { axis }) = node.op
            else {
                continue;
            };
            let size = self.get(node.inputs[0]).ty.shape[axis];
            if checked != index || done.contains(&size) {
                continue;
            }
            done.push(size);
            let name = node.op.name();
            let region = self.read_contiguous(index);
            self.emit(Kernel::CheckIndex { size }, &[region], &[], name, reader);
        }
    }

    fn concat(&mut self, id: NodeId, axis: usize, inputs: &[NodeId]) {
        let out = self.out(id);
        let mut start = 0;
        for &input in inputs {
            let len = self.get(input).ty.shape[axis];
            let view = out.view.slice(axis, start, len, 1);
            self.copy_into(input, Region { view, ..out.clone() }, "concat", id);
            start += len;
        }
    }

    fn copy_into(&mut self, input: NodeId, target: Region, name: &str, at: NodeId) {
        if let Some(Place::Scalar(index)) = self.places[input.0 as usize] {
            self.emit_fill(index, &target, at);
        } else {
            let source = self.read(input);
            self.emit(Kernel::Copy, &[source], &[target], name, at);
        }
    }

    // From virtual buffers to slots.

    fn finish(mut self) -> Result<Lowered> {
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
            let whole = region.view == layout && self.bufs[region.buf].bytes == layout.numel() * region.dtype.size();
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
            .map(|&i| Lifetime { bytes: self.bufs[i].bytes, first: self.bufs[i].first, last: self.bufs[i].last })
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
        Ok(Lowered { plan, slots, scalars: self.scalars, outputs, origins: self.origins, written: self.written })
    }
}

/// A contiguous tensor as `[outer, len, inner]` around a run of axes.
fn folded(region: &Region, first: usize, count: usize) -> Region {
    let shape = &region.view.shape;
    let dims: Dims = SmallVec::from_slice(&[
        shape[..first].iter().product(),
        shape[first..first + count].iter().product(),
        shape[first + count..].iter().product(),
    ]);
    let view = View { offset: region.view.offset, ..View::contiguous(&dims) };
    Region { view, ..region.clone() }
}

/// A contiguous tensor as `[rows, len]`.
fn rows(region: &Region) -> Region {
    let shape = &region.view.shape;
    let (last, lead) = shape.split_last().expect("composites work along the last axis");
    let view = View { offset: region.view.offset, ..View::contiguous(&[lead.iter().product(), *last]) };
    Region { view, ..region.clone() }
}
