//! Matrix products by other crates and by the CPU backend, behind one form.
//!
//! The crates are a bar for the benchmark and an oracle for the tests; nothing that is shipped uses them.

use std::sync::Arc;

use neuroxide_core::backend::{Backend, Binding, BufferId, Executable, Run};
use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::plan::{Expr, Kernel, Operand, Plan, Step};
use neuroxide_core::shape::View;
use neuroxide_cpu::CpuBackend;

/// c `[m, n]` = a `[m, k]` · b `[k, n]` of f32; c is row-major, a and b may lie turned over in memory.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub turned: [bool; 2],
}

impl Shape {
    /// Multiplications and additions.
    pub fn flops(&self) -> f64 {
        2.0 * self.m as f64 * self.k as f64 * self.n as f64
    }

    /// Row and column strides of a (0) or b (1).
    fn strides(&self, operand: usize) -> [isize; 2] {
        let (rows, cols) = if operand == 0 { (self.m, self.k) } else { (self.k, self.n) };
        if self.turned[operand] { [1, rows as isize] } else { [cols as isize, 1] }
    }

    fn check(&self, a: &[f32], b: &[f32], c: &[f32]) {
        let Self { m, k, n, .. } = *self;
        assert_eq!([a.len(), b.len(), c.len()], [m * k, k * n, m * n], "operands of {self:?}");
    }
}

/// A crate that multiplies matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    Gemm,
    Faer,
    /// On one thread only.
    MatrixMultiply,
}

impl Library {
    pub const ALL: [Self; 3] = [Self::Gemm, Self::Faer, Self::MatrixMultiply];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Gemm => "gemm",
            Self::Faer => "faer",
            Self::MatrixMultiply => "matrixmultiply",
        }
    }

    /// Computes a product on that many threads.
    pub fn multiply(self, shape: Shape, threads: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        shape.check(a, b, c);
        let Shape { m, k, n, .. } = shape;
        let ([a_row, a_col], [b_row, b_col], c_row) = (shape.strides(0), shape.strides(1), n as isize);
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY (all three): the operands have the elements that their sizes and strides name, as checked.
        match self {
            Self::Gemm => {
                let par =
                    if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
                // SAFETY: as above.
                unsafe {
                    gemm::gemm(
                        m, n, k, c, 1, c_row, false, a, a_col, a_row, b, b_col, b_row, 0.0, 1.0, false,
                        false, false, par,
                    );
                }
            }
            Self::Faer => {
                let par = if threads == 1 { faer::Par::Seq } else { faer::Par::rayon(threads) };
                // SAFETY: as above.
                let (a, b, c) = unsafe {
                    (
                        faer::MatRef::from_raw_parts(a, m, k, a_row, a_col),
                        faer::MatRef::from_raw_parts(b, k, n, b_row, b_col),
                        faer::MatMut::from_raw_parts_mut(c, m, n, c_row, 1),
                    )
                };
                faer::linalg::matmul::matmul(c, faer::Accum::Replace, a, b, 1.0, par);
            }
            Self::MatrixMultiply => {
                // SAFETY: as above.
                unsafe {
                    matrixmultiply::sgemm(m, k, n, 1.0, a, a_row, a_col, b, b_row, b_col, 0.0, c, c_row, 1);
                }
            }
        }
    }
}

/// The product as a plan of one step, with its operands in buffers of a backend.
pub struct Ours {
    backend: Arc<CpuBackend>,
    executable: Executable,
    buffers: [BufferId; 3],
    bindings: Vec<Binding>,
    out: usize,
}

impl Ours {
    pub fn new(backend: &Arc<CpuBackend>, shape: Shape, a: &[f32], b: &[f32]) -> Result<Self> {
        let Shape { m, k, n, turned } = shape;
        let view = |rows: usize, cols: usize, turned: bool| {
            if turned {
                View::contiguous(&[1, cols, rows]).permute(&[0, 2, 1])
            } else {
                View::contiguous(&[1, rows, cols])
            }
        };
        let operand = |slot: u32, view: View| Operand { slot, dtype: DType::F32, base: 0, view };
        let step = Step {
            kernel: Kernel::MatMul(Expr::plain(DType::F32)),
            ins: [operand(1, view(m, k, turned[0])), operand(2, view(k, n, turned[1]))].into_iter().collect(),
            outs: [operand(3, view(m, n, false))].into_iter().collect(),
            origin: 0,
        };
        let plan = Plan { steps: vec![step], slots: 4, scalars: 0, arena_bytes: 0 };
        let executable = backend.prepare(&plan)?;
        let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let filled = |values: &[u8]| {
            let buffer = backend.alloc(values.len())?;
            backend.upload(buffer, 0, values).map(|()| buffer)
        };
        let buffers = [filled(&bytes(a))?, filled(&bytes(b))?, filled(&vec![0; 4 * m * n])?];
        let arena = backend.alloc(0)?;
        let bindings = [arena].iter().chain(&buffers).map(|&buffer| Binding { buffer, offset: 0 }).collect();
        Ok(Self { backend: Arc::clone(backend), executable, buffers, bindings, out: m * n })
    }

    /// Computes the product once more.
    pub fn multiply(&self) -> Result<()> {
        let run = Run { bindings: &self.bindings, scalars: &[], seed: 0, rng_offset: 0 };
        self.backend.run(&self.executable, &run).map_err(Error::from)
    }

    /// What the last run computed.
    pub fn result(&self) -> Result<Vec<f32>> {
        let mut bytes = vec![0; 4 * self.out];
        self.backend.download(self.buffers[2], 0, &mut bytes)?;
        Ok(bytes.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        for binding in &self.bindings {
            self.backend.free(binding.buffer);
        }
    }
}
