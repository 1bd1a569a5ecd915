//! Gradients of a trace: an overlay over those of the engine.

use super::Engine;
use super::gradient::{Grad, lost};
use super::trace::Trace;
use crate::error::{Error, Result};
use crate::graph::{Builder, Driver, NodeId};
use crate::op::{Op, ViewOp};
use crate::storage::Value;

/// A leaf, by what it is outside of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    Eager(NodeId),
    Traced(NodeId),
}

/// What a trace does to the gradient of a leaf.
#[derive(Clone, Debug, Default)]
pub struct TraceGrad {
    /// Whether a gradient must exist when the program begins; `None` where it does not matter.
    pub guard: Option<bool>,
    pub current: Option<NodeId>,
    /// `current` is the storage of the gradient that existed at the beginning, written in place.
    pub in_place: bool,
    /// The function has a handle to `current`, which keeps its value when more is accumulated.
    pub shown: bool,
}

impl Trace {
    fn leaf(&self, node: NodeId) -> Leaf {
        self.outside(node).map_or(Leaf::Traced(node), Leaf::Eager)
    }

    fn grad(&mut self, leaf: Leaf) -> Option<&mut TraceGrad> {
        self.grads.iter_mut().find(|(l, _)| *l == leaf).map(|(_, g)| g)
    }
}

impl Engine {
    /// The gradient that a leaf has when the program begins. It is a state of its own, since the
    /// leaf may have another gradient at the next call, and nothing of it is retained.
    fn gradient_state(&mut self, leaf: NodeId, grad: NodeId) -> Result<NodeId> {
        let Value::Tensor { storage, view } = self.value(grad).clone() else {
            return Err(Error::Internal("grad: a gradient without memory".into()));
        };
        let ty = self.tape.get(grad).node.ty.clone();
        let state = self.new_state(&storage, Some(leaf));
        let current = self.trace.as_ref().expect("called while tracing").states[state as usize].current;
        self.append(Op::View(ViewOp::Place(view)), &[current], ty)
    }

    fn first_read(&mut self, leaf: Leaf) -> Result<()> {
        let trace = self.trace.as_mut().expect("called while tracing");
        if trace.grad(leaf).is_some() {
            return Ok(());
        }
        let mut entry = TraceGrad { guard: Some(false), ..TraceGrad::default() };
        if let Leaf::Eager(eager) = leaf {
            match self.grads.get(&eager) {
                Some(Grad::Lost) => return Err(lost()),
                Some(&Grad::Node(grad)) => {
                    let node = self.gradient_state(eager, grad)?;
                    entry =
                        TraceGrad { guard: Some(true), current: Some(node), in_place: true, shown: false };
                }
                None => {}
            }
        }
        self.trace.as_mut().expect("called while tracing").grads.push((leaf, entry));
        Ok(())
    }

    pub(super) fn accumulate_traced(&mut self, node: NodeId, grad: NodeId) -> Result<()> {
        let trace = self.trace.as_ref().expect("called while tracing");
        if trace.history.contains(&node) {
            return Err(Error::Trace(
                "backward: it reached a tensor that was computed outside of the jitted function and would lose its gradient; \
                 expected everything from the parameters to the loss inside. Hint: move that computation into the function, or detach() its result"
                    .into(),
            ));
        }
        let leaf = trace.leaf(node);
        self.first_read(leaf)?;
        let entry = self.trace.as_mut().and_then(|t| t.grad(leaf)).expect("read above").clone();
        let in_place = entry.in_place && !entry.shown;
        let next = match entry.current {
            None => self.own_traced(grad)?,
            Some(earlier) => {
                let sum = Builder::new(self).add(earlier, grad)?;
                if in_place {
                    self.assign_traced(earlier, sum)?;
                    self.refresh(earlier)
                } else {
                    sum
                }
            }
        };
        if let Some(entry) = self.trace.as_mut().and_then(|t| t.grad(leaf)) {
            *entry = TraceGrad { guard: entry.guard, current: Some(next), in_place, shown: false };
        }
        Ok(())
    }

    pub(super) fn read_traced_grad(&mut self, node: NodeId) -> Result<Option<NodeId>> {
        let leaf = self.trace.as_ref().expect("called while tracing").leaf(node);
        self.first_read(leaf)?;
        let current = self.trace.as_mut().and_then(|t| t.grad(leaf)).and_then(|g| g.current);
        Ok(current.map(|node| self.refresh(node)))
    }

    /// The function gets a handle to the gradient of a leaf.
    pub(super) fn show_traced_grad(&mut self, node: NodeId) {
        let trace = self.trace.as_mut().expect("called while tracing");
        let leaf = trace.leaf(node);
        if let Some(entry) = trace.grad(leaf) {
            entry.shown = true;
        }
    }

    /// A value as a gradient: without a history, and out of reach of later writes.
    pub(super) fn own_traced(&mut self, grad: NodeId) -> Result<NodeId> {
        let grad = self.refresh(grad);
        let trace = self.trace.as_ref().expect("called while tracing");
        let node = &trace.nodes[grad.0 as usize];
        let is_view = trace.roots[grad.0 as usize].is_some();
        let (is_number, has_history) = (trace.is_number(grad), node.requires_grad);
        let enabled = self.set_grad_enabled(false);
        let mut b = Builder::new(self);
        let own = if is_view || is_number {
            b.copy(grad)
        } else if has_history {
            b.detach(grad)
        } else {
            Ok(grad)
        };
        self.set_grad_enabled(enabled);
        own
    }

    pub(super) fn set_traced_grad(&mut self, node: NodeId, grad: Option<NodeId>) {
        let trace = self.trace.as_mut().expect("called while tracing");
        let leaf = trace.leaf(node);
        let guard = trace.grad(leaf).and_then(|entry| entry.guard);
        let next = TraceGrad { guard, current: grad, in_place: false, shown: false };
        match trace.grad(leaf) {
            Some(entry) => *entry = next,
            None => trace.grads.push((leaf, next)),
        }
    }
}
