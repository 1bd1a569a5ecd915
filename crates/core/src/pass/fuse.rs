//! The open elementwise kernel: nodes of one shape join it until something needs their memory.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::graph::NodeId;
use crate::plan::{Expr, Instr};
use crate::shape::{Dims, View, row_major};

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

/// An elementwise kernel under construction.
pub struct Group {
    pub shape: Dims,
    pub instrs: Vec<Instr>,
    pub ins: Vec<Region>,
    pub outs: Vec<(u16, Region)>,
    /// Names of the ops inside, in order, for messages.
    pub names: Vec<&'static str>,
    regs: HashMap<NodeId, u16>,
    loads: Vec<u16>,
    scalars: HashMap<(u32, DType), u16>,
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
            regs: HashMap::new(),
            loads: Vec::new(),
            scalars: HashMap::new(),
            members: Vec::new(),
        }
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
        let reg = self.push(Instr::Load { input: self.ins.len() as u16, dtype: region.dtype });
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

    pub fn writes(&self, buf: usize) -> bool {
        self.outs.iter().any(|(_, r)| r.buf == buf)
    }

    /// Whether everything the kernel does with a buffer so far is at exactly this view.
    pub fn only_at(&self, buf: usize, view: &View) -> bool {
        self.ins.iter().chain(self.outs.iter().map(|(_, r)| r)).all(|r| r.buf != buf || r.view == *view)
    }

    /// The axis order in which outputs are laid out: that of the inputs where they agree, so that
    /// parameters with permuted axes, their gradients and moments are walked in memory order.
    pub fn layout(&self) -> View {
        let mut full = self.ins.iter().filter(|r| {
            r.view.is_dense() && !r.view.strides.iter().zip(&r.view.shape).any(|(&s, &n)| s == 0 && n > 1)
        });
        let strides = match full.next() {
            Some(first) if full.all(|r| r.view.strides == first.view.strides) => first.view.strides.clone(),
            _ => row_major(&self.shape),
        };
        View { shape: self.shape.clone(), strides, offset: 0 }
    }

    pub fn expr(&self) -> Expr {
        let outs: SmallVec<[u16; 4]> = self.outs.iter().map(|&(reg, _)| reg).collect();
        Expr { instrs: self.instrs.clone(), outs }
    }
}
