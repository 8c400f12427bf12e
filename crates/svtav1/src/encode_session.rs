// SPDX-License-Identifier: MPL-2.0
//! The session: one lane sends pictures, another receives packets.
//!
//! The receive lane always waits in `svt_av1_enc_get_packet`, so a packet comes out
//! when it is ready, in every version and structure. (Polling is no alternative: in
//! low delay the library waits anyway from 2.3 on, and one thread that does both
//! would hang.) A library that was built with asserts would fail in a blocking call
//! before the end of the stream.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use codecwatch_av1::SequenceHeader;
use codecwatch_supervisor::{
    Codec, CodecError, Drained, Flush, Lane, Library, Name, Session, Sibling,
};

use crate::bitrate::BitrateChange;
use crate::config::{Config, IntraRefresh};
use crate::effective::{Effective, Mode, Structure};
use crate::encoder::{self, Encoder, Received};
use crate::packet::{Output, Packet};
use crate::picture::{Format, Picture, Plane, Readable, Scratch};
use crate::preset_slot::{PresetSlot, Reservation};
use crate::sys;
use crate::version::Version;

/// The library's key in ledger and open permit. It names its threads `svt-...`
/// since 4.0; before, they have the name of the worker that opened the session.
pub const LIBRARY: Library = Library {
    name: Name::from_static("SVT-AV1"),
    thread_names: Cow::Borrowed(THREAD_NAMES),
};

const THREAD_NAMES: &[Name] = &[Name::from_static("svt-")];

impl Config {
    /// Whether [`Picture::force_key`] makes a key frame in mid-stream: always
    /// from 1.8 on; before, in random access without a bitrate only, and only if
    /// key frames (no CRA) come by themselves, too. Otherwise a key frame requires
    /// a new session, which begins with one.
    pub fn can_force_key(&self) -> bool {
        let settings = Effective::new(self, Version::installed());
        let has_keys = settings.intra_period != -1 && settings.refresh == IntraRefresh::Idr;
        settings.version.at_least(1, 8)
            || (settings.mode == Mode::Constant
                && settings.structure == Structure::RandomAccess
                && has_keys)
    }

    /// Whether [`Picture::bitrate`] works in mid-stream: from 1.8 on at constant
    /// bitrate, from 4.2 on with `rtc=1` among the parameters too. Before 4.0
    /// the frame that changes it becomes a key frame. Otherwise a new bitrate
    /// requires a new session.
    pub fn can_change_bitrate(&self) -> bool {
        let settings = Effective::new(self, Version::installed());
        cfg!(svt_1_8)
            && settings.version.at_least(1, 8)
            && settings.mode == Mode::ConstantBitrate
            && settings.structure == Structure::LowDelay
            && (settings.real_time || !settings.version.at_least(4, 2))
    }
}

/// Opens SVT-AV1 sessions: the factory that is sent to the worker.
#[derive(Debug)]
pub struct SvtAv1 {
    config: Config,
    place: Option<Reservation>,
}

impl SvtAv1 {
    /// A session with these settings. They are checked when it is opened; call
    /// [`Config::check`] to check them earlier.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            place: None,
        }
    }
}

impl Codec for SvtAv1 {
    type Session = SvtAv1Session;

    fn library(&self) -> Library {
        LIBRARY
    }

    fn wait_for_turn(&mut self, lane: &Lane<Output>) -> Result<(), CodecError> {
        self.config.check()?;
        if self.place.is_none() {
            self.place = PresetSlot::reserve(lane, &self.config)?;
        }
        Ok(())
    }

    fn open(mut self, lane: &Lane<Output>) -> Result<SvtAv1Session, CodecError> {
        // A caller without a supervisor has not waited yet.
        self.wait_for_turn(lane)?;
        let place = self.place.take().ok_or_else(encoder::told_to_close)?;
        let encoder = Encoder::open(lane, &self.config, place.occupy())?;
        Ok(SvtAv1Session {
            encoder: Arc::new(encoder),
            pending: Arc::default(),
            receiver: None,
            discarder: Arc::default(),
            begun: false,
            ended: false,
            sent: 0,
            format: Format::new(&self.config, Version::installed()),
            scratch: Scratch::default(),
            can_force_key: self.config.can_force_key(),
            can_change_bitrate: self.config.can_change_bitrate(),
            delay: self.config.latency_frames() as usize,
        })
    }
}

/// How many more pictures than its delay a session may have inside before it takes no
/// other. The library itself knows no bound: while nobody fetches its packets, it goes on
/// encoding.
const SURPLUS: usize = 32;

/// Pictures inside.
#[derive(Debug, Default)]
struct Pending {
    pictures: Mutex<Pictures>,
    /// Fewer are inside, or the receive lane has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pictures {
    /// The library's timestamp and the caller's id, oldest first.
    inside: VecDeque<(i64, u64)>,
    /// Nobody takes any out any more.
    has_no_receiver: bool,
}

impl Pending {
    /// Waits until no more than `most` are inside. The machine sees that downstream takes
    /// nothing, or that too many are inside.
    fn wait_for_room(&self, most: usize) {
        let is_full =
            |pictures: &mut Pictures| pictures.inside.len() > most && !pictures.has_no_receiver;
        let pictures = lock(&self.pictures);
        let waited = self.changed.wait_while(pictures, is_full);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The receive lane has ended.
    fn receiver_ended(&self) {
        lock(&self.pictures).has_no_receiver = true;
        self.changed.notify_all();
    }
}

/// The lane that receives after the receive lane has failed.
type Discarder = Mutex<Option<Sibling>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open encoder. It leaks if dropped without [`close`](Session::close), because its
/// receive lane may be inside the library.
#[derive(Debug)]
pub struct SvtAv1Session {
    encoder: Arc<Encoder>,
    pending: Arc<Pending>,
    /// Started with the first picture: without a picture, some libraries would never
    /// return its call.
    receiver: Option<Sibling>,
    /// Started when the receiver fails.
    discarder: Arc<Discarder>,
    /// The library has taken a picture.
    begun: bool,
    /// The end of the stream was sent.
    ended: bool,
    /// The number of pictures sent, which is the timestamp of the next.
    sent: i64,
    format: Format,
    scratch: Scratch,
    can_force_key: bool,
    can_change_bitrate: bool,
    delay: usize,
}

impl Session for SvtAv1Session {
    type Input = Picture;
    type Output = Output;

    fn delay(&self) -> Option<usize> {
        Some(self.delay)
    }

    fn send(&mut self, lane: &Lane<Output>, picture: Picture) -> Result<(), CodecError> {
        if picture.bitrate.is_some() && !self.can_change_bitrate {
            return Err(CodecError::Settings(format!(
                "SVT-AV1 {} cannot change the bitrate of this session",
                Version::installed()
            )));
        }
        let planes = picture.planes.planes();
        let readable = self.format.readable(&planes, &mut self.scratch)?;
        if self.receiver.is_none() {
            self.receiver = Some(self.receive(lane)?);
        }
        let pts = self.sent;
        self.sent += 1;
        self.pending.wait_for_room(self.delay + SURPLUS);
        lock(&self.pending.pictures)
            .inside
            .push_back((pts, picture.id));
        self.encode(lane, readable, pts, picture.force_key, picture.bitrate)?;
        self.begun = true;
        Ok(())
    }

    fn drain(&mut self, lane: &Lane<Output>) -> Result<Drained, CodecError> {
        self.end(lane)?;
        // The library reports that everything is out, but a stream that lacks pictures
        // is not complete.
        match lock(&self.pending.pictures).inside.len() {
            0 => Ok(Drained::Spent),
            missing => Err(CodecError::Native {
                call: "svt_av1_enc_get_packet".into(),
                code: 0,
                reason: format!("the stream ended without the packets of {missing} pictures"),
            }),
        }
    }

    fn flush(&mut self, _lane: &Lane<Output>) -> Result<Flush, CodecError> {
        Ok(Flush::NeedsNewSession)
    }

    fn close(mut self, lane: &Lane<Output>) -> Result<(), CodecError> {
        self.encoder.closing();
        let ended = self.end(lane);
        // The receive lane has ended and dropped its reference.
        let Some(encoder) = Arc::into_inner(self.encoder) else {
            return Err(CodecError::Resource(
                "the receive lane still holds the encoder".to_owned(),
            ));
        };
        ended.and(encoder.destroy(lane))
    }
}

impl SvtAv1Session {
    fn receive(&self, lane: &Lane<Output>) -> Result<Sibling, CodecError> {
        let encoder = self.encoder.clone();
        let pending = self.pending.clone();
        let discarder = self.discarder.clone();
        lane.spawn("receive", move |lane| {
            let relief = Relief {
                lane,
                encoder: &encoder,
                discarder: &discarder,
                pending: &pending,
            };
            receive(lane, &encoder, &pending)?;
            pending.receiver_ended();
            std::mem::forget(relief);
            Ok(())
        })
    }

    fn encode(
        &self,
        lane: &Lane<Output>,
        [luma, blue, red]: [Readable; 3],
        pts: i64,
        force_key: bool,
        bitrate: Option<u32>,
    ) -> Result<(), CodecError> {
        #[allow(clippy::needless_update, reason = "before 3.0 there are more fields")]
        let mut planes = sys::EbSvtIOFormat {
            luma: luma.0.cast_mut(),
            cb: blue.0.cast_mut(),
            cr: red.0.cast_mut(),
            y_stride: luma.1,
            cb_stride: blue.1,
            cr_stride: red.1,
            ..Default::default()
        };
        let mut change = BitrateChange::to(bitrate);
        let key = self.can_force_key && (force_key || change.needs_key());
        let bytes = self.format.bytes() as u32;
        let mut buffer = sys::EbBufferHeaderType {
            size: size_of::<sys::EbBufferHeaderType>() as u32,
            p_buffer: ptr::from_mut(&mut planes).cast(),
            n_filled_len: bytes,
            n_alloc_len: bytes,
            p_app_private: change.private_data(),
            pts,
            pic_type: if key {
                sys::EbAv1PictureType_EB_AV1_KEY_PICTURE
            } else {
                sys::EbAv1PictureType_EB_AV1_INVALID_PICTURE
            },
            ..Default::default()
        };
        // SAFETY: the planes were checked against the session's format and live
        // until `send` returns; the node of the change lives until here.
        unsafe { self.encoder.send_picture(lane, &mut buffer) }
    }

    /// Sends the end of the stream, once, and waits until everything is out.
    fn end(&mut self, lane: &Lane<Output>) -> Result<(), CodecError> {
        if !self.ended {
            // Without it the receive lane never ends: a failure is returned at once, and
            // the close tries again.
            if self.begun {
                self.encoder.send_end(lane)?;
            } else {
                self.end_unused(lane)?;
            }
            self.ended = true;
        }
        self.wait_for_receiver();
        Ok(())
    }

    fn wait_for_receiver(&self) {
        if let Some(receiver) = &self.receiver {
            receiver.finished();
        }
        let discarder = lock(&self.discarder).clone();
        if let Some(discarder) = discarder {
            discarder.finished();
        }
    }

    /// Ends a stream of which the library has taken no picture; the receive lane may
    /// still wait for one. Before 2.0 the end comes out with the last picture, and the
    /// library would wait for one for ever: this sends one, whose packet is never
    /// delivered.
    fn end_unused(&mut self, lane: &Lane<Output>) -> Result<(), CodecError> {
        if Version::installed().at_least(2, 0) {
            return match self.receiver {
                Some(_) => self.encoder.send_end(lane),
                None => Ok(()),
            };
        }
        let picture = vec![0; self.format.bytes()];
        let planes = [Plane {
            data: &picture,
            stride: self.format.row_bytes(),
        }; 3];
        let readable = self.format.readable(&planes, &mut self.scratch)?;
        self.encode(lane, readable, 0, false, None)?;
        // The receive lane takes the packet, or `svt_av1_enc_deinit` discards it.
        self.encoder.send_end(lane)
    }
}

/// Replaces a receive lane that fails or panics: without a receiver, the other lane
/// stays in `svt_av1_enc_send_picture`, and the session cannot close.
struct Relief<'a> {
    lane: &'a Lane<Output>,
    encoder: &'a Arc<Encoder>,
    discarder: &'a Discarder,
    pending: &'a Pending,
}

impl Drop for Relief<'_> {
    fn drop(&mut self) {
        self.pending.receiver_ended();
        let encoder = self.encoder.clone();
        // If no thread is available, the session will be abandoned.
        *lock(self.discarder) = self
            .lane
            .spawn("discard", move |lane| {
                while let Ok(Received::Packet(packet)) = encoder.get_packet(lane) {
                    if packet.last {
                        break;
                    }
                }
                Ok(())
            })
            .ok();
    }
}

/// The body of the receive lane: ends with the stream.
fn receive(lane: &Lane<Output>, encoder: &Encoder, pending: &Pending) -> Result<(), CodecError> {
    let mut begun = false;
    loop {
        let packet = match encoder.get_packet(lane)? {
            Received::Packet(packet) => packet,
            Received::End => return Ok(()),
        };
        let id = settle(pending, packet.pts).ok_or_else(|| CodecError::Native {
            call: "svt_av1_enc_get_packet".into(),
            code: packet.pts,
            reason: "the packet belongs to no picture that was sent".to_owned(),
        })?;
        // While outputs are discarded, what is inside must still come out.
        if !begun {
            begun = true;
            let _ = lane.emit(Output::Header(header(&packet.data)?), 0);
        }
        let _ = lane.emit(
            Output::Packet(Packet {
                data: packet.data,
                id,
                kind: packet.kind,
            }),
            1,
        );
        if packet.last {
            return Ok(());
        }
    }
}

/// The sequence header of the first packet. (`svt_av1_enc_stream_header` returns
/// another one: the library chooses some tools at the first frame.)
fn header(first: &[u8]) -> Result<SequenceHeader, CodecError> {
    SequenceHeader::parse(first).ok_or_else(|| CodecError::Native {
        call: "svt_av1_enc_get_packet".into(),
        code: 0,
        reason: "the first packet has no sequence header".to_owned(),
    })
}

/// Removes the picture with this timestamp from those inside.
fn settle(pending: &Pending, pts: i64) -> Option<u64> {
    let mut pictures = lock(&pending.pictures);
    let index = pictures.inside.iter().position(|&(sent, _)| sent == pts)?;
    let removed = pictures.inside.remove(index);
    drop(pictures);
    pending.changed.notify_all();
    removed.map(|(_, id)| id)
}
