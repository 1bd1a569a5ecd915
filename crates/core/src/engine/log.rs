//! The log by which a jitted step is compared with its eager run.

use super::Engine;
use super::trace::Trace;
use crate::dtype::DType;
use crate::graph::{Driver, NodeId, Type};
use crate::op::{Number, Op};
use crate::storage::{Storage, Value};

/// One appended node, as far as eager and traced runs must agree on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    op: Op,
    ty: Type,
    /// Storages of operands that were not computed in the function.
    outside: Vec<u64>,
    path: u32,
    site: u32,
}

/// Everything appended since the log was opened.
#[derive(Default)]
pub struct Log {
    records: Vec<Record>,
    /// Storages from here on were made by the function itself.
    first_storage: u64,
}

impl Log {
    pub fn new() -> Self {
        Self { records: Vec::new(), first_storage: Storage::next_id() }
    }
}

/// Views, leaves and writes differ between the drivers by nature, and so does the arithmetic of
/// numbers, which eager runs do at once, and where values are copied; what is computed must not.
fn is_compared(op: &Op, ty: &Type, first: Option<DType>) -> bool {
    match op {
        Op::View(_) | Op::Leaf | Op::State(_) | Op::Input(_) | Op::Slot(_) | Op::Assign(_) => false,
        Op::Const(_) => true,
        Op::Cast(_) => !ty.shape.is_empty() && first != Some(ty.dtype),
        _ => ty.weak.is_none(),
    }
}

/// What a trace computes, in the order of appending.
pub(super) fn records(trace: &Trace) -> Vec<Record> {
    // Gradients that were there before count as arguments: the next call may find others.
    let outside = |at: NodeId| {
        let state = &trace.states[trace.roots[at.0 as usize].as_ref()?.state as usize];
        state.grad_of.is_none().then_some(state.storage.id)
    };
    trace
        .nodes
        .iter()
        .filter(|node| {
            let first = node.inputs.first().map(|input| trace.nodes[input.0 as usize].ty.dtype);
            is_compared(&node.op, &node.ty, first)
        })
        .map(|node| Record {
            op: node.op.clone(),
            ty: Type { weak: None, ..node.ty.clone() },
            outside: node.inputs.iter().filter_map(|&input| outside(input)).collect(),
            path: node.path,
            site: node.site,
        })
        .collect()
}

impl Engine {
    /// Adds an eager node to the log.
    pub(super) fn record(&mut self, op: &Op, inputs: &[NodeId], ty: &Type) {
        let Some(log) = &self.log else { return };
        let first = inputs.first().map(|&input| self.ty(input).dtype);
        if !is_compared(op, ty, first) {
            return;
        }
        let outside = inputs.iter().filter_map(|&input| match self.value(input) {
            Value::Tensor { storage, .. } => (storage.id < log.first_storage).then_some(storage.id),
            Value::Scalar(_) | Value::Later => None,
        });
        let record = Record {
            op: op.clone(),
            ty: Type { weak: None, ..ty.clone() },
            outside: outside.collect(),
            path: self.path,
            site: self.site,
        };
        if let Some(log) = &mut self.log {
            log.records.push(record);
        }
    }

    /// The first place where an eager run did something else than the trace.
    pub(super) fn log_difference(&self, traced: &[Record], eager: &Log, arguments: &[u64]) -> Option<String> {
        let describe = |record: &Record| {
            let site = self.names.get(record.site);
            let path = self.names.get(record.path);
            let place =
                [path, site].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(" at ");
            if place.is_empty() {
                record.op.name().to_owned()
            } else {
                format!("{} ({place})", record.op.name())
            }
        };
        let is_number = |r: &&Record| matches!(r.op, Op::Const(_));
        let mut t = traced.iter().filter(|r| !is_number(r));
        let mut e = eager.records.iter().filter(|r| !is_number(r));
        for at in 0.. {
            match (t.next(), e.next()) {
                (Some(x), Some(y)) => {
                    if x.op != y.op || x.ty != y.ty {
                        return Some(format!(
                            "op {at} was {} in the trace and is {} now",
                            describe(x),
                            describe(y)
                        ));
                    }
                    let outside =
                        |r: &Record| r.outside.iter().filter(|id| !arguments.contains(id)).copied().collect();
                    let (then, now): (Vec<u64>, Vec<u64>) = (outside(x), outside(y));
                    if then != now {
                        return Some(format!(
                            "op {at}, {}, reads another tensor than in the trace",
                            describe(y)
                        ));
                    }
                }
                (Some(x), None) => {
                    return Some(format!("op {at}, {}, does not happen any more", describe(x)));
                }
                (None, Some(y)) => {
                    return Some(format!("op {at}, {}, did not happen in the trace", describe(y)));
                }
                (None, None) => break,
            }
        }
        // Slots take the place of some numbers, so only those of the trace have to be found again.
        let mut rest = eager.records.iter().filter(is_number);
        for x in traced.iter().filter(is_number) {
            if !rest.any(|y| y.op == x.op && y.site == x.site) {
                let Op::Const(Number(old)) = x.op else { continue };
                return Some(format!("the number {old} of {} has changed", describe(x)));
            }
        }
        None
    }
}
