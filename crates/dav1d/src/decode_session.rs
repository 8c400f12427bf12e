// SPDX-License-Identifier: MPL-2.0
//! dav1d as a supervised session: input and output. The recovery after damage is in
//! `recovery.rs`.

mod recovery;

use codecwatch_av1::{Start, summarize};
use codecwatch_supervisor::{CodecError, Drained, Flush, Lane, Session};

use crate::{
    Chunk, Damage, DamageCause, Decoded, Facts,
    chunk::{Borrowed, Data},
    decoder::{Answer, Decoder, Delivered},
    inside::Inside,
    key_frame_gate::{Admission, KeyFrameGate},
    loaded_version::loaded_version,
};

/// A padding OBU of no bytes.
const PADDING: &[u8] = &[0x7a, 0];

/// An open decoder.
///
/// # After damage
/// What dav1d decodes after an error may refer to pictures that are missing or
/// half-finished, and dav1d does not report that. So the session emits the pictures
/// that came before the damage, resets dav1d, including its references, and skips
/// every input up to the next one that holds a key frame; these are
/// [`Decoded::Damaged`] too, with [`DamageCause::Unreferenced`]. The last sequence
/// header, or the container's, is sent again before a key frame that has none. The
/// same applies at the beginning of a stream, after a flush, to an input that the
/// caller could not read ([`Chunk::damaged`]) and where inputs are missing
/// ([`Chunk::follows_loss`]). After a key frame that is shown later ("forward key
/// frame"), pictures come out from the moment it is shown.
///
/// # Spatial layers
/// For only the highest layer to come out, each input has to be a whole temporal
/// unit: while dav1d works on one frame at a time, it takes the end of an input for
/// the end of its unit.
///
/// # What goes unnoticed
/// Damage that dav1d does not detect, such as samples that decode to wrong values or
/// a missing frame that the caller has not reported, is not detected here either, up
/// to the next key frame.
///
/// # Errors
/// Only a failure that ends the session is a [`CodecError`]: no memory, no threads, a
/// bit depth that the library was built without.
pub struct Dav1dSession {
    decoder: Decoder,
    /// Whether dav1d works on several frames at a time.
    holds_back: bool,
    /// dav1d's record of which of several frames in work is the oldest may be
    /// wrong, which makes it hang later (src/lib.c, `drain_picture`): one of them had an
    /// error since dav1d was opened, or it was drained in a version that does not
    /// [drain in order](crate::loaded_version::Version::drains_in_order). The flag of a
    /// frame with an error stays set, and is counted once more at each drain; in
    /// dav1d 1.0 a flush does not clear it either.
    spoiled: bool,
    /// The sequence header in force, or the container's.
    headers: Vec<u8>,
    /// From these headers: see [`Summary::is_reduced`](codecwatch_av1::Summary).
    is_reduced: bool,
    gate: KeyFrameGate,
    inside: Inside,
    /// Inputs are missing before the next frame.
    follows_loss: bool,
}

/// The result of a fetch.
#[derive(PartialEq, Eq)]
enum Fetched {
    /// A picture, or damage after which dav1d could continue.
    Something,
    /// There is no picture.
    Nothing,
    /// Damage after which everything inside was dropped.
    Dropped,
}

impl Session for Dav1dSession {
    type Input = Chunk;
    type Output = Decoded;

    /// Chunks are small, and decoded in a millisecond or two.
    const QUEUE: usize = 8;

    /// None: a frame that is not shown may stay inside for any time.
    fn delay(&self) -> Option<usize> {
        None
    }

    fn send(&mut self, lane: &Lane<Decoded>, chunk: Chunk) -> Result<(), CodecError> {
        let Chunk {
            id,
            bytes,
            follows_loss,
        } = chunk;
        self.follows_loss |= follows_loss;
        let Some(bytes) = bytes else {
            return self.pass_over_damaged(lane, id);
        };
        let bytes = Borrowed::new(bytes);
        let summary = summarize(bytes.bytes(), self.is_reduced);
        if summary.has_frames && std::mem::take(&mut self.follows_loss) {
            self.miss_inputs_before(lane, &summary)?;
        }
        let mark = self.inside.next_mark();
        let admission = self.gate.admit(mark, &summary);
        match admission {
            Admission::Feed | Admission::Restart => {}
            Admission::Damaged => return self.pass_over_damaged(lane, id),
            Admission::Skip => {
                let cause = DamageCause::Unreferenced;
                emit(lane, Decoded::Damaged(Damage { id, cause }), 1);
                return Ok(());
            }
        }
        self.inside.enter(id, summary.start == Some(Start::Here));
        // Settles only those that are too far back.
        self.settle_before(lane, 0);
        let is_reduced = summary.is_reduced;
        let header = summary.sequence_header.map(<[u8]>::to_vec);
        if admission == Admission::Restart && header.is_none() {
            let headers = self.headers.clone();
            if !self.feed(lane, Borrowed::new(Box::new(headers)))? {
                return Ok(());
            }
        }
        let whole = self.feed(lane, bytes)?;
        if let (true, Some(header)) = (whole, header) {
            self.headers = header;
            self.is_reduced = is_reduced;
        }
        Ok(())
    }

    fn drain(&mut self, lane: &Lane<Decoded>) -> Result<Drained, CodecError> {
        // A fetch drains only if the previous call was a fetch too, so nothing is left
        // only after two without a picture.
        let mut in_vain = 0;
        while in_vain < 2 {
            let nothing = self.fetch(lane)? == Fetched::Nothing;
            in_vain = if nothing { in_vain + 1 } else { 0 };
        }
        self.settle_before(lane, i64::MAX);
        let ring_in_order = loaded_version().drains_in_order() && !self.spoiled;
        if self.holds_back && !ring_in_order {
            return Ok(Drained::Spent);
        }
        Ok(Drained::Reusable)
    }

    fn flush(&mut self, lane: &Lane<Decoded>) -> Result<Flush, CodecError> {
        self.inside.clear();
        self.follows_loss = false;
        self.forget(lane)?;
        Ok(Flush::Done)
    }

    fn close(self, lane: &Lane<Decoded>) -> Result<(), CodecError> {
        self.decoder.close(lane);
        Ok(())
    }
}

impl Dav1dSession {
    /// A session around a decoder that was just opened. `headers`: the container's.
    pub(crate) fn new(lane: &Lane<Decoded>, decoder: Decoder, headers: Vec<u8>) -> Self {
        let facts = Facts::new(decoder.frame_delay(lane));
        lane.publish(facts);
        Self {
            decoder,
            holds_back: facts.held_back > 0,
            spoiled: false,
            is_reduced: summarize(&headers, false).is_reduced,
            headers,
            gate: KeyFrameGate::Lost,
            inside: Inside::default(),
            follows_loss: false,
        }
    }

    /// Sends bytes and takes what comes out. Returns whether dav1d took all of them.
    fn feed(&mut self, lane: &Lane<Decoded>, bytes: Borrowed) -> Result<bool, CodecError> {
        let Some(mut data) = wrap(bytes, self.inside.newest())? else {
            return Ok(true);
        };
        let mut in_vain = 0;
        loop {
            match self.decoder.send(lane, &mut data) {
                Ok(()) => return self.collect(lane),
                // dav1d has not processed all the data sent before: each fetch makes it
                // continue until a picture comes out.
                Err(Answer::Again) => match self.fetch(lane)? {
                    Fetched::Something => in_vain = 0,
                    Fetched::Nothing if in_vain < 2 => in_vain += 1,
                    Fetched::Nothing => return Err(stuck()),
                    Fetched::Dropped => return Ok(false),
                },
                Err(Answer::Damage(cause)) => {
                    self.damage(lane, cause)?;
                    return Ok(false);
                }
                Err(Answer::Fatal(error)) => return Err(error),
            }
        }
    }

    /// Takes the pictures that are ready, and makes dav1d start every frame that it was
    /// sent. Returns whether it did.
    fn collect(&mut self, lane: &Lane<Decoded>) -> Result<bool, CodecError> {
        loop {
            match self.fetch(lane)? {
                // No picture: dav1d has processed everything.
                Fetched::Nothing => return Ok(true),
                Fetched::Dropped => return Ok(false),
                // dav1d may have stopped in the middle of the data. A second fetch would
                // make it continue, but if frames are held back, it would drain them too:
                // then `stopped_midway` finds out.
                Fetched::Something if self.holds_back && !self.stopped_midway(lane)? => {
                    return Ok(true);
                }
                Fetched::Something => {}
            }
        }
    }

    /// Whether dav1d has not yet processed all the data that it took: then, and only
    /// then, it refuses more, even an empty OBU. Sending something also ends its
    /// draining.
    fn stopped_midway(&mut self, lane: &Lane<Decoded>) -> Result<bool, CodecError> {
        let answer = self.send_obu(lane, PADDING, self.inside.newest());
        match answer {
            Ok(()) => Ok(false),
            Err(Answer::Again) => Ok(true),
            Err(Answer::Damage(cause)) => Ok(self.damage(lane, cause)? != Fetched::Dropped),
            Err(Answer::Fatal(error)) => Err(error),
        }
    }

    /// Gets a picture from dav1d, if there is one, and passes it on.
    fn fetch(&mut self, lane: &Lane<Decoded>) -> Result<Fetched, CodecError> {
        let fetched = match self.decoder.picture(lane) {
            Ok(delivered) => {
                self.show_or_give_up(lane, delivered);
                Fetched::Something
            }
            Err(Answer::Again) => Fetched::Nothing,
            Err(Answer::Damage(cause)) => return self.damage(lane, cause),
            Err(Answer::Fatal(error)) => return Err(error),
        };
        // dav1d does not return an error in a frame whose arrival made an earlier one
        // come out: it only records where it was. (An error that it has yet to return
        // would have come instead of this result.)
        if self.holds_back
            && let Some(mark) = self.decoder.damaged_mark(lane)
        {
            return match self.decoder.take_allocation_failure() {
                Some(refusal) => Err(CodecError::Resource(refusal)),
                None => self.damage_in(lane, mark, DamageCause::Bitstream),
            };
        }
        Ok(fetched)
    }

    fn show_or_give_up(&mut self, lane: &Lane<Decoded>, delivered: Delivered) {
        let mark = delivered.mark();
        if self.gate.shows(mark, delivered.is_key()) {
            self.deliver(lane, delivered);
        } else {
            delivered.release(lane);
            self.give_up(lane, mark, DamageCause::Unreferenced);
        }
    }

    fn deliver(&mut self, lane: &Lane<Decoded>, delivered: Delivered) {
        let mark = delivered.mark();
        self.settle_before(lane, mark);
        let settled = self.inside.settle(mark);
        let picture = settled.and_then(|(id, first)| Some((delivered.to_picture(id)?, first)));
        // dav1d gets its reference back here, on the worker; the picture has a reference
        // of its own.
        delivered.release(lane);
        if let Some((picture, first)) = picture {
            emit(lane, Decoded::Picture(Box::new(picture)), u32::from(first));
        }
    }

    /// Settles an input as damaged, unless it has been settled.
    fn give_up(&mut self, lane: &Lane<Decoded>, mark: i64, cause: DamageCause) {
        if let Some((id, true)) = self.inside.settle(mark) {
            emit(lane, Decoded::Damaged(Damage { id, cause }), 1);
        }
    }

    /// Settles the inputs before `mark`: pictures come out in the order of their
    /// inputs, so these have led to none.
    fn settle_before(&mut self, lane: &Lane<Decoded>, mark: i64) {
        while let Some(owed) = self.inside.leave_before(mark) {
            if let Some(id) = owed {
                emit(lane, Decoded::NoPicture { id }, 1);
            }
        }
    }

    fn send_obu(
        &mut self,
        lane: &Lane<Decoded>,
        obu: &'static [u8],
        mark: i64,
    ) -> Result<(), Answer> {
        match wrap(Borrowed::new(Box::new(obu)), mark) {
            Ok(Some(mut data)) => self.decoder.send(lane, &mut data),
            Ok(None) => Ok(()),
            Err(error) => Err(Answer::Fatal(error)),
        }
    }
}

impl std::fmt::Debug for Dav1dSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dav1dSession")
            .field("gate", &self.gate)
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

/// Lends bytes to dav1d; `None` for an empty slice, which it does not accept.
fn wrap(bytes: Borrowed, mark: i64) -> Result<Option<Data>, CodecError> {
    if bytes.bytes().is_empty() {
        return Ok(None);
    }
    let no_memory = || CodecError::Resource("dav1d_data_wrap: no memory".to_owned());
    Data::wrap(bytes, mark).ok_or_else(no_memory).map(Some)
}

/// Emits an output. While outputs are discarded, it is dropped and decoding continues.
fn emit(lane: &Lane<Decoded>, output: Decoded, frames: u32) {
    let _ = lane.emit(output, frames);
}

/// dav1d neither takes data nor returns a picture. This should never happen; to
/// continue would be a busy loop.
fn stuck() -> CodecError {
    CodecError::Native {
        call: "dav1d_send_data".into(),
        code: (-libc::EAGAIN).into(),
        reason: "dav1d accepted no data and returned no picture".to_owned(),
    }
}
