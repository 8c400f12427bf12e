// SPDX-License-Identifier: MPL-2.0
//! The parent's side of outputs: blocks that a child has been given to write to, and
//! those that it has filled.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use codecwatch_supervisor::guard;
use rustix::param::page_size;

use super::BlockId;
use super::arena::Arena;
use super::block::check_size;
use super::mapping::Mapping;
use crate::wire::Broken;

/// The most blocks that a child may have: more than any codec holds pictures, and a minute of
/// them in a queue behind it. A process may have some 65,000 mappings.
const MOST: usize = 4096;

/// The blocks of one child.
#[derive(Debug)]
pub struct Given {
    /// Where they lie; made for the first.
    arena: Option<Arena>,
    blocks: HashMap<BlockId, Entry>,
    released: Arc<Mutex<Vec<BlockId>>>,
    /// Bytes that they may have together.
    most_bytes: u64,
    /// What sets this limit, for the user.
    limit: &'static str,
}

/// A block, and how many outputs that the parent still needs lie in it.
#[derive(Debug)]
struct Entry {
    /// Whole pages.
    range: Range<u64>,
    mapping: Arc<Mapping>,
    shown: Arc<AtomicUsize>,
}

/// What the child has to be told of a new block.
#[derive(Debug)]
pub(crate) struct NewBlock<'a> {
    pub(crate) id: BlockId,
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// Where all of them lie, if this is the first.
    pub(crate) arena: Option<BorrowedFd<'a>>,
}

impl Given {
    /// `most_bytes`: what `isolate-max-memory` says; 0 = half of what the machine has left
    /// now. Without a limit, a child could take all of it in blocks that it never fills.
    pub(crate) fn new(most_bytes: u64) -> Self {
        let (most_bytes, limit) = match most_bytes {
            0 => {
                let available = guard::available_memory().unwrap_or(u64::MAX);
                (available / 2, "half of the memory that was available is")
            }
            set => (set, "isolate-max-memory allows"),
        };
        Self {
            arena: None,
            blocks: HashMap::new(),
            released: Arc::default(),
            most_bytes,
            limit,
        }
    }

    /// A new block of `len` bytes.
    ///
    /// # Errors
    /// Why there is none, for the child and the user.
    pub(crate) fn give(&mut self, len: u64) -> Result<NewBlock<'_>, String> {
        if len == 0 || self.blocks.len() >= MOST {
            return Err(format!(
                "{len} bytes of shared memory for output are refused: it has {} blocks already",
                self.blocks.len()
            ));
        }
        check_size(len).map_err(|error| error.to_string())?;
        let range = self.place(len.next_multiple_of(page_size() as u64))?;
        let no_arena = |error| format!("no shared memory: {error}");
        let is_first = self.arena.is_none();
        let arena = match self.arena.take() {
            Some(arena) => arena,
            None => Arena::new().map_err(no_arena)?,
        };
        let arena = self.arena.insert(arena);
        let mapping = arena.take(&range).map_err(|error| error.to_string())?;
        let (id, offset) = (BlockId::next(), range.start);
        let entry = Entry {
            range,
            mapping: Arc::new(mapping),
            shown: Arc::default(),
        };
        self.blocks.insert(id, entry);
        Ok(NewBlock {
            id,
            offset,
            arena: is_first.then(|| arena.fd()),
        })
    }

    /// The first place in the arena for so many bytes.
    fn place(&self, len: u64) -> Result<Range<u64>, String> {
        let mut taken: Vec<_> = self.blocks.values().map(|it| &it.range).collect();
        taken.sort_unstable_by_key(|range| range.start);
        let mut start = 0;
        for range in &taken {
            if range.start - start >= len {
                break;
            }
            start = range.end;
        }
        let place = start..start + len;
        // Of the last page a part may be meant.
        let end = self.most_bytes.saturating_add(page_size() as u64 - 1);
        if place.end <= end {
            return Ok(place);
        }
        let present: u64 = taken.iter().map(|range| range.end - range.start).sum();
        Err(format!(
            "{} {} bytes, and {} are needed for output{}",
            self.limit,
            self.most_bytes,
            present + len,
            match present + len > self.most_bytes {
                true => "",
                false => ", of which too few lie together",
            }
        ))
    }

    /// The child needs a block no longer: its memory is given back, and its place is free.
    ///
    /// # Errors
    /// The child has no such block, or the parent still needs what lies in it.
    pub(crate) fn take_back(&mut self, id: BlockId) -> Result<(), Broken> {
        let entry = self.blocks.remove(&id).ok_or_else(|| unknown(id))?;
        if entry.shown.load(Ordering::Acquire) > 0 {
            let why = format!("it gives up block {}, which is shown", id.0);
            return Err(Broken::new(why));
        }
        if let Some(arena) = &self.arena {
            arena.empty(&entry.range);
        }
        Ok(())
    }

    /// A block that an output lies in.
    ///
    /// # Errors
    /// The child has no such block.
    pub fn filled(&self, id: BlockId) -> Result<GivenBlock, Broken> {
        let entry = self.blocks.get(&id).ok_or_else(|| unknown(id))?;
        entry.shown.fetch_add(1, Ordering::Relaxed);
        Ok(GivenBlock {
            id,
            mapping: entry.mapping.clone(),
            shown: entry.shown.clone(),
            released: self.released.clone(),
        })
    }

    /// The blocks of outputs that nobody in the parent needs any more.
    pub(crate) fn released(&self) -> Arc<Mutex<Vec<BlockId>>> {
        self.released.clone()
    }
}

fn unknown(id: BlockId) -> Broken {
    Broken::new(format!("it has no block {}", id.0))
}

/// The block of an output, as long as the parent needs it. The child may still read it,
/// and must not write to it; if it does, its picture changes.
#[derive(Debug)]
pub struct GivenBlock {
    id: BlockId,
    mapping: Arc<Mapping>,
    shown: Arc<AtomicUsize>,
    released: Arc<Mutex<Vec<BlockId>>>,
}

impl GivenBlock {
    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: no code of the parent writes to a block for output.
        unsafe { self.mapping.bytes() }
    }

    /// All bytes, for an interface that asks for them in this form. Nothing in the
    /// parent writes to them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped writable; the child has been told of no other owner, and two
        // outputs of one block are read only.
        unsafe { self.mapping.bytes_mut() }
    }
}

impl Drop for GivenBlock {
    fn drop(&mut self) {
        // Before the child can learn of it.
        self.shown.fetch_sub(1, Ordering::Release);
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        released.push(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(given: &mut Given, len: u64) -> BlockId {
        given.give(len).unwrap().id
    }

    /// Whole pages of every kernel, and not one.
    const PAGES: u64 = 1 << 17;

    #[test]
    fn an_output_can_only_lie_in_a_block_that_the_child_has() {
        let mut given = Given::new(0);
        let block = give(&mut given, PAGES);
        assert!(given.filled(BlockId(block.0.wrapping_add(1))).is_err());
        let filled = given.filled(block).unwrap();
        assert_eq!(filled.bytes().len() as u64, PAGES);
        drop(filled);
        assert_eq!(*given.released().lock().unwrap(), [block]);
        given.take_back(block).unwrap();
        assert!(given.filled(block).is_err());
        assert!(given.take_back(block).is_err());
    }

    #[test]
    fn a_block_that_is_shown_is_not_given_up() {
        let mut given = Given::new(0);
        let block = give(&mut given, 4096);
        let filled = [(); 2].map(|()| given.filled(block).unwrap());
        assert!(given.take_back(block).is_err());
        let block = give(&mut given, 4096);
        drop(given.filled(block).unwrap());
        given.take_back(block).unwrap();
        drop(filled);
    }

    #[test]
    fn blocks_lie_beside_each_other_and_the_place_of_one_that_is_given_up_is_used_again() {
        let mut given = Given::new(4 * PAGES);
        let first = given.give(PAGES).unwrap();
        assert_eq!(first.offset, 0);
        assert!(first.arena.is_some(), "the child has to get it");
        let first = first.id;
        let second = given.give(PAGES - 1).unwrap();
        assert_eq!(second.offset, PAGES);
        assert!(second.arena.is_none(), "the child has it");
        given.take_back(first).unwrap();
        assert_eq!(given.give(2 * PAGES).unwrap().offset, 2 * PAGES);
        let refusal = given.give(2 * PAGES).unwrap_err();
        assert!(refusal.contains("isolate-max-memory allows"), "{refusal}");
        assert_eq!(given.give(PAGES).unwrap().offset, 0);
        given.give(1).unwrap_err();
    }

    #[test]
    fn memory_that_lies_in_pieces_is_told_from_too_little() {
        let mut given = Given::new(3 * PAGES);
        let [first, _, third] = [(); 3].map(|()| give(&mut given, PAGES));
        given.take_back(first).unwrap();
        given.take_back(third).unwrap();
        given.give(3 * PAGES).unwrap_err();
        let refusal = given.give(2 * PAGES).unwrap_err();
        assert!(refusal.contains("too few lie together"), "{refusal}");
    }

    #[test]
    fn a_child_that_keeps_what_it_gives_up_has_no_more_than_its_limit() {
        let mut given = Given::new(2 * PAGES);
        let mut fd = None;
        for _ in 0..20 {
            let block = given.give(2 * PAGES).unwrap();
            fd = fd.or_else(|| block.arena.map(|arena| arena.try_clone_to_owned().unwrap()));
            let id = block.id;
            given.take_back(id).unwrap();
        }
        let size = rustix::fs::fstat(fd.unwrap()).unwrap().st_size;
        assert_eq!(size.cast_unsigned(), 2 * PAGES);
    }

    #[test]
    fn a_child_cannot_ask_for_memory_without_end() {
        let mut given = Given::new(10_000);
        assert!(given.give(0).is_err());
        let refusal = given.give(u64::from(u32::MAX)).unwrap_err();
        assert!(
            refusal.contains("isolate-max-memory allows 10000"),
            "{refusal}"
        );
        let mut given = Given::new(0);
        assert!(given.give(u64::MAX).is_err());
        for _ in 0..MOST {
            given.give(1).unwrap();
        }
        assert!(given.give(1).is_err());
    }
}
