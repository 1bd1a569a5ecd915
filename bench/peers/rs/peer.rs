//! What the programs of this folder share: their options, the values that all libraries start from, and how they
//! answer. `py/peer.py` describes the lines.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, stdin};
use std::time::Instant;

const REPEATS: usize = 7;

pub struct Options {
    named: HashMap<String, String>,
    pub serve: bool,
}

impl Options {
    /// Those of the command line; a missing or a wrong one ends the program with what is wrong.
    pub fn read() -> Self {
        let (mut named, mut serve) = (HashMap::new(), false);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some("serve") => serve = true,
                Some(name) => {
                    let value = words.next().unwrap_or_else(|| panic!("--{name} wants a value"));
                    named.insert(name.to_string(), value);
                }
                None => panic!("{word} is no option"),
            }
        }
        Self { named, serve }
    }

    pub fn text(&self, name: &str) -> &str {
        self.named.get(name).unwrap_or_else(|| panic!("--{name} is missing"))
    }

    pub fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or_else(|_| panic!("--{name} is no number"))
    }

    pub fn count(&self, name: &str) -> usize {
        self.number(name) as usize
    }

    pub fn counts(&self, name: &str) -> Vec<usize> {
        let parse = |word: &str| word.parse().unwrap_or_else(|_| panic!("--{name}: {word} is no number"));
        self.text(name).split(',').map(parse).collect()
    }
}

/// A layer: weight `[inputs, outputs]` and bias.
pub struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// The layers, then the first batch; labels are numbers of classes, or values `[batch, outputs]`.
pub struct Start {
    pub layers: Vec<Layer>,
    pub batch: usize,
    pub x: Vec<f32>,
    pub y: Vec<f32>,
}

impl Start {
    pub fn read(options: &Options) -> Self {
        let bytes = fs::read(options.text("values")).expect("--values names a file");
        let mut values =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        let mut take = |count: usize| values.by_ref().take(count).collect::<Vec<f32>>();
        let sizes = options.counts("sizes");
        let layers = sizes.windows(2).map(|pair| Layer {
            inputs: pair[0],
            outputs: pair[1],
            weight: take(pair[0] * pair[1]),
            bias: take(pair[1]),
        });
        let layers: Vec<Layer> = layers.collect();
        let (batch, batches) = (options.count("batch"), options.count("batches"));
        let width = if options.text("loss") == "mse" { sizes[sizes.len() - 1] } else { 1 };
        let mut x = take(batch * batches * sizes[0]);
        x.truncate(batch * sizes[0]);
        let y = take(batch * width);
        Self { layers, batch, x, y }
    }
}

/// The sum of absolute values, in double precision.
pub fn weights<'a>(values: impl IntoIterator<Item = &'a f32>) -> f64 {
    values.into_iter().map(|value| f64::from(value.abs())).sum()
}

/// Answers on standard output; `losses` are those of the first steps in their order, `run` does that many steps.
pub fn answer(options: &Options, version: &str, losses: &[f32], total: f64, mut run: impl FnMut(usize)) {
    let about = format!(
        r#""impl":"{}","threads":{},"workload":"{}""#,
        options.text("impl"),
        options.count("threads"),
        options.text("workload")
    );
    let checked = options.counts("checked");
    let checked: Vec<String> =
        checked.iter().map(|&step| format!(r#""{step}":{}"#, losses[step - 1])).collect();
    println!(r#"{{{about},"version":"{version}","losses":{{{}}},"weights":{total}}}"#, checked.join(","));
    let mut known: Vec<(f64, usize)> = Vec::new();
    let mut timed = |seconds: f64| {
        let steps = known.iter().find(|(length, _)| *length == seconds).map(|&(_, steps)| steps);
        let steps = steps.unwrap_or_else(|| {
            let steps = warmed(&mut run, seconds / REPEATS as f64);
            known.push((seconds, steps));
            steps
        });
        let (mut times, start) = (Vec::new(), Instant::now());
        // Fewer repeats where a single step takes longer than all of them were to take.
        while times.len() < REPEATS && (times.is_empty() || start.elapsed().as_secs_f64() < 2.0 * seconds) {
            times.push(taken(&mut run, steps) / steps as f64);
        }
        times.sort_by(f64::total_cmp);
        let half = times.len() / 2;
        let median = f64::midpoint(times[half], times[times.len() - 1 - half]);
        println!(r#"{{{about},"us_per_step":{}}}"#, median * 1e6);
    };
    if options.serve {
        for line in stdin().lock().lines().map_while(Result::ok) {
            timed(line.trim().parse().expect("a line is a number of seconds"));
        }
    } else {
        timed(options.number("seconds"));
    }
}

/// How many steps fill that time, after steps that took a part of it.
fn warmed(run: &mut impl FnMut(usize), seconds: f64) -> usize {
    let mut steps = 1;
    loop {
        let time = taken(run, steps);
        if time > seconds / 4.0 {
            return ((steps as f64 * seconds / time).round() as usize).max(1);
        }
        steps *= 2;
    }
}

fn taken(run: &mut impl FnMut(usize), steps: usize) -> f64 {
    let start = Instant::now();
    run(steps);
    start.elapsed().as_secs_f64()
}
