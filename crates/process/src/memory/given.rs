// SPDX-License-Identifier: MPL-2.0
//! The parent's side of outputs: blocks that a child has been given to write to, and
//! those that it has filled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use codecwatch_supervisor::guard;

use super::BlockId;
use super::block::Block;
use crate::wire::Broken;

/// The most blocks that a child may have: more than any codec holds pictures.
const MOST: usize = 512;

/// The blocks of one child.
#[derive(Debug)]
pub struct Given {
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
    block: Arc<Block>,
    shown: Arc<AtomicUsize>,
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
    pub(crate) fn give(&mut self, len: u64) -> Result<Arc<Block>, String> {
        let present: u64 = self.blocks.values().map(|it| it.block.size() as u64).sum();
        if len == 0 || self.blocks.len() >= MOST {
            return Err(format!(
                "{len} bytes of shared memory for output are refused: it has {} blocks already",
                self.blocks.len()
            ));
        }
        let all = present.saturating_add(len);
        if all > self.most_bytes {
            return Err(format!(
                "{} {} bytes, and {all} are needed for output",
                self.limit, self.most_bytes
            ));
        }
        let size = usize::try_from(len).map_err(|error| error.to_string())?;
        let block = Block::for_output(size).map_err(|error| error.to_string())?;
        let entry = Entry {
            block: block.clone(),
            shown: Arc::default(),
        };
        self.blocks.insert(block.id(), entry);
        Ok(block)
    }

    /// The child needs a block no longer. Its memory is given back, whoever still has it
    /// mapped: it counts no longer as what the child has.
    ///
    /// # Errors
    /// The child has no such block, or the parent still needs what lies in it.
    pub(crate) fn take_back(&mut self, id: BlockId) -> Result<(), Broken> {
        let entry = self.blocks.remove(&id).ok_or_else(|| unknown(id))?;
        if entry.shown.load(Ordering::Acquire) > 0 {
            let why = format!("it gives up block {}, which is shown", id.0);
            return Err(Broken::new(why));
        }
        entry.block.empty();
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
            block: entry.block.clone(),
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
    block: Arc<Block>,
    shown: Arc<AtomicUsize>,
    released: Arc<Mutex<Vec<BlockId>>>,
}

impl GivenBlock {
    /// The block.
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: no code of the parent writes to a block for output.
        unsafe { self.block.mapping().bytes() }
    }

    /// All bytes, for an interface that asks for them in this form. Nothing in the
    /// parent writes to them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped writable; the child has been told of no other owner, and two
        // outputs of one block are read only.
        unsafe { self.block.mapping().bytes_mut() }
    }
}

impl Drop for GivenBlock {
    fn drop(&mut self) {
        // Before the child can learn of it.
        self.shown.fetch_sub(1, Ordering::Release);
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        released.push(self.block.id());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_can_only_lie_in_a_block_that_the_child_has() {
        let mut given = Given::new(0);
        let block = given.give(4096).unwrap();
        assert!(given.filled(BlockId(block.id().0.wrapping_add(1))).is_err());
        let filled = given.filled(block.id()).unwrap();
        assert_eq!(filled.bytes().len(), 4096);
        drop(filled);
        assert_eq!(*given.released().lock().unwrap(), [block.id()]);
        given.take_back(block.id()).unwrap();
        assert!(given.filled(block.id()).is_err());
        assert!(given.take_back(block.id()).is_err());
    }

    #[test]
    fn a_block_that_is_shown_is_not_given_up() {
        let mut given = Given::new(0);
        let block = given.give(4096).unwrap();
        let filled = [(); 2].map(|()| given.filled(block.id()).unwrap());
        assert!(given.take_back(block.id()).is_err());
        let block = given.give(4096).unwrap();
        drop(given.filled(block.id()).unwrap());
        given.take_back(block.id()).unwrap();
        drop(filled);
    }

    #[test]
    fn the_memory_of_a_block_that_is_given_up_is_free_whoever_has_it_mapped() {
        let mut given = Given::new(0);
        let block = given.give(1 << 20).unwrap();
        let taken = || rustix::fs::fstat(block.fd()).unwrap().st_blocks;
        assert!(taken() > 0);
        given.take_back(block.id()).unwrap();
        assert_eq!(taken(), 0);
    }

    #[test]
    fn a_child_cannot_ask_for_memory_without_end() {
        let mut given = Given::new(10_000);
        assert!(given.give(0).is_err());
        given.give(8192).unwrap();
        let refusal = given.give(8192).unwrap_err();
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
