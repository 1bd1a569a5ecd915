//! A product laid out: which way round, what to pack, how to cut it into parts.

use std::ops::Range;

use neuroxide_core::plan::SUM_CHUNK;

use super::tile::{Tiled, Tiles};
use crate::isa::Isa;
use crate::pool::share;

/// Bytes that 64 pages hold, the reach of a first-level TLB: a is packed where its steps along k reach
/// further. Rows of b are fetched well from further away where their panels are two lines wide, as the
/// second line comes with the first: b is packed where its rows reach over twice this for a panel of one line,
/// eight times for one of two.
const REACH: usize = 256 << 10;
/// Uses that pay for packing an element: rows for b, columns for a.
const USES: usize = 128;
/// Lines that a first-level cache holds at addresses a page apart, and the bytes of a page.
const WAYS: usize = 8;
const PAGE: usize = 4096;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes of b that stay in second-level cache while blocks of a go over them, and bytes of packed a.
const NEAR: usize = 256 << 10;
const BLOCK: usize = 512 << 10;
/// Bytes of b that are packed at a time.
const GROUP: usize = 2 << 20;

/// A matrix of a batch: strides in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    pub batch: isize,
    pub row: isize,
    pub col: isize,
}

impl Matrix {
    fn transposed(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }

    pub(super) fn at<T>(&self, first: *mut T, row: usize, col: usize) -> *mut T {
        first.wrapping_offset(row as isize * self.row + col as isize * self.col)
    }
}

/// Sizes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// What a product can be cut along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    Batch,
    Rows,
    Cols,
}

/// What one thread computes, and where in its room it keeps what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    pub batch: Range<usize>,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    /// Elements of room; packed rows of a come first, then panels of b, then sums.
    pub room: usize,
    pub(super) panels: usize,
    pub(super) sums: usize,
}

/// A batch of products c = a · b, prepared.
#[allow(clippy::struct_excessive_bools, reason = "four independent answers, each asked by its name")]
pub(crate) struct Product<T: 'static> {
    /// Of the product that is computed: turned over, folded.
    pub sizes: Sizes,
    pub a: Matrix,
    pub b: Matrix,
    /// Where elements go, or of the layout that the sink's work is done in.
    pub c: Matrix,
    /// Computed as cᵀ = bᵀ aᵀ: a and b have changed places.
    pub turned: bool,
    /// Blocks of a are copied for the tiles.
    pub packs_a: bool,
    /// Columns of b are brought into panels.
    pub packs_b: bool,
    /// Batches were joined to rows.
    pub folded: bool,
    /// Rows of a and columns of b that are packed at a time, and columns of b that stay near.
    pub(super) block: usize,
    pub(super) group: usize,
    pub(super) near: usize,
    pub(super) tiles: &'static Tiles<T>,
}

impl<T: Tiled> Product<T> {
    /// `areas` are the matrices of c's shape, c first; they are folded and turned over with the product.
    pub fn new(sizes: Sizes, a: Matrix, b: Matrix, areas: &mut [Matrix], isa: Isa) -> Self {
        // A stride along an axis of size 1 says nothing; 1 fits every test.
        let normal = |x: Matrix, rows: usize, cols: usize| Matrix {
            batch: if sizes.batch <= 1 { 0 } else { x.batch },
            row: if rows <= 1 { 1 } else { x.row },
            col: if cols <= 1 { 1 } else { x.col },
        };
        let Sizes { m, n, k, .. } = sizes;
        for x in areas.iter_mut() {
            *x = normal(*x, m, n);
        }
        let tiles = T::tiles(isa);
        let vector = k.clamp(1, SUM_CHUNK) * size_of::<T>();
        let fit = |bytes: usize, unit: usize| (bytes / vector / unit).max(1) * unit;
        let mut it = Self {
            sizes,
            a: normal(a, m, k),
            b: normal(b, k, n),
            c: areas[0],
            turned: false,
            packs_a: false,
            packs_b: false,
            folded: false,
            block: fit(BLOCK, tiles.height()),
            group: fit(GROUP, tiles.width),
            near: fit(NEAR, tiles.width),
            tiles,
        };
        it.fold(areas);
        it.orient(areas);
        it.c = areas[0];
        it.choose_packing();
        it
    }

    /// Makes one tall product of a batch that shares b.
    fn fold(&mut self, areas: &mut [Matrix]) {
        let Sizes { batch, m, .. } = self.sizes;
        let joins = |x: &Matrix| m == 1 || x.batch == x.row * m as isize;
        if batch > 1 && self.b.batch == 0 && joins(&self.a) && areas.iter().all(joins) {
            if m == 1 {
                areas.iter_mut().chain([&mut self.a]).for_each(|x| x.row = x.batch);
            }
            self.sizes = Sizes { batch: 1, m: batch * m, ..self.sizes };
            self.folded = true;
        }
    }

    /// Turns the product over where that is cheaper.
    fn orient(&mut self, areas: &mut [Matrix]) {
        let Sizes { m, n, k, .. } = self.sizes;
        // In vector operations; an element that is turned over costs a fifth of one.
        let cost = |m: usize, n: usize, vector_col: isize, out_col: isize| {
            let pack = if vector_col == 1 { 0 } else { k * n };
            let spread = if out_col == 1 { 0 } else { m * n };
            self.time(m, n) + (pack + spread) / 5
        };
        if cost(n, m, self.a.row, areas[0].row) < cost(m, n, self.b.col, areas[0].col) {
            self.turned = true;
            self.sizes = Sizes { m: n, n: m, ..self.sizes };
            (self.a, self.b) = (self.b.transposed(), self.a.transposed());
            for x in areas.iter_mut() {
                *x = x.transposed();
            }
        }
    }

    /// Vector operations of a matrix's tiles. Eight chains keep two units busy; a tile of fewer takes as long.
    fn time(&self, m: usize, n: usize) -> usize {
        if m == 0 || n == 0 {
            return 0;
        }
        let least = 8 * m.div_ceil(self.tiles.height());
        let vectors = n.div_ceil(self.tiles.lanes);
        (vectors / 2 * (2 * m).max(least) + vectors % 2 * m.max(least)) * self.sizes.k
    }

    fn choose_packing(&mut self) {
        let Sizes { m, n, k, .. } = self.sizes;
        let bytes = |stride: isize| stride.unsigned_abs() * size_of::<T>();
        let height = self.tiles.height().min(m);
        let lines = (self.tiles.width * size_of::<T>()).div_ceil(LINE);
        let spread = k * bytes(self.b.row) > 2 * REACH * lines * lines;
        self.packs_b = self.b.col != 1 || (m >= USES && spread);
        // Rows that a tile reads side by side may fall onto the same sets of the cache.
        let stride = bytes(self.a.row);
        let same_sets = self.a.col == 1 && {
            let apart = PAGE >> stride.trailing_zeros().min(PAGE.trailing_zeros());
            height > WAYS * apart.min(PAGE / LINE)
        };
        let far = self.a.col != 1 && k * bytes(self.a.col) > REACH;
        self.packs_a = n >= USES && k >= 64 && (same_sets || far);
    }

    /// Ways to cut the product for that many threads, the one with the shortest largest portion first, with
    /// the times they take relative to it.
    pub fn cuts(&self, width: usize, takes: bool) -> Vec<(Along, f64)> {
        let Sizes { batch, m, n, .. } = self.sizes;
        let time = |along: &Along| {
            let pieces = self.most(*along, width).min(width);
            let [batch, m, n] = match along {
                Along::Batch => [batch.div_ceil(pieces), m, n],
                Along::Rows => [batch, m.div_ceil(pieces), n],
                Along::Cols => [batch, m, n.div_ceil(self.unit(width)).div_ceil(pieces) * self.unit(width)],
            };
            let copied = if self.packs_b { n } else { 0 } + if self.packs_a { m } else { 0 };
            let read = (m + n).div_ceil(self.tiles.lanes);
            // Where short stripes of c belong to two cores in turn, each core's prefetchers take from the other
            // what that is about to write: the gradient of a weight of 128 columns took twice as long. Not where
            // it is spent on an update at once: then weights and moments stay with the core that has the columns
            // in the forward product, too, and a step of 107 µs took 131 when the gradient was cut by rows.
            let striped = match along {
                Along::Batch => false,
                Along::Rows => self.flips() && m * size_of::<T>() < PAGE,
                Along::Cols => self.c.col == 1 && n * size_of::<T>() < PAGE,
            };
            let stripes = if striped && !takes { 8 * m * n.div_ceil(self.tiles.lanes) } else { 0 };
            batch * (self.time(m, n) + self.sizes.k * (copied / 5 + read) + stripes)
        };
        let mut all = vec![Along::Batch, Along::Cols, Along::Rows];
        all.retain(|&along| self.most(along, width) > 1);
        all.sort_by_key(time);
        let best = all.first().map_or(1, time).max(1) as f64;
        all.into_iter().map(|along| (along, time(&along) as f64 / best)).collect()
    }

    /// Columns that are dealt out together: panels, or vectors where there are fewer panels than threads.
    fn unit(&self, width: usize) -> usize {
        let Tiles { width: panel, lanes, .. } = *self.tiles;
        if self.sizes.n.div_ceil(panel) < width { lanes } else { panel }
    }

    /// Pieces that there can be.
    fn most(&self, along: Along, width: usize) -> usize {
        match along {
            Along::Batch => self.sizes.batch,
            Along::Rows => self.sizes.m.div_ceil(self.tiles.height()),
            Along::Cols => self.sizes.n.div_ceil(self.unit(width)),
        }
    }

    /// The portions of that many threads, or fewer where there is not enough to deal out.
    pub fn pieces(&self, along: Along, width: usize, takes: bool) -> Vec<Portion> {
        let Sizes { batch, m, n, .. } = self.sizes;
        let (count, unit) = (self.most(along, width).min(width), self.unit(width));
        (0..count)
            .map(|piece| match along {
                Along::Batch => self.portion(share(batch, piece, count), 0..m, 0..n, takes),
                Along::Rows => self.portion(0..batch, share(m, piece, count), 0..n, takes),
                Along::Cols => {
                    let units = share(n.div_ceil(unit), piece, count);
                    self.portion(0..batch, 0..m, units.start * unit..(units.end * unit).min(n), takes)
                }
            })
            .collect()
    }

    pub fn whole(&self, takes: bool) -> Portion {
        let Sizes { batch, m, n, .. } = self.sizes;
        self.portion(0..batch, 0..m, 0..n, takes)
    }

    fn portion(&self, batch: Range<usize>, rows: Range<usize>, cols: Range<usize>, takes: bool) -> Portion {
        let depth = self.sizes.k.min(SUM_CHUNK);
        let line = LINE / size_of::<T>();
        let panels = if self.packs_a { self.left_room(rows.len().min(self.block), depth) } else { 0 };
        let packed = if self.packs_b { self.right_room(cols.len().min(self.group), depth) } else { 0 };
        let panels = panels.next_multiple_of(line);
        let sums = panels + packed.next_multiple_of(line);
        // Sums over the chunks of k that are done, where c does not hold them.
        let kept = if self.sizes.k > SUM_CHUNK && !self.direct(takes) { rows.len() * cols.len() } else { 0 };
        Portion { batch, rows, cols, room: sums + kept, panels, sums }
    }

    pub(super) fn direct(&self, takes: bool) -> bool {
        !takes && self.c.col == 1
    }

    /// Whether finished elements are turned over: a result's rows are unit-stride, its columns are not.
    pub fn flips(&self) -> bool {
        self.c.col != 1 && self.c.row == 1
    }
}
