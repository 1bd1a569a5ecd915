//! Which thread does what, and where threads wait for each other.
//!
//! Kernels of a plan are placed into stages. Within a stage part `p` of every kernel runs on one
//! thread, kernel after kernel, and nobody waits; so a kernel may join a stage only if no part of
//! it meets what another part of the stage writes. Every kernel offers ways to be cut and says
//! which bytes a part touches; a chain of kernels that are cut alike (the columns of a layer's
//! weights, the rows of a batch) becomes one stage with one barrier at its end.

use std::ops::Range;

use smallvec::SmallVec;

use crate::executable::{Place, Task};

/// What a barrier costs, and what it costs to get workers into a region, in nanoseconds.
const BARRIER: f64 = 350.0;
const REGION: f64 = 700.0;
/// Kernels cheaper than this run on one thread unless cutting them saves a barrier.
const TINY: f64 = 500.0;
/// Kernels cheaper than this may run on one thread where that saves a barrier.
const SMALL: f64 = 2500.0;
/// Kernels looked at when a new stage chooses its cut.
const AHEAD: usize = 16;

/// A part of a kernel: piece `index` of `of`, dealt along one of the kernel's cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub cut: usize,
    pub index: usize,
    pub of: usize,
}

impl Part {
    /// The whole kernel.
    pub const WHOLE: Self = Self { cut: 0, index: 0, of: 1 };

    /// The share of this part when `total` things are dealt out in equal runs.
    pub fn share(self, total: usize) -> Range<usize> {
        crate::pool::share(total, self.index, self.of)
    }

    /// The share of this part when `total` elements are dealt out in blocks of `block`.
    pub fn blocks(self, total: usize, block: usize) -> Range<usize> {
        let range = self.share(total.div_ceil(block));
        (range.start * block).min(total)..(range.end * block).min(total)
    }
}

/// One loop over an operand: the part of it that is walked, its full size, its stride in elements.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub range: Range<usize>,
    pub size: usize,
    pub stride: isize,
}

impl Axis {
    pub fn whole(size: usize, stride: isize) -> Self {
        Self { range: 0..size, size, stride }
    }
}

/// Bytes of a slot that a part reads or writes: those from `low` to `high` and, where there is a
/// period, only those whose position within it is in the band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    slot: u32,
    write: bool,
    low: usize,
    high: usize,
    period: usize,
    band: (usize, usize),
}

impl Touch {
    /// Everything of an operand.
    pub fn whole(place: &Place, write: bool) -> Self {
        Self { slot: place.slot, write, low: place.low, high: place.high, period: 0, band: (0, 0) }
    }

    /// A block of an operand whose elements have `size` bytes; one axis at most is walked in part.
    pub fn block(place: &Place, size: usize, write: bool, axes: &[Axis]) -> Self {
        let whole = Self::whole(place, write);
        if axes.iter().any(|axis| axis.range.is_empty()) {
            return Self { high: whole.low, ..whole };
        }
        let mut loops: SmallVec<[&Axis; 6]> =
            axes.iter().filter(|axis| axis.size > 1 && axis.stride != 0).collect();
        if loops.iter().any(|axis| axis.stride < 0) {
            return whole;
        }
        let bytes = |elements: usize| elements * size;
        let stride = |axis: &Axis| bytes(axis.stride.unsigned_abs());
        let low = place.first + loops.iter().map(|axis| axis.range.start * stride(axis)).sum::<usize>();
        let high =
            size + place.first + loops.iter().map(|axis| (axis.range.end - 1) * stride(axis)).sum::<usize>();
        let flat = Self { low, high, ..whole };
        loops.sort_by_key(|axis| axis.stride);
        let Some(cut) = loops.iter().position(|axis| axis.range.len() < axis.size) else { return flat };
        let (inner, outer) = loops.split_at(cut + 1);
        let Some(period) = outer.first().map(|axis| stride(axis)) else { return flat };
        let span = size + inner.iter().map(|axis| (axis.size - 1) * stride(axis)).sum::<usize>();
        let start: usize = inner.iter().map(|axis| axis.range.start * stride(axis)).sum();
        let len = size + inner.iter().map(|axis| (axis.range.len() - 1) * stride(axis)).sum::<usize>();
        let from = (place.first + start) % period;
        if span > period || from + len > period || outer.iter().any(|axis| stride(axis) % period != 0) {
            return flat;
        }
        Self { period, band: (from, from + len), ..flat }
    }

    /// The scratch memory that all kernels of a run share.
    fn scratch() -> Self {
        Self { slot: u32::MAX, write: true, low: 0, high: 1, period: 0, band: (0, 0) }
    }

    fn meets(&self, other: &Self) -> bool {
        if self.slot != other.slot || !(self.write || other.write) {
            return false;
        }
        if self.high <= other.low || other.high <= self.low {
            return false;
        }
        if self.period == 0 || self.period != other.period {
            // A flat run that lies within one period is a band, too.
            return match (self.as_band(other.period), other.as_band(self.period)) {
                (Some(a), _) if other.period > 0 => overlap(a, other.band),
                (_, Some(b)) if self.period > 0 => overlap(self.band, b),
                _ => true,
            };
        }
        overlap(self.band, other.band)
    }

    fn as_band(&self, period: usize) -> Option<(usize, usize)> {
        if self.period != 0 || period == 0 {
            return None;
        }
        let from = self.low % period;
        let to = from + (self.high - self.low);
        (to <= period).then_some((from, to))
    }

    /// Whether others than this run see what is written.
    fn leaves_the_arena(&self) -> bool {
        self.write && self.slot != 0 && self.slot != u32::MAX && self.high > self.low
    }
}

fn overlap(a: (usize, usize), b: (usize, usize)) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// A kernel's phase in a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub task: usize,
    pub phase: usize,
    pub cut: usize,
    pub of: usize,
}

/// Stages of a plan that is worth more than one thread.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    pub stages: Vec<Vec<Item>>,
    /// The largest number of parts.
    pub parts: usize,
}

/// A phase of a kernel as the scheduler sees it.
struct Candidate<'a> {
    task: usize,
    phase: usize,
    kernel: &'a dyn Task,
    operands: &'a [Touch],
    /// (cut, parts), in the order of preference.
    ways: SmallVec<[(usize, usize); 4]>,
    cost: f64,
}

impl<'a> Candidate<'a> {
    fn new(task: usize, phase: usize, (kernel, operands): (&'a dyn Task, &'a [Touch]), width: usize) -> Self {
        let cost = kernel.cost(phase);
        let cuts = kernel.cuts(phase);
        let mut ways: SmallVec<[(usize, usize); 4]> = cuts
            .iter()
            .enumerate()
            .filter(|&(_, &pieces)| pieces > 1)
            .map(|(cut, &pieces)| (cut, pieces.min(width)))
            .collect();
        let alone = (0, 1);
        if ways.is_empty() || cost < TINY {
            ways.insert(0, alone);
        } else if cost < SMALL {
            ways.push(alone);
        }
        Self { task, phase, kernel, operands, ways, cost }
    }

    /// Nanoseconds that a way takes longer than the best one.
    fn loss(&self, (cut, of): (usize, usize)) -> f64 {
        if of > 1 { self.cost / of as f64 * (self.kernel.delay(self.phase, cut) - 1.0) } else { 0.0 }
    }

    fn touches(&self, (cut, of): (usize, usize)) -> Vec<Vec<Touch>> {
        (0..of)
            .map(|index| {
                let part = Part { cut, index, of };
                let known = self.kernel.touches(self.phase, part);
                let mut touches = known.unwrap_or_else(|| self.operands.to_vec());
                if self.kernel.scratch() > 0 {
                    touches.push(Touch::scratch());
                }
                touches
            })
            .collect()
    }
}

/// The stage that is being filled.
#[derive(Default)]
struct Open {
    items: Vec<Item>,
    /// What each part touches.
    parts: Vec<Vec<Touch>>,
    /// A kernel of the stage may fail: nothing that others see may be written behind it.
    fallible: bool,
    /// Nanoseconds of the longest part.
    time: f64,
}

impl Open {
    /// Whether a kernel cut this way meets nothing that another part of the stage touches.
    fn admits(&self, candidate: &Candidate<'_>, touches: &[Vec<Touch>]) -> bool {
        if self.fallible && touches.iter().flatten().any(Touch::leaves_the_arena) {
            return false;
        }
        // A later phase needs all parts of the phase before it.
        if candidate.phase > 0
            && self.items.iter().any(|item| item.task == candidate.task && (item.of > 1 || touches.len() > 1))
        {
            return false;
        }
        self.parts.iter().enumerate().all(|(p, mine)| {
            touches.iter().enumerate().all(|(q, theirs)| {
                p == q || !mine.iter().any(|mine| theirs.iter().any(|theirs| mine.meets(theirs)))
            })
        })
    }

    fn add(&mut self, candidate: &Candidate<'_>, (cut, of): (usize, usize), touches: Vec<Vec<Touch>>) {
        self.items.push(Item { task: candidate.task, phase: candidate.phase, cut, of });
        if self.parts.len() < of {
            self.parts.resize(of, Vec::new());
        }
        for (part, touches) in self.parts.iter_mut().zip(touches) {
            part.extend(touches);
        }
        self.fallible |= candidate.kernel.fallible();
        self.time += candidate.cost / of as f64 + candidate.loss((cut, of));
    }

    /// Adds a kernel in the first way that needs no barrier and does not lose more than one costs.
    fn try_add(&mut self, candidate: &Candidate<'_>) -> bool {
        for &way in candidate.ways.iter().filter(|&&way| candidate.loss(way) < BARRIER) {
            let touches = candidate.touches(way);
            if self.admits(candidate, &touches) {
                self.add(candidate, way, touches);
                return true;
            }
        }
        false
    }
}

/// Stages for kernels with their operands, or `None` where one thread is as fast.
pub(crate) fn schedule(kernels: &[(&dyn Task, Vec<Touch>)], width: usize) -> Option<Schedule> {
    if width < 2 {
        return None;
    }
    let candidates: Vec<Candidate<'_>> = kernels
        .iter()
        .enumerate()
        .flat_map(|(task, (kernel, operands))| {
            (0..kernel.phases())
                .map(move |phase| Candidate::new(task, phase, (*kernel, operands.as_slice()), width))
        })
        .collect();
    let alone: f64 = candidates.iter().map(|candidate| candidate.cost).sum();
    if alone < REGION || candidates.iter().all(|candidate| candidate.ways.iter().all(|way| way.1 == 1)) {
        return None;
    }
    let (mut stages, mut together) = (Vec::new(), REGION);
    let mut open = Open::default();
    for (at, candidate) in candidates.iter().enumerate() {
        if open.items.is_empty() || !open.try_add(candidate) {
            if !open.items.is_empty() {
                together += open.time + BARRIER;
                stages.push(std::mem::take(&mut open.items));
            }
            open = begin(&candidates[at..]);
        }
    }
    together += open.time;
    stages.push(open.items);
    let parts = stages.iter().flatten().map(|item| item.of).max().unwrap_or(1);
    (parts > 1 && together < 0.9 * alone).then_some(Schedule { stages, parts })
}

/// A stage that begins with the first of the candidates, cut so that most of the next ones may join.
fn begin(candidates: &[Candidate<'_>]) -> Open {
    let first = &candidates[0];
    let mut best: Option<(f64, Open)> = None;
    // One thread is a way out of barriers only for kernels that join others.
    let ways = first.ways.iter().filter(|way| way.1 > 1 || first.ways[0].1 == 1);
    for &way in ways {
        let start = || {
            let mut open = Open::default();
            open.add(first, way, first.touches(way));
            open
        };
        let mut trial = start();
        let joined = candidates[1..].iter().take(AHEAD).take_while(|next| trial.try_add(next)).count();
        let gain = joined as f64 * BARRIER - first.loss(way);
        if best.as_ref().is_none_or(|(most, _)| gain > *most) {
            best = Some((gain, start()));
        }
    }
    best.map_or_else(Open::default, |(_, open)| open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(slot: u32, first: usize, bytes: usize) -> Place {
        Place { slot, first, low: first, high: first + bytes }
    }

    fn axes(rows: Range<usize>, cols: Range<usize>) -> [Axis; 2] {
        [Axis { range: rows, size: 8, stride: 16 }, Axis { range: cols, size: 16, stride: 1 }]
    }

    #[test]
    fn blocks_of_different_columns_or_rows_do_not_meet() {
        let place = place(1, 64, 8 * 16 * 4);
        let block = |rows, cols, write| Touch::block(&place, 4, write, &axes(rows, cols));
        assert!(!block(0..8, 0..8, true).meets(&block(0..8, 8..16, true)));
        assert!(!block(0..4, 0..16, true).meets(&block(4..8, 0..16, false)));
        assert!(block(0..8, 0..9, true).meets(&block(0..8, 8..16, false)));
        assert!(block(0..8, 0..8, true).meets(&block(0..4, 0..16, false)));
        assert!(!block(0..8, 0..8, false).meets(&block(0..4, 0..16, false)));
        assert!(block(0..8, 8..16, true).meets(&Touch::whole(&place, false)));
    }

    #[test]
    fn transposed_views_of_one_memory_agree() {
        let place = place(2, 0, 8 * 16 * 4);
        // The same columns, as rows of the transpose.
        let turned = |rows: Range<usize>| {
            Touch::block(&place, 4, true, &[Axis { range: rows, size: 16, stride: 1 }, Axis::whole(8, 16)])
        };
        let straight = |cols| Touch::block(&place, 4, false, &axes(0..8, cols));
        assert!(!turned(0..8).meets(&straight(8..16)));
        assert!(turned(0..8).meets(&straight(7..16)));
    }

    #[test]
    fn bands_are_told_apart_by_where_they_begin() {
        let cols = |first: usize, range: Range<usize>| {
            Touch::block(&place(0, first, 512), 4, true, &axes(0..8, range))
        };
        // Another tensor of the same row length, half a row further on.
        assert!(cols(0, 0..8).meets(&cols(32, 8..16)));
        assert!(!cols(0, 0..8).meets(&cols(32, 0..8)));
    }

    #[test]
    fn parts_cover_blocks() {
        for total in [0, 5, 32, 100] {
            let mut end = 0;
            for index in 0..3 {
                let range = Part { cut: 0, index, of: 3 }.blocks(total, 32);
                assert_eq!(range.start, end);
                end = range.end;
            }
            assert_eq!(end, total);
        }
    }
}
