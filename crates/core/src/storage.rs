//! Memory that tensors share, and who may touch it while a training runs elsewhere.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::{Backend, Binding, BufferId};
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::{View, checked_bytes};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Bytes that the tensors of one environment hold.
#[derive(Debug, Default)]
pub struct Meter {
    bytes: AtomicUsize,
    peak: AtomicUsize,
}

impl Meter {
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

/// The door between a running training and the JavaScript thread: the runner holds it during a
/// step, others between steps.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    held: bool,
    waiting: usize,
}

/// Holds a [`Gate`] until dropped.
pub struct Pass<'a>(&'a Gate);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For visitors: waits for the step boundary; the runner lets every waiting visitor in first.
    pub fn visit(&self) -> Pass<'_> {
        let mut state = self.lock();
        state.waiting += 1;
        while state.held {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        state.held = true;
        Pass(self)
    }

    /// For the runner: waits until nobody holds the gate and nobody waits for it.
    pub fn step(&self) -> Pass<'_> {
        let mut state = self.lock();
        while state.held || state.waiting > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.held = true;
        Pass(self)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().held = false;
        self.0.changed.notify_all();
    }
}

/// A buffer with an identity, shared by all tensors that are views of it.
pub struct Storage {
    pub id: u64,
    pub buffer: BufferId,
    pub bytes: usize,
    pub dtype: DType,
    /// The layout the storage was made with: part of its type where it is a state.
    pub base: View,
    version: AtomicU64,
    lease: Mutex<Option<Arc<Gate>>>,
    leased: AtomicUsize,
    backend: Arc<dyn Backend>,
    meter: Arc<Meter>,
}

impl Storage {
    /// Memory for a dense layout; its content is arbitrary.
    pub fn new(
        backend: &Arc<dyn Backend>,
        meter: &Arc<Meter>,
        dtype: DType,
        base: View,
    ) -> Result<Arc<Self>> {
        let bytes = checked_bytes("tensor", dtype, &base.shape)?;
        let buffer = backend.alloc(bytes)?;
        let now = meter.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        meter.peak.fetch_max(now, Ordering::Relaxed);
        Ok(Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            buffer,
            bytes,
            dtype,
            base,
            version: AtomicU64::new(0),
            lease: Mutex::new(None),
            leased: AtomicUsize::new(0),
            backend: Arc::clone(backend),
            meter: Arc::clone(meter),
        }))
    }

    /// The id that the next storage will have.
    pub fn next_id() -> u64 {
        NEXT_ID.load(Ordering::Relaxed)
    }

    pub fn binding(&self) -> Binding {
        Binding { buffer: self.buffer, offset: 0 }
    }

    /// Counts the writes: a backward rule compares it with the count of the forward pass.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    pub fn written(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// Marks the storage as in use by a running training; false where one already uses it.
    pub fn lease(&self, gate: &Arc<Gate>) -> bool {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if lease.is_some() {
            return false;
        }
        *lease = Some(Arc::clone(gate));
        self.leased.store(1, Ordering::Release);
        true
    }

    pub fn end_lease(&self) {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        *lease = None;
        self.leased.store(0, Ordering::Release);
    }

    /// The gate to pass before touching the storage; `None` (one atomic load) where no training uses it.
    pub fn gate(&self) -> Option<Arc<Gate>> {
        if self.leased.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.meter.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.backend.free(self.buffer);
    }
}

/// What a tensor is made of.
#[derive(Clone)]
pub enum Value {
    /// The same number everywhere; it takes no memory.
    Scalar(f64),
    Tensor {
        storage: Arc<Storage>,
        view: View,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_go_before_the_next_step() {
        let gate = Arc::new(Gate::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let step = gate.step();
        let visitor = {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            std::thread::spawn(move || {
                let _pass = gate.visit();
                order.lock().unwrap().push("visit");
            })
        };
        while gate.lock().waiting == 0 {
            std::thread::yield_now();
        }
        drop(step);
        let _next = gate.step();
        order.lock().unwrap().push("step");
        visitor.join().unwrap();
        assert_eq!(*order.lock().unwrap(), ["visit", "step"]);
    }
}
