//! Trainings that wait for answers, begin in the middle, add sums and add gradients up.

use neuroxide_core::engine::{AccumulationSpec, Engine, JobSpec, PhaseSpec, ProgramId};
use neuroxide_core::rng::Stream;
use neuroxide_core::runner::{Asks, Control, Event, Running, Standing, Start, Validates};

use crate::jobs::programs;
use crate::support::*;
use crate::training::{Net, batch};

const ROWS: usize = 29;

struct Prepared {
    net: Net,
    spec: JobSpec,
}

/// A training of three epochs over shuffled examples, with a smaller last batch.
fn prepared(e: &mut Engine) -> Prepared {
    let net = Net::new(e, [5, 17, 3]);
    let (x, y) = batch(e, ROWS, 5, 3, 9);
    let programs = programs(e, &net, x, y, &[8, 5]);
    let train = PhaseSpec { rest: Some(programs[1]), ..PhaseSpec::new(programs[0], vec![x, y], 8) };
    let spec =
        JobSpec { train: Some(train), shuffle: true, ask: true, ..JobSpec::new(0..3, Stream::new(11)) };
    Prepared { net, spec }
}

/// Runs a job to its end; `answer` is asked where it waits.
fn events(e: &mut Engine, spec: &JobSpec, mut answer: impl FnMut(&Event) -> bool) -> Vec<Event> {
    let (job, _) = e.job(spec).unwrap();
    let control = Control::default();
    let mut told = Vec::new();
    job.run(&control, &mut |event| {
        if matches!(event, Event::Ask(_) | Event::Epoch { .. }) {
            control.resume(answer(&event));
        }
        if !matches!(event, Event::Progress { .. }) {
            told.push(event);
        }
    });
    told
}

fn means(events: &[Event]) -> Vec<f64> {
    events
        .iter()
        .filter_map(|event| if let Event::Epoch { values, .. } = event { Some(values[0]) } else { None })
        .collect()
}

fn standings(events: &[Event]) -> Vec<&Standing> {
    events
        .iter()
        .filter_map(|event| if let Event::Ask(standing) = event { Some(standing) } else { None })
        .collect()
}

#[test]
fn asking_after_each_batch_changes_no_bit() {
    for backend in backends() {
        let (mut a, mut b) = (Engine::new(backend.clone()), Engine::new(backend.clone()));
        let (plain, asked) = (prepared(&mut a), prepared(&mut b));
        let first = events(&mut a, &plain.spec, |_| false);
        let asks = Asks { train: true, validation: false };
        let second = events(&mut b, &JobSpec { asks, ..asked.spec }, |_| false);
        assert_eq!(means(&first), means(&second));
        assert_eq!(plain.net.weights(&mut a), asked.net.weights(&mut b));
        // Once before the first of four batches and once after each.
        let told = standings(&second);
        let steps: Vec<_> =
            told.iter().map(|standing| (standing.epoch, standing.step, standing.first)).collect();
        let epoch = |epoch| (0..=4).map(move |step| (epoch, step, step == 0));
        assert_eq!(steps, (0..3).flat_map(epoch).collect::<Vec<_>>());
        assert!(told[0].values[0].is_nan());
        assert_eq!(told[4].values, vec![means(&second)[0]]);
    }
}

#[test]
fn an_answer_ends_the_epoch_and_then_the_training() {
    everywhere(|e| {
        let Prepared { spec, .. } = prepared(e);
        let asks = Asks { train: true, validation: false };
        let told = events(
            e,
            &JobSpec { asks, ..spec },
            |event| matches!(event, Event::Ask(standing) if standing.epoch == 1 && standing.step == 2),
        );
        let epochs: Vec<_> = told
            .iter()
            .filter_map(|event| {
                if let Event::Epoch { epoch, batches, .. } = event { Some((*epoch, *batches)) } else { None }
            })
            .collect();
        assert_eq!(epochs, vec![(0, 4), (1, 6)]);
        assert_eq!(told.last(), Some(&Event::Done));
    });
}

#[test]
fn a_training_goes_on_from_any_batch() {
    for backend in backends() {
        let mut a = Engine::new(backend.clone());
        let whole = prepared(&mut a);
        let asks = Asks { train: true, validation: false };
        let wanted = events(&mut a, &JobSpec { asks, ..whole.spec }, |_| false);
        let weights = whole.net.weights(&mut a);
        for at in standings(&wanted) {
            let mut b = Engine::new(backend.clone());
            let again = prepared(&mut b);
            // Up to here in one training, and from here in another.
            let (epoch, step) = (at.epoch, at.step);
            let (job, _) = b.job(&JobSpec { asks, ..again.spec.clone() }).unwrap();
            let control = Control::default();
            job.run(&control, &mut |event| match event {
                Event::Ask(now) if (now.epoch, now.step) == (epoch, step) => control.abort(),
                Event::Ask(_) | Event::Epoch { .. } => control.resume(false),
                _ => {}
            });
            let start = Start { step, running: at.running.clone(), batches: at.batches };
            let stream = Stream { offset: at.offset, ..Stream::new(11) };
            let rest = JobSpec { epochs: epoch..3, start, stream, ..again.spec };
            let told = events(&mut b, &rest, |_| false);
            assert_eq!(means(&told), means(&wanted)[epoch..], "from batch {step} of epoch {epoch}");
            assert_eq!(again.net.weights(&mut b), weights);
        }
        // Sums of another training do not fit.
        let mut b = Engine::new(backend);
        let Prepared { spec, .. } = prepared(&mut b);
        let start = Start { step: 1, running: Running { sums: vec![0.0; 2], seen: 8.0 }, batches: 1 };
        let told = events(&mut b, &JobSpec { start, ..spec }, |_| false);
        assert!(matches!(&told[..], [Event::Failed(error)] if error.code() == "ERR_VALUE"), "{told:?}");
    }
}

/// Runs on a thread, so that one that waits for ever is found; `reply` answers, or aborts.
fn ends(e: &mut Engine, spec: &JobSpec, reply: impl Fn(&Control, &Event) + Send + 'static) -> Vec<Event> {
    let (job, _) = e.job(spec).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let control = Control::default();
        job.run(&control, &mut |event| {
            reply(&control, &event);
            let _ = sender.send(event);
        });
    });
    let mut told = Vec::new();
    while !matches!(told.last(), Some(Event::Done | Event::Aborted | Event::Failed(_))) {
        told.push(receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("waits for ever"));
    }
    thread.join().unwrap();
    told
}

#[test]
fn an_abort_ends_a_training_wherever_it_waits() {
    everywhere(|e| {
        let Prepared { spec, .. } = prepared(e);
        let validation = spec.train.clone();
        let asks = Asks { train: true, validation: true };
        let spec = JobSpec { validation, asks, ..spec };
        for validates in [false, true] {
            for step in 0..=4 {
                let told = ends(e, &spec, move |control, event| match event {
                    Event::Ask(at) if (at.epoch, at.validation, at.step) == (1, validates, step) => {
                        control.abort();
                    }
                    Event::Ask(_) | Event::Epoch { .. } => control.resume(false),
                    _ => {}
                });
                let epochs = told.iter().filter(|event| matches!(event, Event::Epoch { .. })).count();
                assert_eq!(epochs, 1, "step {step}");
                // What has been trained until then, also where the validation is what was left.
                let [.., Event::Left(left), Event::Aborted] = &told[..] else { panic!("{told:?}") };
                let done = if validates { 4 } else { step };
                assert_eq!((left.epoch, left.step, left.batches), (1, done, 4 + done as u64));
            }
        }
    });
}

#[test]
fn an_abort_without_questions_tells_what_was_trained() {
    everywhere(|e| {
        let Prepared { spec, .. } = prepared(e);
        let told = ends(e, &JobSpec { batches: true, ask: false, ..spec }, |control, event| {
            if matches!(event, Event::Batch { epoch: 1, step: 2, .. }) {
                control.abort();
            }
        });
        let [.., Event::Left(left), Event::Aborted] = &told[..] else { panic!("{told:?}") };
        assert_eq!((left.epoch, left.step, left.batches, left.running.seen), (1, 2, 6, 16.0));
    });
}

#[test]
fn steps_of_an_epoch_go_on_through_the_examples() {
    everywhere(|e| {
        let Prepared { spec, .. } = prepared(e);
        let train = spec.train.clone().map(|phase| PhaseSpec { steps: Some(3), ..phase });
        let asks = Asks { train: true, validation: false };
        let told = events(e, &JobSpec { train, asks, ..spec }, |_| false);
        // Visits of four batches, of which the last has five examples: 8 8 8 | 5 8 8 | 8 5 8.
        let seen: Vec<_> =
            standings(&told).iter().filter(|at| at.step == 3).map(|at| at.running.seen).collect();
        assert_eq!(seen, vec![24.0, 21.0, 21.0]);
    });
}

#[test]
fn sums_are_added_and_the_first_strange_loss_is_known() {
    everywhere(|e| {
        let rows: Vec<f32> = (0..10u8).map(f32::from).collect();
        let x = tensor(e, &[10, 1], &rows);
        let programs: Vec<ProgramId> = [4, 2]
            .iter()
            .map(|&size| {
                let first = op(e, "narrow", &[x], &[0.0, 0.0, f64::from(size)]);
                let program = trace(e, &[first], |e, a| {
                    let total = sum(e, a[0]);
                    let pair = op(e, "expand", &[total], &[1.0, 2.0]);
                    Ok(vec![op(e, "log", &[total], &[]), pair])
                });
                e.release(first);
                program.unwrap()
            })
            .collect();
        let phase = PhaseSpec {
            rest: Some(programs[1]),
            sums: vec![false, true],
            ..PhaseSpec::new(programs[0], vec![x], 4)
        };
        let spec = JobSpec { train: Some(phase), ..JobSpec::new(0..1, Stream::new(0)) };
        let told = events(e, &spec, |_| false);
        let [Event::Epoch { values, bad, .. }, Event::Done] = &told[..] else { panic!("{told:?}") };
        assert_eq!((&values[1..], *bad), (&[45.0, 45.0][..], None));
        let zero = tensor(e, &[10, 1], &[0.0; 10]);
        e.assign(x, zero).unwrap();
        let told = events(e, &spec, |_| false);
        let [Event::Epoch { bad, .. }, Event::Done] = &told[..] else { panic!("{told:?}") };
        assert_eq!(*bad, Some(0));
    });
}

#[test]
fn every_third_batch_takes_the_program_that_steps() {
    everywhere(|e| {
        let (steps, adds) = (param(e, &[1], &[0.0]), param(e, &[1], &[0.0]));
        let x = tensor(e, &[7, 1], &[0.0; 7]);
        let one = op(e, "narrow", &[x], &[0.0, 0.0, 1.0]);
        let mut counting = |state| {
            trace(e, &[one], |e, a| {
                let next = e.apply(
                    code("add"),
                    &[
                        neuroxide_core::engine::Operand::Tensor(state),
                        neuroxide_core::engine::Operand::Number(1.0),
                    ],
                    &[],
                )?;
                e.assign(state, next)?;
                Ok(vec![sum(e, a[0])])
            })
            .unwrap()
        };
        let (step, add) = (counting(steps), counting(adds));
        let accumulation = Some(AccumulationSpec { every: 3, full: add, rest: None });
        let train = Some(PhaseSpec { accumulation, ..PhaseSpec::new(step, vec![x], 1) });
        // The count goes on over epochs, and from what was done before: batches 2 to 15 have the multiples 3 to 15.
        let start = Start { batches: 1, ..Start::default() };
        let spec = JobSpec { train, start, ..JobSpec::new(0..2, Stream::new(0)) };
        let told = events(e, &spec, |_| false);
        assert!(matches!(&told[1], Event::Epoch { batches: 15, .. }), "{told:?}");
        assert_eq!((values(e, steps), values(e, adds)), (vec![5.0], vec![9.0]));
    });
}

#[test]
fn a_validation_runs_after_the_epochs_that_were_named() {
    everywhere(|e| {
        let Prepared { spec, .. } = prepared(e);
        let mut ran = |validates| {
            let validation = spec.train.clone();
            let told = events(e, &JobSpec { validates, validation, ..spec.clone() }, |_| false);
            let ran = |event: &Event| matches!(event, Event::Epoch { validation: Some(_), .. });
            told.iter().filter(|event| matches!(event, Event::Epoch { .. })).map(ran).collect::<Vec<_>>()
        };
        assert_eq!(ran(Validates::Every(1)), vec![true; 3]);
        assert_eq!(ran(Validates::Every(2)), vec![false, true, false]);
        assert_eq!(ran(Validates::After(vec![1, 3])), vec![true, false, true]);
    });
}
