// SPDX-License-Identifier: MPL-2.0
//! Recovery of a session after damage.

use codecwatch_av1::{Start, Summary};
use codecwatch_supervisor::{CodecError, Lane};

use super::{Dav1dSession, Fetched, emit};
use crate::{
    Damage, DamageCause, Decoded, decoder::Answer, key_frame_gate::KeyFrameGate,
    loaded_version::loaded_version,
};

/// A frame header OBU of no bytes.
const EMPTY_HEADER: &[u8] = &[0x1a, 0];

/// The mark of [`EMPTY_HEADER`]; inputs count from 1.
const FORGET: i64 = -1;

impl Dav1dSession {
    /// dav1d reported an error.
    pub(super) fn damage(
        &mut self,
        lane: &Lane<Decoded>,
        cause: DamageCause,
    ) -> Result<Fetched, CodecError> {
        let mark = self.decoder.damaged_mark(lane);
        self.damage_in(lane, mark.unwrap_or(self.inside.newest()), cause)
    }

    /// dav1d reported an error in the input with this mark.
    pub(super) fn damage_in(
        &mut self,
        lane: &Lane<Decoded>,
        mark: i64,
        cause: DamageCause,
    ) -> Result<Fetched, CodecError> {
        if mark == FORGET {
            return Ok(Fetched::Something);
        }
        self.spoiled |= self.holds_back;
        if !self.gate.is_good(mark) {
            self.give_up(lane, mark, DamageCause::Unreferenced);
            return self.forget_header(lane);
        }
        if let Some(start) = self.inside.start_after(mark) {
            // A key frame from which on all inputs are good is already inside.
            self.gate = KeyFrameGate::Good(start);
            self.give_up(lane, mark, cause);
            return self.forget_header(lane);
        }
        self.drop_from(lane, mark, cause)?;
        Ok(Fetched::Dropped)
    }

    /// Skips an input that the caller could not read. It may have been a key frame, so
    /// it is an error at any position.
    pub(super) fn pass_over_damaged(
        &mut self,
        lane: &Lane<Decoded>,
        id: u64,
    ) -> Result<(), CodecError> {
        let cause = DamageCause::Bitstream;
        if self.gate.is_lost() {
            emit(lane, Decoded::Damaged(Damage { id, cause }), 1);
            return Ok(());
        }
        let mark = self.inside.next_mark();
        self.inside.enter(id, false);
        self.drop_from(lane, mark, cause)
    }

    /// Inputs are missing before `next`, which has not been sent yet.
    pub(super) fn miss_inputs_before(
        &mut self,
        lane: &Lane<Decoded>,
        next: &Summary<'_>,
    ) -> Result<(), CodecError> {
        if self.gate.is_lost() || next.start == Some(Start::Here) {
            return Ok(());
        }
        // A mark of no input.
        let mark = self.inside.next_mark();
        self.drop_from(lane, mark, DamageCause::Bitstream)
    }

    /// Emits what came before the damage in the input with this mark, and resets dav1d.
    fn drop_from(
        &mut self,
        lane: &Lane<Decoded>,
        mark: i64,
        cause: DamageCause,
    ) -> Result<(), CodecError> {
        let (mark, cause) = self.drain_before(lane, mark, cause)?;
        self.settle_before(lane, mark);
        self.give_up(lane, mark, cause);
        while let Some(owed) = self.inside.leave_before(i64::MAX) {
            if let Some(id) = owed {
                let cause = DamageCause::Unreferenced;
                emit(lane, Decoded::Damaged(Damage { id, cause }), 1);
            }
        }
        self.forget(lane)
    }

    /// Emits the pictures of inputs before the damaged one: undamaged frames that were in
    /// work at the same time. Returns the mark of the first damage: more may be found
    /// meanwhile, in frames that were in work for longer.
    fn drain_before(
        &mut self,
        lane: &Lane<Decoded>,
        mut mark: i64,
        mut cause: DamageCause,
    ) -> Result<(i64, DamageCause), CodecError> {
        self.spoiled |= self.holds_back && !loaded_version().drains_in_order();
        let mut in_vain = 0;
        while in_vain < 2 {
            let found = self.decoder.picture(lane);
            in_vain = if matches!(found, Err(Answer::Again)) {
                in_vain + 1
            } else {
                0
            };
            match found {
                Ok(delivered) if delivered.mark() < mark => self.show_or_give_up(lane, delivered),
                Ok(delivered) => delivered.release(lane),
                Err(Answer::Again) => {}
                Err(Answer::Damage(another)) => {
                    self.spoiled |= self.holds_back;
                    let found = self.decoder.damaged_mark(lane);
                    if let Some(earlier) = found.filter(|found| *found < mark) {
                        (mark, cause) = (earlier, another);
                    }
                }
                Err(Answer::Fatal(error)) => return Err(error),
            }
        }
        Ok((mark, cause))
    }

    /// Makes dav1d drop a frame header that it could not use: otherwise dav1d retries it
    /// with every OBU that it gets, and fails again. Another frame header replaces it; a
    /// truncated one leaves none.
    fn forget_header(&mut self, lane: &Lane<Decoded>) -> Result<Fetched, CodecError> {
        match self.send_obu(lane, EMPTY_HEADER, FORGET) {
            Ok(()) | Err(Answer::Again) => {}
            Err(Answer::Damage(_)) => _ = self.decoder.damaged_mark(lane),
            Err(Answer::Fatal(error)) => return Err(error),
        }
        Ok(Fetched::Something)
    }

    /// Resets dav1d: flushes it, or closes and opens it again where a flush is not
    /// enough: see [`Self::spoiled`].
    pub(super) fn forget(&mut self, lane: &Lane<Decoded>) -> Result<(), CodecError> {
        if std::mem::take(&mut self.spoiled) {
            self.decoder.reopen(lane)?;
        } else {
            self.decoder.flush(lane);
        }
        self.gate = KeyFrameGate::Lost;
        Ok(())
    }
}
