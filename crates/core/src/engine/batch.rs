//! The eager nodes of one call, which run together when the call ends.
//!
//! What a call appends, a loss with its softmax or a whole backward pass, is one small graph: lowered as a program
//! is, kept by its structure, and run as one plan. Only values that somebody can still ask for get memory. The first
//! time that a structure is met its nodes run one by one, since it may never come again.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Engine;
use super::prepared::{Derived, Ready};
use super::runnable::Arena;
use super::tape::{NOWHERE, Tape};
use crate::backend::{Binding, Run};
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::op::Op;
use crate::pass::Slot;
use crate::shape::View;
use crate::storage::{Storage, Value, gates};

/// Nodes after which a walk over a long graph runs what it has: plans stay small enough to be met again.
const ENOUGH: usize = 64;
/// Bytes of scratch memory above which a run gives it back: what one large backward pass took is not held for ever.
pub const LARGE: usize = 32 << 20;
/// Nodes that a batch may have.
const MOST: usize = 512;

/// Where a node of a batch reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum From {
    /// A node before it in the batch.
    Node(u32),
    /// A value from before the batch.
    Operand(u32),
}

/// Nodes that wait for their values.
#[derive(Default)]
pub struct Batch {
    /// In the order of appending; the batch holds a reference to each.
    pub nodes: Vec<NodeId>,
    /// The values from before, each once and held too.
    pub operands: Vec<NodeId>,
    inputs: Vec<From>,
    /// Where the inputs of each node end.
    ends: Vec<u32>,
    /// Nodes that are to lie in memory of their own in a given order.
    pub layouts: Vec<(u32, View)>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn inputs(&self, at: usize) -> &[From] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.inputs[start as usize..self.ends[at] as usize]
    }

    pub fn layout(&self, at: usize) -> Option<&View> {
        self.layouts.iter().find(|(node, _)| *node as usize == at).map(|(_, view)| view)
    }

    fn push(&mut self, tape: &mut Tape, id: NodeId, inputs: &[NodeId]) {
        for &input in inputs {
            let entry = tape.get_mut(input);
            let pending = matches!(entry.value, Value::Later);
            if entry.mark == NOWHERE {
                entry.mark = self.operands.len() as u32;
                entry.refs += 1;
                self.operands.push(input);
            }
            self.inputs.push(if pending { From::Node(entry.mark) } else { From::Operand(entry.mark) });
        }
        let entry = tape.get_mut(id);
        entry.mark = self.nodes.len() as u32;
        entry.refs += 1;
        self.nodes.push(id);
        self.ends.push(self.inputs.len() as u32);
    }

    /// Which nodes are held by more than the batch and each other.
    fn wanted(&self, tape: &Tape) -> SmallVec<[bool; 16]> {
        let mut held: SmallVec<[u32; 16]> = self.nodes.iter().map(|&id| tape.get(id).refs - 1).collect();
        for (at, &id) in self.nodes.iter().enumerate() {
            // A node that gradients flow through holds its inputs.
            if !tape.get(id).node.inputs.is_empty() {
                for input in self.inputs(at) {
                    if let From::Node(inner) = input {
                        held[*inner as usize] -= 1;
                    }
                }
            }
        }
        held.iter().map(|&refs| refs > 0).collect()
    }
}

impl Engine {
    /// Appends a node to the batch; its value comes later.
    pub(super) fn pend(&mut self, id: NodeId, inputs: &[NodeId]) -> Result<()> {
        self.batch.push(&mut self.tape, id, inputs);
        if self.batch.nodes.len() >= MOST { self.run_batch() } else { Ok(()) }
    }

    /// Runs a long batch early, between two rules of a walk.
    pub(super) fn run_enough(&mut self) -> Result<()> {
        if self.batch.nodes.len() >= ENOUGH { self.run_batch() } else { Ok(()) }
    }

    /// Asks for a node of the batch in memory of its own, in the order of `layout`.
    pub(super) fn ask_layout(&mut self, node: NodeId, layout: &View) {
        let entry = self.tape.get(node);
        if matches!(entry.value, Value::Later) && self.batch.layout(entry.mark as usize).is_none() {
            self.batch.layouts.push((entry.mark, layout.clone()));
        }
    }

    /// Ends a call that succeeded: lets go of its nodes, and computes those that somebody holds.
    pub(super) fn complete(&mut self) -> Result<()> {
        self.trim(&|_| false);
        self.run_batch()
    }

    /// Computes the nodes of the batch.
    pub(super) fn run_batch(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let result = self.compute(&batch);
        if result.is_err() {
            // What failed takes no share of the random numbers.
            let mut nodes = batch.nodes.iter().map(|&id| &self.tape.get(id).node);
            if let Some(node) = nodes.find(|node| matches!(node.op, Op::Random(_))) {
                self.stream.offset = node.random;
            }
        }
        self.dissolve(batch);
        result
    }

    /// Lets go of a batch; nodes that have no value yet will not get one.
    pub(super) fn dissolve(&mut self, mut batch: Batch) {
        for list in [&batch.nodes, &batch.operands] {
            for &id in list {
                self.tape.get_mut(id).mark = NOWHERE;
            }
        }
        let mut gone = std::mem::take(&mut self.gone);
        for id in batch.nodes.drain(..).chain(batch.operands.drain(..)) {
            self.tape.release(id, &mut gone);
        }
        self.forget(gone);
        batch.inputs.clear();
        batch.ends.clear();
        batch.layouts.clear();
        self.batch = batch;
    }

    fn compute(&mut self, batch: &Batch) -> Result<()> {
        if batch.nodes.len() == 1 {
            let ready = self.ready(batch, &[true])?;
            return self.run_ready(&ready, batch).map_err(|error| self.blamed(batch.nodes[0], error));
        }
        let wanted = batch.wanted(&self.tape);
        if self.anomaly || self.log.is_some() || !self.is_met_again(batch, &wanted) {
            return self.one_by_one(batch);
        }
        let ready = self.ready(batch, &wanted)?;
        match self.run_ready(&ready, batch) {
            Ok(()) => Ok(()),
            // Nothing but fresh memory was written, and one by one the node that fails names itself.
            Err(_) => self.one_by_one(batch),
        }
    }

    /// Computes every node by itself.
    fn one_by_one(&mut self, batch: &Batch) -> Result<()> {
        for &id in &batch.nodes {
            self.tape.get_mut(id).value = Value::Later;
        }
        for list in [&batch.nodes, &batch.operands] {
            for &id in list {
                self.tape.get_mut(id).mark = NOWHERE;
            }
        }
        let mut single = Batch::default();
        for (at, &id) in batch.nodes.iter().enumerate() {
            let inputs: SmallVec<[NodeId; 4]> = batch
                .inputs(at)
                .iter()
                .map(|&from| match from {
                    From::Node(inner) => batch.nodes[inner as usize],
                    From::Operand(n) => batch.operands[n as usize],
                })
                .collect();
            if let Some(value) = self.at_once(id, &inputs)? {
                self.tape.get_mut(id).value = value;
                continue;
            }
            single.push(&mut self.tape, id, &inputs);
            if let Some(view) = batch.layout(at) {
                single.layouts.push((0, view.clone()));
            }
            let result = self.compute(&single);
            // The outer batch holds what this one held, so nothing can go here.
            for list in [&mut single.nodes, &mut single.operands] {
                for id in list.drain(..) {
                    let entry = self.tape.get_mut(id);
                    entry.mark = NOWHERE;
                    entry.refs -= 1;
                }
            }
            single.inputs.clear();
            single.ends.clear();
            single.layouts.clear();
            result?;
        }
        Ok(())
    }

    /// The value of a node that needs no kernel.
    fn at_once(&self, id: NodeId, inputs: &[NodeId]) -> Result<Option<Value>> {
        self.immediate(&self.tape.get(id).node, inputs)
    }

    /// An error of a node: what was called and the module it belongs to stand in front of it.
    fn blamed(&mut self, node: NodeId, error: Error) -> Error {
        let node = &self.tape.get(node).node;
        self.path = node.path;
        self.site = node.site;
        match node.called {
            Some(called) => error.of(called),
            None => error,
        }
    }

    fn run_ready(&mut self, ready: &Ready, batch: &Batch) -> Result<()> {
        let mut large = Arena::default();
        let held = if ready.arena_bytes > LARGE { &mut large } else { &mut self.arena };
        let arena = held.at_least(&self.backend, ready.arena_bytes)?;
        let mut outputs: SmallVec<[Arc<Storage>; 4]> = SmallVec::new();
        for output in &ready.outputs {
            outputs.push(match self.tape.spare.take(output.dtype, &output.layout) {
                Some(storage) => storage,
                None => Storage::new(&self.backend, &self.meter, output.dtype, output.layout.clone())?,
            });
        }
        let mut bindings: SmallVec<[Binding; 16]> = SmallVec::new();
        for slot in &ready.slots {
            bindings.push(match *slot {
                Slot::Arena => Binding { buffer: arena, offset: 0 },
                Slot::Input(n) => {
                    let id = batch.operands[ready.inputs[n as usize] as usize];
                    let Value::Tensor { storage, view } = self.value(id) else {
                        return Err(Error::Internal("batch: an operand without memory".into()));
                    };
                    Binding { buffer: storage.buffer, offset: first(view) * storage.dtype.size() }
                }
                Slot::Output(n) => outputs[n as usize].binding(),
                Slot::State(_) => return Err(Error::Internal("batch: a state".into())),
            });
        }
        let mut scalars: SmallVec<[f64; 8]> = SmallVec::new();
        for &at in &ready.scalars {
            let Value::Scalar(number) = self.value(batch.operands[at as usize]) else {
                return Err(Error::Internal("batch: an operand that is no number".into()));
            };
            scalars.push(*number);
        }
        let rng_offset = match ready.random {
            Some(at) => self.tape.get(batch.nodes[at as usize]).node.random,
            None => 0,
        };
        {
            let read = batch.operands.iter().filter_map(|&id| match &self.tape.get(id).value {
                Value::Tensor { storage, .. } => Some(storage),
                Value::Scalar(_) | Value::Later => None,
            });
            let gates = gates(None, read, []);
            let mut passes: SmallVec<[_; 2]> = SmallVec::new();
            for gate in &gates {
                passes.push(gate.visit());
            }
            let run = Run { bindings: &bindings, scalars: &scalars, seed: self.stream.seed, rng_offset };
            self.counters.eager_runs += 1;
            self.backend.run(&ready.executable, &run).map_err(|fault| ready.named(fault))?;
        }
        for (output, storage) in ready.outputs.iter().zip(outputs) {
            let value = Value::Tensor { storage, view: output.layout.clone() };
            self.tape.get_mut(batch.nodes[output.node as usize]).value = value;
        }
        for derived in &ready.derived {
            self.derive(derived, batch)?;
        }
        Ok(())
    }

    /// Gives a node its look at the memory of another one.
    fn derive(&mut self, derived: &Derived, batch: &Batch) -> Result<()> {
        let source = match derived.from {
            From::Node(at) => batch.nodes[at as usize],
            From::Operand(at) => batch.operands[at as usize],
        };
        let mut value = self.value(source).clone();
        if let Value::Tensor { view, .. } = &mut value {
            for op in &derived.views {
                *view = op.apply(view).ok_or_else(|| Error::Internal("batch: a view that copies".into()))?;
            }
        }
        self.tape.get_mut(batch.nodes[derived.node as usize]).value = value;
        Ok(())
    }
}

/// How many elements of a storage a view reaches back from its first: none, unless a stride is
/// negative. Follows from shape and strides, so plans for views at other offsets have it too.
pub fn lead(shape: &[usize], strides: &[isize]) -> usize {
    if strides.iter().all(|&stride| stride >= 0) || shape.contains(&0) {
        return 0;
    }
    let back =
        |(&size, &stride): (&usize, &isize)| if stride < 0 { (size - 1) * stride.unsigned_abs() } else { 0 };
    shape.iter().zip(strides).map(back).sum()
}

/// The lowest element that a view reaches.
pub fn first(view: &View) -> usize {
    view.offset - lead(&view.shape, &view.strides)
}
