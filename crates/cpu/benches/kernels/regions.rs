//! What it costs to split work over the pool: to begin a region and to join it, and one more stage within it.

use std::hint::black_box;
use std::time::Instant;

use neuroxide_cpu::Pool;

/// Regions in one try: short ones, so that many are left alone by whatever else runs.
const REGIONS: u32 = 16;
const TRIES: usize = 2000;
/// Additions that wait for each other, in every part: about a microsecond. Parts of nothing would all be taken by the
/// caller before another thread has seen the first.
const ADDITIONS: u32 = 300;

/// Nanoseconds that regions take beyond one of their parts per stage.
pub fn run(threads: usize) {
    let pool = Pool::acquire(threads);
    let alone = typical(work);
    println!("\n{:<44} {:>9} {:>9}", format!("fork and join, {threads} threads"), "ns", "ns/stage");
    for stages in [1, 2, 8, 32] {
        let region = typical(|| pool.run(stages, threads, &|_, _| work()));
        let beyond = region - alone * stages as f64;
        println!(
            "{:<44} {beyond:>9.0} {:>9.0}",
            format!("stages of {alone:.0} ns: {stages}"),
            beyond / stages as f64
        );
    }
}

fn work() {
    let mut sum = black_box(1.0f32);
    for _ in 0..ADDITIONS {
        sum += black_box(0.5);
    }
    black_box(sum);
}

/// Nanoseconds of one call: nine of ten tries took longer. That leaves out those for which workers had to be woken.
fn typical(body: impl Fn()) -> f64 {
    let mut times: Vec<f64> = (0..TRIES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..REGIONS {
                body();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(REGIONS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[TRIES / 10]
}
