// SPDX-License-Identifier: MPL-2.0
//! Test material: a child that speaks the protocol and does not keep it, in the way that
//! the config of its session says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test material: a panic is a failed test"
)]

#[path = "../plain/mod.rs"]
mod plain;

use std::collections::{BTreeMap, VecDeque};
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use codecwatch_process::launch::{Entered, enter};
use codecwatch_process::protocol::{
    self, FromChild, Full, LaneEvent, Reply, RingWriter, ToChild, receive_with_fds,
};
use codecwatch_process::sandbox::{Mechanism, Policy, Report};
use codecwatch_process::{BlockId, Decoder, Hello, LARGEST_MESSAGE, VERSION};
use codecwatch_supervisor::{Amount, CodecError, Name};
use plain::{Config, PackedOutput};
use rustix::fs::fstat;
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

type Says = FromChild<PackedOutput, String>;
type Hears = ToChild<Config, codecwatch_process::Lent, (), ()>;

struct Liar {
    socket: UnixStream,
    decoder: Decoder,
    fds: VecDeque<OwnedFd>,
    /// It has come with the request to open.
    ring: Option<RingWriter>,
}

fn main() {
    let Entered { socket, .. } = enter().unwrap();
    let mut liar = Liar {
        socket,
        decoder: Decoder::default(),
        fds: VecDeque::new(),
        ring: None,
    };
    let Hears::Open(config) = liar.hear() else {
        panic!("no open");
    };
    let ring = liar.fds.pop_front().unwrap();
    liar.ring = Some(RingWriter::new(&ring).unwrap());
    liar.lie(&config.lie);
    // What follows is the parent's turn.
    sleep();
}

fn sleep() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn sandbox(policy: Policy) -> Report {
    Report {
        policy,
        landlock: Mechanism::InForce(1),
        seccomp: Mechanism::InForce(1),
        others: Vec::new(),
        uncovered_threads: 0,
    }
}

fn name(name: &'static str) -> Name {
    Name::from_static(name)
}

impl Liar {
    /// The parent may have ended this already, and hear no more.
    fn say(&mut self, said: &Says) {
        let mut bytes = Vec::new();
        protocol::encode(&mut bytes, said).unwrap();
        self.write(&bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.socket.write_all(bytes).is_err() {
            sleep();
        }
    }

    fn hear(&mut self) -> Hears {
        let mut bytes = [0; 4096];
        loop {
            if let Some(heard) = self.decoder.take().unwrap() {
                return heard;
            }
            let len = receive_with_fds(self.socket.as_fd(), &mut bytes, &mut self.fds).unwrap();
            assert!(len > 0, "the parent is gone");
            self.decoder.push(&bytes[..len]);
        }
    }

    /// Drops what the parent says from now on.
    fn hear_no_more(&self) {
        let mut socket = self.socket.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut socket, &mut std::io::sink()));
    }

    fn ready(&mut self) {
        self.say(&Says::Ready(Hello {
            version: VERSION.to_owned(),
            kind: "plain".to_owned(),
        }));
    }

    fn open(&mut self) {
        self.ready();
        self.say(&Says::Sandboxed(sandbox(Policy::Strict)));
        self.opened();
    }

    fn opened(&mut self) {
        self.say(&Says::Done(Ok(Reply::Opened { delay: Some(0) })));
    }

    /// Open, until it is told to close.
    fn closes(&mut self) {
        self.open();
        loop {
            match self.hear() {
                Hears::Drain => self.say(&Says::Done(Ok(Reply::Drained { reusable: false }))),
                Hears::Close => return,
                _ => {}
            }
        }
    }

    fn sent(&mut self) {
        self.say(&Says::Done(Ok(Reply::Sent)));
    }

    /// The next input's number.
    fn input(&mut self) -> u32 {
        loop {
            if let Hears::Input(lent) = self.hear() {
                return protocol::lent(&lent);
            }
        }
    }

    /// Open, with an input that waits for its answer.
    fn busy(&mut self) -> u32 {
        self.open();
        self.input()
    }

    fn block(&mut self, len: u64) -> BlockId {
        self.place(len).0
    }

    /// A new block, and where it begins.
    fn place(&mut self, len: u64) -> (BlockId, u64) {
        self.say(&Says::NeedsBlock { len });
        loop {
            if let Hears::OutputBlock { id, offset, .. } = self.hear() {
                return (id, offset);
            }
        }
    }

    fn output(&mut self, block: BlockId, len: u64, settles: u32) {
        let output = PackedOutput {
            block,
            len,
            ballast: Vec::new(),
        };
        self.say(&Says::Output(output, Amount::of_frames(settles)));
    }

    fn call(&mut self, lane: u8) {
        let name = name("plain_call");
        let waits = false;
        self.note(&LaneEvent::CallBegan { lane, name, waits });
    }

    fn call_ends(&mut self) {
        let took = Duration::MAX;
        self.note(&LaneEvent::CallEnded { lane: 0, took });
    }

    fn note(&mut self, event: &LaneEvent) {
        let mut bytes = Vec::new();
        protocol::encode(&mut bytes, event).unwrap();
        self.note_bytes(&bytes);
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
        let ring = self.ring.as_mut().unwrap();
        while let Err(Full) = ring.write(bytes) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Woken or not.
        self.say(&Says::LaneEvents);
    }

    /// Lane 3 begins and ends, and the parent has heard it.
    fn lane_passes(&mut self) {
        self.note(&LaneEvent::Began {
            lane: 3,
            name: "lane".into(),
        });
        self.say(&Says::LaneEnded {
            lane: 3,
            error: None,
        });
        self.block(100);
    }

    fn lie(&mut self, lie: &str) {
        match lie {
            // ---- before the session is open
            "silence" => {}
            "no greeting" => self.say(&Says::Done(Ok(Reply::Opened { delay: None }))),
            "other version" => self.greet("0.0.0\u{1b}[31m", "plain"),
            "other kind" => self.greet(VERSION, "other"),
            "ready twice" => {
                self.open();
                self.ready();
            }
            "opens without a sandbox" => {
                self.ready();
                self.opened();
            }
            "another sandbox" => {
                self.ready();
                self.say(&Says::Sandboxed(sandbox(Policy::Open)));
                self.opened();
            }
            "a sandbox twice" => {
                self.busy();
                self.say(&Says::Sandboxed(sandbox(Policy::Strict)));
            }
            "ready and no more" => self.ready(),
            "another answer" => {
                self.ready();
                self.say(&Says::Done(Ok(Reply::Flushed { done: true })));
            }
            // ---- answers
            "an answer to nothing" => {
                self.open();
                // Some may find inputs that have come meanwhile.
                for _ in 0..10 {
                    self.sent();
                }
            }
            "two answers" => {
                self.busy();
                self.sent();
                self.sent();
            }
            "no answer" => drop(self.busy()),
            "waits for an answer that nobody owes it" => {
                self.busy();
                self.say(&Says::OthersAwaited(true));
            }
            "ends a wait that has not begun" => {
                self.busy();
                self.say(&Says::OthersAwaited(false));
            }
            // ---- bytes
            "half a message" => {
                self.busy();
                self.write(&[100, 0, 0, 0, 1, 2, 3]);
            }
            "a huge length" => {
                self.busy();
                self.write(&u32::MAX.to_le_bytes());
            }
            "no message" => {
                self.busy();
                self.write(&[3, 0, 0, 0, 255, 255, 255]);
            }
            "a long list" => self.long_list(),
            "a large message" => {
                self.busy();
                let block = self.block(100);
                let ballast = vec![7; LARGEST_MESSAGE - 100];
                for _ in 0..4 {
                    let ballast = ballast.clone();
                    let len = 0;
                    let output = PackedOutput {
                        block,
                        len,
                        ballast,
                    };
                    self.say(&Says::Output(output, Amount::NONE));
                }
                self.say(&Says::GivesUp(protocol::block(u32::MAX)));
            }
            // ---- memory
            "an unknown block" => {
                self.busy();
                self.output(protocol::block(123_456), 1, 1);
            }
            "beyond the block" => {
                self.busy();
                let block = self.block(100);
                self.output(block, 1 << 40, 1);
            }
            "a block that was given up" => {
                self.busy();
                let block = self.block(100);
                self.say(&Says::GivesUp(block));
                self.output(block, 1, 1);
            }
            "gives up what it shows" => {
                self.busy();
                let block = self.block(100);
                self.output(block, 1, 1);
                self.say(&Says::GivesUp(block));
            }
            "gives up what it has not" => {
                self.busy();
                self.say(&Says::GivesUp(protocol::block(7)));
            }
            "endless requests of memory" => {
                self.busy();
                self.hear_no_more();
                loop {
                    self.say(&Says::NeedsBlock { len: 1 << 20 });
                }
            }
            "keeps what it gives up" => self.keeps_memory(),
            "too much memory" => {
                self.busy();
                for len in [u64::MAX, 1 << 45, (1 << 32) + 1, 0] {
                    self.say(&Says::NeedsBlock { len });
                }
                self.say(&Says::GivesUp(protocol::block(u32::MAX)));
            }
            // ---- inputs
            "returns what it has not" => {
                self.busy();
                self.say(&Says::Returned { lent: 77 });
            }
            "returns twice" => {
                let lent = self.busy();
                self.say(&Says::Returned { lent });
                self.say(&Says::Returned { lent });
            }
            "answers no input" => {
                self.busy();
                self.input();
                self.input();
                self.say(&Says::Returned { lent: 78 });
            }
            "returns nothing" => {
                self.busy();
                loop {
                    let block = self.block(100);
                    self.output(block, 1, 1);
                    self.sent();
                    self.input();
                }
            }
            // ---- lanes and calls
            "a lane that has not begun" => {
                self.busy();
                self.call(9);
            }
            "lane 0 begins" => self.lane(0),
            "a lane too many" => self.lane(200),
            "a lane begins twice" => {
                self.lane(3);
                self.lane(3);
            }
            "a lane begins again" => {
                self.busy();
                for _ in 0..2 {
                    self.lane_passes();
                }
            }
            "a lane calls after its end" => {
                self.busy();
                self.lane_passes();
                self.call(3);
            }
            "a lane ends that has not begun" => {
                self.busy();
                self.say(&Says::LaneEnded {
                    lane: 4,
                    error: None,
                });
            }
            "a name that is none" => {
                self.busy();
                let name = Name::from("x".repeat(10_000));
                self.note(&LaneEvent::CallMoved { lane: 0, name });
            }
            "half of an event" => {
                self.busy();
                self.note_bytes(&[9, 0, 0, 0, 1, 2]);
            }
            "no event" => {
                self.busy();
                self.note_bytes(&[2, 0, 0, 0, 77, 77]);
            }
            "endless calls" => {
                self.busy();
                loop {
                    self.call(0);
                    self.call_ends();
                }
            }
            "a call that never ends" => {
                self.busy();
                self.call(0);
            }
            // ---- outputs
            "tells an output" => {
                self.busy();
                let output = PackedOutput {
                    block: self.block(100),
                    len: 1,
                    ballast: Vec::new(),
                };
                self.say(&Says::Told(output));
            }
            // ---- floods
            "endless facts" => {
                self.busy();
                loop {
                    self.say(&Says::Facts("facts".repeat(100)));
                }
            }
            "endless lines" => {
                self.busy();
                loop {
                    let (level, line) = (9, "line".repeat(100));
                    self.say(&Says::Log { level, line });
                }
            }
            "endless outputs of nothing" => {
                self.busy();
                let block = self.block(100);
                self.hear_no_more();
                loop {
                    self.output(block, 1, 0);
                }
            }
            // The parent's answers find no room, so it hears nothing either.
            "endless outputs and deaf" => {
                self.busy();
                let block = self.block(100);
                loop {
                    self.output(block, 1, 0);
                }
            }
            "endless stderr" => {
                self.busy();
                loop {
                    let _ = writeln!(std::io::stderr(), "{}", "stderr ".repeat(100));
                }
            }
            "endless descriptors" => {
                self.busy();
                self.descriptors();
                self.say(&Says::GivesUp(protocol::block(u32::MAX)));
            }
            "errors without end" => {
                self.busy();
                let text = "\u{1b}[31merror\n".repeat(1_000_000);
                self.say(&Says::Done(Err(CodecError::Resource(text))));
            }
            "endless threads" => {
                self.busy();
                for _ in 0..1200 {
                    let small = std::thread::Builder::new().stack_size(16 << 10);
                    small.spawn(|| sleep()).unwrap();
                }
            }
            // ---- ends
            "closes its socket and lives" => {
                self.busy();
                self.socket.shutdown(std::net::Shutdown::Both).unwrap();
            }
            "closes its socket and writes on" => {
                self.busy();
                self.socket.shutdown(std::net::Shutdown::Both).unwrap();
                loop {
                    let _ = writeln!(std::io::stderr(), "still here");
                }
            }
            "spins in its close" => {
                self.closes();
                spin();
            }
            "spins after its close" => {
                self.closes();
                self.say(&Says::Done(Ok(Reply::Closed)));
                spin();
            }
            "ends with half of an event" => {
                self.busy();
                let ring = self.ring.as_mut().unwrap();
                let _ = ring.write(&[9, 0, 0, 0, 1, 2]);
                std::process::exit(0);
            }
            "ends" => {
                self.busy();
                std::process::exit(0);
            }
            other => panic!("no lie is called {other:?}"),
        }
    }

    fn greet(&mut self, version: &str, kind: &str) {
        self.say(&Says::Ready(Hello {
            version: version.to_owned(),
            kind: kind.to_owned(),
        }));
    }

    fn lane(&mut self, lane: u8) {
        if lane != 3 {
            self.open();
        } else if self.fds.is_empty() {
            self.busy();
        }
        let name = "lane".to_owned();
        self.note(&LaneEvent::Began { lane, name });
    }

    /// Fills memory after it has given it up, as often as it got some, and says how much it
    /// then has.
    fn keeps_memory(&mut self) {
        self.busy();
        const LEN: u64 = 8 << 20;
        let mut kept = Vec::new();
        for _ in 0..50 {
            let (id, offset) = self.place(LEN);
            self.say(&Says::GivesUp(id));
            // Inputs are smaller.
            let is_large = |fd: &&OwnedFd| fstat(fd).unwrap().st_size.cast_unsigned() >= LEN;
            let fd = self.fds.iter().rfind(is_large).unwrap();
            kept.push((fd.try_clone().unwrap(), offset));
        }
        // All of that has been heard.
        self.block(100);
        for (fd, offset) in &kept {
            let (nowhere, len) = (std::ptr::null_mut(), LEN as usize);
            // SAFETY: a new mapping, which nobody else has.
            let at = unsafe { mmap(nowhere, len, ProtFlags::READ, MapFlags::SHARED, fd, *offset) };
            // SAFETY: as long as that, and never undone; what others write makes no difference.
            let bytes = unsafe { std::slice::from_raw_parts(at.unwrap().cast::<u8>(), len) };
            std::hint::black_box(bytes.iter().step_by(4096).max());
        }
        let files = kept.iter().map(|(fd, _)| fstat(fd).unwrap());
        let bytes: BTreeMap<_, _> = files.map(|it| (it.st_ino, it.st_blocks * 512)).collect();
        let text = format!("it has {} bytes", bytes.values().sum::<i64>());
        self.say(&Says::Done(Err(CodecError::Resource(text))));
    }

    /// A report of a sandbox that lacks millions of things, each a byte in the message.
    fn long_list(&mut self) {
        self.busy();
        const COUNT: usize = 30_000_000;
        // Variant 1: policy, two mechanisms that are unused, the list, the threads.
        let mut body = vec![1, 0, 0, 0];
        let mut count = COUNT;
        while count >= 128 {
            body.push((count % 128) as u8 | 128);
            count /= 128;
        }
        body.push(count as u8);
        body.resize(body.len() + COUNT, 0);
        body.push(0);
        let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend(body);
        self.write(&bytes);
    }

    /// Descriptors that nobody has asked for.
    fn descriptors(&self) {
        for _ in 0..1000 {
            let stderr = std::io::stderr();
            let fds = [stderr.as_fd(); 8];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
            let mut bytes = Vec::new();
            protocol::encode(&mut bytes, &Says::LaneEvents).unwrap();
            let flags = SendFlags::NOSIGNAL;
            let _ = sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut ancillary, flags);
        }
    }
}
