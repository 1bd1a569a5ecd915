//! Buffers: aligned blocks from a cache that the whole process shares, behind checked handles.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;
use std::sync::Mutex;

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
#[derive(Default)]
pub(crate) struct Buffers {
    entries: Mutex<Entries>,
}

impl Buffers {
    pub fn alloc(&self, bytes: usize) -> Result<BufferId> {
        let block = Block::take(bytes)?;
        let mut entries = hold(&self.entries);
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
        let mut entries = hold(&self.entries);
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
        hold(&self.entries).allocated
    }

    /// Keeps the buffers of `bindings` alive and leaves their places in `bases`.
    pub fn pin<'a>(&'a self, bindings: &'a [Binding], bases: &mut Vec<Base>) -> Result<Pins<'a>> {
        bases.clear();
        let mut entries = hold(&self.entries);
        for (done, binding) in bindings.iter().enumerate() {
            match entries.pin(binding.buffer) {
                Ok((ptr, bytes)) => bases.push(Base {
                    ptr: ptr.wrapping_add(binding.offset),
                    bytes: bytes.saturating_sub(binding.offset),
                }),
                Err(error) => {
                    bindings[..done].iter().for_each(|binding| entries.unpin(binding.buffer));
                    return Err(error);
                }
            }
        }
        Ok(Pins { buffers: self, bindings })
    }
}

impl Drop for Buffers {
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
        let mut entries = hold(&self.buffers.entries);
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
}
