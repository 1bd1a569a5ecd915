//! The search for the first value that is not finite, eagerly and in programs.

use std::sync::Arc;

use super::Engine;
use super::runnable::Runnable;
use crate::backend::{Backend, Binding, Executable, Run};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::op::Op;
use crate::pass::Origin;
use crate::plan::{Kernel, Operand, Plan, Step};
use crate::runner::decode;
use crate::shape::View;
use crate::storage::{Value, gates};

impl Engine {
    /// Looks at the value of a new eager node.
    pub(super) fn check_finite(&mut self, id: NodeId, inputs: &[NodeId]) -> Result<()> {
        let entry = self.tape.get(id);
        let (node, value) = (entry.node.clone(), entry.value.clone());
        if matches!(node.op, Op::View(_) | Op::Assign(_) | Op::Const(_)) {
            return Ok(());
        }
        let Some(found) = self.not_finite(&value)? else { return Ok(()) };
        let mut given = false;
        for &input in inputs {
            let value = self.value(input).clone();
            given |= self.not_finite(&value)?.is_some();
        }
        let text = describe(node.op.name(), self.backward_of, self.names.get(node.site), given, found);
        Err(Error::Anomaly(text))
    }

    fn not_finite(&self, value: &Value) -> Result<Option<f64>> {
        match value {
            Value::Scalar(_) | Value::Later => Ok(None),
            Value::Tensor { storage, view } => {
                let gates = gates(None, [storage], []);
                let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
                first_not_finite(&self.backend, storage.binding(), storage.dtype, view)
            }
        }
    }
}

/// A program cut into its steps, so that each result can be looked at.
pub struct Watched {
    steps: Vec<(Executable, Step)>,
}

impl Watched {
    pub fn new(backend: &Arc<dyn Backend>, plan: &Plan) -> Result<Self> {
        let cut = |step: &Step| -> Result<(Executable, Step)> {
            let alone = Plan { steps: vec![step.clone()], ..plan.clone() };
            Ok((backend.prepare(&alone)?, step.clone()))
        };
        Ok(Self { steps: plan.steps.iter().map(cut).collect::<Result<_>>()? })
    }

    /// Runs step by step up to the first result that is not finite.
    pub fn run(&self, runnable: &Runnable, run: &Run<'_>) -> Result<()> {
        let backend = &runnable.backend;
        let look = |operand: &Operand| {
            let slot = run.bindings[operand.slot as usize];
            let binding = Binding { offset: slot.offset + operand.base, ..slot };
            first_not_finite(backend, binding, operand.dtype, &operand.view)
        };
        for (executable, step) in &self.steps {
            // A step may write over what it reads, so its operands are looked at before.
            let mut given = false;
            for operand in &step.ins {
                given |= look(operand)?.is_some();
            }
            backend.run(executable, run).map_err(|fault| runnable.named(fault))?;
            if matches!(step.kernel, Kernel::Copy) {
                continue;
            }
            for operand in &step.outs {
                if let Some(found) = look(operand)? {
                    return Err(runnable.anomaly(step.origin, given, found));
                }
            }
        }
        Ok(())
    }
}

impl Runnable {
    fn anomaly(&self, origin: u32, given: bool, found: f64) -> Error {
        let Origin { name, gradient_of, .. } = &self.origins[origin as usize];
        let site = &self.sites[origin as usize];
        Error::Anomaly(describe(name, *gradient_of, site, given, found)).within(&self.paths[origin as usize])
    }
}

fn describe(op: &str, gradient_of: Option<&str>, site: &str, given: bool, found: f64) -> String {
    let name = match gradient_of {
        Some(forward) => format!("the gradient of {forward} (its {op})"),
        None => op.to_owned(),
    };
    let line = if site.is_empty() { String::new() } else { format!(" at {site}") };
    let what = if given { "an operand was not finite already" } else { "its operands are finite" };
    format!("{name}: the result{line} contains {found}; expected finite values, {what}")
}

/// The first element of a tensor that is NaN or infinite.
fn first_not_finite(
    backend: &Arc<dyn Backend>,
    at: Binding,
    dtype: DType,
    view: &View,
) -> Result<Option<f64>> {
    if !dtype.is_float() || view.numel() == 0 {
        return Ok(None);
    }
    let size = dtype.size();
    let (low, high) = view.span();
    let mut bytes = vec![0; (high - low + 1) * size];
    backend.download(at.buffer, at.offset + low * size, &mut bytes)?;
    let element = |i: usize| decode(&bytes[(i - low) * size..(i - low + 1) * size], dtype);
    Ok(view.elements().map(element).find(|x| !x.is_finite()))
}
