//! When a pass tells of its progress.

use std::time::{Duration, Instant};

use super::Event;

/// Steps between two looks at the clock at most: a look costs a tenth of all there is around a small step.
const STRIDE: u32 = 64;
/// Looks in the time between two tellings.
const LOOKS: u32 = 8;

/// Says after which steps progress is told.
pub(super) struct Ticker<'a> {
    told: Instant,
    every: Duration,
    looked: Instant,
    /// Steps from the last look to the next, and those that are left of them.
    stride: u32,
    left: u32,
    pub epoch: usize,
    /// Whether each step is told of.
    pub batches: bool,
    pub emit: &'a mut dyn FnMut(Event),
}

impl<'a> Ticker<'a> {
    pub fn new(every: Duration, epoch: usize, batches: bool, emit: &'a mut dyn FnMut(Event)) -> Self {
        let now = Instant::now();
        Self { told: now, every, looked: now, stride: 1, left: 1, epoch, batches, emit }
    }

    /// Counts time from now on.
    pub fn begin(&mut self) {
        let now = Instant::now();
        (self.told, self.looked) = (now, now);
    }

    /// Whether it is time, after another step.
    pub fn due(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        let now = Instant::now();
        let step = (now - self.looked).as_nanos() / u128::from(self.stride);
        let wanted = self.every.as_nanos() / u128::from(LOOKS) / step.max(1);
        self.stride = u32::try_from(wanted).unwrap_or(STRIDE).clamp(1, STRIDE);
        (self.looked, self.left) = (now, self.stride);
        let due = now - self.told >= self.every;
        if due {
            self.told = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_steps_are_told_at_once_and_short_ones_look_rarely() {
        let mut emit = |_| {};
        let mut each = Ticker::new(Duration::ZERO, 0, false, &mut emit);
        assert!((0..5).all(|_| each.due()));
        let mut emit = |_| {};
        let mut rare = Ticker::new(Duration::from_secs(3600), 0, false, &mut emit);
        assert!((0..1000).all(|_| !rare.due()));
        assert_eq!(rare.stride, STRIDE);
        rare.looked -= Duration::from_secs(64 * 3600);
        rare.left = 1;
        assert!(!rare.due());
        assert_eq!(rare.stride, 1);
    }
}
