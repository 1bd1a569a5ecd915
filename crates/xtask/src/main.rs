//! Tasks of the repository that need to know its Rust side: `gen [--check]`, `check` and `calibrate`.

mod calibrate;
mod check;
mod r#gen;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask gen          write the generated files
       cargo xtask gen --check  fail when one of them is not what would be written
       cargo xtask check        fail when a wall between the parts is broken
       cargo run --release -p xtask -- calibrate [threads]  print what the machine can do, as JSON";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let problems = match words.as_slice() {
        ["gen"] => r#gen::write(&root()),
        ["gen", "--check"] => r#gen::check(&root()),
        ["check"] => check::problems(&root()),
        ["calibrate", rest @ ..] => return calibrate(rest),
        _ => return misused(),
    };
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

#[allow(clippy::print_stdout, reason = "what it measures is its output")]
fn calibrate(words: &[&str]) -> ExitCode {
    let threads = match words {
        [] => Some(1),
        [word] => word.parse().ok().filter(|count| (1..=128).contains(count)),
        _ => None,
    };
    let Some(threads) = threads else { return misused() };
    println!("{}", calibrate::report(threads));
    ExitCode::SUCCESS
}

/// The folder of the workspace: two above this crate.
fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder).to_path_buf()
}
