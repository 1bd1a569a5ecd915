//! `backward()`, `.grad` and their bookkeeping, in and outside of a trace.

use std::sync::Arc;

use super::{Engine, Handle};
use crate::autodiff;
use crate::error::{Error, Result};
use crate::graph::{Builder, Driver, NodeId};
use crate::shape::View;
use crate::storage::{Storage, Value};

/// The gradient of an eager leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grad {
    /// A node of the tape, of which the entry holds a reference.
    Node(NodeId),
    /// A jitted step computed it and kept it to itself.
    Lost,
}

/// What to say where a lost gradient is wanted.
pub(super) fn lost() -> Error {
    Error::Trace(
        "grad: the gradient was computed inside a jitted step and not kept; expected one that was kept. \
         Hint: jit(step, { keepGrads: true }), or call optimizer.zeroGrad() before the next backward()"
            .into(),
    )
}

impl Engine {
    /// Gradients of `y` into the leaves' `.grad`.
    pub fn backward(&mut self, y: Handle, gradient: Option<Handle>, retain: bool) -> Result<()> {
        let (path, site) = (self.path, self.site);
        let result = self.walk(y, gradient, &[], retain).and_then(|found| {
            // A gradient that was given may have a history of its own.
            let enabled = self.set_grad_enabled(false);
            let done = self.accumulate_all(&found);
            self.set_grad_enabled(enabled);
            done
        });
        self.finish_walk(path, site, result)
    }

    fn accumulate_all(&mut self, found: &[(NodeId, NodeId)]) -> Result<()> {
        let leaves = found.iter().filter(|&&(leaf, _)| self.is_leaf(leaf) && self.requires_grad(leaf));
        let mut leaves: Vec<(NodeId, NodeId)> = leaves.copied().collect();
        if self.trace.is_some() {
            return leaves.into_iter().try_for_each(|(leaf, grad)| self.accumulate_traced(leaf, grad));
        }
        for (leaf, grad) in &mut leaves {
            match self.grads.get(leaf) {
                Some(Grad::Lost) => return Err(lost()),
                Some(&Grad::Node(earlier)) => *grad = Builder::new(self).add(earlier, *grad)?,
                None => {}
            }
            let layout = self.layout_of(*leaf);
            self.ask_layout(*grad, &layout);
        }
        // The whole pass runs here, as one plan: what is held of it are the gradients.
        self.trim(&|node| leaves.iter().any(|&(_, grad)| grad == node));
        self.run_batch()?;
        leaves.into_iter().try_for_each(|(leaf, grad)| self.store_grad(leaf, grad))
    }

    /// Gradients of `y` with respect to `xs`, leaving every `.grad` alone; `None` where unconnected.
    pub fn gradients(
        &mut self,
        y: Handle,
        gradient: Option<Handle>,
        xs: &[Handle],
        retain: bool,
    ) -> Result<Vec<Option<Handle>>> {
        let (path, site) = (self.path, self.site);
        let targets = xs
            .iter()
            .map(|&x| self.resolve(x).map(|node| self.identity(node)))
            .collect::<Result<Vec<_>>>()?;
        let result = self.walk(y, gradient, &targets, retain).and_then(|found| {
            let of = |t: &NodeId| found.iter().find(|(node, _)| node == t).map(|&(_, grad)| grad);
            let handles: Vec<_> = targets.iter().map(|t| of(t).map(|grad| self.handle(grad))).collect();
            match self.complete() {
                Ok(()) => Ok(handles),
                Err(error) => {
                    handles.into_iter().flatten().for_each(|handle| self.release(handle));
                    Err(error)
                }
            }
        });
        self.finish_walk(path, site, result)
    }

    fn walk(
        &mut self,
        y: Handle,
        gradient: Option<Handle>,
        targets: &[NodeId],
        retain: bool,
    ) -> Result<Vec<(NodeId, NodeId)>> {
        let y = self.resolve(y)?;
        if !self.requires_grad(y) {
            let hint = if self.tracing() {
                ""
            } else {
                "; outputs of a jitted function are detached: call backward() inside it"
            };
            return Err(Error::Grad(format!(
                "backward: the tensor depends on nothing that requires a gradient; expected the result of operations on parameters. \
                 Hint: set requiresGrad on a leaf, and do not compute under noGrad() or after detach(){hint}"
            )));
        }
        let ty = self.ty(y).clone();
        let dy = match gradient {
            Some(handle) => {
                let dy = self.resolve(handle)?;
                let given = self.ty(dy).clone();
                if given.shape != ty.shape {
                    return Err(Error::Shape(format!(
                        "backward: a gradient of shape {}; expected {}, the shape of the tensor",
                        crate::shape::show(&given.shape),
                        crate::shape::show(&ty.shape)
                    )));
                }
                if given.dtype == ty.dtype && given.weak.is_none() {
                    dy
                } else {
                    Builder::new(self).cast(dy, ty.dtype)?
                }
            }
            None if ty.numel() == 1 => Builder::new(self).full(&ty.shape, 1.0, ty.dtype)?,
            None => {
                return Err(Error::Grad(format!(
                    "backward: a tensor of shape {}; expected a single number. Hint: reduce it with mean() or sum(), or pass the gradient",
                    crate::shape::show(&ty.shape)
                )));
            }
        };
        let enabled = self.set_grad_enabled(false);
        let found = autodiff::gradients(&mut Builder::new(self), y, dy, targets);
        self.set_grad_enabled(enabled);
        self.backward_of = None;
        let walked = std::mem::take(&mut self.walked);
        if found.is_ok()
            && !retain
            && let Some(trace) = &mut self.trace
        {
            trace.spent.extend(walked);
        } else if found.is_ok() && !retain {
            let mut gone = std::mem::take(&mut self.gone);
            for node in &walked {
                self.tape.retain(*node);
            }
            for &node in &walked {
                self.tape.spend(node, &mut gone);
            }
            for &node in &walked {
                self.tape.release(node, &mut gone);
            }
            self.forget(gone);
        }
        found
    }

    fn finish_walk<T>(&mut self, path: u32, site: u32, result: Result<T>) -> Result<T> {
        let result = result.map_err(|error| error.within(self.names.get(self.path)));
        self.path = path;
        self.site = site;
        self.settle();
        result
    }

    /// How the gradient of a leaf lies in memory: as the leaf itself.
    fn layout_of(&self, leaf: NodeId) -> View {
        match self.value(leaf) {
            Value::Tensor { storage, view } if storage.base == *view => storage.base.clone(),
            _ => View::contiguous(&self.ty(leaf).shape),
        }
    }

    /// Makes a node the gradient of a leaf, in memory that nothing else shares, in the leaf's layout.
    fn store_grad(&mut self, leaf: NodeId, grad: NodeId) -> Result<()> {
        let layout = self.layout_of(leaf);
        let entry = self.tape.get(grad);
        let own = match &entry.value {
            // Nobody but the running call knows the node, and nobody but the node the storage.
            Value::Tensor { storage, view } => {
                entry.refs == 1
                    && self.pool.contains(&grad)
                    && !entry.node.requires_grad
                    && Arc::strong_count(storage) == 1
                    && *view == layout
            }
            Value::Scalar(_) | Value::Later => false,
        };
        let grad = if own {
            grad
        } else {
            let storage = self.copy_to_layout(grad, &layout)?;
            self.adopt_storage(storage, false)
        };
        self.tape.retain(grad);
        self.replace_grad(leaf, Some(Grad::Node(grad)));
        Ok(())
    }

    /// A leaf over a storage, owned by the current call.
    pub(super) fn adopt_storage(&mut self, storage: Arc<Storage>, requires_grad: bool) -> NodeId {
        let ty = crate::graph::Type::new(storage.dtype, &storage.base.shape);
        let view = storage.base.clone();
        self.adopt(Value::Tensor { storage, view }, ty, requires_grad)
    }

    pub(super) fn replace_grad(&mut self, leaf: NodeId, grad: Option<Grad>) {
        let kind = grad.as_ref().map(std::mem::discriminant);
        let earlier = match grad {
            Some(grad) => self.grads.insert(leaf, grad),
            None => self.grads.remove(&leaf),
        };
        if earlier.as_ref().map(std::mem::discriminant) != kind {
            self.guarded += 1;
        }
        if let Some(Grad::Node(node)) = earlier {
            self.release_node(node);
        }
    }

    /// The gradient of a leaf; `None` where there is none.
    pub fn grad_of(&mut self, leaf: Handle) -> Result<Option<Handle>> {
        let node = self.resolve(leaf)?;
        if self.trace.is_some() {
            let grad = self.read_traced_grad(node)?;
            self.show_traced_grad(node);
            return Ok(grad.map(|grad| self.handle(grad)));
        }
        match self.grads.get(&node) {
            Some(Grad::Lost) => Err(lost()),
            Some(&Grad::Node(grad)) => Ok(Some(self.handle(grad))),
            None => Ok(None),
        }
    }

    /// Replaces the gradient of a leaf; `None` drops it.
    pub fn set_grad(&mut self, leaf: Handle, grad: Option<Handle>) -> Result<()> {
        let node = self.resolve(leaf)?;
        let Some(grad) = grad else {
            self.drop_grad(node);
            return Ok(());
        };
        let grad = self.resolve(grad)?;
        let (have, want) = (self.ty(grad).clone(), self.ty(node).clone());
        if have.shape != want.shape || have.dtype != want.dtype {
            return Err(Error::Shape(format!(
                "grad: {} {}; expected {} {}, as its tensor",
                have.dtype,
                crate::shape::show(&have.shape),
                want.dtype,
                crate::shape::show(&want.shape)
            )));
        }
        let result = if self.trace.is_some() {
            self.own_traced(grad).map(|grad| self.set_traced_grad(node, Some(grad)))
        } else {
            self.store_grad(node, grad)
        };
        self.settle();
        result
    }

    /// Drops the gradients of leaves, so that the next `backward()` starts afresh.
    pub fn zero_grad(&mut self, leaves: &[Handle]) -> Result<()> {
        for &leaf in leaves {
            let node = self.resolve(leaf)?;
            self.drop_grad(node);
        }
        Ok(())
    }

    pub(super) fn drop_grad(&mut self, node: NodeId) {
        if self.trace.is_some() {
            self.set_traced_grad(node, None);
        } else {
            self.replace_grad(node, None);
        }
    }
}
