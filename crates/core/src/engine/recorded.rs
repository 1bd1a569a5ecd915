//! What a trace recorded, kept so that it can be lowered in more than one way.

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Inputs, Node, NodeId, Type};
use crate::op::{Number, Op};
use crate::pass::{Lowered, Source, lower};
use crate::plan::Kernel;
use crate::shape::View;

use super::runnable::ScalarSource;

/// The nodes of a trace with what they refer to.
#[derive(Clone)]
pub(super) struct Recorded {
    pub nodes: Vec<Node>,
    /// Types of the n-th `Op::Input`.
    pub inputs: Vec<Type>,
    /// Element type and layout of the n-th `Op::State`.
    pub states: Vec<(DType, View)>,
    /// What the n-th `Op::Slot` stands for.
    pub slots: Vec<ScalarSource>,
    /// Nodes to deliver and their layouts.
    pub roots: Vec<(NodeId, Option<View>)>,
    /// One step per node, nothing fused.
    pub separate: bool,
}

impl Recorded {
    pub fn lower(&self) -> Result<Lowered> {
        let inputs: Vec<View> = self.inputs.iter().map(|ty| View::contiguous(&ty.shape)).collect();
        lower(&Source {
            nodes: &self.nodes,
            inputs: &inputs,
            states: &self.states,
            outputs: &self.roots,
            separate: self.separate,
        })
    }

    /// Where the scalars of a lowering come from.
    pub fn scalars(&self, lowered: &Lowered) -> Vec<ScalarSource> {
        let source = |id: &NodeId| match self.nodes[id.0 as usize].op {
            Op::Slot(n) => self.slots[n as usize].clone(),
            Op::Const(Number(value)) => ScalarSource::Const(value),
            _ => ScalarSource::Const(0.0),
        };
        lowered.scalars.iter().map(source).collect()
    }

    /// The same, but each input is picked from all `count` examples by an index, which comes as one input more: the
    /// gather becomes part of the program, where what is computed from each element fuses with it.
    pub fn gathering(&self, count: usize) -> Self {
        let rows = self.inputs.first().map_or(0, |ty| ty.shape.first().copied().unwrap_or(0));
        let all = self.inputs.iter().map(|ty| {
            let mut ty = ty.clone();
            if let Some(first) = ty.shape.first_mut() {
                *first = count;
            }
            ty
        });
        let inputs: Vec<Type> = all.chain([Type::new(DType::I32, &[rows])]).collect();
        let shift = inputs.len() as u32;
        let moved = |id: NodeId| NodeId(id.0 + shift);
        let leaf = |(n, ty): (usize, &Type)| Node {
            op: Op::Input(n as u32),
            inputs: Inputs::new(),
            ty: ty.clone(),
            requires_grad: false,
            path: 0,
            site: 0,
            called: None,
            gradient_of: None,
            sequence: 0,
            random: 0,
        };
        let mut nodes: Vec<Node> = inputs.iter().enumerate().map(leaf).collect();
        nodes.extend(self.nodes.iter().map(|node| match node.op {
            Op::Input(n) => Node {
                op: Op::IndexSelect { axis: 0 },
                inputs: Inputs::from_slice(&[NodeId(n), NodeId(shift - 1)]),
                ..node.clone()
            },
            _ => Node { inputs: node.inputs.iter().map(|&id| moved(id)).collect(), ..node.clone() },
        }));
        let roots = self.roots.iter().map(|(id, view)| (moved(*id), view.clone())).collect();
        Self { nodes, inputs, roots, ..self.clone() }
    }
}

/// Leaves out the checks of an index that is known to be right: the order of an epoch holds every example once. The
/// kernel that picks by it still refuses what lies outside.
pub(super) fn trust(lowered: &mut Lowered, input: u32) {
    let slot = lowered.slots.iter().position(|&slot| slot == crate::pass::Slot::Input(input));
    lowered.plan.steps.retain(|step| {
        !(matches!(step.kernel, Kernel::CheckIndex { .. })
            && step.ins.iter().all(|operand| Some(operand.slot as usize) == slot))
    });
}
