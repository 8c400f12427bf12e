// SPDX-License-Identifier: MPL-2.0
//! The child's side: blocks that it has received, to read inputs and to write outputs.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::BlockId;
use super::lender::Lent;
use super::mapping::Mapping;
use crate::wire::Broken;

/// Where the child tells of its memory.
pub(crate) trait Telling: Send + Sync {
    fn needs_block(&self, len: u64);
    fn gives_up(&self, block: BlockId);
    fn returned(&self, lent: u32);
}

/// The blocks of a child.
pub struct Received {
    telling: Arc<dyn Telling>,
    state: Mutex<State>,
    changed: Condvar,
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    /// The memory of all outputs.
    arena: Option<OwnedFd>,
    inputs: HashMap<BlockId, Arc<Mapping>>,
    outputs: HashMap<BlockId, Output>,
    /// The refusal of the block that was asked for last.
    refusal: Option<String>,
}

struct Output {
    mapping: Arc<Mapping>,
    /// The codec has it.
    in_use: bool,
    /// How many outputs in the parent lie in it.
    shown: u32,
}

impl Received {
    pub(crate) fn new(telling: Arc<dyn Telling>) -> Self {
        Self {
            telling,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block for input has come.
    pub(crate) fn add(&self, id: BlockId, fd: &OwnedFd, len: u64) -> Result<(), Broken> {
        let mapping = map(fd, 0, len, false)?;
        self.lock().inputs.insert(id, mapping);
        Ok(())
    }

    /// The memory of all blocks for output has come.
    pub(crate) fn add_arena(&self, fd: OwnedFd) {
        self.lock().arena = Some(fd);
    }

    /// A block for output can be used.
    pub(crate) fn add_output(&self, id: BlockId, offset: u64, len: u64) -> Result<(), Broken> {
        let mut state = self.lock();
        let arena = state.arena.as_ref();
        let arena = arena.ok_or_else(|| Broken::new("a block of memory that has not come"))?;
        let output = Output {
            mapping: map(arena, offset, len, true)?,
            in_use: false,
            shown: 0,
        };
        state.outputs.insert(id, output);
        self.changed.notify_all();
        Ok(())
    }

    /// There is no memory for a block.
    pub(crate) fn refuse(&self, why: String) {
        self.lock().refusal = Some(why);
        self.changed.notify_all();
    }

    /// The parent has dropped blocks for input.
    pub(crate) fn forget(&self, ids: &[BlockId]) {
        let mut state = self.lock();
        let gone: Vec<_> = ids
            .iter()
            .filter_map(|id| state.inputs.remove(id))
            .collect();
        drop(state);
        drop(gone);
    }

    /// The parent needs the block of an output no longer.
    pub(crate) fn released(&self, ids: &[BlockId]) {
        let mut state = self.lock();
        for id in ids {
            if let Some(output) = state.outputs.get_mut(id) {
                output.shown = output.shown.saturating_sub(1);
            }
        }
    }

    /// An output that lies in this block goes to the parent.
    pub fn shown(&self, id: BlockId) {
        if let Some(output) = self.lock().outputs.get_mut(&id) {
            output.shown += 1;
        }
    }

    /// An input.
    ///
    /// # Errors
    /// It does not lie in a block that has come.
    pub fn input(self: &Arc<Self>, lent: &Lent) -> Result<Input, Broken> {
        let state = self.lock();
        let mapping = state.inputs.get(&lent.block).cloned();
        drop(state);
        let mapping = mapping.ok_or_else(|| Broken::new("an input lies in no known block"))?;
        let fits = |part: &Range<u64>| part.start <= part.end && part.end <= mapping.len() as u64;
        if !lent.parts.iter().all(fits) {
            return Err(Broken::new("an input lies beyond its block"));
        }
        Ok(Input {
            mapping,
            lent: lent.clone(),
            received: self.clone(),
        })
    }

    /// Memory of at least `len` bytes for an output. Waits for the parent if there is
    /// none.
    ///
    /// # Errors
    /// Why there is none.
    pub fn output(self: &Arc<Self>, len: usize) -> Result<OutputMemory, String> {
        let mut state = self.lock();
        if let Some(found) = self.free(&mut state, len) {
            return Ok(found);
        }
        let unfit = unfit(&mut state, len);
        state.refusal = None;
        drop(state);
        for id in unfit {
            self.telling.gives_up(id);
        }
        self.telling.needs_block(len as u64);
        let mut state = self.lock();
        loop {
            if let Some(found) = self.free(&mut state, len) {
                return Ok(found);
            }
            if let Some(why) = state.refusal.take() {
                return Err(why);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A block that nobody needs, and that is not much too large.
    fn free(self: &Arc<Self>, state: &mut State, len: usize) -> Option<OutputMemory> {
        let fits = |output: &Output| is_free(output) && fits(output.mapping.len(), len);
        let (&id, output) = state.outputs.iter_mut().find(|(_, output)| fits(output))?;
        output.in_use = true;
        Some(OutputMemory {
            id,
            mapping: output.mapping.clone(),
            received: self.clone(),
        })
    }
}

fn map(fd: &OwnedFd, offset: u64, len: u64, writable: bool) -> Result<Arc<Mapping>, Broken> {
    let len = usize::try_from(len).map_err(|error| Broken::new(error.to_string()))?;
    let mapping = Mapping::new(fd.as_fd(), offset, len, writable)
        .map_err(|error| Broken::new(format!("a block cannot be mapped: {error}")))?;
    Ok(Arc::new(mapping))
}

fn is_free(output: &Output) -> bool {
    !output.in_use && output.shown == 0
}

/// Whether a block serves for `len` bytes: one of pictures that were much larger does not.
fn fits(size: usize, len: usize) -> bool {
    size >= len && size / 2 <= len
}

/// Removes the blocks that nobody needs and that do not serve.
fn unfit(state: &mut State, len: usize) -> Vec<BlockId> {
    let outputs = &mut state.outputs;
    let unfit = |output: &Output| is_free(output) && !fits(output.mapping.len(), len);
    let ids: Vec<_> = outputs
        .iter()
        .filter(|(_, output)| unfit(output))
        .map(|(&id, _)| id)
        .collect();
    for id in &ids {
        outputs.remove(id);
    }
    ids
}

/// The bytes of an input, in the child. Returned to the parent when it is dropped.
#[derive(Debug)]
pub struct Input {
    mapping: Arc<Mapping>,
    lent: Lent,
    received: Arc<Received>,
}

impl Input {
    /// The bytes of its part `index`; empty if there is none.
    pub fn part(&self, index: usize) -> &[u8] {
        // Checked when it was made.
        let range = self.lent.parts.get(index);
        let range = range.map_or(0..0, |part| part.start as usize..part.end as usize);
        // SAFETY: mapped for reading only; the parent does not write while it is lent.
        unsafe { self.mapping.bytes() }.get(range).unwrap_or(&[])
    }

    /// The number of its parts.
    pub fn parts(&self) -> usize {
        self.lent.parts.len()
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.received.telling.returned(self.lent.number);
    }
}

/// Memory for an output, in the child. It can be used again when it has been dropped, and
/// the parent needs no output that lies in it.
#[derive(Debug)]
pub struct OutputMemory {
    id: BlockId,
    mapping: Arc<Mapping>,
    received: Arc<Received>,
}

impl OutputMemory {
    /// The block.
    pub fn block(&self) -> BlockId {
        self.id
    }

    /// All bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped writable, and this is the only owner until it is dropped.
        unsafe { self.mapping.bytes_mut() }
    }
}

impl Drop for OutputMemory {
    fn drop(&mut self) {
        if let Some(output) = self.received.lock().outputs.get_mut(&self.id) {
            output.in_use = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Given, InputMemory};
    use super::*;
    use std::sync::mpsc;

    #[derive(Debug, PartialEq)]
    enum Told {
        Needs(u64),
        GivesUp(BlockId),
        Returned(u32),
    }

    struct Teller(Mutex<mpsc::Sender<Told>>);

    impl Teller {
        fn tell(&self, told: Told) {
            self.0.lock().unwrap().send(told).unwrap();
        }
    }

    impl Telling for Teller {
        fn needs_block(&self, len: u64) {
            self.tell(Told::Needs(len));
        }
        fn gives_up(&self, block: BlockId) {
            self.tell(Told::GivesUp(block));
        }
        fn returned(&self, lent: u32) {
            self.tell(Told::Returned(lent));
        }
    }

    fn received() -> (Arc<Received>, mpsc::Receiver<Told>) {
        let (sender, told) = mpsc::channel();
        let teller = Arc::new(Teller(Mutex::new(sender)));
        (Arc::new(Received::new(teller)), told)
    }

    /// As the parent does it.
    fn give(received: &Received, given: &mut Given, len: u64) -> BlockId {
        let new = given.give(len).unwrap();
        if let Some(arena) = new.arena {
            received.add_arena(arena.try_clone_to_owned().unwrap());
        }
        received.add_output(new.id, new.offset, len).unwrap();
        new.id
    }

    #[test]
    fn an_input_is_read_where_the_parent_has_put_it_and_returned_when_it_is_dropped() {
        let (received, told) = received();
        let mut memory = InputMemory::new(1000).unwrap();
        memory.as_mut()[10..13].copy_from_slice(b"abc");
        let (block, fd) = (memory.block(), memory.block().fd().unwrap());
        received.add(block.id(), fd, block.size() as u64).unwrap();
        let lent = |parts| Lent {
            number: 5,
            block: memory.block().id(),
            parts,
        };
        let input = received.input(&lent(vec![10..13, 11..12])).unwrap();
        assert_eq!((input.part(0), input.part(1)), (&b"abc"[..], &b"b"[..]));
        assert_eq!(input.part(2), b"");
        drop(input);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Told::Returned(5)]);
        assert!(
            received
                .input(&lent(std::iter::once(990..1001).collect()))
                .is_err()
        );
        received.forget(&[memory.block().id()]);
        assert!(
            received
                .input(&lent(std::iter::once(10..13).collect()))
                .is_err()
        );
    }

    #[test]
    fn a_block_is_used_again_when_neither_the_codec_nor_the_parent_needs_it() {
        let (received, told) = received();
        let block = give(&received, &mut Given::new(0), 4096);
        let memory = received.output(4000).unwrap();
        received.shown(memory.block());
        received.shown(memory.block());
        drop(memory);
        received.released(&[block]);
        assert!(received.free(&mut received.lock(), 4000).is_none());
        received.released(&[block]);
        let again = received.output(4000).unwrap();
        assert_eq!(again.block(), block);
        assert!(received.free(&mut received.lock(), 4000).is_none());
        assert_eq!(told.try_iter().collect::<Vec<_>>(), []);
    }

    #[test]
    fn what_is_written_is_seen_by_the_parent_and_lies_in_no_other_block() {
        let (received, _told) = received();
        let mut given = Given::new(0);
        let blocks = [4096, 5000].map(|len| give(&received, &mut given, len));
        let mut memory = received.output(5000).unwrap();
        memory.bytes_mut().fill(7);
        let shown = blocks.map(|block| given.filled(block).unwrap());
        let [none, all] = shown.map(|block| {
            let sevens = block.bytes().iter().filter(|&&byte| byte == 7);
            sevens.count()
        });
        assert_eq!((memory.block(), none, all), (blocks[1], 0, 5000));
    }

    #[test]
    fn memory_that_is_lacking_is_asked_for_and_what_does_not_serve_goes_back() {
        let (received, told) = received();
        let mut given = Given::new(0);
        let small = give(&received, &mut given, 4096);
        received.refuse("an old refusal".into());
        let asking = std::thread::spawn({
            let received = received.clone();
            move || received.output(100_000).map(|memory| memory.block())
        });
        assert_eq!(told.recv().unwrap(), Told::GivesUp(small));
        assert_eq!(told.recv().unwrap(), Told::Needs(100_000));
        let large = give(&received, &mut given, 100_000);
        assert_eq!(asking.join().unwrap(), Ok(large));
        let asking = std::thread::spawn({
            let received = received.clone();
            move || received.output(1 << 30).map(|memory| memory.block())
        });
        assert_eq!(told.recv().unwrap(), Told::GivesUp(large));
        assert_eq!(told.recv().unwrap(), Told::Needs(1 << 30));
        received.refuse("none left".into());
        assert_eq!(asking.join().unwrap(), Err("none left".to_owned()));
    }
}
