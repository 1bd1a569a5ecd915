//! The process-wide pool of threads.
//!
//! A region is split into parts that do not depend on each other; part 0 runs on the caller, part
//! `i` on worker `i - 1`. A worker that has not begun by the time the caller is through with its
//! own part loses it to the caller, so a late or descheduled worker never holds a region up. A
//! busy pool means that the caller runs its region alone. Who runs a part never changes its bits.
//!
//! Workers spin for [`SPIN`] after their last part and then sleep. Everything they touch is in
//! statics without destructors, so a process may exit while they run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The largest width.
pub const MAX_WIDTH: usize = 128;
/// How long a worker spins for the next region before it sleeps.
const SPIN: Duration = Duration::from_micros(50);
/// Rounds a caller spins for running workers before it yields its core.
const PATIENCE: u32 = 2000;

const IDLE: u32 = 0;
const POSTED: u32 = 1;
const TAKEN: u32 = 2;
const STOP: u32 = 3;

/// What a worker looks at; a cache line pair of its own.
#[repr(align(128))]
struct Mailbox {
    state: AtomicU32,
    asleep: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Mailbox {
    const fn new() -> Self {
        Self {
            state: AtomicU32::new(IDLE),
            asleep: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    fn post(&self, state: u32) {
        // Sequentially consistent on both sides: either the worker sees the state before it
        // sleeps, or it is seen asleep here.
        self.state.store(state, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            drop(hold(&self.lock));
            self.wake.notify_one();
        }
    }

    fn sleep(&self) {
        let mut guard = hold(&self.lock);
        self.asleep.store(true, Ordering::SeqCst);
        while self.state.load(Ordering::SeqCst) == IDLE {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

struct Staff {
    users: usize,
    workers: Vec<JoinHandle<()>>,
}

static MAILBOXES: [Mailbox; MAX_WIDTH - 1] = [const { Mailbox::new() }; MAX_WIDTH - 1];
static STAFF: Mutex<Staff> = Mutex::new(Staff { users: 0, workers: Vec::new() });
/// Workers that run.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Whether there are more workers than cores beside the caller's.
static CROWDED: AtomicBool = AtomicBool::new(false);
/// Held by the caller of a region.
static BUSY: AtomicBool = AtomicBool::new(false);
static PANICKED: AtomicBool = AtomicBool::new(false);
/// Points at the `Region` of the running call.
static JOB: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

type Region<'a> = &'a (dyn Fn(usize) + Sync);

/// A lock whose data stays valid even if a holder panicked.
pub(crate) fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cores that this process may use: affinity and cgroup quota are respected.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A use of the process-wide pool. The last one that is dropped joins the threads.
#[derive(Debug)]
pub struct Pool {
    width: usize,
}

impl Pool {
    /// Joins the users of the pool and sees to it that `width` threads (the caller among them) exist.
    pub fn acquire(width: usize) -> Self {
        let width = width.clamp(1, MAX_WIDTH);
        let mut staff = hold(&STAFF);
        staff.users += 1;
        while staff.workers.len() + 1 < width {
            let id = staff.workers.len();
            let worker =
                std::thread::Builder::new().name(format!("neuroxide-{}", id + 1)).spawn(move || work(id));
            // A machine that gives no more threads runs with those it gave: the bits are the same.
            let Ok(worker) = worker else { break };
            staff.workers.push(worker);
        }
        CROWDED.store(staff.workers.len() + 1 > cores(), Ordering::Relaxed);
        LIVE.store(staff.workers.len(), Ordering::Release);
        Self { width }
    }

    /// Threads that a region of this user is split over.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Runs `part(0)`, … `part(parts - 1)`, in any order and at the same time.
    pub fn run(&self, parts: usize, part: Region<'_>) {
        if parts <= 1 || BUSY.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            (0..parts).for_each(part);
            return;
        }
        let helpers = LIVE.load(Ordering::Acquire).min(parts - 1);
        let job: *const Region<'_> = &raw const part;
        JOB.store(job.cast_mut().cast(), Ordering::Relaxed);
        for mailbox in &MAILBOXES[..helpers] {
            mailbox.post(POSTED);
        }
        // Dropped on every way out, the barrier first, so no worker outlives the borrow of `part`.
        let turn = Turn;
        let all_done = Barrier { helpers };
        part(0);
        (helpers + 1..parts).for_each(part);
        for (id, mailbox) in MAILBOXES[..helpers].iter().enumerate().rev() {
            if mailbox.take_back() {
                part(id + 1);
            }
        }
        drop(all_done);
        let panicked = PANICKED.load(Ordering::Relaxed);
        drop(turn);
        assert!(!panicked, "a kernel panicked on a thread of the pool");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut staff = hold(&STAFF);
        staff.users -= 1;
        if staff.users > 0 {
            return;
        }
        LIVE.store(0, Ordering::Release);
        for mailbox in &MAILBOXES[..staff.workers.len()] {
            mailbox.post(STOP);
        }
        for worker in staff.workers.drain(..) {
            // A worker catches the panics of its parts, so it has nothing to report.
            let _ = worker.join();
        }
        for mailbox in &MAILBOXES {
            mailbox.state.store(IDLE, Ordering::Relaxed);
        }
    }
}

impl Mailbox {
    /// Claims a posted part for the worker.
    fn take(&self) -> bool {
        self.state.compare_exchange(POSTED, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Takes a posted part away from a worker that has not begun it.
    fn take_back(&self) -> bool {
        self.state.compare_exchange(POSTED, IDLE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// Waits for the workers of a region, also while unwinding.
struct Barrier {
    helpers: usize,
}

impl Drop for Barrier {
    fn drop(&mut self) {
        for mailbox in &MAILBOXES[..self.helpers] {
            mailbox.take_back();
            let mut rounds = 0;
            while mailbox.state.load(Ordering::Acquire) != IDLE {
                rounds += 1;
                if rounds > PATIENCE || CROWDED.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                } else {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

/// The right to run a region.
struct Turn;

impl Drop for Turn {
    fn drop(&mut self) {
        PANICKED.store(false, Ordering::Relaxed);
        BUSY.store(false, Ordering::Release);
    }
}

/// The life of a worker.
fn work(id: usize) {
    let mailbox = &MAILBOXES[id];
    let mut since = Instant::now();
    let mut rounds = 0u32;
    loop {
        let state = mailbox.state.load(Ordering::Acquire);
        if state == STOP {
            return;
        }
        if state == POSTED && mailbox.take() {
            let job = JOB.load(Ordering::Relaxed).cast::<Region<'_>>();
            // SAFETY: the state went from POSTED to TAKEN here, so the caller of the region that posted it
            // is in `Pool::run` and stays there (Barrier) until the state is IDLE.
            let part = unsafe { *job };
            if catch_unwind(AssertUnwindSafe(|| part(id + 1))).is_err() {
                PANICKED.store(true, Ordering::Relaxed);
            }
            mailbox.state.store(IDLE, Ordering::Release);
            since = Instant::now();
            rounds = 0;
        }
        if CROWDED.load(Ordering::Relaxed) {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(32) && since.elapsed() > SPIN {
            mailbox.sleep();
            since = Instant::now();
        }
    }
}

/// The share of `part` when `total` things are dealt to `parts` in equal runs.
pub(crate) fn share(total: usize, part: usize, parts: usize) -> std::ops::Range<usize> {
    total * part / parts..total * (part + 1) / parts
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn sum_over(pool: &Pool, parts: usize) -> u64 {
        let sum = AtomicU64::new(0);
        pool.run(parts, &|part| {
            sum.fetch_add(1 << part, Ordering::Relaxed);
        });
        sum.into_inner()
    }

    #[test]
    fn every_part_runs_once_in_many_regions() {
        for width in [1, 2, 3, 7] {
            let pool = Pool::acquire(width);
            for round in 0..2000 {
                let parts = 1 + round % 9;
                assert_eq!(sum_over(&pool, parts), (1 << parts) - 1);
            }
        }
    }

    #[test]
    fn nested_and_concurrent_callers_run_alone() {
        let pool = Pool::acquire(3);
        let total = AtomicU64::new(0);
        pool.run(3, &|_| {
            total.fetch_add(sum_over(&pool, 4), Ordering::Relaxed);
        });
        assert_eq!(total.into_inner(), 45);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| assert_eq!(sum_over(&pool, 5), 31)));
            }
        });
    }

    #[test]
    fn pool_is_reborn_after_the_last_user() {
        for _ in 0..20 {
            let pool = Pool::acquire(4);
            assert_eq!(sum_over(&pool, 4), 15);
        }
    }

    #[test]
    fn sleepers_wake() {
        let pool = Pool::acquire(2);
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(2));
            assert_eq!(sum_over(&pool, 2), 3);
        }
    }

    #[test]
    fn a_panicking_part_reaches_the_caller() {
        let pool = Pool::acquire(2);
        for bad in 0..2 {
            let caught = catch_unwind(AssertUnwindSafe(|| pool.run(2, &|part| assert_ne!(part, bad))));
            assert!(caught.is_err());
            assert_eq!(sum_over(&pool, 2), 3);
        }
    }

    #[test]
    fn shares_cover_everything() {
        for (total, parts) in [(0, 3), (5, 7), (100, 7)] {
            let lens: usize = (0..parts).map(|part| share(total, part, parts).len()).sum();
            assert_eq!(lens, total);
        }
    }
}
