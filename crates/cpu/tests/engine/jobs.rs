//! Trainings beside JavaScript: leases, step boundaries, aborts, and the same numbers as a loop.

use std::sync::Arc;

use neuroxide_core::engine::{
    ArgSpec, Elements, Engine, Handle, JobSpec, Operand, PhaseSpec, ProgramId, TraceOptions,
};
use neuroxide_core::graph::Type;
use neuroxide_core::rng::Stream;
use neuroxide_core::runner::{Control, Event, shuffled};

use crate::support::*;
use crate::training::{Net, batch};

/// Programs for a full and a last batch of a training over `n` examples.
pub(crate) fn programs(e: &mut Engine, net: &Net, x: Handle, y: Handle, sizes: &[usize]) -> Vec<ProgramId> {
    sizes
        .iter()
        .map(|&size| {
            let specs: Vec<ArgSpec> = [x, y]
                .iter()
                .map(|&h| {
                    let mut ty = e.info(h).unwrap().ty;
                    ty.shape[0] = size;
                    ArgSpec::Tensor { ty: Type { weak: None, ..ty }, requires_grad: false }
                })
                .collect();
            let inner = e.trace_begin(&specs).unwrap();
            let loss = net.step(e, inner[0], inner[1]).unwrap();
            e.trace_end(&[loss], TraceOptions::default()).unwrap()
        })
        .collect()
}

fn spec(programs: &[ProgramId], x: Handle, y: Handle, epochs: usize, shuffle: bool) -> JobSpec {
    let phase = PhaseSpec::new(programs[0], vec![x, y], 8);
    let train = Some(PhaseSpec { rest: programs.get(1).copied(), ..phase });
    JobSpec { train, shuffle, progress_ms: 0, ..JobSpec::new(0..epochs, Stream::new(11)) }
}

#[test]
fn a_job_trains_as_the_loop_does() {
    for backend in backends() {
        for shuffle in [false, true] {
            let (mut a, mut b) = (Engine::new(backend.clone()), Engine::new(backend.clone()));
            let (na, nb) = (Net::new(&mut a, [5, 17, 3]), Net::new(&mut b, [5, 17, 3]));
            let (xa, ya) = batch(&mut a, 29, 5, 3, 9);
            let (xb, yb) = batch(&mut b, 29, 5, 3, 9);
            let mut means = Vec::new();
            for epoch in 0..3 {
                let mut order: Vec<i32> = (0..29).collect();
                if shuffle {
                    shuffled(11, epoch, 29, &mut order);
                }
                let mut total = 0.0;
                for rows in order.chunks(8) {
                    let index = ints(&mut a, &[rows.len()], rows);
                    let x = op(&mut a, "indexSelect", &[xa, index], &[0.0]);
                    let y = op(&mut a, "indexSelect", &[ya, index], &[0.0]);
                    let loss = na.step(&mut a, x, y).unwrap();
                    total += f64::from(values(&mut a, loss)[0]) * rows.len() as f64;
                }
                means.push(total / 29.0);
            }
            let programs = programs(&mut b, &nb, xb, yb, &[8, 5]);
            let (job, _) = b.job(&spec(&programs, xb, yb, 3, shuffle)).unwrap();
            let mut seen = Vec::new();
            let mut last = None;
            job.run(&Control::default(), &mut |event| match event {
                Event::Epoch { values, .. } => seen.push(values[0]),
                other => last = Some(other),
            });
            assert_eq!(last, Some(Event::Done));
            assert_eq!(seen, means);
            assert_eq!(na.weights(&mut a), nb.weights(&mut b));
        }
    }
}

#[test]
fn a_second_training_of_leased_state_is_busy_and_everything_else_goes_on() {
    everywhere(|e| {
        let net = Net::new(e, [5, 17, 3]);
        let (x, y) = batch(e, 29, 5, 3, 9);
        let programs = programs(e, &net, x, y, &[8, 5]);
        let (job, _) = e.job(&spec(&programs, x, y, 100_000, true)).unwrap();
        let Err(error) = e.job(&spec(&programs, x, y, 1, true)) else { panic!("a second job was made") };
        assert_eq!(error.code(), "ERR_BUSY");
        let control = Arc::new(Control::default());
        let thread = {
            let control = Arc::clone(&control);
            std::thread::spawn(move || {
                let mut events = Vec::new();
                job.run(&control, &mut |event| events.push(event));
                events.pop()
            })
        };
        let busy = e.optimizer_step(net.optimizer).unwrap_err();
        assert_eq!(busy.code(), "ERR_BUSY");
        // A program that only reads them goes in between two steps; one that writes them does not.
        let reader = trace(e, &[x, y], |e, a| Ok(vec![net.loss(e, a[0], a[1])?])).unwrap();
        let loss = run(e, reader, &[x, y]).unwrap()[0];
        assert!(values(e, loss)[0].is_finite());
        let (rows_x, rows_y) = batch(e, 8, 5, 3, 9);
        assert_eq!(run(e, programs[0], &[rows_x, rows_y]).unwrap_err().code(), "ERR_BUSY");
        // Reads of the leased weights wait for a step boundary; they see whole steps only.
        for _ in 0..20 {
            let before = net.weights(e);
            assert!(before.iter().all(|b| f32::from_bits(*b).is_finite()));
            let other = scaled(e, x, 2.0);
            e.release(other);
        }
        control.abort();
        assert_eq!(thread.join().unwrap(), Some(Event::Aborted));
        // The lease is over: a second training goes on from here.
        let (job, _) = e.job(&spec(&programs, x, y, 1, true)).unwrap();
        let mut last = None;
        job.run(&Control::default(), &mut |event| last = Some(event));
        assert_eq!(last, Some(Event::Done));
    });
}

#[test]
fn a_prediction_collects_its_rows() {
    everywhere(|e| {
        let x = tensor(e, &[11, 3], &noise(33, 2));
        let trace_of = |e: &mut Engine, n: usize| {
            let ty = Type::new(neuroxide_core::dtype::DType::F32, &[n, 3]);
            let inner = e.trace_begin(&[ArgSpec::Tensor { ty, requires_grad: false }]).unwrap();
            let y = scaled(e, inner[0], 2.0);
            e.trace_end(&[y], TraceOptions::default()).unwrap()
        };
        let (full, rest) = (trace_of(e, 4), trace_of(e, 3));
        let phase = PhaseSpec { rest: Some(rest), collect: true, ..PhaseSpec::new(full, vec![x], 4) };
        let spec = JobSpec { validation: Some(phase), ..JobSpec::new(0..1, Stream::new(0)) };
        let (job, out) = e.job(&spec).unwrap();
        job.run(&Control::default(), &mut |event| assert!(!matches!(event, Event::Failed(_)), "{event:?}"));
        let expected: Vec<f32> = values(e, x).iter().map(|v| v * 2.0).collect();
        assert_eq!(values(e, out[0]), expected);
    });
}

#[test]
fn an_epoch_waits_for_its_answer() {
    everywhere(|e| {
        let net = Net::new(e, [5, 17, 3]);
        let (x, y) = batch(e, 29, 5, 3, 9);
        let programs = programs(e, &net, x, y, &[8, 5]);
        let spec = JobSpec { ask: true, ..spec(&programs, x, y, 5, false) };
        let (job, _) = e.job(&spec).unwrap();
        let control = Control::default();
        let mut epochs = 0;
        job.run(&control, &mut |event| {
            if let Event::Epoch { epoch, .. } = event {
                epochs += 1;
                control.resume(epoch == 2);
            }
        });
        assert_eq!(epochs, 3);
    });
}

#[test]
fn an_evaluation_beside_a_training_sees_whole_steps_only() {
    // The state is one number everywhere, and so is every sum of it, unless a step is caught half done.
    const N: usize = 1 << 16;
    let backend: Arc<dyn neuroxide_core::backend::Backend> =
        neuroxide_cpu::CpuBackend::new(neuroxide_cpu::Options::default()).unwrap();
    let e = &mut Engine::new(backend);
    let w = param(e, &[N], &vec![1.0; N]);
    let x = tensor(e, &[1, 1], &[1.0]);
    let writer = trace(e, &[x], |e, _| {
        let next = e.apply(code("add"), &[Operand::Tensor(w), Operand::Number(1.0)], &[])?;
        e.assign(w, next)?;
        Ok(vec![sum(e, w)])
    })
    .unwrap();
    let reader = trace(e, &[x], |e, _| {
        let (all, last) = (op(e, "amax", &[w], &[f64::NAN, 0.0]), op(e, "amin", &[w], &[f64::NAN, 0.0]));
        Ok(vec![op(e, "sub", &[all, last], &[])])
    })
    .unwrap();
    let phase = |full| Some(PhaseSpec::new(full, vec![x], 1));
    let mut start = |train, validation| {
        let spec = JobSpec { train, validation, progress_ms: 1000, ..JobSpec::new(0..400, Stream::new(0)) };
        let (job, _) = e.job(&spec).unwrap();
        std::thread::spawn(move || {
            let mut spread = 0.0f64;
            job.run(&Control::default(), &mut |event| match event {
                Event::Epoch { validation, .. } => {
                    spread = validation.iter().flatten().fold(spread, |a, &b| a.max(b));
                }
                Event::Failed(error) => panic!("{error}"),
                _ => {}
            });
            spread
        })
    };
    let before = start(None, phase(reader));
    let training = start(phase(writer), None);
    let behind = start(None, phase(reader));
    // The data of all three is written meanwhile, between their steps.
    for _ in 0..50 {
        let two = tensor(e, &[1, 1], &[2.0]);
        e.assign(x, two).unwrap();
        e.release(two);
    }
    training.join().unwrap();
    assert_eq!((before.join().unwrap(), behind.join().unwrap()), (0.0, 0.0));
    assert_eq!(values(e, w)[N - 1], 401.0);
}

#[test]
fn a_reading_keeps_what_was_asked_for() {
    everywhere(|e| {
        let x = param(e, &[3], &[1.0, 2.0, 3.0]);
        let (reading, four) = (e.reading(x).unwrap(), tensor(e, &[3], &[4.0; 3]));
        e.assign(x, four).unwrap();
        e.release(x);
        let bytes: Vec<u8> = [1f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(reading.bytes().unwrap(), bytes);
        // Room that no machine has is an error.
        let one = tensor(e, &[1], &[1.0]);
        let wide = op(e, "expand", &[one], &[2.0, f64::from(1 << 25), f64::from(1 << 25)]);
        assert_eq!(e.read(wide).unwrap_err().code(), "ERR_DEVICE");
    });
}

#[test]
fn readings_of_a_training_that_stands_still_are_of_that_moment() {
    everywhere(|e| {
        let net = Net::new(e, [5, 17, 3]);
        let (x, y) = batch(e, 29, 5, 3, 9);
        let programs = programs(e, &net, x, y, &[8, 5]);
        let asking = JobSpec { ask: true, ..spec(&programs, x, y, 3, true) };
        let (job, _) = e.job(&asking).unwrap();
        let control = Arc::new(Control::default());
        let (tell, told) = std::sync::mpsc::channel();
        let thread = {
            let control = Arc::clone(&control);
            std::thread::spawn(move || {
                job.run(&control, &mut |event| tell.send(matches!(event, Event::Epoch { .. })).unwrap());
            })
        };
        assert!(told.iter().any(|ended| ended));
        let (wanted, readings) = (net.weights(e), e.readings(&net.params).unwrap());
        control.resume(false);
        // Two epochs later.
        assert!(told.iter().any(|ended| ended));
        control.resume(false);
        assert!(told.iter().any(|ended| ended));
        control.resume(false);
        thread.join().unwrap();
        let bits = readings.elements().unwrap().into_iter().flat_map(|Elements { bytes, .. }| {
            let words = bytes.as_chunks::<4>().0.iter();
            words.map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>()
        });
        assert_eq!(bits.collect::<Vec<_>>(), wanted);
        assert_ne!(net.weights(e), wanted);
    });
}

#[test]
fn data_that_the_step_does_not_take_is_refused() {
    everywhere(|e| {
        let net = Net::new(e, [5, 17, 3]);
        let (x, y) = batch(e, 29, 5, 3, 9);
        let programs = programs(e, &net, x, y, &[8, 5]);
        let narrow = tensor(e, &[29, 4], &noise(29 * 4, 1));
        let floats = tensor(e, &[29], &noise(29, 1));
        for (data, code) in
            [(vec![x], "ERR_VALUE"), (vec![narrow, y], "ERR_SHAPE"), (vec![x, floats], "ERR_SHAPE")]
        {
            let mut spec = spec(&programs, x, y, 1, false);
            spec.train.as_mut().unwrap().data = data;
            let Err(error) = e.job(&spec) else { panic!("a job was made") };
            assert_eq!(error.code(), code, "{error}");
        }
    });
}

#[test]
fn an_optimizer_step_that_cannot_be_whole_changes_nothing() {
    everywhere(|e| {
        let (a, b) = (param(e, &[1], &[1.0]), param(e, &[1], &[2.0]));
        let optimizer = sgd(e, &[a, b], 0.5);
        // A jitted step keeps the gradient of b to itself; that of a is there.
        let p = trace(e, &[], |e, _| {
            e.zero_grad(&[b])?;
            let loss = op(e, "mul", &[b, b], &[]);
            e.backward(loss, None, false)?;
            Ok(vec![loss])
        })
        .unwrap();
        run(e, p, &[]).unwrap();
        let loss = op(e, "mul", &[a, a], &[]);
        e.backward(loss, None, false).unwrap();
        assert!(e.optimizer_step(optimizer).unwrap_err().message().contains("keepGrads"));
        assert_eq!((values(e, a), values(e, b)), (vec![1.0], vec![2.0]));
        assert_eq!(e.optimizer_steps(optimizer, 0, None).unwrap(), 0);
    });
}
