//! A program as a table for people.

use super::{Engine, ProgramId};
use crate::error::Result;
use crate::plan::{Kernel, Operand};
use crate::shape::show;

/// One kernel of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainRow {
    /// The kind of kernel.
    pub kernel: &'static str,
    /// The ops that it computes.
    pub ops: String,
    pub shapes: String,
    /// Bytes read and written.
    pub bytes: usize,
    /// Offset of the first output in the arena, where it lies there.
    pub offset: Option<usize>,
    /// Path of the module that the ops belong to.
    pub path: String,
}

/// What `explain()` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub rows: Vec<ExplainRow>,
    pub arena_bytes: usize,
    pub inputs: usize,
    pub states: usize,
    /// Outputs that a run returns.
    pub outputs: usize,
}

impl Engine {
    /// The kernels of a program in the order in which they run, and what it is bound to.
    pub fn explain(&self, id: ProgramId) -> Result<Explanation> {
        let program = self.program(id)?;
        let runnable = &program.runnable;
        let rows = runnable.plan.steps.iter().map(|step| {
            let side = |operands: &[Operand]| {
                operands.iter().map(|o| show(&o.view.shape)).collect::<Vec<_>>().join(" ")
            };
            let bytes = step.ins.iter().chain(&step.outs).map(|o| o.view.numel() * o.dtype.size()).sum();
            let origin = step.origin as usize;
            ExplainRow {
                kernel: kind(&step.kernel),
                ops: runnable.origins[origin].ops.clone(),
                shapes: format!("{} -> {}", side(&step.ins), side(&step.outs)).trim_start().to_owned(),
                bytes,
                offset: step.outs.first().filter(|o| o.slot == 0).map(|o| o.base),
                path: runnable.paths[origin].to_string(),
            }
        });
        Ok(Explanation {
            rows: rows.collect(),
            arena_bytes: runnable.plan.arena_bytes,
            inputs: runnable.inputs.len(),
            states: runnable.states.len(),
            outputs: program.returned,
        })
    }
}

fn kind(kernel: &Kernel) -> &'static str {
    match kernel {
        Kernel::Elementwise(_) => "elementwise",
        Kernel::Copy => "copy",
        Kernel::Reduce { .. } => "reduce",
        Kernel::Arg(_) => "arg",
        Kernel::MatMul(_) => "matmul",
        Kernel::Gather { .. } => "gather",
        Kernel::IndexSelect(_) => "indexSelect",
        Kernel::ScatterAdd { .. } => "scatterAdd",
        Kernel::IndexAdd => "indexAdd",
        Kernel::Random { .. } => "random",
        Kernel::Composite(_) => "composite",
        Kernel::CheckIndex { .. } => "checkIndex",
        Kernel::CheckNonZero => "checkNonZero",
    }
}
