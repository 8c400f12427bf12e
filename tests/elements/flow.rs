// SPDX-License-Identifier: MPL-2.0
//! What downstream answers, and the order of events and frames: the same for every
//! element. Each stands alone between two pads that the test holds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../crates/dav1d/tests/common/mod.rs"]
mod streams;

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use gst::prelude::*;

const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);
/// Plenty of time for what takes none.
const BOUND: Duration = Duration::from_secs(20);

/// An element and what it is given.
struct Subject {
    description: &'static str,
    caps: &'static str,
    input: fn() -> Vec<Vec<u8>>,
}

/// Low delay, so that every frame comes out before the next goes in.
const ENCODER: Subject = Subject {
    description: "svtav1watchenc preset=12 low-latency=true",
    caps: "video/x-raw,format=I420,width=64,height=64,framerate=25/1",
    input: || {
        (0..60_u8)
            .map(|n| vec![n.wrapping_mul(3); 64 * 64 * 3 / 2])
            .collect()
    },
};

const DECODER: Subject = Subject {
    description: "dav1dwatchdec n-threads=1",
    caps: "video/x-av1,stream-format=obu-stream,alignment=tu,framerate=25/1",
    input: || {
        let clip = std::fs::read(support::media::clip()).unwrap();
        streams::mkv::blocks(&clip)
    },
};

/// Without a delay, so that every frame comes out before the next goes in.
const IN_MEMORY: Subject = Subject {
    description: "memorywatchenc delay=0",
    ..ENCODER
};

const SUBJECTS: [&Subject; 3] = [&ENCODER, &IN_MEMORY, &DECODER];

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Out {
    /// A frame, by its number; whether it was marked DISCONT.
    Frame(u64, bool),
    Event(gst::EventType),
}

/// An element that plays between two pads.
struct Rig {
    element: gst::Element,
    source: gst::Pad,
    sink: gst::Pad,
    bus: gst::Bus,
    out: Arc<Mutex<Vec<Out>>>,
    /// What the sink answers.
    answer: Arc<Mutex<Result<gst::FlowSuccess, gst::FlowError>>>,
    input: Vec<Vec<u8>>,
    pushed: u64,
}

impl Rig {
    /// Not linked yet.
    fn new(subject: &Subject) -> Self {
        support::init();
        let element = gst::parse::bin_from_description(subject.description, false).unwrap();
        let element = element.children().first().unwrap().clone();
        element
            .parent()
            .unwrap()
            .downcast::<gst::Bin>()
            .unwrap()
            .remove(&element)
            .unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let source = gst::Pad::builder(gst::PadDirection::Src).build();
        let out = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(Ok(gst::FlowSuccess::Ok)));
        let sink = sink(out.clone(), answer.clone());
        source.set_active(true).unwrap();
        source.link(&element.static_pad("sink").unwrap()).unwrap();
        element.set_state(gst::State::Playing).unwrap();
        source.push_event(gst::event::StreamStart::new("stream"));
        let caps = subject.caps.parse::<gst::Caps>().unwrap();
        source.push_event(gst::event::Caps::new(&caps));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        source.push_event(gst::event::Segment::new(&segment));
        Self {
            element,
            source,
            sink,
            bus,
            out,
            answer,
            input: (subject.input)(),
            pushed: 0,
        }
    }

    fn linked(subject: &Subject) -> Self {
        let rig = Self::new(subject);
        rig.link();
        rig
    }

    fn link(&self) {
        self.sink.set_active(true).unwrap();
        // Without a RECONFIGURE event: the link alone has to do.
        let checks = gst::PadLinkCheck::DEFAULT | gst::PadLinkCheck::NO_RECONFIGURE;
        self.element
            .static_pad("src")
            .unwrap()
            .link_full(&self.sink, checks)
            .unwrap();
    }

    fn unlink(&self) {
        self.element
            .static_pad("src")
            .unwrap()
            .unlink(&self.sink)
            .unwrap();
    }

    /// The next frame.
    fn buffer(&mut self) -> gst::Buffer {
        let number = self.pushed;
        let mut buffer = gst::Buffer::from_slice(self.input[number as usize].clone());
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(FRAME * number);
        writable.set_duration(FRAME);
        self.pushed += 1;
        buffer
    }

    /// Pushes the next frame, and waits until it has left the element.
    fn push(&mut self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let buffer = self.buffer();
        let flow = self.source.push(buffer);
        self.settle();
        flow
    }

    /// Waits until nothing more comes out by itself. (Some versions of SVT-AV1 keep a
    /// frame until the next one comes, also in low delay.)
    fn settle(&self) {
        self.wait_until("everything has come out", || {
            let stats = self.element.property::<gst::Structure>("stats");
            let count = |name| stats.get::<u32>(name).unwrap_or(0);
            let calls = stats.get::<&str>("call").unwrap_or_default();
            count("queued") + count("waiting-for-downstream") == 0
                && count("inside") <= 1
                && (calls.is_empty() || calls == "svt_av1_enc_get_packet")
        });
        // The last one is on its way downstream.
        std::thread::sleep(Duration::from_millis(20));
    }

    /// Pushes frames until the answer is this one, which comes within three.
    fn push_until(&mut self, answer: Result<gst::FlowSuccess, gst::FlowError>) {
        let found = (0..3).any(|_| self.push() == answer);
        assert!(found, "never {answer:?}");
    }

    fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < BOUND, "never: {what}; {:?}", self.out());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn out(&self) -> Vec<Out> {
        self.out.lock().unwrap().clone()
    }

    fn frames(&self) -> Vec<u64> {
        let frame = |out: Out| match out {
            Out::Frame(number, _) => Some(number),
            Out::Event(_) => None,
        };
        self.out().into_iter().filter_map(frame).collect()
    }

    fn answer(&self, answer: Result<gst::FlowSuccess, gst::FlowError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn no_error(&self) {
        let error = self.bus.pop_filtered(&[gst::MessageType::Error]);
        assert!(error.is_none(), "{error:?}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.element.set_state(gst::State::Null);
    }
}

fn sink(
    out: Arc<Mutex<Vec<Out>>>,
    answer: Arc<Mutex<Result<gst::FlowSuccess, gst::FlowError>>>,
) -> gst::Pad {
    let events = out.clone();
    gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            let answer = *answer.lock().unwrap();
            if answer.is_ok() {
                let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
                let number = buffer.pts().unwrap() / FRAME;
                out.lock().unwrap().push(Out::Frame(number, discont));
            }
            answer
        })
        .event_function(move |_, _, event| {
            events.lock().unwrap().push(Out::Event(event.type_()));
            true
        })
        .build()
}

/// Does something that may block for ever, and fails where it does.
fn in_time(what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, end) = mpsc::channel();
    std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    assert!(end.recv_timeout(BOUND).is_ok(), "{what} hangs");
}

#[test]
fn after_a_late_link_every_frame_comes_out_and_the_end_too() {
    for subject in SUBJECTS {
        let mut rig = Rig::new(subject);
        // Upstream is told with a later frame, as by a queue.
        rig.push_until(Err(gst::FlowError::NotLinked));
        let before = rig.pushed;
        rig.link();
        for _ in 0..20 {
            assert_eq!(
                rig.push(),
                Ok(gst::FlowSuccess::Ok),
                "{}",
                subject.description
            );
        }
        assert!(rig.source.push_event(gst::event::Eos::new()));
        let frames = rig.frames();
        let after: Vec<_> = frames.into_iter().filter(|n| *n >= before).collect();
        let expected: Vec<_> = (before..before + 20).collect();
        assert_eq!(after, expected, "{}", subject.description);
        assert_eq!(rig.out().last(), Some(&Out::Event(gst::EventType::Eos)));
        rig.no_error();
    }
}

#[test]
fn a_frame_that_follows_others_which_got_nowhere_is_marked() {
    for subject in SUBJECTS {
        let mut rig = Rig::linked(subject);
        for _ in 0..4 {
            rig.push().unwrap();
        }
        rig.unlink();
        for _ in 0..4 {
            let _ = rig.push();
        }
        rig.link();
        for _ in 0..4 {
            rig.push().unwrap();
        }
        let after = rig.out().into_iter().filter_map(|out| match out {
            Out::Frame(number, marked) if number >= 6 => Some(marked),
            _ => None,
        });
        let marks: Vec<_> = after.collect();
        assert!(marks[0], "{}: {:?}", subject.description, rig.out());
        assert!(!marks[1..].contains(&true), "{:?}", rig.out());
    }
}

#[test]
fn eos_without_anything_linked_is_no_error() {
    for subject in SUBJECTS {
        let mut rig = Rig::new(subject);
        for _ in 0..4 {
            let _ = rig.push();
        }
        rig.source.push_event(gst::event::Eos::new());
        rig.no_error();
    }
}

#[test]
fn no_answer_of_downstream_is_for_ever() {
    for subject in SUBJECTS {
        for flow in [
            gst::FlowError::Eos,
            gst::FlowError::NotLinked,
            gst::FlowError::Flushing,
            gst::FlowError::NotNegotiated,
            gst::FlowError::Error,
        ] {
            let mut rig = Rig::linked(subject);
            for _ in 0..4 {
                rig.push().unwrap();
            }
            rig.answer(Err(flow));
            rig.push_until(Err(flow));
            rig.answer(Ok(gst::FlowSuccess::Ok));
            rig.push_until(Ok(gst::FlowSuccess::Ok));
            let before = rig.pushed;
            for _ in 0..4 {
                assert_eq!(rig.push(), Ok(gst::FlowSuccess::Ok), "{flow:?}");
            }
            assert!(rig.source.push_event(gst::event::Eos::new()), "{flow:?}");
            let frames = rig.frames();
            let after: Vec<_> = frames.iter().filter(|n| **n >= before).collect();
            assert_eq!(after.len(), 4, "{}: {frames:?}", subject.description);
            rig.no_error();
        }
    }
}

#[test]
fn an_end_that_downstream_returns_once_reaches_upstream() {
    support::init();
    // Says EOS to one frame, and takes those after it.
    let text = format!(
        "filesrc location={} ! matroskademux ! av1parse ! dav1dwatchdec name=codec ! \
         identity eos-after=5 ! fakesink sync=false",
        support::media::clip().display()
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let codec = pipeline.by_name("codec").unwrap();
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    let sink = codec.static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        *counted.lock().unwrap() += 1;
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let bound = gst::ClockTime::from_seconds(BOUND.as_secs());
    let end = pipeline.bus().unwrap().timed_pop_filtered(bound, &wanted);
    let is_eos = end.is_some_and(|message| message.type_() == gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(is_eos);
    // Of 132: those up to the end, and what the codec and its queues hold.
    let count = *count.lock().unwrap();
    assert!((5..50).contains(&count), "{count} frames were taken");
}

#[test]
fn a_last_output_that_downstream_does_not_take_fails_the_element_and_no_eos_passes() {
    for subject in SUBJECTS {
        let mut rig = Rig::linked(subject);
        for _ in 0..4 {
            rig.push().unwrap();
        }
        rig.answer(Err(gst::FlowError::NotNegotiated));
        rig.push_until(Err(gst::FlowError::NotNegotiated));
        assert!(!rig.source.push_event(gst::event::Eos::new()));
        let error = rig.bus.pop_filtered(&[gst::MessageType::Error]);
        let Some(gst::MessageView::Error(error)) = error.as_ref().map(|error| error.view()) else {
            panic!("{}: no error", subject.description);
        };
        let details = error.details().expect("an error with details");
        assert_eq!(details.name(), "codecwatch-fault");
        assert_eq!(details.get("outcome"), Ok("OutputRefused"), "{details}");
        let stats = rig.element.property::<gst::Structure>("stats");
        assert_eq!(stats.get("failed"), Ok(true), "{stats}");
        // The pad takes buffers again, and the element does not.
        rig.source
            .push_event(gst::event::StreamStart::new("another"));
        assert_eq!(rig.push(), Err(gst::FlowError::Error));
        rig.source.push_event(gst::event::Eos::new());
        rig.no_error();
        assert!(!rig.out().contains(&Out::Event(gst::EventType::Eos)));
    }
}

#[test]
fn a_new_segment_or_stream_makes_an_answer_void() {
    support::init();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let events = [
        gst::event::Segment::new(&segment),
        gst::event::StreamStart::new("another"),
    ];
    for subject in SUBJECTS {
        for event in &events {
            let mut rig = Rig::linked(subject);
            for _ in 0..4 {
                rig.push().unwrap();
            }
            rig.answer(Err(gst::FlowError::Eos));
            rig.push_until(Err(gst::FlowError::Eos));
            rig.answer(Ok(gst::FlowSuccess::Ok));
            rig.source.push_event(event.copy());
            assert_eq!(rig.push(), Ok(gst::FlowSuccess::Ok), "{event:?}");
        }
    }
}

#[test]
fn reconfigure_makes_an_answer_void() {
    for subject in SUBJECTS {
        let mut rig = Rig::linked(subject);
        rig.push().unwrap();
        rig.answer(Err(gst::FlowError::NotLinked));
        rig.push_until(Err(gst::FlowError::NotLinked));
        rig.answer(Ok(gst::FlowSuccess::Ok));
        rig.sink.push_event(gst::event::Reconfigure::new());
        assert_eq!(
            rig.push(),
            Ok(gst::FlowSuccess::Ok),
            "{}",
            subject.description
        );
    }
}

#[test]
fn events_leave_between_the_frames_that_they_came_between() {
    support::init();
    let gap = gst::event::Gap::builder(FRAME * 10).duration(FRAME).build();
    let group = gst::event::StreamGroupDone::new(gst::GroupId::next());
    let custom = gst::event::CustomDownstream::new(gst::Structure::new_empty("custom"));
    for subject in SUBJECTS {
        for event in [&gap, &group, &custom] {
            let mut rig = Rig::linked(subject);
            let kind = event.type_();
            for _ in 0..10 {
                rig.push().unwrap();
            }
            rig.source.push_event(event.copy());
            for _ in 0..5 {
                rig.push().unwrap();
            }
            assert!(rig.source.push_event(gst::event::Eos::new()));
            let out = rig.out();
            let at = |what: &Out| out.iter().position(|other| other == what).unwrap();
            let event = at(&Out::Event(kind));
            assert!(at(&Out::Frame(9, false)) < event, "{kind:?}: {out:?}");
            assert!(event < at(&Out::Frame(10, false)), "{kind:?}: {out:?}");
        }
    }
}

#[test]
fn gaps_cost_an_encoder_no_key_frame() {
    support::init();
    let mut harness = gst_check::Harness::new_parse("svtav1watchenc preset=12 crf=32");
    harness.set_src_caps_str(ENCODER.caps);
    for (number, picture) in (ENCODER.input)().into_iter().enumerate() {
        let mut buffer = gst::Buffer::from_slice(picture);
        let pts = FRAME * number as u64;
        buffer.get_mut().unwrap().set_pts(pts);
        harness.push(buffer).unwrap();
        if number % 5 == 4 {
            let gap = gst::event::Gap::builder(pts).duration(FRAME).build();
            assert!(harness.push_event(gap));
        }
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let out: Vec<_> = std::iter::from_fn(|| harness.try_pull()).collect();
    let delta = |buffer: &gst::Buffer| buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    let keys = out.iter().filter(|buffer| !delta(buffer)).count();
    assert_eq!((out.len(), keys), (60, 1));
}

#[test]
fn a_new_stream_begins_with_a_key_frame_and_can_be_decoded_from_there() {
    let source = "videotestsrc num-buffers=20 pattern=ball \
                  ! video/x-raw,format=I420,width=64,height=64,framerate=25/1 ! joined.";
    for decoder in ["n-threads=1", "n-threads=4 max-frame-delay=4"] {
        let played = support::pictures::play(
            &format!(
                "{source} {source} concat name=joined ! svtav1watchenc preset=12 name=encoder \
                 ! dav1dwatchdec {decoder}"
            ),
            support::pictures::Downstream::TakesVideoMeta,
        );
        assert!(played.complete, "{decoder}: {:?}", played.complaints);
        // What SVT-AV1 makes of the preset is another matter.
        let of_decoder = |message: &&gst::Message| {
            let name = message.src().map(|source| source.name().to_string());
            name.is_none_or(|name| name.starts_with("dav1d"))
        };
        assert!(
            !played.complaints.iter().any(|message| of_decoder(&message)),
            "{decoder}"
        );
        assert_eq!(played.samples.len(), 40, "{decoder}");
    }
}

#[test]
fn a_flush_stop_without_its_start_is_bounded_and_the_stream_goes_on() {
    for subject in SUBJECTS {
        let mut rig = Rig::linked(subject);
        for _ in 0..4 {
            rig.push().unwrap();
        }
        let pad = rig.element.static_pad("sink").unwrap();
        in_time(subject.description, move || {
            pad.send_event(gst::event::FlushStop::new(true));
        });
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        rig.source.push_event(gst::event::Segment::new(&segment));
        // The stream begins again: a decoder needs its key frame.
        rig.input = rig.input.iter().cycle().take(200).cloned().collect();
        let first = (subject.input)().len() as u64;
        rig.pushed = first;
        for _ in 0..4 {
            rig.push().unwrap();
        }
        assert!(rig.source.push_event(gst::event::Eos::new()));
        let frames = rig.frames();
        let after: Vec<_> = frames.into_iter().filter(|n| *n >= first).collect();
        assert_eq!(after, (first..first + 4).collect::<Vec<_>>());
        rig.no_error();
    }
}

#[test]
fn an_error_that_goes_behind_eos_is_not_held_up_by_a_pause() {
    const UNFORGIVING: Subject = Subject {
        description: "dav1dwatchdec n-threads=1 max-errors=0 eos-after-failure=true",
        ..DECODER
    };
    let mut rig = Rig::linked(&UNFORGIVING);
    for _ in 0..4 {
        rig.push().unwrap();
    }
    // Downstream holds EOS up, as a paused sink does.
    let (arrived, arrival) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    rig.sink
        .add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &info.data
                && event.type_() == gst::EventType::Eos
            {
                arrived.send(()).unwrap();
                let _ = released.lock().unwrap().recv_timeout(BOUND);
            }
            gst::PadProbeReturn::Ok
        });
    for unit in &mut rig.input[4..] {
        unit.fill(0xff);
    }
    let damaged = rig.buffer();
    let _ = rig.source.push(damaged);
    arrival.recv_timeout(BOUND).expect("EOS");
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    rig.element.set_state(gst::State::Paused).unwrap();
    let error = rig.bus.pop_filtered(&[gst::MessageType::Error]);
    assert!(error.is_some(), "held up");
    release.send(()).unwrap();
}
