//! The tracing driver: nodes are appended, nothing runs, and everything can be taken back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::overlay::{Leaf, TraceGrad};
use super::runnable::ScalarSource;
use super::tape::Producer;
use super::{Engine, Handle};
use crate::dtype::{DType, Weak};
use crate::error::{Error, Result};
use crate::graph::{Driver, Inputs, Node, NodeId, Type};
use crate::op::{Op, ViewOp};
use crate::shape::{Dims, View, checked_bytes};
use crate::storage::{Storage, Value};

/// An argument of a traced function.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgSpec {
    Tensor {
        ty: Type,
        requires_grad: bool,
    },
    /// Its value is given with each call; whether it is integral is part of the program's key.
    Number {
        integral: bool,
    },
}

/// How a trace becomes a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceOptions {
    /// Gradients that exist at the end of the step stay readable.
    pub keep_grads: bool,
}

/// The content of a storage from outside, as the trace sees it.
pub struct State {
    pub storage: Arc<Storage>,
    /// The node that holds it after the writes so far.
    pub current: NodeId,
    /// Writes so far.
    pub version: u32,
    /// The eager leaf whose gradient this is: its storage may be another one at the next call.
    pub grad_of: Option<NodeId>,
    /// Made by the function itself, which must find it as it was at every call.
    pub literal: bool,
}

/// The state that a chain of views looks at, where in it, and how many writes it has seen. A view
/// that had to copy has no root: later writes do not reach the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    pub state: u32,
    pub version: u32,
    pub view: View,
}

/// A trace under construction.
pub struct Trace {
    pub id: u64,
    pub nodes: Vec<Node>,
    pub producers: HashMap<NodeId, Producer>,
    pub inputs: Vec<Type>,
    pub slots: Vec<ScalarSource>,
    pub states: Vec<State>,
    pub random_blocks: u64,
    pub grads: Vec<(Leaf, TraceGrad)>,
    /// Parameters updated, as (optimizer, parameter); each has its scalars in the slots.
    pub bumps: Vec<(u32, usize)>,
    /// (optimizer, group, structure) that the trace was made for.
    pub structures: Vec<(u32, usize, u32)>,
    /// Eager nodes that the trace refers to.
    pub retained: Vec<NodeId>,
    /// Nodes whose saved values a backward pass has dropped.
    pub spent: HashSet<NodeId>,
    pub roots: Vec<Option<Root>>,
    state_of: HashMap<u64, u32>,
    captured: HashMap<NodeId, NodeId>,
    leaf_of: HashMap<NodeId, NodeId>,
    own_leaves: HashSet<NodeId>,
    /// Captured tensors that were computed from parameters outside of the trace.
    pub history: HashSet<NodeId>,
    refreshed: HashMap<NodeId, NodeId>,
    /// The first reading of a view that has been read again.
    first_of: HashMap<NodeId, NodeId>,
    grad_enabled: bool,
}

impl Trace {
    pub fn is_current(&self, node: NodeId) -> bool {
        self.roots[node.0 as usize]
            .as_ref()
            .is_none_or(|root| root.version == self.states[root.state as usize].version)
    }

    pub fn is_leaf(&self, node: NodeId) -> bool {
        let n = &self.nodes[node.0 as usize];
        !n.requires_grad
            || n.inputs.is_empty()
            || self.leaf_of.contains_key(&node)
            || self.own_leaves.contains(&node)
            || self.history.contains(&node)
    }

    pub fn identity(&self, node: NodeId) -> NodeId {
        self.first_of.get(&node).copied().unwrap_or(node)
    }

    /// Whether a node is one number everywhere. Outside of a trace such a gradient has memory, which
    /// the Builder does not look into.
    pub fn is_number(&self, node: NodeId) -> bool {
        let node = &self.nodes[node.0 as usize];
        match node.op {
            Op::Const(_) | Op::Slot(_) => true,
            Op::View(_) => self.is_number(node.inputs[0]),
            _ => node.ty.weak.is_some(),
        }
    }

    /// The leaf outside that a node stands for.
    pub fn outside(&self, node: NodeId) -> Option<NodeId> {
        self.leaf_of.get(&node).copied()
    }
}

impl Engine {
    /// Opens a trace; returns handles to its arguments.
    pub fn trace_begin(&mut self, args: &[ArgSpec]) -> Result<Vec<Handle>> {
        if self.trace.is_some() {
            return Err(Error::Internal("jit: a trace is open already".into()));
        }
        for arg in args {
            if let ArgSpec::Tensor { ty, .. } = arg {
                checked_bytes("jit", ty.dtype, &ty.shape)?;
            }
        }
        self.traces += 1;
        self.trace = Some(Trace {
            id: self.traces,
            nodes: Vec::new(),
            producers: HashMap::new(),
            inputs: Vec::new(),
            slots: Vec::new(),
            states: Vec::new(),
            random_blocks: 0,
            grads: Vec::new(),
            bumps: Vec::new(),
            structures: Vec::new(),
            retained: Vec::new(),
            spent: HashSet::new(),
            roots: Vec::new(),
            state_of: HashMap::new(),
            captured: HashMap::new(),
            leaf_of: HashMap::new(),
            own_leaves: HashSet::new(),
            history: HashSet::new(),
            refreshed: HashMap::new(),
            first_of: HashMap::new(),
            grad_enabled: self.grad_enabled,
        });
        let mut handles = Vec::with_capacity(args.len());
        let mut numbers = 0;
        for arg in args {
            let node = match arg {
                ArgSpec::Tensor { ty, requires_grad } => {
                    let trace = self.trace.as_mut().expect("opened above");
                    trace.inputs.push(ty.clone());
                    let op = Op::Input((trace.inputs.len() - 1) as u32);
                    let node = self.new_leaf(op, ty.clone());
                    self.node_mut(node).requires_grad = *requires_grad;
                    node
                }
                ArgSpec::Number { integral } => {
                    let weak = Some(if *integral { Weak::Int } else { Weak::Float });
                    numbers += 1;
                    self.slot(ScalarSource::Arg(numbers - 1), weak)
                }
            };
            handles.push(self.handle(node));
        }
        Ok(handles)
    }

    /// A run-time scalar of the open trace.
    pub(super) fn slot(&mut self, source: ScalarSource, weak: Option<Weak>) -> NodeId {
        let trace = self.trace.as_mut().expect("slots exist in traces only");
        trace.slots.push(source);
        let op = Op::Slot((trace.slots.len() - 1) as u32);
        self.new_leaf(op, Type { dtype: DType::F32, shape: Dims::new(), weak })
    }

    fn new_leaf(&mut self, op: Op, ty: Type) -> NodeId {
        let (path, site) = (self.path, self.site);
        let trace = self.trace.as_ref().expect("called while tracing");
        let node = Node {
            op,
            inputs: Inputs::new(),
            ty,
            requires_grad: false,
            path,
            site,
            called: None,
            gradient_of: None,
            sequence: trace.nodes.len() as u64,
            random: 0,
        };
        self.append_traced(node)
    }

    fn node_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.trace.as_mut().expect("called while tracing").nodes[node.0 as usize]
    }

    pub(super) fn append_traced(&mut self, node: Node) -> NodeId {
        let trace = self.trace.as_mut().expect("called while tracing");
        let base = |state: u32| trace.states[state as usize].storage.base.clone();
        let root = match &node.op {
            Op::State(state) => Some(Root { state: *state, version: 0, view: base(*state) }),
            Op::View(op) => trace.roots[node.inputs[0].0 as usize]
                .as_ref()
                .and_then(|root| Some(Root { view: op.apply(&root.view)?, ..root.clone() })),
            Op::Assign(_) => {
                let root = trace.roots[node.inputs[0].0 as usize].as_ref().expect("states are written");
                Some(Root { version: root.version + 1, view: base(root.state), ..root.clone() })
            }
            _ => None,
        };
        let producer = match &node.op {
            Op::View(view) if !matches!(view, ViewOp::Detach) => {
                let from = &trace.nodes[node.inputs[0].0 as usize].ty.shape;
                trace.producers.get(&node.inputs[0]).map(|p| p.through(view, from, &node.ty.shape))
            }
            _ => None,
        };
        let id = NodeId(trace.nodes.len() as u32);
        trace.nodes.push(node);
        trace.roots.push(root);
        if let Some(producer) = producer {
            trace.producers.insert(id, producer);
        }
        id
    }

    /// Takes everything back: the engine is as it was before `trace_begin`.
    pub fn trace_abort(&mut self) {
        let Some(trace) = self.trace.take() else { return };
        self.grad_enabled = trace.grad_enabled;
        self.backward_of = None;
        for node in trace.retained {
            self.release_node(node);
        }
    }

    /// A tensor from outside as a node of the trace: a leaf by buffer, never a constant.
    pub(super) fn capture(&mut self, eager: NodeId) -> Result<NodeId> {
        if let Some(&node) = self.trace.as_ref().and_then(|t| t.captured.get(&eager)) {
            return Ok(node);
        }
        let Value::Tensor { storage, view } = self.memory_of(eager)? else {
            return Err(Error::Internal("capture: a tensor without memory".into()));
        };
        let entry = self.tape.get(eager);
        let (ty, requires_grad, leaf) = (entry.node.ty.clone(), entry.node.requires_grad, entry.leaf);
        let state = self.state(&storage);
        self.tape.retain(eager);
        let (path, site) = (self.path, self.site);
        let trace = self.trace.as_mut().expect("called while tracing");
        trace.retained.push(eager);
        let node = Node {
            op: Op::View(ViewOp::Place(view)),
            inputs: Inputs::from_slice(&[trace.states[state as usize].current]),
            ty,
            requires_grad,
            path,
            site,
            called: None,
            gradient_of: None,
            sequence: trace.nodes.len() as u64,
            random: 0,
        };
        let id = self.append_traced(node);
        let trace = self.trace.as_mut().expect("called while tracing");
        trace.captured.insert(eager, id);
        if leaf {
            trace.leaf_of.insert(id, eager);
        } else if requires_grad {
            trace.history.insert(id);
        }
        Ok(id)
    }

    /// The value of an eager node in memory of its own; constants get some.
    fn memory_of(&mut self, eager: NodeId) -> Result<Value> {
        if let Value::Scalar(_) = self.value(eager) {
            let trace = self.trace.take();
            let given = self.give_memory(eager);
            self.settle();
            self.trace = trace;
            given?;
        }
        Ok(self.value(eager).clone())
    }

    fn state(&mut self, storage: &Arc<Storage>) -> u32 {
        let trace = self.trace.as_mut().expect("called while tracing");
        if let Some(&state) = trace.state_of.get(&storage.id) {
            return state;
        }
        let state = self.new_state(storage, None);
        let trace = self.trace.as_mut().expect("called while tracing");
        trace.state_of.insert(storage.id, state);
        // What a trace looks at is nobody's output buffer any more.
        self.keep_lent(storage.id);
        state
    }

    pub(super) fn new_state(&mut self, storage: &Arc<Storage>, grad_of: Option<NodeId>) -> u32 {
        let trace = self.trace.as_mut().expect("called while tracing");
        let state = trace.states.len() as u32;
        let current = NodeId(trace.nodes.len() as u32);
        let storage = Arc::clone(storage);
        let ty = Type::new(storage.dtype, &storage.base.shape);
        trace.states.push(State { storage, current, version: 0, grad_of, literal: false });
        self.new_leaf(Op::State(state), ty);
        state
    }

    /// The node that reads what `node` names now: views of a state see the writes since.
    pub(super) fn refresh(&mut self, node: NodeId) -> NodeId {
        let trace = self.trace.as_ref().expect("called while tracing");
        if trace.is_current(node) {
            return node;
        }
        if let Some(&fresh) = trace.refreshed.get(&node) {
            return fresh;
        }
        let state = trace.roots[node.0 as usize].as_ref().expect("only views of states grow stale").state;
        let old = trace.nodes[node.0 as usize].clone();
        let fresh = if let Op::View(_) = old.op {
            let input = self.refresh(old.inputs[0]);
            let id = self.append_traced(Node { inputs: Inputs::from_slice(&[input]), ..old });
            let trace = self.trace.as_mut().expect("called while tracing");
            if let Some(&eager) = trace.leaf_of.get(&node) {
                trace.leaf_of.insert(id, eager);
            }
            if trace.history.contains(&node) {
                trace.history.insert(id);
            }
            let first = trace.identity(node);
            trace.first_of.insert(id, first);
            id
        } else {
            trace.states[state as usize].current
        };
        self.trace.as_mut().expect("called while tracing").refreshed.insert(node, fresh);
        fresh
    }

    pub(super) fn assign_traced(&mut self, target: NodeId, value: NodeId) -> Result<()> {
        let target = self.refresh(target);
        let trace = self.trace.as_ref().expect("called while tracing");
        let root = trace.roots[target.0 as usize].clone();
        let Some(root) = root.filter(|root| !trace.states[root.state as usize].literal) else {
            return Err(Error::Trace(
                "copyFrom: the target was made inside the jitted function; expected a parameter, a buffer or another tensor from outside. \
                 Hint: use the new value itself"
                    .into(),
            ));
        };
        let state = &trace.states[root.state as usize];
        let current = state.current;
        let base = Type::new(state.storage.dtype, &state.storage.base.shape);
        let view = root.view;
        if view.strides.iter().zip(&view.shape).any(|(&s, &n)| s == 0 && n > 1) {
            return Err(Error::Shape("copyFrom: the target is a broadcast view, whose elements share memory; expected a plain tensor".into()));
        }
        let written = self.append(Op::Assign(view), &[current, value], base)?;
        let trace = self.trace.as_mut().expect("called while tracing");
        let state = &mut trace.states[root.state as usize];
        state.current = written;
        state.version += 1;
        trace.refreshed.clear();
        Ok(())
    }

    /// A tensor literal made inside a trace: a state that nothing outside can write.
    pub(super) fn create_traced(&mut self, storage: Arc<Storage>) -> Result<Handle> {
        let trace = self.trace.take();
        let eager = self.adopt_storage(storage, false);
        self.trace = trace;
        let node = self.capture(eager);
        let trace = self.trace.take();
        self.settle();
        self.trace = trace;
        let node = node?;
        let trace = self.trace.as_mut().expect("called while tracing");
        let root = trace.roots[node.0 as usize].as_ref().expect("a captured tensor is a view of a state");
        trace.states[root.state as usize].literal = true;
        Ok(self.handle(node))
    }

    pub(super) fn set_traced_requires_grad(&mut self, node: NodeId, on: bool) -> Result<()> {
        let trace = self.trace.as_mut().expect("called while tracing");
        if trace.roots[node.0 as usize].is_some() {
            return Err(Error::Trace(
                "requiresGrad: written inside a jitted function, where it would happen once; expected it to be set before. \
                 Hint: freeze or unfreeze outside of the step"
                    .into(),
            ));
        }
        trace.nodes[node.0 as usize].requires_grad = on;
        if on {
            trace.own_leaves.insert(node);
        }
        Ok(())
    }
}
