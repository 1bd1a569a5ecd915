//! The one representation of computation: nodes, and the Builder that appends them.
//!
//! Two drivers stand behind the Builder. The eager one executes each node at once and counts
//! references; the tracing one only records. Ops, layers and backward rules cannot tell which.

use smallvec::SmallVec;

use crate::dtype::{DType, Kind, Weak};
use crate::error::{Error, Result};
use crate::op::{Composite, Number, Op, Random, ViewOp};
use crate::ops;
use crate::shape::{Dims, checked_bytes, numel};

/// A node of the current graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Shape and element type of a node; `weak` where the value came from literals only.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Type {
    pub dtype: DType,
    pub shape: Dims,
    pub weak: Option<Weak>,
}

impl Clone for Type {
    // Derived, it would copy the sizes one by one.
    #[inline]
    fn clone(&self) -> Self {
        Self { dtype: self.dtype, shape: Dims::from_slice(&self.shape), weak: self.weak }
    }
}

impl Type {
    pub fn new(dtype: DType, shape: &[usize]) -> Self {
        Self { dtype, shape: shape.into(), weak: None }
    }

    pub fn kind(&self) -> Kind {
        Kind { dtype: self.dtype, weak: self.weak }
    }

    pub fn numel(&self) -> usize {
        numel(&self.shape)
    }
}

/// Inputs of a node.
pub type Inputs = SmallVec<[NodeId; 4]>;

/// One node, as both drivers store it.
#[derive(Clone)]
pub struct Node {
    pub op: Op,
    pub inputs: Inputs,
    pub ty: Type,
    pub requires_grad: bool,
    /// Module path and source line as interned names; 0 where unknown.
    pub path: u32,
    pub site: u32,
    /// The op of the library in whose call the node was appended, where that was a call.
    pub called: Option<&'static str>,
    /// The forward op whose backward rule appended the node.
    pub gradient_of: Option<&'static str>,
    /// Position in the order of appending.
    pub sequence: u64,
    /// Philox blocks taken from the stream before this node; relative to the run where traced.
    pub random: u64,
}

/// What a driver stores of every node, in the terms that rules need.
pub trait Driver {
    /// Appends a node whose type has been inferred; inputs are already current (see [`Driver::current`]).
    fn append(&mut self, op: Op, inputs: &[NodeId], ty: Type) -> Result<NodeId>;

    fn ty(&self, node: NodeId) -> &Type;

    fn op(&self, node: NodeId) -> &Op;

    fn inputs(&self, node: NodeId) -> &[NodeId];

    fn requires_grad(&self, node: NodeId) -> bool;

    /// The node to read instead of `node`, which may be a view of a state written since.
    fn current(&mut self, node: NodeId) -> Result<NodeId>;

    /// The value that input `index` of `node` had when `node` was made, or an error where it was overwritten since.
    fn saved_input(&mut self, node: NodeId, index: usize) -> Result<NodeId>;

    /// The value of `node` itself as its backward rule needs it.
    fn saved_output(&mut self, node: NodeId) -> Result<NodeId>;

    fn claims(&self, composite: Composite) -> bool;

    /// Position in the order of appending; consumers come after what they read.
    fn sequence(&self, node: NodeId) -> u64 {
        u64::from(node.0)
    }

    /// The node that stands for this one in gradients. A view that is read again after a write to its
    /// state is another node with the same place in the chain from a leaf to the loss.
    fn identity(&self, node: NodeId) -> NodeId {
        node
    }

    /// A node whose gradient is kept rather than passed on.
    fn is_leaf(&self, node: NodeId) -> bool {
        self.inputs(node).is_empty()
    }

    /// Called before the backward rule of a node: names it as the origin of what the rule appends,
    /// or says why no gradient can pass it.
    fn enter_backward(&mut self, _node: NodeId) -> Result<()> {
        Ok(())
    }

    /// Called when a rule is done; of the nodes made since the walk began only `keep` is still read.
    fn leave_backward(&mut self, _keep: &dyn Fn(NodeId) -> bool) -> Result<()> {
        Ok(())
    }
}

/// Appends nodes: every op of the library is one of its methods, here and in [`crate::ops`] and
/// [`crate::composite`].
pub struct Builder<'a> {
    pub driver: &'a mut dyn Driver,
}

impl<'a> Builder<'a> {
    pub fn new(driver: &'a mut dyn Driver) -> Self {
        Self { driver }
    }

    /// Appends `op` after inferring its type and checking its operands; `Error::Shape` where the result is
    /// larger than any memory, so that sizes multiplied later do not overflow.
    pub fn push(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let mut now = Inputs::with_capacity(inputs.len());
        for &input in inputs {
            now.push(self.driver.current(input)?);
        }
        let ty = {
            let mut types: SmallVec<[&Type; 4]> = SmallVec::new();
            for &input in &now {
                types.push(self.driver.ty(input));
            }
            ops::infer(&op, &types)?
        };
        checked_bytes(op.name(), ty.dtype, &ty.shape)?;
        self.driver.append(op, &now, ty)
    }

    pub fn ty(&self, node: NodeId) -> &Type {
        self.driver.ty(node)
    }

    pub fn dtype(&self, node: NodeId) -> DType {
        self.driver.ty(node).dtype
    }

    pub fn shape(&self, node: NodeId) -> Dims {
        self.driver.ty(node).shape.clone()
    }

    pub fn rank(&self, node: NodeId) -> usize {
        self.driver.ty(node).shape.len()
    }

    /// A weakly typed 0-d number.
    pub fn number(&mut self, value: f64) -> Result<NodeId> {
        let ty = Type { dtype: DType::F32, shape: Dims::new(), weak: Some(Weak::of(value)) };
        self.driver.append(Op::Const(Number(value)), &[], ty)
    }

    /// A 0-d number of a fixed element type.
    pub fn constant(&mut self, value: f64, dtype: DType) -> Result<NodeId> {
        self.driver.append(Op::Const(Number(value)), &[], Type::new(dtype, &[]))
    }

    /// A constant tensor; it takes no memory until something other than an elementwise op reads it.
    pub fn full(&mut self, shape: &[usize], value: f64, dtype: DType) -> Result<NodeId> {
        let scalar = self.constant(value, dtype)?;
        if shape.is_empty() {
            Ok(scalar)
        } else {
            self.push(Op::View(ViewOp::Expand(shape.into())), &[scalar])
        }
    }

    pub fn zeros_like(&mut self, node: NodeId) -> Result<NodeId> {
        let ty = self.ty(node).clone();
        self.full(&ty.shape, 0.0, ty.dtype)
    }

    /// 0, 1, … n-1 as i32.
    pub fn iota(&mut self, n: usize) -> Result<NodeId> {
        if i32::try_from(n).is_err() {
            return Err(Error::Value(format!("arange: {n} elements; expected at most {}", i32::MAX)));
        }
        self.driver.append(Op::Iota, &[], Type::new(DType::I32, &[n]))
    }

    /// Random numbers; they take their share of the stream in the order of appending.
    pub fn random(&mut self, random: Random, shape: &[usize], dtype: DType) -> Result<NodeId> {
        let op = Op::Random(random);
        checked_bytes(op.name(), dtype, shape)?;
        self.driver.append(op, &[], Type::new(dtype, shape))
    }
}

/// A node under its backward rule: what the rule may ask.
///
/// Values are asked for by [`Vjp::input`] and [`Vjp::output`] only, so that a value overwritten
/// since the forward pass is an error exactly where it would make the gradient wrong. Shapes and
/// element types are always available.
pub struct Vjp<'b, 'a> {
    pub b: &'b mut Builder<'a>,
    pub node: NodeId,
    /// Gradient of the loss with respect to the node; same shape and element type as the node.
    pub dy: NodeId,
}

impl Vjp<'_, '_> {
    /// The value of an input at the time of the forward pass.
    pub fn input(&mut self, index: usize) -> Result<NodeId> {
        self.b.driver.saved_input(self.node, index)
    }

    /// The value of the node itself.
    pub fn output(&mut self) -> Result<NodeId> {
        self.b.driver.saved_output(self.node)
    }

    pub fn input_type(&self, index: usize) -> Type {
        self.b.driver.ty(self.b.driver.inputs(self.node)[index]).clone()
    }

    /// Whether the gradient of an input is wanted at all.
    pub fn needs(&self, index: usize) -> bool {
        self.b.driver.requires_grad(self.b.driver.inputs(self.node)[index])
    }
}

/// One gradient per input, `None` where there is none or it is not needed.
pub type Grads = SmallVec<[Option<NodeId>; 4]>;
