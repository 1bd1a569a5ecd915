//! A product laid out: which way round, what to pack, how to cut it into parts.

use std::mem::MaybeUninit;
use std::ops::Range;

use neuroxide_core::plan::SUM_CHUNK;

use super::pack::{Left, Right};
use super::tile::{Strip, Tiled, Tiles};
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
/// Elements of the room where finished tiles wait: it stays in the first-level cache.
const PATCH: usize = TURN * 32;
/// Rows gathered before they are turned over, so that lines of the result are written whole.
const TURN: usize = 64;

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

    fn at<T>(&self, first: *mut T, row: usize, col: usize) -> *mut T {
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

/// What is done with finished elements.
pub(crate) trait Sink<T> {
    /// Whether elements are taken at all; otherwise they are stored in c.
    const TAKES: bool;

    /// Takes an area of a batch's matrix from a room whose rows are `stride` elements apart. Rows of the room
    /// are columns of the area where the product [flips](Product::flips).
    ///
    /// # Safety
    /// The elements are readable, and what lies at the same rows and columns of other operands belongs
    /// to the caller.
    unsafe fn take(&self, batch: usize, rows: Range<usize>, cols: Range<usize>, room: *mut T, stride: usize);
}

/// Elements are stored as they are.
pub(crate) struct Plain;

impl<T> Sink<T> for Plain {
    const TAKES: bool = false;

    unsafe fn take(&self, _: usize, _: Range<usize>, _: Range<usize>, _: *mut T, _: usize) {}
}

/// First elements of the operands.
#[derive(Clone, Copy)]
pub(crate) struct Firsts<T> {
    pub a: *const T,
    pub b: *const T,
    /// Not used where a sink takes the elements.
    pub c: *mut T,
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
    panels: usize,
    sums: usize,
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
    block: usize,
    group: usize,
    near: usize,
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

    /// Ways to cut the product for that many threads, the one with the shortest largest portion first.
    pub fn cuts(&self, width: usize) -> Vec<Along> {
        let Sizes { batch, m, n, .. } = self.sizes;
        let time = |along: &Along| {
            let pieces = self.most(*along).min(width);
            let [batch, m, n] = match along {
                Along::Batch => [batch.div_ceil(pieces), m, n],
                Along::Rows => [batch, m.div_ceil(pieces), n],
                Along::Cols => [batch, m, n.div_ceil(self.tiles.width).div_ceil(pieces) * self.tiles.width],
            };
            let packs = if self.packs_b { n } else { 0 } + if self.packs_a { m } else { 0 };
            batch * (self.time(m, n) + self.sizes.k * packs / 5)
        };
        let mut all = vec![Along::Batch, Along::Cols, Along::Rows];
        all.retain(|&along| self.most(along) > 1);
        all.sort_by_key(time);
        all
    }

    /// Pieces that there can be.
    fn most(&self, along: Along) -> usize {
        match along {
            Along::Batch => self.sizes.batch,
            Along::Rows => self.sizes.m.div_ceil(self.tiles.height()),
            Along::Cols => self.sizes.n.div_ceil(self.tiles.width),
        }
    }

    /// The portions of that many threads, or fewer where there is not enough to deal out.
    pub fn pieces(&self, along: Along, width: usize, takes: bool) -> Vec<Portion> {
        let Sizes { batch, m, n, .. } = self.sizes;
        let (count, tile) = (self.most(along).min(width), self.tiles.width);
        (0..count)
            .map(|piece| match along {
                Along::Batch => self.portion(share(batch, piece, count), 0..m, 0..n, takes),
                Along::Rows => self.portion(0..batch, share(m, piece, count), 0..n, takes),
                Along::Cols => {
                    let panels = share(n.div_ceil(tile), piece, count);
                    self.portion(0..batch, 0..m, panels.start * tile..(panels.end * tile).min(n), takes)
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

    fn direct(&self, takes: bool) -> bool {
        !takes && self.c.col == 1
    }

    /// Whether finished elements are turned over: a result's rows are unit-stride, its columns are not.
    pub fn flips(&self) -> bool {
        self.c.col != 1 && self.c.row == 1
    }

    /// Computes a part.
    ///
    /// # Safety
    /// The operands are valid for the product's sizes and strides, c belongs to the caller within the
    /// part; `room` elements are writable at `room`; the instruction set is there.
    pub unsafe fn run<S: Sink<T>>(&self, part: &Portion, firsts: Firsts<T>, room: *mut T, sink: &S) {
        let k = self.sizes.k;
        let (panels, sums) = (room.wrapping_add(part.panels), room.wrapping_add(part.sums));
        let mut patch = MaybeUninit::<[Patch<T>; 2]>::uninit();
        let patch = patch.as_mut_ptr().cast::<T>();
        // k = 0 has one empty chunk, which gives zeros.
        for batch in part.batch.clone() {
            let by = |x: &Matrix| batch as isize * x.batch;
            let firsts = Firsts {
                a: firsts.a.wrapping_offset(by(&self.a)),
                b: firsts.b.wrapping_offset(by(&self.b)),
                c: firsts.c.wrapping_offset(by(&self.c)),
            };
            for start in (0..k.max(1)).step_by(SUM_CHUNK) {
                let depth = SUM_CHUNK.min(k - start);
                let chunk = Chunk { of: self, part, firsts, batch, start, depth, sums, patch, sink };
                for cols in cut(&part.cols, if self.packs_b { self.group } else { usize::MAX }) {
                    // SAFETY: the contract of this function; the room's second piece is for panels.
                    unsafe { chunk.group(cols, room, panels) };
                }
            }
        }
    }
}

/// Room for the elements of a few tiles.
#[repr(align(64))]
struct Patch<T>(#[allow(dead_code, reason = "written and read through pointers")] [T; PATCH]);

/// A range cut into pieces of at most `most`.
fn cut(range: &Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let Range { start, end } = *range;
    (start..end)
        .step_by(most.min(end.saturating_sub(start)).max(1))
        .map(move |at| at..(at.saturating_add(most)).min(end))
}

/// A range cut into as few pieces of at most `most` as there can be, all of about one length: a tile of
/// two rows at the end would be half as fast as the others.
fn balanced(range: &Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + Clone + use<> {
    let Range { start, end } = *range;
    let (len, pieces) = (end - start, (end - start).div_ceil(most));
    (0..pieces).map(move |piece| {
        let piece = share(len, piece, pieces);
        start + piece.start..start + piece.end
    })
}

/// One chunk of k of one matrix of the batch.
struct Chunk<'a, T: Tiled, S> {
    of: &'a Product<T>,
    part: &'a Portion,
    firsts: Firsts<T>,
    batch: usize,
    start: usize,
    depth: usize,
    sums: *mut T,
    patch: *mut T,
    sink: &'a S,
}

impl<T: Tiled, S: Sink<T>> Chunk<'_, T, S> {
    /// Columns that are packed together.
    ///
    /// # Safety
    /// The contract of `Product::run`.
    unsafe fn group(&self, cols: Range<usize>, left: *mut T, panels: *mut T) {
        let (of, depth) = (self.of, self.depth);
        let width = of.tiles.width;
        let b = of.b.at(self.firsts.b.cast_mut(), self.start, cols.start).cast_const();
        let right = if of.packs_b {
            // SAFETY: rows and columns of b; the room is for a group.
            unsafe { of.pack_right(b, depth, cols.len(), panels) };
            Right { at: panels.cast_const(), k: width as isize, panel: (width * depth) as isize }
        } else {
            Right { at: b, k: of.b.row, panel: width as isize }
        };
        let most = if of.packs_a { of.block } else { usize::MAX };
        for rows in cut(&self.part.rows, most) {
            let a = of.a.at(self.firsts.a.cast_mut(), rows.start, self.start).cast_const();
            let blocks = balanced(&(0..rows.len()), of.tiles.height());
            if of.packs_a {
                // SAFETY: rows of a; the room is for a block of rows.
                unsafe { of.pack_left(a, depth, blocks.clone(), left) };
            }
            for near in cut(&cols, of.near) {
                let panel = ((near.start - cols.start) / width) as isize;
                let right = Right { at: right.at.wrapping_offset(panel * right.panel), ..right };
                let area = Area { rows: rows.clone(), a, left, right, cols: near };
                // SAFETY: rows and columns of the part, packed above where they are packed.
                unsafe { self.area(&area) };
            }
        }
    }

    /// Rows times columns: block of rows by block of rows, so that a block stays in first-level cache.
    ///
    /// # Safety
    /// The contract of `Product::run`; the area has its operands.
    unsafe fn area(&self, area: &Area<T>) {
        let of = self.of;
        let (first, width) = (self.start == 0, self.part.cols.len() as isize);
        let blocks = area.rows.len().div_ceil(of.tiles.height());
        let sums = || {
            let row = (area.rows.start - self.part.rows.start) as isize;
            let col = area.cols.start - self.part.cols.start;
            self.sums.wrapping_offset(row * width).wrapping_add(col)
        };
        let (to, row) = if of.direct(S::TAKES) {
            (of.c.at(self.firsts.c, area.rows.start, area.cols.start), of.c.row)
        } else if self.start + self.depth < of.sizes.k {
            (sums(), width)
        } else {
            let from = if first { Stored::none() } else { Stored { at: sums(), row: width } };
            // SAFETY: the contract of this function.
            return unsafe { self.gather(area, from) };
        };
        let to = Stored { at: to, row };
        for block in 0..blocks {
            // SAFETY: the contract of this function.
            unsafe {
                let to = to.moved(area.block(block, blocks).start as isize, 0);
                self.strip(area, block, &area.cols, to, if first { Stored::none() } else { to });
            }
        }
    }

    /// Computes patches of the area and delivers them.
    ///
    /// # Safety
    /// That of `area`; `from` is where the chunks before have their sums.
    unsafe fn gather(&self, area: &Area<T>, from: Stored<T>) {
        let of = self.of;
        let (width, height) = (of.tiles.width, of.tiles.height());
        let flips = of.flips();
        let (tall, wide) =
            if flips { ((TURN / height).max(1), width) } else { (1, PATCH / height / width * width) };
        let blocks = area.rows.len().div_ceil(height);
        for first in (0..blocks).step_by(tall) {
            let upto = (first + tall).min(blocks);
            let rows = area.block(first, blocks).start..area.block(upto - 1, blocks).end;
            for cols in cut(&area.cols, wide) {
                let room = Stored { at: self.patch, row: wide as isize };
                let col = cols.start - area.cols.start;
                for block in first..upto {
                    let down = area.block(block, blocks).start;
                    // SAFETY: the contract of this function; a patch has room for `tall` blocks of `wide` columns.
                    unsafe {
                        let to = room.moved(down as isize - rows.start as isize, 0);
                        self.strip(area, block, &cols, to, from.moved(down as isize, col));
                    }
                }
                let rows = area.rows.start + rows.start..area.rows.start + rows.end;
                // SAFETY: the contract of this function; the patch has these rows and columns.
                unsafe { self.deliver(rows, cols, wide, flips) };
            }
        }
    }

    /// # Safety
    /// That of `area`; block and columns are of the area; `to` and, unless none, `from` have room for them.
    #[inline(always)]
    unsafe fn strip(
        &self,
        area: &Area<T>,
        block: usize,
        cols: &Range<usize>,
        to: Stored<T>,
        from: Stored<T>,
    ) {
        let of = self.of;
        let rows = area.block(block, area.rows.len().div_ceil(of.tiles.height()));
        let a = if of.packs_a {
            of.packed_left(area.left, self.depth, block, rows.start)
        } else {
            let at = area.a.wrapping_offset(rows.start as isize * of.a.row);
            Left { at, row: of.a.row, k: of.a.col }
        };
        let panel = ((cols.start - area.cols.start) / of.tiles.width) as isize;
        let strip = Strip {
            k: self.depth,
            a: a.at,
            a_row: a.row,
            a_k: a.k,
            b: area.right.at.wrapping_offset(panel * area.right.panel),
            b_k: area.right.k,
            b_panel: area.right.panel,
            c: to.at,
            c_row: to.row,
            from: from.at,
            from_row: from.row,
            cols: cols.len(),
        };
        // SAFETY: the contract of this function; a block has at most a tile's rows.
        unsafe { (of.tiles.strips[rows.len() - 1])(&strip) };
    }

    /// Hands a finished patch over: to the sink, or to c.
    ///
    /// # Safety
    /// That of `area`; the patch has these rows and columns, `stride` elements from row to row.
    unsafe fn deliver(&self, rows: Range<usize>, cols: Range<usize>, stride: usize, flips: bool) {
        let (c, patch, turn) = (self.of.c, self.patch, self.of.tiles.turn);
        let to = c.at(self.firsts.c, rows.start, cols.start);
        // SAFETY: the contract of this function; the second half of the room is for the patch turned over.
        unsafe {
            match (S::TAKES, flips) {
                (true, false) => self.sink.take(self.batch, rows, cols, patch, stride),
                (true, true) => {
                    let turned = patch.add(PATCH);
                    turn(patch, stride as isize, turned, TURN as isize, rows.len(), cols.len());
                    self.sink.take(self.batch, rows, cols, turned, TURN);
                }
                (false, true) => turn(patch, stride as isize, to, c.col, rows.len(), cols.len()),
                (false, false) => {
                    for i in 0..rows.len() {
                        for j in 0..cols.len() {
                            *c.at(to, i, j) = *patch.add(i * stride + j);
                        }
                    }
                }
            }
        }
    }
}

/// Rows times columns with what their tiles read.
struct Area<T> {
    rows: Range<usize>,
    /// The first row of a, and where the rows lie packed if they are.
    a: *const T,
    left: *mut T,
    right: Right<T>,
    cols: Range<usize>,
}

impl<T> Area<T> {
    /// Rows of a tile, counted from the first one of the area.
    fn block(&self, block: usize, blocks: usize) -> Range<usize> {
        share(self.rows.len(), block, blocks)
    }
}

/// Where rows of results lie.
#[derive(Clone, Copy)]
struct Stored<T> {
    at: *mut T,
    row: isize,
}

impl<T> Stored<T> {
    fn none() -> Self {
        Self { at: std::ptr::null_mut(), row: 0 }
    }

    fn moved(self, down: isize, right: usize) -> Self {
        if self.at.is_null() {
            self
        } else {
            Self { at: self.at.wrapping_offset(down * self.row).wrapping_add(right), ..self }
        }
    }
}
