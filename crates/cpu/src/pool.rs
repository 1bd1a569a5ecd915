//! The process-wide pool of threads.
//!
//! A region is a run of stages; a stage consists of parts that do not depend on each other, and
//! begins when all parts of the stage before are done. Part 0 belongs to the caller, part `i` to
//! worker `i - 1`, so what a core has in its caches stays with it from stage to stage. Whoever is
//! through with a part of its own takes those that nobody has begun: a late or descheduled worker
//! never holds a region up. A busy pool means that the caller runs its region alone. Who runs a
//! part never changes its bits.
//!
//! There is no lock in the way. A region is announced by one word: its number, how many stages and
//! how many parts. A part of a stage is claimed by raising its slot in `CLAIMED` to the number of
//! region and stage, which succeeds once. The caller leaves only when all parts of all stages are
//! done, and a worker looks at a region's closure only after a claim, so a worker that wakes up
//! late finds nothing left to claim and touches nothing.
//!
//! Workers spin for [`SPIN`] after their last part and then sleep. Everything they touch is in
//! statics without destructors, so a process may exit while they run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The largest width.
pub const MAX_WIDTH: usize = 128;
/// How long a worker spins for the next stage before it sleeps.
const SPIN: Duration = Duration::from_micros(50);
/// Rounds that a thread spins for running parts of others before it yields its core.
const PATIENCE: u32 = 2000;

/// A number that one thread writes and others watch; a cache line pair of its own.
#[repr(align(128))]
struct Slot(AtomicU64);

/// Where a worker sleeps.
#[repr(align(128))]
struct Bed {
    asleep: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Bed {
    const fn new() -> Self {
        Self { asleep: AtomicBool::new(false), lock: Mutex::new(()), wake: Condvar::new() }
    }

    /// Sleeps until `ready` holds. Whoever makes it hold calls [`wake`] afterwards; there is a fence
    /// on both sides, so either the sleeper sees what was made or it is seen asleep.
    fn sleep(&self, ready: impl Fn() -> bool) {
        let mut guard = hold(&self.lock);
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while !ready() {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// Wakes the first `count` workers where they sleep.
fn wake(count: usize) {
    fence(Ordering::SeqCst);
    for bed in BEDS[..count].iter().filter(|bed| bed.asleep.load(Ordering::Relaxed)) {
        drop(hold(&bed.lock));
        bed.wake.notify_one();
    }
}

struct Staff {
    users: usize,
    workers: Vec<JoinHandle<()>>,
}

type Body<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// The number of the last stage that a part was claimed for, and of the last one it is done with.
static CLAIMED: [Slot; MAX_WIDTH] = [const { Slot(AtomicU64::new(0)) }; MAX_WIDTH];
static DONE: [Slot; MAX_WIDTH] = [const { Slot(AtomicU64::new(0)) }; MAX_WIDTH];
static BEDS: [Bed; MAX_WIDTH - 1] = [const { Bed::new() }; MAX_WIDTH - 1];
static STAFF: Mutex<Staff> = Mutex::new(Staff { users: 0, workers: Vec::new() });
/// Workers that run.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Whether there are more workers than cores beside the caller's.
static CROWDED: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);
/// Held by the caller of a region.
static BUSY: AtomicBool = AtomicBool::new(false);

/// A lock whose data stays valid even if a holder panicked.
pub(crate) fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cores that this process may use: affinity and cgroup quota are respected.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The word of the running region, or of the last one.
static REGION: Slot = Slot(AtomicU64::new(0));
/// The closure of the running region; valid for whoever has claimed one of its parts.
static BODY: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
/// The first panic of the running region.
static PANIC: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Bits of a stage's number and of the number of parts; what is left counts regions for years.
const STAGE_BITS: u32 = 12;
const PART_BITS: u32 = 7;
/// Stages of one region; more are run as several regions.
const MAX_STAGES: usize = (1 << STAGE_BITS) - 1;

/// What a region's word says.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Region(u64);

impl Region {
    /// The region after this one.
    fn next(self, stages: usize, parts: usize) -> Self {
        let number = (self.0 >> (STAGE_BITS + PART_BITS)) + 1;
        Self((number << STAGE_BITS | stages as u64) << PART_BITS | (parts - 1) as u64)
    }

    fn stages(self) -> usize {
        (self.0 >> PART_BITS) as usize & MAX_STAGES
    }

    fn parts(self) -> usize {
        (self.0 as usize & ((1 << PART_BITS) - 1)) + 1
    }

    /// The number that claims and reports of a stage carry; it only ever rises.
    fn ticket(self, stage: usize) -> u64 {
        (self.0 >> (STAGE_BITS + PART_BITS)) << STAGE_BITS | (stage + 1) as u64
    }

    /// Runs the own part of a stage and those that nobody has begun.
    fn work(self, stage: usize, own: usize) {
        let parts = self.parts();
        self.part(stage, own);
        (0..parts).filter(|&part| part != own).for_each(|part| self.part(stage, part));
    }

    fn part(self, stage: usize, part: usize) {
        let (ticket, claimed) = (self.ticket(stage), &CLAIMED[part].0);
        let last = claimed.load(Ordering::Relaxed);
        if last >= ticket
            || claimed.compare_exchange(last, ticket, Ordering::AcqRel, Ordering::Relaxed).is_err()
        {
            return;
        }
        if !PANICKED.load(Ordering::Relaxed) {
            let body = BODY.load(Ordering::Relaxed).cast::<Body<'_>>();
            // SAFETY: a claim succeeds only while the region runs: at its end all its tickets are taken, and
            // those of earlier regions are lower. Its caller stays in `Pool::region` until this part is done.
            let body = unsafe { *body };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(stage, part))) {
                hold(&PANIC).get_or_insert(panic);
                PANICKED.store(true, Ordering::Relaxed);
            }
        }
        DONE[part].0.store(ticket, Ordering::Release);
    }

    fn is_done(self, stage: usize) -> bool {
        let ticket = self.ticket(stage);
        DONE[..self.parts()].iter().all(|done| done.0.load(Ordering::Acquire) >= ticket)
    }
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

    /// Runs `body(stage, part)` for all stages and parts: stage after stage, the parts of a stage in
    /// any order and at the same time. There are at most [`MAX_WIDTH`] parts.
    pub fn run(&self, stages: usize, parts: usize, body: Body<'_>) {
        assert!(parts <= MAX_WIDTH, "a region of {parts} parts");
        if parts <= 1 || BUSY.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            (0..stages).for_each(|stage| (0..parts).for_each(|part| body(stage, part)));
            return;
        }
        for first in (0..stages).step_by(MAX_STAGES) {
            let count = MAX_STAGES.min(stages - first);
            if first == 0 {
                Self::region(count, parts, body);
            } else {
                Self::region(count, parts, &|stage, part| body(first + stage, part));
            }
        }
        let panic = if PANICKED.load(Ordering::Relaxed) { hold(&PANIC).take() } else { None };
        PANICKED.store(false, Ordering::Relaxed);
        BUSY.store(false, Ordering::Release);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// One region, with the pool held.
    fn region(stages: usize, parts: usize, body: Body<'_>) {
        let helpers = LIVE.load(Ordering::Acquire).min(parts - 1);
        let job: *const Body<'_> = &raw const body;
        BODY.store(job.cast_mut().cast(), Ordering::Relaxed);
        let region = Region(REGION.0.load(Ordering::Relaxed)).next(stages, parts);
        REGION.0.store(region.0, Ordering::Release);
        wake(helpers);
        for stage in 0..stages {
            region.work(stage, 0);
            let mut rounds = 0;
            while !region.is_done(stage) {
                pause(&mut rounds);
            }
            // Whoever fell asleep over a long stage is needed for the next one.
            if stage + 1 < stages {
                wake(helpers);
            }
        }
    }
}

/// One round of waiting for another thread.
fn pause(rounds: &mut u32) {
    *rounds = rounds.saturating_add(1);
    if *rounds > PATIENCE || CROWDED.load(Ordering::Relaxed) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
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
        STOP.store(true, Ordering::SeqCst);
        wake(staff.workers.len());
        for worker in staff.workers.drain(..) {
            // A worker catches the panics of its parts, so it has nothing to report.
            let _ = worker.join();
        }
        STOP.store(false, Ordering::SeqCst);
    }
}

/// The life of a worker.
fn work(id: usize) {
    let mut seen = 0;
    loop {
        if !wait(id, || REGION.0.load(Ordering::Relaxed) != seen) {
            return;
        }
        seen = REGION.0.load(Ordering::Acquire);
        let region = Region(seen);
        if id + 1 >= region.parts() {
            continue;
        }
        for stage in 0..region.stages() {
            region.work(stage, id + 1);
            let over = || region.is_done(stage) || REGION.0.load(Ordering::Relaxed) != seen;
            if !wait(id, over) {
                return;
            }
        }
    }
}

/// Waits until `ready` holds: spins for [`SPIN`], then sleeps. False where the worker is to end.
fn wait(id: usize, ready: impl Fn() -> bool) -> bool {
    let mut rounds = 0u32;
    let mut since = None;
    loop {
        if STOP.load(Ordering::Relaxed) {
            return false;
        }
        if ready() {
            return true;
        }
        if CROWDED.load(Ordering::Relaxed) {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(32) && since.get_or_insert_with(Instant::now).elapsed() > SPIN {
            BEDS[id].sleep(|| ready() || STOP.load(Ordering::SeqCst));
            since = None;
        }
    }
}

/// The share of `part` when `total` things are dealt to `parts` in equal runs.
pub(crate) fn share(total: usize, part: usize, parts: usize) -> std::ops::Range<usize> {
    total * part / parts..total * (part + 1) / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_over(pool: &Pool, parts: usize) -> u64 {
        let sum = AtomicU64::new(0);
        pool.run(1, parts, &|_, part| {
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
    fn a_stage_begins_when_the_one_before_is_done() {
        let pool = Pool::acquire(3);
        for round in 0..500 {
            let (stages, parts) = (1 + round % 6, 1 + round % 5);
            let done = [const { AtomicUsize::new(0) }; 6];
            pool.run(stages, parts, &|stage, part| {
                assert!(part < parts);
                assert!(stage == 0 || done[stage - 1].load(Ordering::Relaxed) == parts);
                if round % 50 == 0 {
                    std::thread::sleep(Duration::from_micros(120 * part as u64));
                }
                done[stage].fetch_add(1, Ordering::Relaxed);
            });
            assert!(done[..stages].iter().all(|done| done.load(Ordering::Relaxed) == parts));
        }
    }

    #[test]
    fn more_stages_than_a_word_counts_are_run() {
        let pool = Pool::acquire(2);
        let (seen, stages) = (AtomicUsize::new(0), MAX_STAGES + 2);
        pool.run(stages, 2, &|stage, _| {
            assert_eq!(seen.fetch_add(1, Ordering::Relaxed) / 2, stage);
        });
        assert_eq!(seen.into_inner(), 2 * stages);
    }

    #[test]
    fn nested_and_concurrent_callers_run_alone() {
        let pool = Pool::acquire(3);
        let total = AtomicU64::new(0);
        pool.run(1, 3, &|_, _| {
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
            let caught = catch_unwind(AssertUnwindSafe(|| pool.run(2, 2, &|_, part| assert_ne!(part, bad))));
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
