//! Two watchmen: the search for the first value that is not finite, and the log by which a jitted
//! step is compared with its eager run.

use super::Engine;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Node, NodeId, Type};
use crate::op::{Number, Op, ViewOp};
use crate::storage::Value;

/// One appended node, as far as eager and traced runs must agree on it.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    op: Op,
    ty: Type,
    /// Storages of tensors that were not computed in the function.
    outside: Vec<u64>,
    path: u32,
    site: u32,
}

/// Everything appended since the log was opened.
#[derive(Default)]
pub struct Log {
    records: Vec<Record>,
}

impl Engine {
    /// Starts to record what is appended.
    pub fn log_begin(&mut self) {
        self.log = Some(Log::default());
    }

    /// Ends recording.
    pub fn log_end(&mut self) -> Option<Log> {
        self.log.take()
    }

    pub(super) fn record(&mut self, op: &Op, inputs: &[NodeId], ty: &Type) {
        // The slots of a trace and the numbers of an eager run are the same thing, and gradients of
        // a trace live elsewhere: views and leaves are compared by what is done with them.
        if matches!(op, Op::View(ViewOp::Place(_) | ViewOp::Alias) | Op::Leaf | Op::State(_) | Op::Input(_) | Op::Slot(_)) {
            return;
        }
        let op = match op {
            Op::Assign(view) => Op::Assign(view.clone()),
            other => other.clone(),
        };
        let outside = inputs.iter().filter_map(|&input| self.storage_outside(input)).collect();
        let record = Record { op, ty: Type { weak: None, ..ty.clone() }, outside, path: self.path, site: self.site };
        if let Some(log) = &mut self.log {
            log.records.push(record);
        }
    }

    fn storage_outside(&self, node: NodeId) -> Option<u64> {
        let trace = self.trace.as_ref()?;
        let mut at = node;
        loop {
            let n = &trace.nodes[at.0 as usize];
            match &n.op {
                Op::State(state) => return Some(trace.states[*state as usize].storage.id),
                Op::View(_) => at = n.inputs[0],
                _ => return None,
            }
        }
    }

    /// The first place where an eager run did something else than the trace.
    pub fn log_difference(&self, traced: &Log, eager: &Log) -> Option<String> {
        let significant = |log: &Log| -> Vec<Record> {
            log.records.iter().filter(|r| !matches!(r.op, Op::Const(_))).cloned().collect()
        };
        let constants = |log: &Log| -> Vec<Record> {
            log.records.iter().filter(|r| matches!(r.op, Op::Const(_))).cloned().collect()
        };
        let describe = |record: &Record| {
            let site = self.names.get(record.site);
            let path = self.names.get(record.path);
            let place = [path, site].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(" at ");
            if place.is_empty() { record.op.name().to_owned() } else { format!("{} ({place})", record.op.name()) }
        };
        let (t, e) = (significant(traced), significant(eager));
        for at in 0..t.len().max(e.len()) {
            match (t.get(at), e.get(at)) {
                (Some(x), Some(y)) if x.op == y.op && x.ty == y.ty => {}
                (Some(x), Some(y)) => return Some(format!("op {at} was {} in the trace and is {} now", describe(x), describe(y))),
                (Some(x), None) => return Some(format!("op {at}, {}, does not happen any more", describe(x))),
                (None, Some(y)) => return Some(format!("op {at}, {}, did not happen in the trace", describe(y))),
                (None, None) => {}
            }
        }
        // Slots take the place of some constants, so only those of the trace have to be found again.
        let mut rest = constants(eager).into_iter();
        for x in constants(traced) {
            let Op::Const(Number(old)) = x.op else { continue };
            if !rest.any(|y| y.op == x.op && y.site == x.site) {
                return Some(format!("the number {old} of {} has changed", describe(&x)));
            }
        }
        None
    }

    // Anomalies.

    pub(super) fn check_finite(&mut self, node: &Node, inputs: &[NodeId], value: &Value) -> Result<()> {
        if matches!(node.op, Op::View(_) | Op::Assign(_) | Op::Const(_)) || !node.ty.dtype.is_float() {
            return Ok(());
        }
        let Some(found) = self.first_not_finite(value)? else { return Ok(()) };
        for &input in inputs {
            let ty = self.tape.get(input).node.ty.clone();
            let value = self.value(input).clone();
            if ty.dtype.is_float() && !matches!(value, Value::Scalar(_)) && self.first_not_finite(&value)?.is_some() {
                return Err(self.anomaly_error(node, "a value that was not finite before reached", found));
            }
        }
        Err(self.anomaly_error(node, "the first value that is not finite came from", found))
    }

    fn anomaly_error(&self, node: &Node, what: &str, found: f64) -> Error {
        let name = match self.backward_of {
            Some(forward) => format!("the gradient of {forward} (in {})", node.op.name()),
            None => node.op.name().to_owned(),
        };
        let site = self.names.get(node.site);
        let line = if site.is_empty() { String::new() } else { format!(" at {site}") };
        Error::Anomaly(format!("{name}: {what} it{line}: {found}; expected finite values"))
    }

    fn first_not_finite(&mut self, value: &Value) -> Result<Option<f64>> {
        let Value::Tensor { storage, view } = value else { return Ok(None) };
        if view.numel() == 0 || storage.bytes == 0 {
            return Ok(None);
        }
        let size = storage.dtype.size();
        let mut bytes = vec![0; storage.bytes];
        self.backend.download(storage.buffer, 0, &mut bytes)?;
        let read = |at: usize| match storage.dtype {
            DType::F32 => f32::from_le_bytes([bytes[at * size], bytes[at * size + 1], bytes[at * size + 2], bytes[at * size + 3]]).into(),
            DType::F64 => bytes[at * size..at * size + 8].try_into().map_or(0.0, f64::from_le_bytes),
            _ => 0.0,
        };
        Ok(elements(view).map(read).find(|x: &f64| !x.is_finite()))
    }
}

/// Positions of a view's elements in its storage, in row-major order.
pub(super) fn elements(view: &crate::shape::View) -> impl Iterator<Item = usize> + '_ {
    (0..view.numel()).map(move |mut at| {
        let mut position = view.offset as isize;
        for axis in (0..view.rank()).rev() {
            position += (at % view.shape[axis]) as isize * view.strides[axis];
            at /= view.shape[axis];
        }
        position as usize
    })
}
