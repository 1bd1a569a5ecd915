//! The open kernel: nodes of one shape join it until something needs their memory.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::graph::NodeId;
use crate::op::Op;
use crate::plan::{Expr, Instr, Kernel};
use crate::shape::{Dims, View, numel, row_major};

/// Instructions of one kernel; beyond it tile registers would leave the first-level cache.
const MAX_INSTRS: usize = 96;
/// Tensors that one kernel reads and writes.
const MAX_OPERANDS: usize = 24;

/// A tensor in a virtual buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    pub buf: usize,
    pub dtype: DType,
    pub view: View,
}

/// What a kernel computes before its expression: the value of its first register.
pub struct Head {
    /// `MatMul` or `IndexSelect`.
    pub op: Op,
    pub node: NodeId,
    pub ins: [Region; 2],
}

/// A kernel under construction: an expression over elements, behind a head or on its own.
pub struct Group {
    /// The shape in which operands are given; members have it or a reshape of it.
    pub shape: Dims,
    pub instrs: Vec<Instr>,
    pub ins: Vec<Region>,
    pub outs: Vec<(u16, Region)>,
    /// Names of the ops inside, in order, for messages.
    pub names: Vec<&'static str>,
    head: Option<Head>,
    /// Strides of outs where no input asks for others.
    strides: SmallVec<[isize; 6]>,
    shapes: SmallVec<[Dims; 2]>,
    regs: HashMap<NodeId, u16>,
    loads: Vec<u16>,
    scalars: HashMap<(u32, DType), u16>,
    uniforms: HashMap<NodeId, u16>,
    members: Vec<NodeId>,
}

impl Group {
    pub fn new(shape: &[usize]) -> Self {
        Self {
            shape: shape.into(),
            instrs: Vec::new(),
            ins: Vec::new(),
            outs: Vec::new(),
            names: Vec::new(),
            head: None,
            strides: row_major(shape).iter().copied().collect(),
            shapes: SmallVec::from_elem(shape.into(), 1),
            regs: HashMap::new(),
            loads: Vec::new(),
            scalars: HashMap::new(),
            uniforms: HashMap::new(),
            members: Vec::new(),
        }
    }

    /// A kernel whose first register is the result of a head, with the value of `member`; outs lie as `layout` does.
    pub fn behind(head: Head, layout: &View, member: NodeId, shape: &[usize]) -> Self {
        let mut group = Self::new(&layout.shape);
        group.strides = layout.strides.iter().copied().collect();
        group.shapes[0] = shape.into();
        group.push(Instr::Load { input: 0, dtype: head.ins[0].dtype });
        group.name_reg(member, 0);
        group.names.push(head.op.name());
        group.head = Some(head);
        group
    }

    pub fn is_full(&self) -> bool {
        // A node adds at most three loads, three scalars and itself; stores come on top.
        self.instrs.len() + 7 > MAX_INSTRS
            || self.ins.len() + self.outs.len() + self.members.len().min(4) + 3 > MAX_OPERANDS
    }

    pub fn reg(&self, node: NodeId) -> Option<u16> {
        self.regs.get(&node).copied()
    }

    pub fn contains(&self, node: NodeId) -> bool {
        self.members.contains(&node)
    }

    pub fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// Whether a member has a shape.
    pub fn has_shape(&self, shape: &[usize]) -> bool {
        self.shapes.iter().any(|s| s.as_slice() == shape)
    }

    pub fn add_shape(&mut self, shape: &[usize]) {
        if !self.has_shape(shape) {
            self.shapes.push(shape.into());
        }
    }

    /// A view as the kernel walks it, or `None` where the elements do not lie so.
    pub fn fit(&self, view: &View) -> Option<View> {
        if view.shape == self.shape {
            return Some(view.clone());
        }
        if numel(&view.shape) == numel(&self.shape) { view.reshape(&self.shape) } else { None }
    }

    /// A member whose value is that of a register.
    pub fn name_reg(&mut self, node: NodeId, reg: u16) {
        self.regs.insert(node, reg);
        self.members.push(node);
    }

    /// A member without a value of its own: a write.
    pub fn join(&mut self, node: NodeId) {
        self.members.push(node);
    }

    pub fn push(&mut self, instr: Instr) -> u16 {
        self.instrs.push(instr);
        (self.instrs.len() - 1) as u16
    }

    pub fn load(&mut self, region: Region) -> u16 {
        if let Some(at) = self.ins.iter().position(|r| *r == region) {
            return self.loads[at];
        }
        let input = self.ins.len() as u16 + u16::from(self.head.is_some());
        let reg = self.push(Instr::Load { input, dtype: region.dtype });
        self.ins.push(region);
        self.loads.push(reg);
        reg
    }

    pub fn scalar(&mut self, index: u32, dtype: DType) -> u16 {
        if let Some(&reg) = self.scalars.get(&(index, dtype)) {
            return reg;
        }
        let reg = self.push(Instr::Scalar { index, dtype });
        self.scalars.insert((index, dtype), reg);
        reg
    }

    /// The register of a value that is the same for every element, where the kernel has it already.
    pub fn uniform(&self, node: NodeId) -> Option<u16> {
        self.uniforms.get(&node).copied()
    }

    pub fn name_uniform(&mut self, node: NodeId, reg: u16) {
        self.uniforms.insert(node, reg);
    }

    pub fn writes(&self, buf: usize) -> bool {
        self.outs.iter().any(|(_, r)| r.buf == buf)
    }

    /// Whether the kernel may write a buffer at this view: all it does with it so far is at exactly this
    /// view, element by element.
    pub fn only_at(&self, buf: usize, view: &View) -> bool {
        let heads = self.head.iter().flat_map(|head| &head.ins);
        self.ins.iter().chain(self.outs.iter().map(|(_, r)| r)).all(|r| r.buf != buf || r.view == *view)
            && heads.into_iter().all(|r| r.buf != buf)
    }

    /// The axis order in which outputs are laid out: that of the inputs where they agree, so that
    /// parameters with permuted axes, their gradients and moments are walked in memory order.
    pub fn layout(&self) -> View {
        let mut full = self.ins.iter().filter(|r| {
            r.view.is_dense() && !r.view.strides.iter().zip(&r.view.shape).any(|(&s, &n)| s == 0 && n > 1)
        });
        let strides = match full.next() {
            Some(first) if full.all(|r| r.view.strides == first.view.strides) => first.view.strides.clone(),
            _ => self.strides.iter().copied().collect(),
        };
        View { shape: self.shape.clone(), strides, offset: 0 }
    }

    /// The kernel with all that it reads, and the node that it is known by.
    pub fn kernel(&self) -> (Kernel, Vec<Region>, NodeId) {
        let outs: SmallVec<[u16; 4]> = self.outs.iter().map(|&(reg, _)| reg).collect();
        let expr = Expr { instrs: self.instrs.clone(), outs };
        let Some(head) = &self.head else {
            let at = *self.members.last().expect("a group has members");
            return (Kernel::Elementwise(expr), self.ins.clone(), at);
        };
        let kernel = match head.op {
            Op::MatMul => Kernel::MatMul(expr),
            _ => Kernel::IndexSelect(expr),
        };
        let ins = head.ins.iter().chain(&self.ins).cloned().collect();
        (kernel, ins, head.node)
    }
}
