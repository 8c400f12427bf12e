// SPDX-License-Identifier: MPL-2.0
//! dav1d as a supervised session.

use std::{collections::VecDeque, sync::Arc};

use codecwatch_supervisor::{Codec, CodecError, Drained, Flush, Lane, Library, Session};

use crate::{
    Chunk, Damage, DamageCause, Decoded, HeapAllocator, LogHook, PictureAllocator, Settings,
    chunk::{Borrowed, Bytes, Data},
    decoder::{Answer, Decoder, Delivered},
    obu::{Start, summarize},
    sync::{Admission, Sync},
};

/// The library, for ledger and messages.
pub const LIBRARY: Library = Library {
    name: "dav1d",
    thread_names: &["dav1d-"],
};

/// A padding OBU of no bytes.
const PADDING: &[u8] = &[0x7a, 0];

/// Makes [`Dav1dSession`]s.
pub struct Dav1d {
    settings: Settings,
    allocator: Arc<dyn PictureAllocator>,
    headers: Vec<u8>,
    log: Option<LogHook>,
}

impl Dav1d {
    /// With picture memory from the heap, no headers, and a silent log.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            allocator: Arc::new(HeapAllocator::default()),
            headers: Vec::new(),
            log: None,
        }
    }

    /// Has pictures decoded into this allocator's memory.
    pub fn allocator(self, allocator: Arc<dyn PictureAllocator>) -> Self {
        Self { allocator, ..self }
    }

    /// OBUs that apply to the stream but may not be in it: the
    /// [`config_obus`](crate::Av1c::config_obus) of its container.
    pub fn headers(self, headers: Vec<u8>) -> Self {
        Self { headers, ..self }
    }

    /// Has dav1d's log sent to a hook.
    pub fn log(self, hook: LogHook) -> Self {
        Self {
            log: Some(hook),
            ..self
        }
    }
}

impl std::fmt::Debug for Dav1d {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dav1d")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Codec for Dav1d {
    type Session = Dav1dSession;

    fn library(&self) -> Library {
        LIBRARY
    }

    fn open(self, lane: &Lane<Decoded>) -> Result<Dav1dSession, CodecError> {
        let (decoder, frame_delay) = Decoder::open(lane, &self.settings, self.allocator, self.log)?;
        // Whether the output is wanted is for the next emit to care about.
        let _ = lane.emit(Decoded::Opened { frame_delay }, 0);
        Ok(Dav1dSession {
            decoder,
            holds_back: frame_delay > 1,
            headers: self.headers,
            sync: Sync::Lost,
            newest: 0,
            inside: VecDeque::new(),
        })
    }
}

/// An open decoder.
///
/// # After damage
/// What dav1d decodes after an error may be built on pictures that are missing
/// or half-finished, and it does not say so. So the session lets those pictures
/// out that came before the damage, flushes dav1d, references included, and
/// passes over every input up to the next one that holds a key frame; these are
/// [`Decoded::Damaged`] too, with [`DamageCause::Unreferenced`]. The last
/// sequence header, or what the container had, is sent again in front of a key
/// frame that has none. The same goes for the beginning of a stream and after a
/// flush. After a key frame that is shown later ("forward key frame"), pictures
/// come out from the moment it is shown.
///
/// Only what ends the session is a [`CodecError`]: no memory, no threads, a bit
/// depth that the library was built without.
pub struct Dav1dSession {
    decoder: Decoder,
    /// Whether dav1d works on several frames at a time.
    holds_back: bool,
    /// The sequence header in force, or what the container says.
    headers: Vec<u8>,
    sync: Sync,
    /// The mark of the newest input. Marks count the inputs; dav1d carries
    /// them from data to pictures and errors.
    newest: i64,
    /// Inputs that may still lead to a picture, oldest first.
    inside: VecDeque<Inside>,
}

#[derive(Debug)]
struct Inside {
    mark: i64,
    id: u64,
    /// It holds a key frame that is shown: nothing later refers to before it.
    starts: bool,
    settled: bool,
}

/// What a look for a picture led to.
#[derive(PartialEq, Eq)]
enum Fetched {
    /// A picture, or damage that it was possible to go on from.
    Something,
    /// There is no picture.
    Nothing,
    /// Damage after which everything inside was dropped.
    Flushed,
}

impl Session for Dav1dSession {
    type Input = Chunk;
    type Output = Decoded;

    /// None: a frame that is not shown may stay inside for as long as it likes.
    fn delay(&self) -> Option<usize> {
        None
    }

    fn send(&mut self, lane: &Lane<Decoded>, Chunk { id, bytes }: Chunk) -> Result<(), CodecError> {
        let bytes = Borrowed::new(bytes);
        let summary = summarize(bytes.bytes(), &self.headers);
        self.newest += 1;
        let admission = self.sync.admit(self.newest, &summary);
        if admission == Admission::Skip {
            emit(
                lane,
                Decoded::Damaged(Damage {
                    id,
                    cause: DamageCause::Unreferenced,
                }),
                1,
            );
            return Ok(());
        }
        let starts = summary.start == Some(Start::Here);
        self.inside.push_back(Inside {
            mark: self.newest,
            id,
            starts,
            settled: false,
        });
        let header = summary.sequence_header.map(<[u8]>::to_vec);
        if admission == Admission::Restart && header.is_none() {
            let headers: Bytes = Box::new(self.headers.clone());
            if !self.feed(lane, Borrowed::new(headers))? {
                return Ok(());
            }
        }
        let whole = self.feed(lane, bytes)?;
        if let (true, Some(header)) = (whole, header) {
            self.headers = header;
        }
        Ok(())
    }

    fn drain(&mut self, lane: &Lane<Decoded>) -> Result<Drained, CodecError> {
        // The first look drains only if the call before it was a look too, so
        // that it takes two in vain to know that nothing is left.
        let mut in_vain = 0;
        while in_vain < 2 {
            in_vain = if self.fetch(lane)? == Fetched::Nothing {
                in_vain + 1
            } else {
                0
            };
        }
        self.settle_before(lane, i64::MAX);
        Ok(Drained::Reusable)
    }

    fn flush(&mut self, lane: &Lane<Decoded>) -> Result<Flush, CodecError> {
        self.inside.clear();
        self.forget(lane);
        Ok(Flush::Done)
    }

    fn close(self, lane: &Lane<Decoded>) -> Result<(), CodecError> {
        self.decoder.close(lane);
        Ok(())
    }
}

impl Dav1dSession {
    /// Sends bytes and takes what comes out. Tells whether dav1d took all of
    /// them.
    fn feed(&mut self, lane: &Lane<Decoded>, bytes: Borrowed) -> Result<bool, CodecError> {
        let Some(mut data) = self.wrap(bytes)? else {
            return Ok(true);
        };
        let mut in_vain = 0;
        loop {
            match self.decoder.send(lane, &mut data) {
                Ok(()) => return self.collect(lane),
                // It has not looked at all of what it was sent before: each
                // look for a picture makes it go on until one comes out.
                Err(Answer::Again) => match self.fetch(lane)? {
                    Fetched::Something => in_vain = 0,
                    Fetched::Nothing if in_vain < 2 => in_vain += 1,
                    Fetched::Nothing => return Err(stuck()),
                    Fetched::Flushed => return Ok(false),
                },
                Err(Answer::Damage(cause)) => {
                    self.damage(lane, cause)?;
                    return Ok(false);
                }
                Err(Answer::Fatal(error)) => return Err(error),
            }
        }
    }

    /// `None` for no bytes at all, which dav1d does not take.
    fn wrap(&self, bytes: Borrowed) -> Result<Option<Data>, CodecError> {
        if bytes.bytes().is_empty() {
            return Ok(None);
        }
        let data = Data::wrap(bytes, self.newest);
        data.map(Some)
            .ok_or_else(|| CodecError::Resource("dav1d_data_wrap: no memory".to_owned()))
    }

    /// Takes the pictures that are ready, and has dav1d start on every frame
    /// that it was sent. Tells whether it did.
    fn collect(&mut self, lane: &Lane<Decoded>) -> Result<bool, CodecError> {
        loop {
            match self.fetch(lane)? {
                // In vain: it has looked at everything.
                Fetched::Nothing => return Ok(true),
                Fetched::Flushed => return Ok(false),
                // It may have stopped in the middle of what it was sent. A
                // second look would make it go on, but where frames are held
                // back it would drain them too: there it takes another way.
                Fetched::Something if self.holds_back && !self.stopped_midway(lane)? => {
                    return Ok(true);
                }
                Fetched::Something => {}
            }
        }
    }

    /// Whether dav1d has not yet looked at all the data that it took: then, and
    /// only then, it refuses more, even an OBU of nothing. Being sent
    /// something also ends its draining.
    fn stopped_midway(&mut self, lane: &Lane<Decoded>) -> Result<bool, CodecError> {
        let Some(mut padding) = self.wrap(Borrowed::new(Box::new(PADDING)))? else {
            return Ok(false);
        };
        match self.decoder.send(lane, &mut padding) {
            Ok(()) => Ok(false),
            // What is wrong is what it has inside; the next look tells.
            Err(Answer::Again | Answer::Damage(_)) => Ok(true),
            Err(Answer::Fatal(error)) => Err(error),
        }
    }

    /// Looks for a picture once, and passes it on.
    fn fetch(&mut self, lane: &Lane<Decoded>) -> Result<Fetched, CodecError> {
        match self.decoder.picture(lane) {
            Ok(delivered) => {
                if self.sync.shows(delivered.mark(), delivered.is_key()) {
                    self.deliver(lane, delivered);
                } else {
                    let mark = delivered.mark();
                    delivered.release(lane);
                    self.give_up(lane, mark, DamageCause::Unreferenced);
                }
                Ok(Fetched::Something)
            }
            Err(Answer::Again) => Ok(Fetched::Nothing),
            Err(Answer::Damage(cause)) => self.damage(lane, cause),
            Err(Answer::Fatal(error)) => Err(error),
        }
    }

    fn deliver(&mut self, lane: &Lane<Decoded>, delivered: Delivered) {
        let mark = delivered.mark();
        self.settle_before(lane, mark);
        let Some(input) = self.inside.front_mut().filter(|input| input.mark == mark) else {
            delivered.release(lane);
            return;
        };
        let frames = usize::from(!input.settled);
        input.settled = true;
        let picture = delivered.to_picture(input.id);
        // dav1d gets its reference back here, on the worker; the picture keeps
        // the memory without it.
        delivered.release(lane);
        if let Some(picture) = picture {
            emit(lane, Decoded::Picture(Box::new(picture)), frames);
        }
    }

    /// dav1d reported an error.
    fn damage(&mut self, lane: &Lane<Decoded>, cause: DamageCause) -> Result<Fetched, CodecError> {
        let mark = self.decoder.damaged_mark(lane).unwrap_or(self.newest);
        if !self.sync.is_good(mark) {
            self.give_up(lane, mark, DamageCause::Unreferenced);
            return Ok(Fetched::Something);
        }
        if let Some(start) = self
            .inside
            .iter()
            .find(|input| input.starts && input.mark > mark)
        {
            // Already inside is a key frame that makes good all that follows.
            self.sync = Sync::Good(start.mark);
            self.give_up(lane, mark, cause);
            return Ok(Fetched::Something);
        }
        let (mark, cause) = self.drain_before(lane, mark, cause)?;
        self.settle_before(lane, mark);
        self.give_up(lane, mark, cause);
        for input in std::mem::take(&mut self.inside) {
            if !input.settled {
                let damage = Damage {
                    id: input.id,
                    cause: DamageCause::Unreferenced,
                };
                emit(lane, Decoded::Damaged(damage), 1);
            }
        }
        self.forget(lane);
        Ok(Fetched::Flushed)
    }

    /// Lets out the pictures of inputs before the damaged one: frames that were
    /// in work beside it, and whole. Ends with where the first damage is: more
    /// may come to light, in frames that were in work for longer.
    fn drain_before(
        &mut self,
        lane: &Lane<Decoded>,
        mut mark: i64,
        mut cause: DamageCause,
    ) -> Result<(i64, DamageCause), CodecError> {
        let mut in_vain = 0;
        while in_vain < 2 {
            in_vain = match self.decoder.picture(lane) {
                Err(Answer::Again) => in_vain + 1,
                Ok(delivered)
                    if delivered.mark() < mark && self.sync.shows(delivered.mark(), false) =>
                {
                    self.deliver(lane, delivered);
                    0
                }
                Ok(delivered) => {
                    delivered.release(lane);
                    0
                }
                Err(Answer::Damage(another)) => {
                    let earlier = self
                        .decoder
                        .damaged_mark(lane)
                        .filter(|found| *found < mark);
                    if let Some(earlier) = earlier {
                        (mark, cause) = (earlier, another);
                    }
                    0
                }
                Err(Answer::Fatal(error)) => return Err(error),
            };
        }
        Ok((mark, cause))
    }

    /// Settles an input as damaged, unless it has been settled.
    fn give_up(&mut self, lane: &Lane<Decoded>, mark: i64, cause: DamageCause) {
        let found = self.inside.iter_mut().find(|input| input.mark == mark);
        if let Some(input) = found.filter(|input| !input.settled) {
            input.settled = true;
            emit(
                lane,
                Decoded::Damaged(Damage {
                    id: input.id,
                    cause,
                }),
                1,
            );
        }
    }

    /// Settles the inputs before `mark`: pictures come out in the order of
    /// their inputs, so that these have led to none.
    fn settle_before(&mut self, lane: &Lane<Decoded>, mark: i64) {
        while let Some(input) = self.inside.pop_front_if(|input| input.mark < mark) {
            if !input.settled {
                emit(lane, Decoded::NoPicture { id: input.id }, 1);
            }
        }
    }

    fn forget(&mut self, lane: &Lane<Decoded>) {
        self.decoder.flush(lane);
        self.sync = Sync::Lost;
    }
}

impl std::fmt::Debug for Dav1dSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dav1dSession")
            .field("sync", &self.sync)
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

/// Hands an output over, or drops it when outputs are not wanted any more:
/// then the decoding goes on all the same.
fn emit(lane: &Lane<Decoded>, output: Decoded, frames: usize) {
    let _ = lane.emit(output, frames);
}

/// dav1d neither takes data nor gives a picture. It never should; going on
/// would be a busy loop.
fn stuck() -> CodecError {
    CodecError::Native {
        call: "dav1d_send_data",
        code: (-libc::EAGAIN).into(),
        reason: "dav1d takes no data although it has no picture".to_owned(),
    }
}
