//! Steps of training allocate nothing and, on one thread, make no call that could put a thread to sleep.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use neuroxide_core::backend::Backend;
use neuroxide_core::engine::{Engine, RunArg};
use neuroxide_core::runner::{Control, Event};
use neuroxide_cpu::{CpuBackend, Options};

use crate::COUNT;
use crate::models::{BATCH, MNIST, Net, SEED, Workload};

fn engine() -> Engine {
    Engine::new(
        CpuBackend::new(Options { threads: Some(1), ..Options::default() }).unwrap() as Arc<dyn Backend>
    )
}

/// Runs epochs over as many batches and calls `at` at the end of each, beginning with 1.
fn epochs(workload: Workload, batches: usize, shuffle: bool, count: usize, at: &mut dyn FnMut(usize)) {
    let e = &mut engine();
    let net = Net::new(e, &Workload { samples: batches * BATCH, ..workload }).unwrap();
    let program = net.trace(e).unwrap();
    let mut spec = net.job(program, count, shuffle);
    spec.progress_ms = 3_600_000;
    let (job, _) = e.job(&spec).unwrap();
    job.run(&Control::default(), &mut |event| match event {
        Event::Epoch { epoch, .. } => at(epoch + 1),
        Event::Done => {}
        other => panic!("{other:?}"),
    });
}

#[test]
fn an_epoch_allocates_the_same_however_many_steps_it_has() {
    for workload in [SEED, MNIST] {
        for shuffle in [false, true] {
            let per_epoch = |batches| {
                let mut counts = [0; 3];
                epochs(workload, batches, shuffle, 3, &mut |epoch| counts[epoch - 1] = COUNT.get());
                counts[2] - counts[1]
            };
            let (few, many) = (per_epoch(3), per_epoch(40));
            // The event with its means; nothing of it is a step's.
            assert_eq!((few, many), (few.min(2), few), "{} shuffled {shuffle}", workload.name);
        }
    }
}

/// What a marked region consists of: a hundred steps by the runner and a hundred calls of a program.
fn region(mark: &dyn Fn(&str)) {
    for workload in [SEED, MNIST] {
        epochs(workload, 50, true, 3, &mut |epoch| match epoch {
            1 => mark("begin"),
            3 => mark("end"),
            _ => {}
        });
        let e = &mut engine();
        let net = Net::new(e, &workload).unwrap();
        let program = net.trace(e).unwrap();
        let args: Vec<RunArg> = net.batch(e).unwrap().into_iter().map(RunArg::Tensor).collect();
        let mut calls = |count: usize| {
            for _ in 0..count {
                e.run(program, &args).unwrap().into_iter().for_each(|output| e.release(output));
            }
        };
        calls(3);
        mark("begin");
        calls(100);
        mark("end");
    }
}

/// A path that is not there: asking for it is a call of the system that a log shows.
fn mark(name: &str) {
    assert!(!Path::new(&format!("/neuroxide-region-{name}")).exists());
}

#[test]
#[ignore = "is run by the test below, under strace"]
fn marked_region() {
    region(&mark);
}

/// System calls of the thread that marked the regions, from each begin to its end.
fn calls_within(log: &str) -> Vec<&str> {
    let (mut thread, mut calls) = (None, Vec::new());
    for line in log.lines() {
        let Some((id, call)) = line.split_once(char::is_whitespace) else { continue };
        if call.contains("/neuroxide-region-begin") {
            thread = Some(id);
        } else if call.contains("/neuroxide-region-end") {
            thread = None;
        } else if thread == Some(id) {
            calls.push(call.trim_start());
        }
    }
    calls
}

#[test]
fn a_step_makes_no_system_call() {
    let log = std::env::temp_dir().join(format!("neuroxide-strace-{}.log", std::process::id()));
    let traced = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "steps::marked_region", "--ignored", "--test-threads=1"])
        .env("NEUROXIDE_THREADS", "1")
        .output();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    // Nothing is left to be done where it cannot be removed.
    let _ = std::fs::remove_file(&log);
    let done = match traced {
        Ok(traced) if text.contains("/neuroxide-region-end") => traced,
        missing => {
            let why =
                missing.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
            // Not by a macro, whose output of a test that passes nobody sees.
            let text = format!(
                "\n*** SKIPPED: no system call was looked at, as strace cannot trace here: {why}\n\
                 *** Install the package strace, and allow ptrace.\n\n"
            );
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            return;
        }
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert_eq!(text.matches("/neuroxide-region-begin").count(), 4);
    let calls = calls_within(&text);
    let sleeps: Vec<_> = calls.iter().filter(|call| call.contains("futex")).collect();
    assert!(sleeps.is_empty(), "{sleeps:?}");
    // Memory from the system would be one too; 400 steps that need none leave a handful at most.
    assert!(calls.len() < 20, "{calls:?}");
}

#[test]
fn a_log_is_read_by_thread_and_region() {
    let log = "1 futex(0x1, FUTEX_WAKE) = 0\n7  statx(AT_FDCWD, \"/neuroxide-region-begin\") = -1\n\
               7  futex(0x2, FUTEX_WAKE) = 1\n8  futex(0x3, FUTEX_WAKE) = 1\n7  statx(\"/neuroxide-region-end\") = -1\n\
               7  futex(0x4, FUTEX_WAKE) = 1\n";
    assert_eq!(calls_within(log), ["futex(0x2, FUTEX_WAKE) = 1"]);
}
