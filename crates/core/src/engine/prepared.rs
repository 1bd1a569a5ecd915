//! Eager plans, kept by the structure of the batch that they compute.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use super::Engine;
use super::batch::{Batch, From, lead};
use super::execute::named;
use super::sketch::{Sketch, blank};
use super::tape::Tape;
use crate::backend::{Executable, Fault};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Node, NodeId, Type};
use crate::hash::{FastHasher, FastMap, FastSet};
use crate::op::{Op, ViewOp};
use crate::pass::{Lowered, Origin, Slot, Source, lower};
use crate::shape::{Strides, View};
use crate::storage::Value;

/// Plans that are kept, and structures that are remembered; loops over data of ever new shapes stay bounded.
const CAPACITY: usize = 4096;

/// What decides the plan of a batch: everything but addresses and numbers.
struct Pattern {
    nodes: Box<[Member]>,
    operands: Box<[Outside]>,
}

struct Member {
    op: Op,
    ty: Type,
    inputs: SmallVec<[From; 4]>,
    requires_grad: bool,
    wanted: bool,
    layout: Option<View>,
    /// Blocks of the random stream since the first node that takes any.
    random: u64,
}

struct Outside {
    ty: Type,
    /// `None` for a number.
    strides: Option<Strides>,
    requires_grad: bool,
}

/// A node that gets memory.
pub struct Output {
    pub node: u32,
    pub dtype: DType,
    pub layout: View,
}

/// A node that looks at memory of another one.
pub struct Derived {
    pub node: u32,
    pub from: From,
    pub views: Vec<ViewOp>,
}

/// A prepared plan of a batch.
pub struct Ready {
    pattern: Pattern,
    pub executable: Executable,
    pub slots: Vec<Slot>,
    pub arena_bytes: usize,
    /// The operand that the n-th input is.
    pub inputs: SmallVec<[u32; 4]>,
    /// The operands whose numbers are the run-time scalars.
    pub scalars: SmallVec<[u32; 4]>,
    pub outputs: SmallVec<[Output; 1]>,
    pub derived: Vec<Derived>,
    /// The first node that takes random numbers.
    pub random: Option<u32>,
    origins: Vec<Origin>,
}

impl Ready {
    pub fn named(&self, fault: Fault) -> Error {
        named(&self.origins, fault)
    }
}

/// The plans prepared so far.
#[derive(Default)]
pub struct Prepared {
    plans: FastMap<u64, SmallVec<[Arc<Ready>; 1]>>,
    count: usize,
    /// Structures of more than one node that were met once.
    met: FastSet<u64>,
    /// Whether a structure is lowered the first time already.
    pub at_once: bool,
}

impl Prepared {
    fn insert(&mut self, hash: u64, ready: &Arc<Ready>) {
        if self.count >= CAPACITY {
            self.plans.clear();
            self.count = 0;
        }
        self.count += 1;
        self.plans.entry(hash).or_default().push(Arc::clone(ready));
    }
}

/// What a batch and its patterns are compared by.
struct Look<'a> {
    tape: &'a Tape,
    batch: &'a Batch,
    wanted: &'a [bool],
    /// Where the random numbers of the batch begin.
    random: u64,
    /// Whether gradients matter: of a single node all that is needed is its value.
    several: bool,
}

impl<'a> Look<'a> {
    fn new(tape: &'a Tape, batch: &'a Batch, wanted: &'a [bool]) -> Self {
        let mut nodes = batch.nodes.iter().map(|&id| &tape.get(id).node);
        let random = nodes.find(|node| matches!(node.op, Op::Random(_))).map(|node| node.random);
        let several = batch.nodes.len() > 1;
        Self { tape, batch, wanted, random: random.unwrap_or(0), several }
    }

    fn node(&self, at: usize) -> &'a Node {
        &self.tape.get(self.batch.nodes[at]).node
    }

    fn wanted(&self, at: usize) -> bool {
        self.wanted[at]
    }

    fn requires_grad(&self, node: &Node) -> bool {
        self.several && node.requires_grad
    }

    fn blocks(&self, node: &Node) -> u64 {
        if matches!(node.op, Op::Random(_)) { node.random - self.random } else { 0 }
    }

    fn hash(&self) -> u64 {
        let mut hasher = FastHasher::default();
        for &id in &self.batch.operands {
            let entry = self.tape.get(id);
            let Type { dtype, shape, weak } = &entry.node.ty;
            hasher.write_u64(*dtype as u64 | u64::from(weak.is_some()) << 8 | (shape.len() as u64) << 16);
            shape.iter().for_each(|&size| hasher.write_usize(size));
            if let Value::Tensor { view, .. } = &entry.value {
                view.strides.iter().for_each(|&stride| hasher.write_usize(stride as usize));
            }
        }
        for at in 0..self.batch.nodes.len() {
            let node = self.node(at);
            node.op.hash(&mut hasher);
            let flags = u8::from(self.wanted(at)) | u8::from(self.requires_grad(node)) << 1;
            hasher.write_u64(u64::from(flags) | (node.ty.dtype as u64) << 8);
            for from in self.batch.inputs(at) {
                hasher.write_u32(match from {
                    From::Node(at) => 2 * at,
                    From::Operand(at) => 2 * at + 1,
                });
            }
            if self.batch.inputs(at).is_empty() {
                node.ty.shape.iter().for_each(|&size| hasher.write_usize(size));
            }
        }
        hasher.finish()
    }

    fn fits(&self, pattern: &Pattern) -> bool {
        pattern.operands.len() == self.batch.operands.len()
            && pattern.nodes.len() == self.batch.nodes.len()
            && pattern.operands.iter().zip(&self.batch.operands).all(|(outside, &id)| {
                let entry = self.tape.get(id);
                let same = match (&entry.value, &outside.strides) {
                    (Value::Tensor { view, .. }, Some(strides)) => view.strides == *strides,
                    (Value::Scalar(_), None) => true,
                    _ => false,
                };
                same && entry.node.ty == outside.ty
                    && self.requires_grad(&entry.node) == outside.requires_grad
            })
            && pattern.nodes.iter().enumerate().all(|(at, member)| {
                let node = self.node(at);
                member.op == node.op
                    && member.ty == node.ty
                    && member.inputs.as_slice() == self.batch.inputs(at)
                    && member.wanted == self.wanted(at)
                    && member.requires_grad == self.requires_grad(node)
                    && member.random == self.blocks(node)
                    && member.layout.as_ref() == self.batch.layout(at)
            })
    }

    fn pattern(&self) -> Pattern {
        let nodes = (0..self.batch.nodes.len()).map(|at| {
            let node = self.node(at);
            Member {
                op: node.op.clone(),
                ty: node.ty.clone(),
                inputs: self.batch.inputs(at).into(),
                requires_grad: self.requires_grad(node),
                wanted: self.wanted(at),
                layout: self.batch.layout(at).cloned(),
                random: self.blocks(node),
            }
        });
        let operands = self.batch.operands.iter().map(|&id| {
            let entry = self.tape.get(id);
            let strides = match &entry.value {
                Value::Tensor { view, .. } => Some(view.strides.clone()),
                Value::Scalar(_) | Value::Later => None,
            };
            Outside { ty: entry.node.ty.clone(), strides, requires_grad: self.requires_grad(&entry.node) }
        });
        Pattern { nodes: nodes.collect(), operands: operands.collect() }
    }
}

impl Engine {
    /// Whether a batch of this structure has been met before; notes that it was now.
    pub(super) fn is_met_again(&mut self, batch: &Batch, wanted: &[bool]) -> bool {
        if self.prepared.at_once {
            return true;
        }
        let hash = Look::new(&self.tape, batch, wanted).hash();
        if self.prepared.met.len() >= CAPACITY {
            self.prepared.met.clear();
        }
        !self.prepared.met.insert(hash)
    }

    /// The plan of a batch.
    pub(super) fn ready(&mut self, batch: &Batch, wanted: &[bool]) -> Result<Arc<Ready>> {
        let look = Look::new(&self.tape, batch, wanted);
        let hash = look.hash();
        if let Some(plans) = self.prepared.plans.get(&hash)
            && let Some(ready) = plans.iter().find(|ready| look.fits(&ready.pattern))
        {
            return Ok(Arc::clone(ready));
        }
        let pattern = look.pattern();
        let ready = Arc::new(self.prepare(pattern)?);
        self.prepared.insert(hash, &ready);
        Ok(ready)
    }

    /// Lowers a batch: its operands are inputs and run-time scalars, its wanted nodes outputs.
    fn prepare(&mut self, pattern: Pattern) -> Result<Ready> {
        let mut views = Vec::new();
        let mut inputs = SmallVec::new();
        let mut nodes = Vec::with_capacity(pattern.operands.len() + pattern.nodes.len());
        for (at, outside) in pattern.operands.iter().enumerate() {
            let op = match &outside.strides {
                // The plan serves other numbers too: two that are equal today stay two.
                None => Op::Slot(at as u32),
                Some(strides) => {
                    // Addresses are bound at run time.
                    let offset = lead(&outside.ty.shape, strides);
                    views.push(View { shape: outside.ty.shape.clone(), strides: strides.clone(), offset });
                    inputs.push(at as u32);
                    Op::Input((views.len() - 1) as u32)
                }
            };
            nodes.push(blank(op, &[], outside.ty.clone(), false));
        }
        let base = nodes.len() as u32;
        for member in &pattern.nodes {
            let operands: SmallVec<[NodeId; 4]> = member
                .inputs
                .iter()
                .map(|&from| match from {
                    From::Node(at) => NodeId(base + at),
                    From::Operand(at) => NodeId(at),
                })
                .collect();
            let node = blank(member.op.clone(), &operands, member.ty.clone(), false);
            nodes.push(Node { random: member.random, ..node });
        }
        let (own, derived) = self.deliveries(&pattern);
        let wanted: Vec<(NodeId, Option<View>)> =
            own.iter().map(|&at| (NodeId(base + at), pattern.nodes[at as usize].layout.clone())).collect();
        let Lowered { plan, slots, scalars, outputs, origins, .. } =
            lower(&Source { nodes: &nodes, inputs: &views, states: &[], outputs: &wanted, separate: false })?;
        self.counters.prepared += 1;
        let outputs = own.iter().zip(outputs).map(|(&node, layout)| {
            let dtype = pattern.nodes[node as usize].ty.dtype;
            Output { node, dtype, layout }
        });
        let random = pattern.nodes.iter().position(|member| matches!(member.op, Op::Random(_)));
        Ok(Ready {
            executable: self.backend.prepare(&plan)?,
            slots,
            arena_bytes: plan.arena_bytes,
            inputs,
            scalars: scalars.iter().map(|id| id.0).collect(),
            outputs: outputs.collect(),
            derived,
            random: random.map(|at| at as u32),
            origins,
            pattern,
        })
    }

    /// The nodes that get memory and those that look at it: what is held from outside, and what the backward
    /// rules of the others will read.
    fn deliveries(&self, pattern: &Pattern) -> (Vec<u32>, Vec<Derived>) {
        let mut wanted: Vec<bool> = pattern.nodes.iter().map(|member| member.wanted).collect();
        for at in 0..pattern.nodes.len() {
            self.add_saved(pattern, at, &mut wanted);
        }
        let (mut own, mut derived) = (Vec::new(), Vec::new());
        for at in 0..pattern.nodes.len() {
            if !wanted[at] {
                continue;
            }
            match looks_at(pattern, at) {
                Some((from, views)) if is_there(from, &wanted) => {
                    derived.push(Derived { node: at as u32, from, views });
                }
                _ => own.push(at as u32),
            }
        }
        (own, derived)
    }

    fn add_saved(&self, pattern: &Pattern, at: usize, wanted: &mut [bool]) {
        let member = &pattern.nodes[at];
        if !member.requires_grad {
            return;
        }
        let inputs: Vec<(Type, bool)> = member
            .inputs
            .iter()
            .map(|&from| match from {
                From::Node(at) => {
                    let inner = &pattern.nodes[at as usize];
                    (inner.ty.clone(), inner.requires_grad)
                }
                From::Operand(at) => {
                    let outside = &pattern.operands[at as usize];
                    (outside.ty.clone(), outside.requires_grad)
                }
            })
            .collect();
        let claims = |composite| self.backend.claims(composite);
        match Sketch::new(&claims).saves(&member.op, &inputs, &member.ty) {
            Ok(saves) => {
                wanted[at] |= saves.output;
                for index in saves.inputs {
                    if let From::Node(inner) = member.inputs[index] {
                        wanted[inner as usize] = true;
                    }
                }
            }
            // A rule that refuses here will say so in the backward pass.
            Err(_) => wanted[at] = true,
        }
    }
}

/// The node or operand whose memory a node looks at, and through which views, where it needs none of its own.
fn looks_at(pattern: &Pattern, at: usize) -> Option<(From, Vec<ViewOp>)> {
    let mut views = Vec::new();
    let mut from = From::Node(at as u32);
    if pattern.nodes[at].layout.is_some() {
        return None;
    }
    while let From::Node(at) = from {
        let member = &pattern.nodes[at as usize];
        match &member.op {
            // Whether a reshape copies depends on a layout that is not known yet.
            Op::View(ViewOp::Reshape(_) | ViewOp::Place(_)) => break,
            Op::View(view) => views.push(view.clone()),
            Op::CheckNonZero => {}
            _ => break,
        }
        from = member.inputs[0];
    }
    views.reverse();
    (from != From::Node(at as u32)).then_some((from, views))
}

/// Whether a value is in memory when the batch has run.
fn is_there(from: From, wanted: &[bool]) -> bool {
    match from {
        From::Node(at) => wanted[at as usize],
        From::Operand(_) => true,
    }
}
