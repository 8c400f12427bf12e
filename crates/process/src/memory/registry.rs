// SPDX-License-Identifier: MPL-2.0
//! The blocks for input of this process, by address: so that bytes that already lie in
//! one are found, whoever passes them on.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::block::Block;

static BLOCKS: RwLock<BTreeMap<usize, Weak<Block>>> = RwLock::new(BTreeMap::new());

pub(super) fn add(block: &Arc<Block>) {
    let mut blocks = BLOCKS.write().unwrap_or_else(PoisonError::into_inner);
    blocks.insert(address(block), Arc::downgrade(block));
}

/// To be called before it is unmapped.
pub(super) fn remove(block: &Block) {
    let mut blocks = BLOCKS.write().unwrap_or_else(PoisonError::into_inner);
    // A block for output is not there.
    if let Some(found) = blocks.get(&address(block))
        && std::ptr::eq(found.as_ptr(), block)
    {
        blocks.remove(&address(block));
    }
}

/// The block in which these bytes lie, and where.
pub(super) fn find(bytes: &[u8]) -> Option<(Arc<Block>, Range<usize>)> {
    let start = bytes.as_ptr().addr();
    let blocks = BLOCKS.read().unwrap_or_else(PoisonError::into_inner);
    let (&begin, block) = blocks.range(..=start).next_back()?;
    let block = block.upgrade()?;
    let range = start - begin..(start - begin).checked_add(bytes.len())?;
    (range.end <= block.size()).then_some((block, range))
}

/// Whether bytes lie in shared memory, so that a child can read them where they are.
pub fn is_shared(bytes: &[u8]) -> bool {
    find(bytes).is_some()
}

fn address(block: &Block) -> usize {
    block.mapping().address().addr().get()
}

#[cfg(test)]
mod tests {
    use super::super::InputMemory;
    use super::*;

    #[test]
    fn bytes_are_found_in_their_block_as_long_as_it_lives() {
        let memory = InputMemory::new(8192).unwrap();
        let (found, range) = find(&memory.as_ref()[100..200]).unwrap();
        assert_eq!((found.id(), range), (memory.block().id(), 100..200));
        assert_eq!(find(memory.as_ref()).unwrap().1, 0..8192);
        assert!(find(&[1, 2, 3]).is_none());
        let address = memory.as_ref().as_ptr().addr();
        drop((found, memory));
        let blocks = BLOCKS.read().unwrap();
        assert!(!blocks.contains_key(&address) || blocks[&address].upgrade().is_some());
    }
}
