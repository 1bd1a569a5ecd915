//! Memory that tensors share, and who may touch it while a training runs elsewhere.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::backend::{Backend, Binding, BufferId};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{View, checked_bytes};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// How often a training began or ended to use a storage of the process.
static USES: AtomicU64 = AtomicU64::new(0);

/// A number that is another one after any training has begun or ended to use any storage: as long as it
/// stays, [`gates`] gives the same.
pub fn uses() -> u64 {
    USES.load(Ordering::Acquire)
}

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
/// step, others between steps. Where nobody else is there, passing it is two atomic operations and no call
/// of the system.
#[derive(Debug, Default)]
pub struct Gate {
    /// [`HELD`] while somebody is inside, with [`STEPPING`] where it is the runner, plus [`STEPPER`] and
    /// [`VISITOR`] for each that waits.
    state: AtomicU32,
    waiting: Mutex<()>,
    changed: Condvar,
}

const HELD: u32 = 1;
const STEPPER: u32 = 2;
const VISITOR: u32 = 1 << 16;
const STEPPING: u32 = 1 << 31;

/// Holds a [`Gate`] until dropped.
pub struct Pass<'a> {
    gate: &'a Gate,
    /// What it has added to the state.
    held: u32,
}

impl Gate {
    /// For visitors: waits for the step boundary; the runner lets every waiting visitor in first.
    pub fn visit(&self) -> Pass<'_> {
        self.enter(VISITOR, HELD, |state| state & HELD != 0)
    }

    /// For visitors that go elsewhere while a step runs: `None` then. Where none runs, as while a training waits for
    /// an answer, it waits for other visitors only.
    pub fn visit_between_steps(&self) -> Option<Pass<'_>> {
        (self.state.load(Ordering::Relaxed) & STEPPING == 0).then(|| self.visit())
    }

    /// For the runner: waits until nobody holds the gate and nobody waits for it.
    pub fn step(&self) -> Pass<'_> {
        self.enter(STEPPER, HELD | STEPPING, |state| state & HELD != 0 || state >= VISITOR)
    }

    /// For the runner: its own gate and, in the order of [`gates`], those of the trainings that it meets.
    pub fn step_among<'a>(&'a self, others: &'a [Arc<Self>]) -> SmallVec<[Pass<'a>; 2]> {
        let before = others.partition_point(|other| Arc::as_ptr(other) < std::ptr::from_ref(self));
        let (before, behind) = others.split_at(before);
        let mut passes: SmallVec<[Pass<'_>; 2]> = before.iter().map(|other| other.visit()).collect();
        passes.push(self.step());
        passes.extend(behind.iter().map(|other| other.visit()));
        passes
    }

    fn enter(&self, kind: u32, held: u32, closed: fn(u32) -> bool) -> Pass<'_> {
        if self.state.compare_exchange(0, held, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.wait(kind, held, closed);
        }
        Pass { gate: self, held }
    }

    #[cold]
    fn wait(&self, kind: u32, held: u32, closed: fn(u32) -> bool) {
        // Announced before the state is looked at: whoever leaves from now on wakes everybody up.
        self.state.fetch_add(kind, Ordering::Relaxed);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let enter = |state| (!closed(state)).then(|| state - kind + held);
        while self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).is_err() {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    #[cold]
    fn wake(&self) {
        // Whoever has looked at the state and not yet gone to sleep holds the lock.
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.gate.state.fetch_sub(self.held, Ordering::Release) != self.held {
            self.gate.wake();
        }
    }
}

/// The trainings that use a storage.
#[derive(Default)]
struct Users {
    writer: Option<Arc<Gate>>,
    readers: Vec<Arc<Gate>>,
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
    users: Mutex<Users>,
    /// How many users there are, to be read without the lock.
    used: AtomicUsize,
    backend: Arc<dyn Backend>,
    meter: Arc<Meter>,
    /// Whether the memory only waits for its next use.
    parked: bool,
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
            users: Mutex::default(),
            used: AtomicUsize::new(0),
            backend: Arc::clone(backend),
            meter: Arc::clone(meter),
            parked: false,
        }))
    }

    /// Takes memory that nobody else holds out of the books, to be used again by [`Self::renew`]; false where
    /// somebody does.
    pub fn park(storage: &mut Arc<Self>) -> bool {
        let Some(storage) = Arc::get_mut(storage) else { return false };
        if *storage.used.get_mut() > 0 {
            return false;
        }
        storage.parked = true;
        storage.meter.bytes.fetch_sub(storage.bytes, Ordering::Relaxed);
        true
    }

    /// Makes parked memory another storage, of as many bytes; its content is arbitrary. False where it is not parked.
    pub fn renew(storage: &mut Arc<Self>, dtype: DType, base: &View) -> bool {
        let Some(storage) = Arc::get_mut(storage).filter(|storage| storage.parked) else { return false };
        storage.parked = false;
        let now = storage.meter.bytes.fetch_add(storage.bytes, Ordering::Relaxed) + storage.bytes;
        storage.meter.peak.fetch_max(now, Ordering::Relaxed);
        storage.id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        storage.dtype = dtype;
        storage.base.clone_from(base);
        *storage.version.get_mut() = 0;
        true
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

    /// Counts a write. Whoever writes has the storage to itself, by its gate or by the engine's thread, so
    /// two counts never meet, and this need be no atomic addition.
    pub fn written(&self) {
        self.version.store(self.version() + 1, Ordering::Relaxed);
    }

    fn used_more(&self) {
        self.used.fetch_add(1, Ordering::Release);
        USES.fetch_add(1, Ordering::Release);
    }

    fn used_less(&self) {
        self.used.fetch_sub(1, Ordering::Release);
        USES.fetch_add(1, Ordering::Release);
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the storage as written by a running training; false where one already writes it.
    pub fn lease(&self, gate: &Arc<Gate>) -> bool {
        let mut users = self.users();
        if users.writer.is_some() {
            return false;
        }
        users.writer = Some(Arc::clone(gate));
        self.used_more();
        true
    }

    pub fn end_lease(&self) {
        if self.users().writer.take().is_some() {
            self.used_less();
        }
    }

    /// Marks the storage as read by a running training: others may read it, and write between its steps.
    pub fn begin_reading(&self, gate: &Arc<Gate>) {
        self.users().readers.push(Arc::clone(gate));
        self.used_more();
    }

    pub fn end_reading(&self, gate: &Arc<Gate>) {
        let mut users = self.users();
        if let Some(at) = users.readers.iter().position(|reader| Arc::ptr_eq(reader, gate)) {
            users.readers.swap_remove(at);
            self.used_less();
        }
    }

    /// The gate of the training that writes the storage; `None` (one atomic load) where no training uses it.
    pub fn gate(&self) -> Option<Arc<Gate>> {
        if self.used.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.users().writer.clone()
    }
}

/// The gates to pass before touching storages, in the order in which everybody passes several: of what is
/// read those of the trainings that write it, of what is written also those that read it. `own` is
/// the caller's, which is left out. None, without a lock, unless a training runs.
pub fn gates<'a>(
    own: Option<&Arc<Gate>>,
    reads: impl IntoIterator<Item = &'a Arc<Storage>>,
    writes: impl IntoIterator<Item = &'a Arc<Storage>>,
) -> Vec<Arc<Gate>> {
    let mut gates: Vec<Arc<Gate>> = Vec::new();
    let mut add = |gate: &Arc<Gate>| {
        if !own.into_iter().chain(&gates).any(|known| Arc::ptr_eq(known, gate)) {
            gates.push(Arc::clone(gate));
        }
    };
    for storage in reads {
        if storage.used.load(Ordering::Acquire) > 0 {
            storage.users().writer.iter().for_each(&mut add);
        }
    }
    for storage in writes {
        if storage.used.load(Ordering::Acquire) > 0 {
            let users = storage.users();
            users.writer.iter().chain(&users.readers).for_each(&mut add);
        }
    }
    gates.sort_by_key(|gate| Arc::as_ptr(gate) as usize);
    gates
}

impl Drop for Storage {
    fn drop(&mut self) {
        if !self.parked {
            self.meter.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
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
    /// Nothing yet: the call that made it is still running, or it ended and nobody will ask.
    Later,
}

/// Zeros on the host for what is read; an error, rather than the end of the process, where there is no room.
pub fn host_room(bytes: usize) -> Result<Vec<u8>> {
    /// Below this the answer is not worth the question.
    const LARGE: usize = 64 << 20;
    if bytes >= LARGE && Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
        return Err(Error::Device(format!(
            "read: {bytes} bytes could not be allocated; expected a tensor that fits into memory. \
             Hint: read a part of it"
        )));
    }
    Ok(vec![0; bytes])
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
        while gate.state.load(Ordering::Relaxed) & !STEPPING < VISITOR {
            std::thread::yield_now();
        }
        drop(step);
        let _next = gate.step();
        order.lock().unwrap().push("step");
        visitor.join().unwrap();
        assert_eq!(*order.lock().unwrap(), ["visit", "step"]);
    }

    #[test]
    fn who_can_go_elsewhere_is_kept_out_by_steps_only() {
        let gate = Gate::default();
        let step = gate.step();
        assert!(gate.visit_between_steps().is_none());
        drop(step);
        drop(gate.visit_between_steps().expect("no step runs"));
        std::thread::scope(|scope| {
            let visit = gate.visit();
            let other = scope.spawn(|| gate.visit_between_steps().is_some());
            drop(visit);
            assert!(other.join().unwrap());
        });
        assert_eq!(gate.state.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_at_a_time_is_inside_and_nobody_sleeps_for_ever() {
        let gate = Gate::default();
        let (inside, total) = (AtomicU32::new(0), AtomicU64::new(0));
        let enter = |pass: Pass<'_>| {
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
            total.fetch_add(1, Ordering::Relaxed);
            std::hint::black_box(&pass);
            assert_eq!(inside.fetch_sub(1, Ordering::Relaxed), 1);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20_000).for_each(|_| enter(gate.step())));
            for _ in 0..3 {
                scope.spawn(|| (0..20_000).for_each(|_| enter(gate.visit())));
            }
        });
        assert_eq!((total.into_inner(), gate.state.into_inner()), (80_000, 0));
    }
}
