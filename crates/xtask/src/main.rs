//! Tasks of the repository that need to know its Rust side: `cargo xtask gen [--check]` and `cargo xtask check`.

mod check;
mod r#gen;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask gen          write the generated files
       cargo xtask gen --check  fail when one of them is not what would be written
       cargo xtask check        fail when a wall between the parts is broken";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let problems = match words.as_slice() {
        ["gen"] => r#gen::write(&root()),
        ["gen", "--check"] => r#gen::check(&root()),
        ["check"] => check::problems(&root()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folder of the workspace: two above this crate.
fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder).to_path_buf()
}
