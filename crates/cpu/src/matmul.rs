//! Matrix products of a plan: operands checked, the product laid out, its cuts offered, and what is
//! done to finished elements while they are in first-level cache.

use std::mem::MaybeUninit;
use std::ops::Range;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::plan::Expr;
use neuroxide_core::shape::View;
use smallvec::SmallVec;

use crate::elementwise::{Area, Formula, Line, Shape};
use crate::executable::{Context, Place, Site, Task};
use crate::gemm::{Firsts, Matrix, Plain, Portion, Product, Sink, Sizes, Tiled};
use crate::schedule::{Axis, Part, Touch};

/// Bytes of room that a part has on its stack; more comes from the scratch memory of the run. A frame of
/// more than a page is touched page by page when it is entered, which small products would feel.
const STACK: usize = 64 << 10;
const PAGE: usize = 4 << 10;
/// Multiply-adds a nanosecond that costs are told with.
const SPEED: f64 = 45.0;

/// An operand of the shape of the result.
struct Port {
    place: Place,
    size: usize,
    write: bool,
    /// In the orientation that is computed.
    matrix: Matrix,
}

/// What is done to finished elements, where they are not just stored.
struct Epilogue {
    formula: Formula,
    /// Ins, then outs.
    ports: Vec<Port>,
    ins: usize,
    /// Rows of the formula's areas are columns of the product that is computed.
    turned: bool,
}

/// A way to cut a product.
struct Cut {
    pieces: Vec<Portion>,
    /// The time it takes, relative to the best way.
    time: f64,
}

struct MatMul<T: 'static> {
    product: Product<T>,
    /// Of the product that is computed.
    a: Place,
    b: Place,
    c: Port,
    epilogue: Option<Epilogue>,
    /// The product in one piece.
    whole: Portion,
    /// Ways to cut it, the best first, with the pieces for as many threads as there are.
    cuts: Vec<Cut>,
    /// Bytes of room that a part needs, and how many each has in the scratch memory: 0 where the stack has
    /// enough.
    needed: usize,
    room: usize,
}

pub(crate) fn prepare(site: &Site<'_>, expr: &Expr, scalars: usize) -> Result<Box<dyn Task>> {
    site.check(site.ins.len() >= 2, "two operands are needed")?;
    match site.step.ins[0].dtype {
        DType::F32 => task::<f32>(site, expr, DType::F32, scalars),
        DType::F64 => task::<f64>(site, expr, DType::F64, scalars),
        dtype => Err(site.fault(&format!("no products of {dtype}"))),
    }
}

fn matrix(view: &View) -> Matrix {
    let s = &view.strides;
    Matrix { batch: s[0], row: s[1], col: s[2] }
}

fn task<T: Tiled>(site: &Site<'_>, expr: &Expr, dtype: DType, scalars: usize) -> Result<Box<dyn Task>> {
    let (ins, outs) = (&site.step.ins, &site.step.outs);
    let [batch, m, k] = site.triple(&ins[0].view.shape)?;
    let [_, _, n] = site.triple(&ins[1].view.shape)?;
    site.check(*ins[1].view.shape == [batch, k, n] && ins[1].dtype == dtype, "operands do not fit")?;
    site.check(!outs.is_empty(), "an out is needed")?;
    let areas = || outs.iter().chain(&ins[2..]);
    site.check(
        areas().all(|x| *x.view.shape == [batch, m, n]),
        "an operand of the result has another shape",
    )?;
    let mut matrices: Vec<Matrix> = areas().map(|x| matrix(&x.view)).collect();
    let sizes = Sizes { batch, m, n, k };
    let product =
        Product::<T>::new(sizes, matrix(&ins[0].view), matrix(&ins[1].view), &mut matrices, site.isa);
    let port = |at: usize| {
        let (x, place, write) = match at.checked_sub(outs.len()) {
            None => (&outs[at], site.outs[at], true),
            Some(at) => (&ins[2 + at], site.ins[2 + at], false),
        };
        Port { place, size: x.dtype.size(), write, matrix: matrices[at] }
    };
    let epilogue = if *expr == Expr::plain(dtype) && outs.len() == 1 && outs[0].dtype == dtype {
        None
    } else {
        let in_types: SmallVec<[DType; 8]> =
            std::iter::once(dtype).chain(ins[2..].iter().map(|x| x.dtype)).collect();
        let out_types: SmallVec<[DType; 8]> = outs.iter().map(|x| x.dtype).collect();
        let turned = product.turned != product.flips();
        // Folded batches are rows: in front of the columns, or behind them where these come first.
        let order: &[usize] = match (turned, product.folded) {
            (false, _) => &[0, 1, 2],
            (true, false) => &[0, 2, 1],
            (true, true) => &[2, 0, 1],
        };
        let shape = Shape { ins: &in_types, outs: &out_types, dims: &[batch, m, n], order, scalars };
        let formula = Formula::compile(site, expr, &shape)?;
        let ports = (outs.len()..matrices.len()).chain(0..outs.len()).map(port).collect();
        Some(Epilogue { formula, ports, ins: ins.len() - 2, turned: product.flips() })
    };
    let takes = epilogue.is_some();
    let cuts: Vec<_> = product
        .cuts(site.width, takes)
        .into_iter()
        .map(|(along, time)| Cut { pieces: product.pieces(along, site.width, takes), time })
        .collect();
    let whole = product.whole(takes);
    let most =
        cuts.iter().flat_map(|cut| &cut.pieces).chain([&whole]).map(|piece| piece.room).max().unwrap_or(0);
    let bytes = most * size_of::<T>();
    Ok(Box::new(MatMul {
        a: site.ins[usize::from(product.turned)],
        b: site.ins[usize::from(!product.turned)],
        c: port(0),
        epilogue,
        whole,
        needed: bytes,
        room: if bytes > STACK { bytes.next_multiple_of(64) } else { 0 },
        cuts,
        product,
    }))
}

/// The epilogue of a run.
struct Finish<'a, T: 'static> {
    of: &'a Epilogue,
    product: &'a Product<T>,
    cx: &'a Context<'a>,
}

impl<T: Tiled> Sink<T> for Finish<'_, T> {
    const TAKES: bool = true;

    unsafe fn take(&self, batch: usize, rows: Range<usize>, cols: Range<usize>, room: *mut T, stride: usize) {
        let Epilogue { formula, ports, ins, turned } = self.of;
        let size = size_of::<T>() as isize;
        let mut lines: SmallVec<[Line; 12]> = SmallVec::new();
        lines.push(Line { ptr: room.cast(), row: stride as isize * size, col: size });
        lines.extend(ports.iter().map(|port| {
            let Matrix { batch: b, row, col } = port.matrix;
            let offset = batch as isize * b + rows.start as isize * row + cols.start as isize * col;
            let size = port.size as isize;
            let (row, col) = if *turned { (col, row) } else { (row, col) };
            let ptr = port.place.ptr::<u8>(self.cx).wrapping_offset(offset * size);
            Line { ptr, row: row * size, col: col * size }
        }));
        let (ins, outs) = lines.split_at(1 + ins);
        let Sizes { m, n, .. } = self.product.sizes;
        let (m, n, rows, cols) = if *turned { (n, m, cols, rows) } else { (m, n, rows, cols) };
        let start = (batch * m + rows.start) * n + cols.start;
        let scalars = self.cx.scalars;
        let area = Area { rows: rows.len(), cols: cols.len(), ins, outs, scalars, start, pitch: n };
        // SAFETY: the contract of this function: the operands' places were checked against their bindings,
        // types by `Formula::compile`, the number of scalars by `Executable::run`.
        unsafe { formula.run(&area) };
    }
}

impl<T: Tiled> MatMul<T> {
    fn portion(&self, part: Part) -> &Portion {
        if part.of == 1 { &self.whole } else { &self.cuts[part.cut].pieces[part.index] }
    }
}

impl<T: Tiled> Task for MatMul<T> {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        self.cuts.iter().map(|cut| cut.pieces.len()).collect()
    }

    fn cost(&self, _: usize) -> f64 {
        let Sizes { batch, m, n, k } = self.product.sizes;
        let finish = self.epilogue.as_ref().map_or(0.02, |epilogue| epilogue.formula.cost());
        20.0 + (batch * m * n) as f64 * (k as f64 / SPEED + finish)
    }

    fn delay(&self, _: usize, cut: usize) -> f64 {
        self.cuts[cut].time
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        let Portion { batch, rows, cols, .. } = self.portion(part);
        let sizes = self.product.sizes;
        let touch = |place: &Place, size: usize, write: bool, x: &Matrix, rows: Axis, cols: Axis| {
            let batch = Axis { range: batch.clone(), size: sizes.batch, stride: x.batch };
            let axes = [batch, Axis { stride: x.row, ..rows }, Axis { stride: x.col, ..cols }];
            Touch::block(place, size, write, &axes)
        };
        let rows = || Axis { range: rows.clone(), size: sizes.m, stride: 0 };
        let cols = || Axis { range: cols.clone(), size: sizes.n, stride: 0 };
        let k = || Axis::whole(sizes.k, 0);
        let mut touches = vec![
            touch(&self.a, size_of::<T>(), false, &self.product.a, rows(), k()),
            touch(&self.b, size_of::<T>(), false, &self.product.b, k(), cols()),
        ];
        let port = |port: &Port| touch(&port.place, port.size, port.write, &port.matrix, rows(), cols());
        match &self.epilogue {
            Some(epilogue) => touches.extend(epilogue.ports.iter().map(port)),
            None => touches.push(port(&self.c)),
        }
        Some(touches)
    }

    fn scratch(&self) -> usize {
        self.room * self.cuts.iter().map(|cut| cut.pieces.len()).max().unwrap_or(1).max(1)
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        if self.room > 0 {
            self.multiply(cx, part, cx.scratch.ptr.wrapping_add(part.index * self.room).cast());
        } else if self.needed > PAGE {
            self.on_stack::<STACK>(cx, part);
        } else {
            self.on_stack::<PAGE>(cx, part);
        }
        Ok(())
    }
}

impl<T: Tiled> MatMul<T> {
    /// Not inlined, so that each size of room has a frame of its own.
    #[inline(never)]
    fn on_stack<const BYTES: usize>(&self, cx: &Context<'_>, part: Part) {
        let mut room = MaybeUninit::<Stack<BYTES>>::uninit();
        self.multiply(cx, part, room.as_mut_ptr().cast());
    }

    /// `room` has as many bytes as are needed.
    fn multiply(&self, cx: &Context<'_>, part: Part, room: *mut T) {
        let portion = self.portion(part);
        let firsts = Firsts {
            a: self.a.ptr::<T>(cx).cast_const(),
            b: self.b.ptr::<T>(cx).cast_const(),
            c: self.c.place.ptr::<T>(cx),
        };
        // SAFETY: the operands were checked against their bindings and c is written by the portion's owner
        // alone; the room is as large as the largest portion needs.
        unsafe {
            match &self.epilogue {
                None => self.product.run(portion, firsts, room, &Plain),
                Some(of) => {
                    self.product.run(portion, firsts, room, &Finish { of, product: &self.product, cx });
                }
            }
        }
    }
}

/// Room for small operands; what is packed into it is read from first-level cache.
#[repr(align(64))]
struct Stack<const BYTES: usize>(
    #[allow(dead_code, reason = "written and read through pointers")] [u8; BYTES],
);
