//! The two drivers behind the Builder.

use smallvec::SmallVec;

use super::Engine;
use super::tape::Entry;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Driver, Inputs, Node, NodeId, Type};
use crate::op::{Composite, Op, ViewOp};
use crate::rng;
use crate::storage::Value;

impl Engine {
    /// Whether gradients flow through a new node.
    fn tracks(&self, op: &Op, inputs: &[NodeId], dtype: DType) -> bool {
        self.grad_enabled
            && dtype.is_float()
            && !matches!(op, Op::View(ViewOp::Detach) | Op::Assign(_))
            && inputs.iter().any(|&i| self.requires_grad(i))
    }

    /// The common part of a new node; takes the node's share of the random stream.
    fn new_node(&mut self, op: Op, inputs: &[NodeId], ty: Type, requires_grad: bool) -> Node {
        let share = if matches!(op, Op::Random(_)) { rng::blocks(ty.numel()) } else { 0 };
        let (sequence, random) = if let Some(trace) = &mut self.trace {
            let at = trace.random_blocks;
            trace.random_blocks += share;
            (trace.nodes.len() as u64, at)
        } else {
            let at = self.stream.offset;
            self.stream.offset += share;
            (self.tape.next_sequence(), at)
        };
        self.counters.nodes += 1;
        Node {
            op,
            inputs: Inputs::from_slice(inputs),
            ty,
            requires_grad,
            path: self.path,
            site: self.site,
            called: self.called,
            gradient_of: self.backward_of,
            sequence,
            random,
        }
    }

    fn append_eager(&mut self, op: Op, inputs: &[NodeId], ty: Type) -> Result<NodeId> {
        self.record(&op, inputs, &ty);
        let requires_grad = self.tracks(&op, inputs, ty.dtype);
        let node = self.new_node(op, inputs, ty, requires_grad);
        let value = match &node.op {
            Op::Assign(place) => Some(self.write(inputs[0], inputs[1], place)?),
            _ => self.immediate(&node, inputs)?,
        };
        let value = value.unwrap_or(Value::Later);
        let producer = match &node.op {
            Op::View(view) if !matches!(view, ViewOp::Detach) => {
                let from = self.tape.get(inputs[0]);
                from.producer.as_ref().map(|p| Box::new(p.through(view, &from.node.ty.shape, &node.ty.shape)))
            }
            _ => None,
        };
        let lent = match &node.op {
            Op::View(_) => {
                self.shares(inputs[0], &value).then(|| self.tape.get(inputs[0]).lent.clone()).flatten()
            }
            _ => None,
        };
        let mut versions = SmallVec::new();
        if requires_grad {
            versions.extend(inputs.iter().map(|&i| self.version(i)));
            versions.push(version_of(&value));
        }
        let mut node = node;
        if !requires_grad {
            node.inputs.clear();
        }
        let later = matches!(value, Value::Later);
        let entry = Entry { versions, producer, lent, leaf: !requires_grad, ..Entry::leaf(node, value) };
        let id = self.tape.insert(entry);
        self.pool.push(id);
        if later {
            self.pend(id, inputs)?;
        }
        if self.anomaly || self.log.is_some() {
            self.run_batch()?;
            if self.anomaly {
                self.check_finite(id, inputs)?;
            }
        }
        Ok(id)
    }

    fn shares(&self, input: NodeId, value: &Value) -> bool {
        match (self.value(input), value) {
            (Value::Tensor { storage: a, .. }, Value::Tensor { storage: b, .. }) => a.id == b.id,
            _ => false,
        }
    }

    fn version(&self, node: NodeId) -> u64 {
        version_of(self.value(node))
    }

    fn overwritten(&self, node: NodeId) -> Error {
        let name = self.op(node).name();
        Error::Grad(format!(
            "backward: a value that {name} saved for its gradient was overwritten after the forward pass (copyFrom or an optimizer step); \
             expected it unchanged until backward(). Hint: call backward() before the write, or use a clone() in the forward pass"
        ))
    }
}

/// Captured leaves come before whatever is computed in a trace, in their own order.
const FIRST_TRACED: u64 = 1 << 62;

fn version_of(value: &Value) -> u64 {
    match value {
        // Memory that does not exist yet will begin with no writes.
        Value::Scalar(_) | Value::Later => 0,
        Value::Tensor { storage, .. } => storage.version(),
    }
}

impl Driver for Engine {
    fn append(&mut self, op: Op, inputs: &[NodeId], ty: Type) -> Result<NodeId> {
        if self.trace.is_some() {
            let requires_grad = self.tracks(&op, inputs, ty.dtype);
            let node = self.new_node(op, inputs, ty, requires_grad);
            Ok(self.append_traced(node))
        } else {
            self.append_eager(op, inputs, ty)
        }
    }

    fn ty(&self, node: NodeId) -> &Type {
        match &self.trace {
            Some(trace) => &trace.nodes[node.0 as usize].ty,
            None => &self.tape.get(node).node.ty,
        }
    }

    fn op(&self, node: NodeId) -> &Op {
        match &self.trace {
            Some(trace) => &trace.nodes[node.0 as usize].op,
            None => &self.tape.get(node).node.op,
        }
    }

    fn inputs(&self, node: NodeId) -> &[NodeId] {
        match &self.trace {
            Some(trace) => &trace.nodes[node.0 as usize].inputs,
            None => &self.tape.get(node).node.inputs,
        }
    }

    fn requires_grad(&self, node: NodeId) -> bool {
        match &self.trace {
            Some(trace) => trace.nodes[node.0 as usize].requires_grad,
            None => self.tape.get(node).node.requires_grad,
        }
    }

    fn current(&mut self, node: NodeId) -> Result<NodeId> {
        if self.trace.is_some() { Ok(self.refresh(node)) } else { Ok(node) }
    }

    fn saved_input(&mut self, node: NodeId, index: usize) -> Result<NodeId> {
        let input = self.inputs(node)[index];
        let fresh = match &self.trace {
            Some(trace) => trace.is_current(input),
            None => self.tape.get(node).versions[index] == self.version(input),
        };
        if fresh { Ok(input) } else { Err(self.overwritten(node)) }
    }

    fn saved_output(&mut self, node: NodeId) -> Result<NodeId> {
        let fresh = match &self.trace {
            Some(trace) => trace.is_current(node),
            None => self.tape.get(node).versions.last() == Some(&self.version(node)),
        };
        if fresh { Ok(node) } else { Err(self.overwritten(node)) }
    }

    fn claims(&self, composite: Composite) -> bool {
        self.backend.claims(composite)
    }

    fn sequence(&self, node: NodeId) -> u64 {
        match &self.trace {
            Some(trace) => match trace.outside(node) {
                Some(eager) => self.tape.get(eager).node.sequence,
                None => FIRST_TRACED + u64::from(node.0),
            },
            None => self.tape.get(node).node.sequence,
        }
    }

    fn identity(&self, node: NodeId) -> NodeId {
        self.trace.as_ref().map_or(node, |trace| trace.identity(node))
    }

    fn is_leaf(&self, node: NodeId) -> bool {
        match &self.trace {
            Some(trace) => trace.is_leaf(node),
            None => self.tape.get(node).leaf,
        }
    }

    fn enter_backward(&mut self, node: NodeId) -> Result<()> {
        let (n, spent) = match &self.trace {
            Some(trace) => (&trace.nodes[node.0 as usize], trace.spent.contains(&node)),
            None => (&self.tape.get(node).node, self.tape.get(node).spent),
        };
        let (path, site, name) = (n.path, n.site, n.op.name());
        if spent {
            return Err(Error::Grad(format!(
                "backward: a second pass reached {name}, whose saved values the first pass has dropped; \
                 expected a fresh forward pass. \
                 Hint: call the first one as backward(undefined, {{ retainGraph: true }})"
            )));
        }
        self.walked.push(node);
        self.path = path;
        self.site = site;
        self.backward_of = Some(name);
        Ok(())
    }

    fn leave_backward(&mut self, keep: &dyn Fn(NodeId) -> bool) -> Result<()> {
        self.backward_of = None;
        self.trim(keep);
        if self.trace.is_none() { self.run_enough() } else { Ok(()) }
    }
}
