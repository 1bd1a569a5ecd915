//! Arguments of a program that share memory with what the program writes.

use std::sync::Arc;

use super::runnable::Runnable;
use super::trace::Trace;
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::op::Op;
use crate::shape::View;
use crate::storage::Storage;

/// Whether the program writes the memory of an argument; an error where it also reads the argument
/// after that, since the function would see the new value.
pub(super) fn is_written(
    runnable: &Runnable,
    states: &[Arc<Storage>],
    input: u32,
    storage: &Storage,
) -> Result<bool> {
    let Some(&state) = runnable.written.iter().find(|&&s| states[s as usize].id == storage.id) else {
        return Ok(false);
    };
    if runnable.reads_late.contains(&(input, state)) {
        return Err(Error::Trace(format!(
            "jit: argument {input} shares memory with a tensor that the function writes before it reads the argument; \
             expected separate memory. Hint: use the tensor inside the function without passing it, or pass its clone()"
        )));
    }
    Ok(true)
}

/// Arguments that are read after writes to states, as (input, state).
pub(super) fn late_reads(trace: &Trace, roots: &[(NodeId, Option<View>)]) -> Vec<(u32, u32)> {
    let mut argument: Vec<Option<u32>> = Vec::with_capacity(trace.nodes.len());
    let mut written: Vec<u32> = Vec::new();
    let mut late = Vec::new();
    for node in &trace.nodes {
        let mut of = match node.op {
            Op::Input(n) => Some(n),
            _ => None,
        };
        for input in &node.inputs {
            let Some(read) = argument[input.0 as usize] else { continue };
            late.extend(written.iter().map(|&state| (read, state)));
            if matches!(node.op, Op::View(_)) {
                of = Some(read);
            }
        }
        if matches!(node.op, Op::Assign(_))
            && let Some(root) = &trace.roots[node.inputs[0].0 as usize]
        {
            written.push(root.state);
        }
        argument.push(of);
    }
    let returned = roots.iter().filter_map(|(node, _)| argument[node.0 as usize]);
    late.extend(returned.flat_map(|read| written.iter().map(move |&state| (read, state))));
    late.sort_unstable();
    late.dedup();
    late
}
