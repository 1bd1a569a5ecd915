//! A file is the old one or the new one, whatever fails, and wherever.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use neuroxide_files::atomic::{Disk, Files, replace};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failing {
    NoSpace,
    ReadOnly,
    /// The call does less than it was asked to, then nothing at all.
    Short,
    /// Once; asked again, it works.
    Interrupted,
    Denied,
    Unsupported,
    Invalid,
}

impl Failing {
    fn error(self) -> io::Error {
        match self {
            Self::NoSpace => ErrorKind::StorageFull.into(),
            Self::ReadOnly => ErrorKind::ReadOnlyFilesystem.into(),
            Self::Short => ErrorKind::WriteZero.into(),
            Self::Interrupted => ErrorKind::Interrupted.into(),
            Self::Denied => ErrorKind::PermissionDenied.into(),
            Self::Unsupported => ErrorKind::Unsupported.into(),
            Self::Invalid => ErrorKind::InvalidInput.into(),
        }
    }
}

#[derive(Default)]
struct State {
    files: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
    calls: Cell<usize>,
    /// The call from which on every call fails, or the only one, and how.
    failing: Cell<Option<(usize, bool, Failing)>>,
}

impl State {
    /// Counts a call; the failure that it has to have.
    fn call(&self) -> Option<Failing> {
        let at = self.calls.replace(self.calls.get() + 1);
        let (from, lasting, how) = self.failing.get()?;
        (at == from || lasting && at > from && how != Failing::Interrupted).then_some(how)
    }
}

/// A folder in memory that fails where it is told to.
#[derive(Clone, Default)]
struct Folder(Rc<State>);

struct Open(Rc<State>, PathBuf);

impl Folder {
    fn step(&self) -> io::Result<()> {
        self.0.call().map_or(Ok(()), |how| Err(how.error()))
    }

    fn content(&self, path: &Path) -> Option<Vec<u8>> {
        self.0.files.borrow().get(path).cloned()
    }
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match self.0.call() {
            // Half of it arrives, and the call after that writes nothing.
            Some(Failing::Short) if bytes.len() > 1 => bytes.len() / 2,
            Some(Failing::Short) => 0,
            Some(how) => return Err(how.error()),
            None => bytes.len(),
        };
        let mut files = self.0.files.borrow_mut();
        let file = files.get_mut(&self.1).ok_or(ErrorKind::NotFound)?;
        file.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Open {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(self.0.files.borrow().get(&self.1).map_or(0, |file| file.len() as u64))
    }
}

impl Files for Folder {
    type File = Open;

    fn create(&self, path: &Path) -> io::Result<Open> {
        self.step()?;
        if self.content(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.0.files.borrow_mut().insert(path.to_path_buf(), Vec::new());
        Ok(Open(Rc::clone(&self.0), path.to_path_buf()))
    }

    fn take_after(&self, _: &Open, _: &Path) -> io::Result<()> {
        self.step()
    }

    fn sync(&self, _: &Open) -> io::Result<()> {
        self.step()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let mut files = self.0.files.borrow_mut();
        let file = files.remove(from).ok_or(ErrorKind::NotFound)?;
        files.insert(to.to_path_buf(), file);
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.step()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.0.files.borrow_mut().remove(path).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

const OLD: &[u8] = b"what was there before";

/// Larger than the buffer in front of the file, so that there are several writes.
fn new() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i % 251) as u8).collect()
}

fn path() -> PathBuf {
    PathBuf::from("/no/such/folder/model.safetensors")
}

fn attempt(folder: &Folder) -> neuroxide_core::error::Result<()> {
    let bytes = new();
    replace(folder, &path(), |out| bytes.chunks(30_000).try_for_each(|chunk| out.write_all(chunk)))
}

fn with_old() -> Folder {
    let folder = Folder::default();
    folder.0.files.borrow_mut().insert(path(), OLD.to_vec());
    folder
}

#[test]
fn nothing_fails() {
    let folder = with_old();
    attempt(&folder).unwrap();
    assert_eq!(folder.content(&path()), Some(new()));
    assert_eq!(folder.0.files.borrow().len(), 1);
    assert!(folder.0.calls.get() > 8, "{} calls", folder.0.calls.get());
}

#[test]
fn a_call_that_fails_leaves_the_old_file_and_nothing_beside_it() {
    let total = {
        let folder = with_old();
        attempt(&folder).unwrap();
        folder.0.calls.get()
    };
    for how in [Failing::NoSpace, Failing::ReadOnly, Failing::Short] {
        for at in 0..total {
            let folder = with_old();
            folder.0.failing.set(Some((at, false, how)));
            let result = attempt(&folder);
            let content = folder.content(&path()).expect("a file");
            let last = at == total - 1;
            match result {
                // One short write is made good by the next.
                Ok(()) => assert!(how == Failing::Short && content == new(), "call {at}, {how:?}"),
                Err(error) => {
                    assert_eq!(error.code(), "ERR_FILE", "call {at}, {how:?}");
                    assert!(error.message().contains("; expected "), "{error}");
                    // The last call makes the new name durable: by then the new file is there.
                    assert_eq!(content, if last { new() } else { OLD.to_vec() }, "call {at}, {how:?}");
                }
            }
            assert_eq!(folder.0.files.borrow().len(), 1, "something was left behind: call {at}, {how:?}");
        }
    }
}

#[test]
fn a_device_that_is_full_from_some_call_on_leaves_the_old_file() {
    for how in [Failing::NoSpace, Failing::ReadOnly, Failing::Short] {
        for at in 0..12 {
            let folder = with_old();
            folder.0.failing.set(Some((at, true, how)));
            if let Err(error) = attempt(&folder) {
                assert_eq!(error.code(), "ERR_FILE");
                let content = folder.content(&path()).expect("a file");
                assert!(content == OLD || content == new(), "half a file: call {at}, {how:?}");
            }
        }
    }
}

#[test]
fn a_signal_is_no_failure() {
    for at in 0..12 {
        let folder = with_old();
        folder.0.failing.set(Some((at, false, Failing::Interrupted)));
        attempt(&folder).unwrap();
        assert_eq!(folder.content(&path()), Some(new()), "call {at}");
    }
}

#[test]
fn what_fails_while_it_is_written_is_told() {
    let folder = with_old();
    let error = replace(&folder, &path(), |_| Err(io::Error::other("no more"))).unwrap_err();
    assert!(error.message().contains("no more"), "{error}");
    assert_eq!(folder.content(&path()), Some(OLD.to_vec()));
    assert_eq!(folder.0.files.borrow().len(), 1);
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("neuroxide-files-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

#[test]
fn on_a_disk_permissions_and_links_stay() {
    let folder = scratch("disk");
    let file = folder.join("a");
    replace(&Disk, &file, |out| out.write_all(b"one")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, folder.join("link")).unwrap();
        replace(&Disk, &folder.join("link"), |out| out.write_all(b"two")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }
    for wrong in [folder.clone(), PathBuf::new(), folder.join("none").join("a"), PathBuf::from("/dev/null")] {
        let error = replace(&Disk, &wrong, |out| out.write_all(b"three")).unwrap_err();
        assert_eq!(error.code(), "ERR_FILE", "{}", wrong.display());
    }
    fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_whose_file_is_not_there_yet_stays() {
    use std::os::unix::fs::symlink;
    let folder = scratch("dangling");
    fs::create_dir(folder.join("real")).unwrap();
    symlink("real/target", folder.join("near")).unwrap();
    symlink("near", folder.join("far")).unwrap();
    for (link, content) in [("far", b"one"), ("near", b"two")] {
        replace(&Disk, &folder.join(link), |out| out.write_all(content)).unwrap();
        assert!(fs::symlink_metadata(folder.join(link)).unwrap().is_symlink());
        assert_eq!(fs::read(folder.join("real/target")).unwrap(), content);
    }
    symlink("b", folder.join("a")).unwrap();
    symlink("a", folder.join("b")).unwrap();
    let error = replace(&Disk, &folder.join("a"), |out| out.write_all(b"three")).unwrap_err();
    assert!(error.message().contains("links"), "{error}");
    assert!(fs::symlink_metadata(folder.join("a")).unwrap().is_symlink());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_that_cannot_be_synced_is_no_failure() {
    let total = {
        let folder = with_old();
        attempt(&folder).unwrap();
        folder.0.calls.get()
    };
    for how in [Failing::Denied, Failing::Unsupported, Failing::Invalid] {
        let folder = with_old();
        folder.0.failing.set(Some((total - 1, false, how)));
        attempt(&folder).unwrap();
        assert_eq!(folder.content(&path()), Some(new()), "{how:?}");
        // Of the file itself it is one.
        let folder = with_old();
        folder.0.failing.set(Some((total - 3, false, how)));
        assert_eq!(attempt(&folder).unwrap_err().code(), "ERR_FILE", "{how:?}");
    }
}
