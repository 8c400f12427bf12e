// SPDX-License-Identifier: MPL-2.0
//! The parent's side of inputs: bytes are lent to the child, where they lie if that is
//! shared memory, otherwise in a copy.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use codecwatch_supervisor::CodecError;
use serde::{Deserialize, Serialize};

use super::block::{Block, InputMemory};
use super::{BlockId, registry};
use crate::wire::Broken;

/// Each part of a copy begins at a multiple of this, as dense codecs want it.
const ALIGNMENT: usize = 64;

/// Bytes that the child may read until it returns them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    pub(crate) number: u32,
    pub(crate) block: BlockId,
    pub(crate) parts: Vec<Range<u64>>,
}

/// What has been lent and not returned.
#[derive(Debug, Default)]
pub(crate) struct Returns {
    lent: HashMap<u32, Held>,
    /// Copies whose memory can be used again.
    free: Vec<InputMemory>,
}

/// Kept while the child reads.
#[derive(Debug)]
enum Held {
    Owner(#[allow(dead_code, reason = "kept for its drop")] Box<dyn Owner>),
    Copy(InputMemory),
}

trait Owner: Any + Send {}
impl<T: Any + Send> Owner for T {}

impl std::fmt::Debug for dyn Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Owner")
    }
}

impl Returns {
    /// The child has returned something. The caller drops what this gives without a lock.
    pub(crate) fn returned(this: &Mutex<Self>, number: u32) -> Result<impl Send + use<>, Broken> {
        let mut this = lock(this);
        match this.lent.remove(&number) {
            None => Err(Broken::new(format!(
                "input {number} is returned and was not lent"
            ))),
            Some(Held::Copy(memory)) => {
                this.free.push(memory);
                Ok(None)
            }
            Some(held) => Ok(Some(held)),
        }
    }
}

fn lock(returns: &Mutex<Returns>) -> MutexGuard<'_, Returns> {
    returns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lends inputs to one child.
#[derive(Debug)]
pub struct Lender {
    returns: Arc<Mutex<Returns>>,
    /// The most that may be lent at a time.
    most: usize,
    next: u32,
    /// Blocks that the child has.
    known: HashMap<BlockId, Weak<Block>>,
    /// Blocks that it has to get before the next input.
    new: Vec<Announced>,
    copies: u64,
}

/// A block that the child has to get. It is not kept for this: what nobody needs any more
/// goes.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) id: BlockId,
    pub(crate) len: u64,
    pub(crate) fd: Arc<OwnedFd>,
}

impl Lender {
    pub(crate) fn new(returns: Arc<Mutex<Returns>>, most: usize) -> Self {
        Self {
            returns,
            most,
            next: 0,
            known: HashMap::new(),
            new: Vec::new(),
            copies: 0,
        }
    }

    /// Lends bytes, which `owner` keeps as they are. If they all lie in one block of
    /// shared memory, the owner is kept until the child returns them; otherwise they are
    /// copied once, and the owner is dropped.
    ///
    /// # Errors
    /// [`CodecError::Resource`] if there is no memory for the copy, or the child keeps too
    /// many inputs.
    pub fn lend<T: Send + 'static>(
        &mut self,
        owner: T,
        parts: impl FnOnce(&T) -> Vec<&[u8]>,
    ) -> Result<Lent, CodecError> {
        let lent = lock(&self.returns).lent.len();
        if lent >= self.most {
            return Err(CodecError::Resource(format!(
                "its child process keeps {lent} inputs, which is the most that it may have"
            )));
        }
        let slices = parts(&owner);
        let (block, ranges, held) = match shared(&slices) {
            Some((block, ranges)) => (block, ranges, None),
            None => {
                let (memory, ranges) = self.copy(&slices)?;
                self.copies += 1;
                (memory.block().clone(), ranges, Some(Held::Copy(memory)))
            }
        };
        let held = held.unwrap_or_else(|| Held::Owner(Box::new(owner)));
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let lent = Lent {
            number,
            block: block.id(),
            parts: ranges
                .into_iter()
                .map(|range| range.start as u64..range.end as u64)
                .collect(),
        };
        if let Some(fd) = block.fd() {
            self.announce(&block, fd);
        }
        lock(&self.returns).lent.insert(number, held);
        Ok(lent)
    }

    fn announce(&mut self, block: &Arc<Block>, fd: &Arc<OwnedFd>) {
        let is_known = |known: &Weak<Block>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(block));
        if !self.known.get(&block.id()).is_some_and(is_known) {
            self.known.insert(block.id(), Arc::downgrade(block));
            self.new.push(Announced {
                id: block.id(),
                len: block.size() as u64,
                fd: fd.clone(),
            });
        }
    }

    fn copy(&mut self, parts: &[&[u8]]) -> Result<(InputMemory, Vec<Range<usize>>), CodecError> {
        let mut end = 0_usize;
        let mut ranges = Vec::with_capacity(parts.len());
        for part in parts {
            let start = end.next_multiple_of(ALIGNMENT);
            end = start + part.len();
            ranges.push(start..end);
        }
        let len = end.max(1);
        let free = {
            let mut returns = lock(&self.returns);
            let fits = |memory: &InputMemory| {
                let size = memory.block().size();
                // Memory of pictures that were much larger goes.
                size >= len && size / 2 <= len.next_multiple_of(4096)
            };
            let at = returns.free.iter().position(fits);
            let found = at.map(|at| returns.free.swap_remove(at));
            let unfit = match found {
                None => std::mem::take(&mut returns.free),
                Some(_) => Vec::new(),
            };
            drop(returns);
            drop(unfit);
            found
        };
        let mut memory = match free {
            Some(memory) => memory,
            None => {
                let made = InputMemory::for_one_child(len);
                let (memory, fd) = made.map_err(|error| {
                    CodecError::Resource(format!("the input of a codec: {error}"))
                })?;
                self.announce(memory.block(), &Arc::new(fd));
                memory
            }
        };
        for (part, range) in parts.iter().zip(&ranges) {
            memory.as_mut()[range.clone()].copy_from_slice(part);
        }
        Ok((memory, ranges))
    }

    /// The blocks that the child has to get first.
    pub(crate) fn take_new(&mut self) -> Vec<Announced> {
        std::mem::take(&mut self.new)
    }

    /// The blocks that the child has, and nobody else any more.
    pub(crate) fn take_gone(&mut self) -> Vec<BlockId> {
        let gone = |block: &Weak<Block>| block.strong_count() == 0;
        let ids: Vec<_> = self
            .known
            .iter()
            .filter(|(_, block)| gone(block))
            .map(|(&id, _)| id)
            .collect();
        for id in &ids {
            self.known.remove(id);
        }
        ids
    }

    /// How many inputs were copied so far.
    pub fn copies(&self) -> u64 {
        self.copies
    }
}

/// The block in which all parts lie, and where; `None` if they lie elsewhere, or in
/// several.
fn shared(parts: &[&[u8]]) -> Option<(Arc<Block>, Vec<Range<usize>>)> {
    let mut found: Option<Arc<Block>> = None;
    let mut ranges = Vec::with_capacity(parts.len());
    for part in parts {
        let (block, range) = registry::find(part)?;
        if found.as_ref().is_some_and(|other| other.id() != block.id()) {
            return None;
        }
        found = Some(block);
        ranges.push(range);
    }
    found.map(|block| (block, ranges))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lender(most: usize) -> (Lender, Arc<Mutex<Returns>>) {
        let returns = Arc::<Mutex<Returns>>::default();
        (Lender::new(returns.clone(), most), returns)
    }

    #[test]
    fn what_lies_in_shared_memory_is_lent_where_it_is_and_kept_until_it_is_returned() {
        let (mut lender, returns) = lender(2);
        let memory = Arc::new(InputMemory::new(1000).unwrap());
        let lent = lender
            .lend(memory.clone(), |memory| {
                let bytes = (**memory).as_ref();
                vec![&bytes[..100], &bytes[200..300]]
            })
            .unwrap();
        assert_eq!(lent.parts, [0..100, 200..300]);
        assert_eq!((lender.copies(), lender.take_new().len()), (0, 1));
        assert_eq!(Arc::strong_count(&memory), 2);
        drop(Returns::returned(&returns, lent.number).unwrap());
        assert_eq!(Arc::strong_count(&memory), 1);
        assert!(Returns::returned(&returns, lent.number).is_err(), "twice");
        let again = lender.lend(memory, |memory| vec![(**memory).as_ref()]);
        again.unwrap();
        assert_eq!(lender.take_new().len(), 0, "the child has the block");
    }

    #[test]
    fn a_copy_needs_no_descriptor_once_it_is_sent() {
        let (mut lender, _returns) = lender(200);
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        for _ in 0..200 {
            lender
                .lend(vec![7_u8; 10], |bytes| vec![&bytes[..]])
                .unwrap();
            assert_eq!(lender.take_new().len(), 1);
        }
        // Other tests may have some.
        assert!(open() < before + 150, "{before} {}", open());
    }

    #[test]
    fn what_lies_elsewhere_is_copied_once_into_memory_that_is_used_again() {
        let (mut lender, returns) = lender(2);
        let lend = |lender: &mut Lender| {
            lender
                .lend(vec![7_u8; 3000], |bytes| vec![&bytes[..10], &bytes[10..]])
                .unwrap()
        };
        let first = lend(&mut lender);
        assert_eq!(first.parts, [0..10, 64..3054]);
        drop(Returns::returned(&returns, first.number).unwrap());
        let second = lend(&mut lender);
        assert_eq!((first.block, lender.copies()), (second.block, 2));
        assert_eq!(lender.take_new().len(), 1);
        let third = lend(&mut lender);
        assert_ne!(
            third.block, second.block,
            "the child reads the second still"
        );
    }

    #[test]
    fn a_child_that_keeps_as_many_as_it_may_have_gets_no_more() {
        let (mut lender, _returns) = lender(2);
        let mut lend = || lender.lend(vec![1_u8; 10], |bytes| vec![&bytes[..]]);
        assert!(lend().is_ok());
        assert!(lend().is_ok());
        assert!(matches!(lend(), Err(CodecError::Resource(_))));
    }

    #[test]
    fn blocks_that_are_gone_are_told_to_the_child_once() {
        let (mut lender, returns) = lender(2);
        let memory = Arc::new(InputMemory::new(1000).unwrap());
        let id = memory.block().id();
        let lent = lender
            .lend(memory, |memory| vec![(**memory).as_ref()])
            .unwrap();
        drop(lender.take_new());
        assert_eq!(lender.take_gone(), []);
        drop(Returns::returned(&returns, lent.number).unwrap());
        assert_eq!(lender.take_gone(), [id]);
        assert_eq!(lender.take_gone(), []);
    }
}
