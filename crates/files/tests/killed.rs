//! A program that saves without end is killed at 200 random moments: the file is always the old one or the new one.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use neuroxide_core::dtype::DType;
use neuroxide_files::{Array, atomic, safetensors};

/// Names the file to the program that is killed, which is this test once more.
const FILE: &str = "NEUROXIDE_TEST_KILLED_FILE";
const KILLS: usize = 200;
/// Within these a program is killed: several saves, each with its waits for the disk, take place.
const LONGEST_MICROSECONDS: u64 = 20_000;

/// Writes tensors that are full of one number, which the metadata says too.
fn save(path: &Path, number: i32) {
    let full = |count: usize| Array {
        dtype: DType::I32,
        shape: vec![count],
        bytes: number.to_le_bytes().repeat(count),
    };
    let (a, b) = (full(50_000), full(10));
    let metadata = [("number".to_owned(), number.to_string())];
    let prepared = safetensors::prepare([("a", &a), ("b", &b)], &metadata).expect("sound tensors");
    atomic::replace(&atomic::Disk, path, |out| prepared.write(out)).expect("a folder that can be written");
}

/// The number that a file is full of; panics unless it is whole.
fn number_in(path: &Path) -> i32 {
    let length = fs::metadata(path).expect("a file").len();
    let mut tensors = Vec::new();
    let metadata = safetensors::read(&mut File::open(path).expect("a file"), length, &mut |name, array| {
        tensors.push((name, array));
        Ok(())
    })
    .expect("a whole file");
    let number: i32 = metadata[0].1.parse().expect("a number");
    let sizes: Vec<_> = tensors.iter().map(|(name, array)| (name.as_str(), array.shape[0])).collect();
    assert_eq!(sizes, [("a", 50_000), ("b", 10)]);
    for (_, array) in &tensors {
        assert!(array.bytes.chunks_exact(4).all(|bytes| bytes == number.to_le_bytes()), "of two files");
    }
    number
}

#[test]
fn the_program_that_is_killed() {
    let Some(file) = std::env::var_os(FILE) else { return };
    eprintln!("saving");
    for number in 1.. {
        save(Path::new(&file), number);
    }
}

#[test]
fn whatever_is_killed_the_file_is_whole() {
    let folder = std::env::temp_dir().join(format!("neuroxide-killed-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    let file = folder.join("model.safetensors");
    let program = std::env::current_exe().expect("the test itself");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut cut, mut replaced) = (0, 0);
    for _ in 0..KILLS {
        save(&file, -1);
        let mut child = Command::new(&program)
            .args(["--exact", "the_program_that_is_killed", "--nocapture", "--test-threads=1"])
            .env(FILE, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program");
        let mut said = String::new();
        BufReader::new(child.stderr.take().expect("its output"))
            .read_line(&mut said)
            .expect("its first words");
        assert_eq!(said.trim(), "saving");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        thread::sleep(Duration::from_micros(random % LONGEST_MICROSECONDS));
        child.kill().expect("a program that runs");
        child.wait().expect("its end");
        replaced += usize::from(number_in(&file) > 0);
        for entry in fs::read_dir(&folder).expect("the folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".neuroxide-") {
                cut += 1;
                fs::remove_file(entry.path()).expect("nobody holds it");
            } else {
                assert_eq!(name, "model.safetensors");
            }
        }
    }
    fs::remove_dir_all(folder).expect("the folder is ours");
    // Proof that the moments were worth something: some fell into a save, some behind one.
    assert!(cut > 5 && replaced > 5, "{cut} were cut off, {replaced} had replaced the file");
}
