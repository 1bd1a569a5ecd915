//! Buffers: aligned blocks from a cache that the whole process shares, behind checked handles.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use neuroxide_core::backend::{Binding, BufferId};
use neuroxide_core::error::{Error, Result};
use neuroxide_core::plan::ALIGN;

use crate::pool::hold;

/// Bytes that the cache may hold; blocks beyond go back to the system.
const CACHE_BYTES: usize = 64 << 20;
/// Blocks above this are never cached.
const CACHE_BLOCK: usize = 32 << 20;
/// Blocks from here on are aligned to, and advised to use, huge pages.
const HUGE: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;
/// Bytes up to which a copy from or to the host holds the lock of the table.
const FEW: usize = 4096;
/// Four classes a doubling, from 64 bytes to `CACHE_BLOCK`.
const CLASSES: usize = class_of(CACHE_BLOCK) + 1;

/// A piece of memory of its own.
#[derive(Debug)]
pub(crate) struct Block {
    ptr: NonNull<u8>,
    capacity: usize,
}

// SAFETY: a block owns its memory, like a Box.
unsafe impl Send for Block {}

impl Block {
    /// At least `bytes` bytes, aligned to [`ALIGN`], from the cache where it has a fitting block.
    pub fn take(bytes: usize) -> Result<Self> {
        let class = class_of(bytes);
        if class < CLASSES {
            let mut cache = hold(&CACHE);
            if let Some(block) = cache.lists[class].pop() {
                cache.bytes -= block.capacity;
                return Ok(block);
            }
        }
        let capacity = if class < CLASSES { capacity_of(class) } else { bytes };
        Self::new(capacity)
            .or_else(|| {
                flush();
                Self::new(capacity)
            })
            .ok_or_else(|| {
                Error::Device(format!(
                    "cpu: {bytes} bytes could not be allocated; the system has no more memory to give. \
                 Hint: use a smaller batch or dispose tensors that are no longer needed"
                ))
            })
    }

    /// Gives the block back to the cache, or to the system where the cache is full.
    pub fn give(self) {
        let class = class_of(self.capacity);
        if class < CLASSES {
            let mut cache = hold(&CACHE);
            if cache.bytes + self.capacity > CACHE_BYTES {
                // Whatever filled the cache is not what is in use now.
                cache.clear();
            }
            cache.bytes += self.capacity;
            cache.lists[class].push(self);
        } else {
            self.release();
        }
    }

    pub fn ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    fn layout(capacity: usize) -> Option<Layout> {
        Layout::from_size_align(capacity, if capacity >= HUGE { HUGE_PAGE } else { ALIGN }).ok()
    }

    fn new(capacity: usize) -> Option<Self> {
        let layout = Self::layout(capacity)?;
        // SAFETY: the size is not zero: the smallest class has 64 bytes.
        let ptr = NonNull::new(unsafe { alloc(layout) })?;
        if capacity >= HUGE {
            advise_huge(ptr, capacity);
        }
        Some(Self { ptr, capacity })
    }

    fn release(self) {
        let layout = Self::layout(self.capacity).expect("a block was allocated with this layout");
        // SAFETY: allocated in `new` with the same layout; `self` is consumed.
        unsafe { dealloc(self.ptr.as_ptr(), layout) }
    }
}

#[cfg(target_os = "linux")]
fn advise_huge(ptr: NonNull<u8>, bytes: usize) {
    unsafe extern "C" {
        fn madvise(addr: *mut core::ffi::c_void, length: usize, advice: core::ffi::c_int)
        -> core::ffi::c_int;
    }
    const MADV_HUGEPAGE: core::ffi::c_int = 14;
    // SAFETY: the range is whole huge pages inside a block that is ours, and advice changes no
    // content. A kernel without huge pages refuses, which loses nothing.
    unsafe {
        madvise(ptr.as_ptr().cast(), bytes & !(HUGE_PAGE - 1), MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge(_: NonNull<u8>, _: usize) {}

struct Cache {
    lists: [Vec<Block>; CLASSES],
    bytes: usize,
}

static CACHE: Mutex<Cache> = Mutex::new(Cache { lists: [const { Vec::new() }; CLASSES], bytes: 0 });

impl Cache {
    fn clear(&mut self) {
        for list in &mut self.lists {
            list.drain(..).for_each(Block::release);
        }
        self.bytes = 0;
    }
}

fn flush() {
    hold(&CACHE).clear();
}

/// The smallest class that holds `bytes`.
const fn class_of(bytes: usize) -> usize {
    if bytes <= 64 {
        return 0;
    }
    let exponent = (bytes - 1).ilog2() as usize;
    let quarter = (bytes - 1 - (1 << exponent)) >> (exponent - 2);
    (exponent - 6) * 4 + quarter + 1
}

const fn capacity_of(class: usize) -> usize {
    if class == 0 {
        return 64;
    }
    let exponent = (class - 1) / 4 + 6;
    (1 << exponent) + (((class - 1) % 4 + 1) << (exponent - 2))
}

#[derive(Default)]
struct Entry {
    block: Option<Block>,
    bytes: usize,
    generation: u32,
    /// Uses in progress; a buffer freed meanwhile goes back with the last of them.
    pins: u32,
    freed: bool,
}

#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    vacant: Vec<u32>,
    allocated: usize,
}

impl Entries {
    fn find(&mut self, id: BufferId) -> Option<&mut Entry> {
        let entry = self.list.get_mut((id.0 & 0xffff_ffff) as usize)?;
        (entry.generation == (id.0 >> 32) as u32 && entry.block.is_some()).then_some(entry)
    }

    fn pin(&mut self, id: BufferId) -> Result<(*mut u8, usize)> {
        let entry = self.find(id).filter(|entry| !entry.freed);
        let entry =
            entry.ok_or_else(|| Error::Internal(format!("cpu: buffer {:#x} does not exist", id.0)))?;
        let ptr = entry.block.as_ref().map_or(std::ptr::null_mut(), Block::ptr);
        entry.pins += 1;
        Ok((ptr, entry.bytes))
    }

    fn unpin(&mut self, id: BufferId) {
        let Some(entry) = self.find(id) else { return };
        entry.pins -= 1;
        if entry.freed && entry.pins == 0 {
            self.vacate(id);
        }
    }

    fn vacate(&mut self, id: BufferId) {
        let Some(entry) = self.find(id) else { return };
        entry.generation = entry.generation.wrapping_add(1);
        entry.freed = false;
        if let Some(block) = entry.block.take() {
            block.give();
        }
        self.vacant.push((id.0 & 0xffff_ffff) as u32);
    }
}

/// The buffers of a backend. A handle is an entry and its generation, so a stale one is told.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    entries: Mutex<Entries>,
}

impl Buffers {
    pub fn alloc(&self, bytes: usize) -> Result<BufferId> {
        let block = Block::take(bytes)?;
        let mut entries = hold(&self.0.entries);
        entries.allocated += bytes;
        let at = entries.vacant.pop().unwrap_or_else(|| {
            entries.list.push(Entry::default());
            (entries.list.len() - 1) as u32
        });
        let entry = &mut entries.list[at as usize];
        entry.block = Some(block);
        entry.bytes = bytes;
        Ok(BufferId(u64::from(entry.generation) << 32 | u64::from(at)))
    }

    pub fn free(&self, id: BufferId) {
        let mut entries = hold(&self.0.entries);
        let Some(entry) = entries.find(id) else { return };
        if entry.freed {
            return;
        }
        entry.freed = true;
        let (bytes, pins) = (entry.bytes, entry.pins);
        entries.allocated -= bytes;
        if pins == 0 {
            entries.vacate(id);
        }
    }

    pub fn allocated(&self) -> usize {
        hold(&self.0.entries).allocated
    }

    /// Keeps the buffers of `bindings` alive and leaves their places in `bases`.
    pub fn pin<'a>(&'a self, bindings: &'a [Binding], bases: &mut Vec<Base>) -> Result<Pins<'a>> {
        bases.clear();
        let mut entries = hold(&self.0.entries);
        for (done, binding) in bindings.iter().enumerate() {
            match entries.pin(binding.buffer) {
                Ok((ptr, bytes)) => bases.push(Base { ptr, bytes }.at(binding.offset)),
                Err(error) => {
                    bindings[..done].iter().for_each(|binding| entries.unpin(binding.buffer));
                    return Err(error);
                }
            }
        }
        Ok(Pins { buffers: self, bindings })
    }

    /// Calls `body` with the place of `bytes` bytes of a buffer. Few are read or written under the lock of the table,
    /// which is cheaper than taking it again to let the buffer go.
    pub fn with_bytes(&self, binding: Binding, bytes: usize, body: impl FnOnce(*mut u8)) -> Result<()> {
        let mut entries = hold(&self.0.entries);
        let (ptr, held) = entries.pin(binding.buffer)?;
        let held = held.saturating_sub(binding.offset);
        let (enough, few) = (bytes <= held, bytes <= FEW);
        if enough && few {
            body(ptr.wrapping_add(binding.offset));
        } else if enough {
            drop(entries);
            body(ptr.wrapping_add(binding.offset));
            entries = hold(&self.0.entries);
        }
        entries.unpin(binding.buffer);
        if enough {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "cpu: {bytes} bytes at {} of a buffer that has {held} there",
            binding.offset
        )))
    }
}

/// Buffers kept for many runs, and the places of the slots in them.
pub(crate) struct Kept {
    buffers: Buffers,
    /// `None` for slots that are given with each run.
    bindings: Vec<Option<Binding>>,
    /// The whole buffer of each slot.
    starts: Vec<Base>,
    /// Where each slot begins.
    bases: Vec<Base>,
}

impl Kept {
    pub fn new(buffers: &Buffers, bindings: &[Option<Binding>]) -> Result<Self> {
        let count = bindings.len();
        let mut kept = Self {
            buffers: buffers.clone(),
            bindings: Vec::with_capacity(count),
            starts: Vec::with_capacity(count),
            bases: Vec::with_capacity(count),
        };
        for &binding in bindings {
            let start = match binding {
                Some(binding) => hold(&buffers.0.entries).pin(binding.buffer)?.into(),
                None => Base::NOWHERE,
            };
            kept.starts.push(start);
            kept.bases.push(start.at(binding.map_or(0, |binding| binding.offset)));
            // From here on the pin is let go when the object is dropped.
            kept.bindings.push(binding);
        }
        Ok(kept)
    }

    /// Calls `body` with the places of the slots, of which those in `moved` lie elsewhere this time.
    pub fn moved<R>(&mut self, moved: &[(u32, Binding)], body: impl FnOnce(&[Base]) -> R) -> Result<R> {
        let mut away = Away { kept: self, moved: &[], foreign: false };
        away.go(moved)?;
        Ok(body(&away.kept.bases))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut entries = hold(&self.buffers.0.entries);
        for binding in self.bindings.iter().flatten() {
            entries.unpin(binding.buffer);
        }
    }
}

/// Slots that lie elsewhere for one run; dropping it puts them back.
struct Away<'a> {
    kept: &'a mut Kept,
    moved: &'a [(u32, Binding)],
    /// Whether some lie in buffers that are kept for this run alone.
    foreign: bool,
}

impl<'a> Away<'a> {
    fn go(&mut self, moved: &'a [(u32, Binding)]) -> Result<()> {
        let Kept { buffers, bindings, starts, bases } = &mut *self.kept;
        let mut entries = None;
        for (done, &(slot, to)) in moved.iter().enumerate() {
            let slot = slot as usize;
            let Some(from) = bindings.get(slot) else {
                return Err(Error::Internal(format!("cpu: slot {slot} of {} was moved", bindings.len())));
            };
            let start = if from.is_some_and(|from| from.buffer == to.buffer) {
                starts[slot]
            } else {
                let entries = entries.get_or_insert_with(|| hold(&buffers.0.entries));
                let start = entries.pin(to.buffer)?.into();
                self.foreign = true;
                start
            };
            bases[slot] = start.at(to.offset);
            self.moved = &moved[..=done];
        }
        Ok(())
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let Kept { buffers, bindings, starts, bases } = &mut *self.kept;
        let mut entries = self.foreign.then(|| hold(&buffers.0.entries));
        for &(slot, to) in self.moved {
            let from = bindings[slot as usize];
            bases[slot as usize] = starts[slot as usize].at(from.map_or(0, |from| from.offset));
            if from.is_none_or(|from| from.buffer != to.buffer)
                && let Some(entries) = &mut entries
            {
                entries.unpin(to.buffer);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut entries = hold(&self.entries);
        for entry in &mut entries.list {
            if let Some(block) = entry.block.take() {
                block.give();
            }
        }
    }
}

/// Where a slot begins in this run, and how many bytes it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub ptr: *mut u8,
    pub bytes: usize,
}

impl From<(*mut u8, usize)> for Base {
    fn from((ptr, bytes): (*mut u8, usize)) -> Self {
        Self { ptr, bytes }
    }
}

impl Base {
    const NOWHERE: Self = Self { ptr: std::ptr::null_mut(), bytes: 0 };

    /// The same buffer from `offset` on.
    fn at(self, offset: usize) -> Self {
        Self { ptr: self.ptr.wrapping_add(offset), bytes: self.bytes.saturating_sub(offset) }
    }
}

// SAFETY: a plain address; what is done with it is checked where it is used.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

/// Buffers in use.
pub(crate) struct Pins<'a> {
    buffers: &'a Buffers,
    bindings: &'a [Binding],
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        let mut entries = hold(&self.buffers.0.entries);
        for binding in self.bindings {
            entries.unpin(binding.buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_are_asked_for() {
        for bytes in (0..5000).chain([1 << 20, (1 << 20) + 1, CACHE_BLOCK - 1, CACHE_BLOCK]) {
            let class = class_of(bytes);
            assert!(capacity_of(class) >= bytes);
            assert_eq!(class_of(capacity_of(class)), class);
            assert!(class == 0 || capacity_of(class - 1) < bytes);
        }
    }

    #[test]
    fn stale_handles_are_told() {
        let buffers = Buffers::default();
        let a = buffers.alloc(100).unwrap();
        assert_eq!(buffers.allocated(), 100);
        buffers.free(a);
        buffers.free(a);
        assert_eq!(buffers.allocated(), 0);
        let b = buffers.alloc(0).unwrap();
        assert_ne!(a, b);
        let bindings = [Binding { buffer: a, offset: 0 }];
        assert_eq!(buffers.pin(&bindings, &mut Vec::new()).err().unwrap().code(), "ERR_INTERNAL");
    }

    #[test]
    fn a_pinned_buffer_outlives_its_free() {
        let buffers = Buffers::default();
        let id = buffers.alloc(1 << 16).unwrap();
        let bindings = [Binding { buffer: id, offset: 64 }];
        let mut bases = Vec::new();
        let pins = buffers.pin(&bindings, &mut bases).unwrap();
        buffers.free(id);
        assert_eq!(buffers.allocated(), 0);
        assert_eq!(bases[0].bytes, (1 << 16) - 64);
        let other = buffers.alloc(1 << 16).unwrap();
        assert_ne!(other.0 & 0xffff_ffff, id.0 & 0xffff_ffff);
        drop(pins);
        assert_eq!(buffers.alloc(1 << 16).unwrap().0 & 0xffff_ffff, id.0 & 0xffff_ffff);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        assert_eq!(Block::take(usize::MAX / 2 - 4096).unwrap_err().code(), "ERR_DEVICE");
        assert_eq!(Block::take(usize::MAX).unwrap_err().code(), "ERR_DEVICE");
    }

    #[test]
    fn large_blocks_are_aligned_and_writable() {
        let block = Block::take(HUGE + 5).unwrap();
        assert_eq!(block.ptr() as usize % HUGE_PAGE, 0);
        // SAFETY: inside the block.
        unsafe { block.ptr().add(HUGE + 4).write(1) };
        block.give();
    }

    #[test]
    fn kept_buffers_outlive_their_free_and_slots_come_back() {
        let buffers = Buffers::default();
        let [a, b] = [256, 512].map(|bytes| buffers.alloc(bytes).unwrap());
        let at = |buffer, offset| Binding { buffer, offset };
        let mut kept = Kept::new(&buffers, &[Some(at(a, 0)), Some(at(a, 64)), None]).unwrap();
        buffers.free(a);
        let place = |kept: &mut Kept, moved: &[(u32, Binding)]| {
            kept.moved(moved, |bases| [bases[0], bases[1]].map(|base| (base.ptr as usize, base.bytes)))
        };
        let home = place(&mut kept, &[]).unwrap();
        assert_eq!((home[0].1, home[1]), (256, (home[0].0 + 64, 192)));
        assert_eq!(place(&mut kept, &[(1, at(a, 128))]).unwrap()[1], (home[0].0 + 128, 128));
        let moved = place(&mut kept, &[(0, at(b, 8)), (1, at(b, 16))]).unwrap();
        assert_eq!((moved[0].1, moved[1].0), (504, moved[0].0 + 8));
        assert_eq!(place(&mut kept, &[]).unwrap(), home);
        // What was moved into is free afterwards, also where a later slot could not be moved.
        assert!(place(&mut kept, &[(0, at(b, 0)), (1, at(BufferId(u64::MAX), 0))]).is_err());
        assert!(place(&mut kept, &[(3, at(b, 0))]).is_err());
        let open = |bases: &[Base]| bases[2].bytes;
        assert_eq!(kept.moved(&[(2, at(b, 12))], open).unwrap(), 500);
        assert_eq!(kept.moved(&[], open).unwrap(), 0);
        assert_eq!(place(&mut kept, &[]).unwrap(), home);
        buffers.free(b);
        assert!(place(&mut kept, &[(0, at(b, 0))]).is_err());
        assert_eq!(buffers.alloc(512).unwrap().0 & 0xffff_ffff, b.0 & 0xffff_ffff);
        drop(kept);
        assert_eq!(buffers.alloc(256).unwrap().0 & 0xffff_ffff, a.0 & 0xffff_ffff);
    }
}
