//! Batches that a training has done and JavaScript has not heard of yet.
//!
//! A call from another thread costs more than a small step. So at most one is under way, which takes along whatever
//! has gathered when it arrives; and where JavaScript is the slower one, the training waits for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use neuroxide_core::runner::Control;

/// Batches that may wait: a callback that ends the training is heard before many more are done.
const ROOM: usize = 256;
/// How long the training sleeps at most before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(5);

/// Batches of one epoch, one after the other.
#[derive(Default)]
pub struct Gathered {
    pub epoch: usize,
    /// Steps of the epoch that are done after the first of them.
    pub first: usize,
    pub count: usize,
    /// The numbers of all of them.
    pub values: Vec<f64>,
}

#[derive(Default)]
struct Waiting {
    gathered: Gathered,
    /// Whether a call is under way.
    called: bool,
}

/// The batches of one training.
#[derive(Default)]
pub struct Batches {
    waiting: Mutex<Waiting>,
    taken: Condvar,
}

impl Batches {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch, on the training's thread; whether JavaScript is to be called.
    pub fn add(&self, control: &Control, epoch: usize, step: usize, values: &[f64]) -> bool {
        let mut waiting = self.lock();
        while waiting.gathered.count >= ROOM && !control.aborted() {
            let woken = self.taken.wait_timeout(waiting, LOOK);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let gathered = &mut waiting.gathered;
        if gathered.count == 0 {
            (gathered.epoch, gathered.first) = (epoch, step);
        }
        gathered.count += 1;
        gathered.values.extend_from_slice(values);
        !std::mem::replace(&mut waiting.called, true)
    }

    /// Takes what has gathered, on the JavaScript thread.
    pub fn take(&self) -> Gathered {
        let mut waiting = self.lock();
        waiting.called = false;
        let gathered = std::mem::take(&mut waiting.gathered);
        drop(waiting);
        self.taken.notify_one();
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_takes_what_has_gathered() {
        let (batches, control) = (Batches::default(), Control::default());
        assert!(batches.add(&control, 3, 7, &[1.0, 2.0]));
        assert!(!batches.add(&control, 3, 8, &[3.0, 4.0]));
        let Gathered { epoch, first, count, values } = batches.take();
        assert_eq!((epoch, first, count, values), (3, 7, 2, vec![1.0, 2.0, 3.0, 4.0]));
        assert!(batches.add(&control, 4, 1, &[5.0, 6.0]));
    }

    #[test]
    fn a_training_waits_for_javascript_unless_it_is_to_end() {
        let (batches, control) = (Batches::default(), Control::default());
        let done = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for step in 0..3 * ROOM {
                    batches.add(&control, 0, step, &[0.0]);
                    done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
            let wait_for = |count| {
                while done.load(std::sync::atomic::Ordering::SeqCst) < count {
                    std::thread::yield_now();
                }
            };
            wait_for(ROOM);
            std::thread::sleep(2 * LOOK);
            assert_eq!(done.load(std::sync::atomic::Ordering::SeqCst), ROOM);
            assert_eq!(batches.take().count, ROOM);
            wait_for(2 * ROOM);
            control.abort();
        });
        assert_eq!(batches.take().count, 2 * ROOM);
    }
}
