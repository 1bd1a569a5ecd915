//! Files that are replaced whole or not at all.
//!
//! What is new is written beside the old file, brought to the disk, and then takes its name in one step of the file
//! system. Whoever reads, and whatever is killed meanwhile, finds the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use neuroxide_core::error::{Error, Result};

/// What a file system has to offer; a test's own fails where it likes.
pub trait Files {
    type File: Write + Seek;

    /// A new file, open for writing; fails where there is one of that name.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Gives a file the permissions of another, where that exists.
    fn take_after(&self, file: &Self::File, other: &Path) -> io::Result<()>;
    /// Waits until the content of a file has reached the disk.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Waits until the names in a folder have reached the disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The file system itself.
pub struct Disk;

impl Files for Disk {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn take_after(&self, file: &File, other: &Path) -> io::Result<()> {
        match fs::metadata(other) {
            Ok(known) => file.set_permissions(known.permissions()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Elsewhere folders cannot be opened, and names are as durable as the system makes them.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// How many names are tried where files of killed processes, or of others that share the folder, have them.
const TRIES: u32 = 1000;

/// How many links are followed, as many as by the system: those that go round in a circle have no end.
const LINKS: u32 = 40;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Makes `write` the content of the file at `path`. Where anything fails the old file is as it was, and what was
/// begun beside it is removed as far as the file system allows.
pub fn replace<F: Files>(
    files: &F,
    path: &Path,
    write: impl FnOnce(&mut BufWriter<F::File>) -> io::Result<()>,
) -> Result<()> {
    let target = target_of(path)?;
    // What is no file would be gone after a rename: whoever saves to /dev/null as root would take it from everybody.
    let taken = fs::metadata(&target).is_ok_and(|known| !known.is_file());
    if target.file_name().is_none() || taken {
        return Err(Error::File("a folder, a device, or no name at all; expected the path of a file".into()));
    }
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let (beside, file) =
        created(files, &folder).map_err(|error| unwritten("creating a file beside it", &error))?;
    if let Err(error) = filled(files, file, &target, write).and_then(|()| {
        patient(|| files.rename(&beside, &target)).map_err(|error| unwritten("renaming the new file", &error))
    }) {
        // Where even this fails there is nobody to tell but by what stays there.
        let _ = patient(|| files.remove(&beside));
        return Err(error);
    }
    patient(|| files.sync_folder(&folder)).or_else(|error| match error.kind() {
        // A folder that may not be read cannot be opened to be synced, and some file systems have no such call: there
        // the name is as durable as the system makes it, and the file is written.
        ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::InvalidInput => Ok(()),
        _ => Err(Error::File(format!(
            "the new file is there, but its folder could not be brought to the disk: {error}; \
             expected a file system that can, so that the file outlives a loss of power"
        ))),
    })
}

/// Where the file is, or is to be: what a link points to is replaced, or made where it is not there, not the link.
fn target_of(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..LINKS {
        if let Ok(known) = fs::canonicalize(&target) {
            return Ok(known);
        }
        let Ok(next) = fs::read_link(&target) else { return Ok(target) };
        target = target.parent().map_or_else(|| next.clone(), |folder| folder.join(&next));
    }
    Err(Error::File(format!("more than {LINKS} links, one to the other; expected links that lead to a file")))
}

/// A new file in a folder, under a name that nobody has.
fn created<F: Files>(files: &F, folder: &Path) -> io::Result<(PathBuf, F::File)> {
    let mut last = ErrorKind::AlreadyExists.into();
    for _ in 0..TRIES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let beside = folder.join(format!(".neuroxide-{}-{number}.tmp", process::id()));
        match patient(|| files.create(&beside)) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn filled<F: Files>(
    files: &F,
    file: F::File,
    target: &Path,
    write: impl FnOnce(&mut BufWriter<F::File>) -> io::Result<()>,
) -> Result<()> {
    patient(|| files.take_after(&file, target)).map_err(|error| unwritten("setting permissions", &error))?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out).and_then(|()| out.flush()).map_err(|error| unwritten("writing", &error))?;
    patient(|| files.sync(out.get_ref())).map_err(|error| unwritten("bringing the file to the disk", &error))
}

/// Tries again what a signal has interrupted.
fn patient<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn unwritten(doing: &str, error: &io::Error) -> Error {
    Error::File(format!(
        "{doing} failed: {error}; expected a folder that exists, may be written and has room. \
         What was at the path before is still there"
    ))
}
