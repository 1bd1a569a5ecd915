//! The late-queue backend is late.

use crate::common::{Tensor, step};
use std::sync::Arc;

use neuroxide_core::backend::{Backend, Binding, Run, Turn};
use neuroxide_core::dtype::DType;
use neuroxide_core::plan::{Kernel, Plan};
use neuroxide_cpu::late::LateBackend;
use neuroxide_cpu::{CpuBackend, Options};

#[test]
fn nothing_happens_before_someone_waits() {
    let backend = LateBackend::new(Options { threads: Some(1), ..Options::default() }).unwrap();
    let tensor = Tensor::new(&[1f32, 2.0], &[2]);
    let steps = vec![step(Kernel::Copy, std::slice::from_ref(&tensor), std::slice::from_ref(&tensor))];
    let executable = backend.prepare(&Plan { steps, slots: 3, scalars: 0, arena_bytes: 0 }).unwrap();
    let [arena, from, to] = [0, 8, 8].map(|bytes| backend.alloc(bytes).unwrap());
    assert_eq!(backend.allocated_bytes(), 16);
    let bindings = [arena, from, to].map(|buffer| Binding { buffer, offset: 0 });
    let run = Run { bindings: &bindings, scalars: &[], seed: 0, rng_offset: 0 };
    backend.upload(from, 0, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    backend.run(&executable, &run).unwrap();
    backend.upload(from, 0, &[9; 8]).unwrap();
    backend.free(from);
    assert_eq!(backend.allocated_bytes(), 8);
    assert_eq!(backend.pending(), 4);
    // Freed handles are dead at once for new commands, alive for those before.
    assert!(backend.upload(from, 0, &[0]).is_err());
    assert!(backend.run(&executable, &run).is_err());
    let mut bytes = [0; 8];
    backend.download(to, 0, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(backend.pending(), 0);
    assert_eq!(backend.name(), "late");
}

#[test]
fn errors_show_when_someone_waits_and_only_once() {
    let backend = LateBackend::new(Options::default()).unwrap();
    let index = Tensor::new(&[3i32], &[1]);
    let steps = vec![step(Kernel::CheckIndex { size: 2, ignore: None }, &[index], &[])];
    let executable = backend.prepare(&Plan { steps, slots: 2, scalars: 0, arena_bytes: 0 }).unwrap();
    let buffer = backend.alloc(4).unwrap();
    let bindings = [Binding { buffer, offset: 0 }; 2];
    backend.upload(buffer, 0, &3i32.to_le_bytes()).unwrap();
    let run = Run { bindings: &bindings, scalars: &[], seed: 0, rng_offset: 0 };
    backend.run(&executable, &run).unwrap();
    backend.upload(buffer, 0, &1i32.to_le_bytes()).unwrap();
    assert_eq!(backend.sync().unwrap_err().code(), "ERR_INDEX");
    backend.run(&executable, &run).unwrap();
    backend.sync().unwrap();
}

#[test]
fn fresh_memory_is_poisoned() {
    let backend = LateBackend::new(Options::default()).unwrap();
    let buffer = backend.alloc(4).unwrap();
    let mut bytes = [0; 4];
    backend.download(buffer, 0, &mut bytes).unwrap();
    assert!(f32::from_le_bytes(bytes).is_nan());
    assert_eq!(DType::F32.size(), 4);
}

#[test]
fn what_is_bound_lives_on_and_slots_move_for_one_run() {
    let options = Options { threads: Some(1), ..Options::default() };
    let backends: [Arc<dyn Backend>; 2] =
        [CpuBackend::new(options).unwrap(), LateBackend::new(options).unwrap()];
    for backend in backends {
        let tensor = Tensor::new(&[1f32], &[1]);
        let steps = vec![step(Kernel::Copy, std::slice::from_ref(&tensor), std::slice::from_ref(&tensor))];
        let executable = backend.prepare(&Plan { steps, slots: 3, scalars: 0, arena_bytes: 0 }).unwrap();
        let [arena, from, other, to] = [0, 8, 4, 8].map(|bytes| backend.alloc(bytes).unwrap());
        let at = |buffer, offset| Binding { buffer, offset };
        backend.upload(from, 0, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        backend.upload(other, 0, &[9; 4]).unwrap();
        // The last slot is left open.
        let bindings = [Some(at(arena, 0)), Some(at(from, 0)), None];
        let mut bound = backend.bind(&executable, &bindings).unwrap();
        backend.free(from);
        let mut run = |moved: &[(u32, Binding)]| {
            backend.run_bound(&mut bound, &Turn { moved, scalars: &[], seed: 0, rng_offset: 0 })
        };
        let mut found = Vec::new();
        for moved in [vec![], vec![(1, at(from, 4))], vec![(1, at(other, 0))], vec![]] {
            run(&[&moved[..], &[(2, at(to, 4))]].concat()).unwrap();
            let mut bytes = [0; 4];
            backend.download(to, 4, &mut bytes).unwrap();
            found.push(bytes);
        }
        assert_eq!(found, [[1, 2, 3, 4], [5, 6, 7, 8], [9; 4], [1, 2, 3, 4]]);
        // Places that are too small, open slots that stay open and buffers that are gone are errors.
        backend.free(other);
        assert!(run(&[(1, at(other, 0)), (2, at(to, 0))]).is_err());
        let late = |result: std::result::Result<(), _>| result.is_err() || backend.sync().is_err();
        assert!(late(run(&[(2, at(to, 5))])));
        assert!(late(run(&[])));
        assert!(backend.bind(&executable, &[Some(at(other, 0))]).is_err());
        drop(bound);
        backend.free(to);
        assert!(backend.sync().is_ok());
        assert_eq!(backend.allocated_bytes(), 0);
    }
}
