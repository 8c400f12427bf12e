// SPDX-License-Identifier: MPL-2.0
//! What the matrix varies.

use std::fmt;

use crate::elements::{Call, Element};
use crate::scenario::Source;

/// A list of all values of an axis and their words.
macro_rules! axis {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$value,)*];

            /// The word for it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }
    };
}

axis! {
    /// What the codec was asked for when it went wrong.
    Where {
        /// To begin: the change from READY to PAUSED of an element in a chain.
        Start = "start",
        /// To open a session.
        Open = "open",
        /// To take a frame.
        Send = "send",
        /// To give one.
        Get = "get",
        /// To answer a query of the pipeline.
        Query = "query",
        /// To forget what is inside: FLUSH_START and FLUSH_STOP.
        Flush = "flush",
        /// The same at a FLUSH_STOP without FLUSH_START.
        FlushStop = "flush-stop",
        /// To give everything out.
        Drain = "drain",
        /// The same because the format changes.
        Caps = "caps change",
        /// To forget what is inside: a flushing seek.
        Seek = "seek",
        /// To close the session.
        Close = "close",
    }
}

axis! {
    /// What the pipeline is about meanwhile.
    State {
        /// It goes to PAUSED for the first time.
        Preroll = "preroll",
        /// It plays.
        Playing = "playing",
        /// It is paused.
        Paused = "paused",
        /// EOS is right behind.
        Eos = "EOS",
        /// It is set to NULL at once.
        Null = "NULL",
        /// It is paused, and nothing fits behind the element.
        Full = "full queue",
        /// New caps wait behind the frames.
        CapsWait = "caps wait",
        /// A GAP event waits behind them.
        GapWaits = "gap waits",
        /// Nothing is linked behind the element, and later there is.
        Unlinked = "not linked",
        /// A session has taken over from the one in which it goes wrong.
        Successor = "successor runs",
    }
}

axis! {
    /// What goes wrong.
    Fault {
        /// The call never returns.
        Hang = "hang",
        /// It returns a second after the budget has run out.
        Late = "late return",
        /// It answers an error.
        Fail = "fail",
        /// It burns a processor and never returns.
        Spin = "spin",
        /// It takes four times as long, busy.
        Slow = "slow x4",
        /// It takes 300 ms longer, asleep.
        Delay = "delay",
        /// It takes 3 s longer, busy, which is more than its budget.
        Busy = "busy",
        /// The worker panics.
        Panic = "panic",
        /// The library aborts.
        Abort = "abort",
        /// It touches memory that is not there.
        Segv = "segv",
        /// It overflows its stack: shown of codecs in a child process.
        Overflow = "overflow",
        /// It ends the process with a code: likewise.
        Exit = "exit",
        /// What it gives out is corrupt.
        Corrupt = "corrupt",
    }
}

/// What a call can do to the process that it is made in: all but what ends the process
/// in yet another way.
const FAULTS_OF_A_CALL: &[Fault] = &[
    Fault::Hang,
    Fault::Late,
    Fault::Fail,
    Fault::Spin,
    Fault::Slow,
    Fault::Delay,
    Fault::Busy,
    Fault::Panic,
    Fault::Abort,
    Fault::Segv,
    Fault::Corrupt,
];

/// The faults that are shown of a codec in a child process, with one source. What the
/// element makes of them is as in this process, so what is left out is what does not
/// depend on where the codec is.
fn faults_of_child(at: Where, state: State, restart: bool, source: Source) -> &'static [Fault] {
    use {Fault as F, Source::Live, Source::NonLive, State as S, Where as W};
    const ENDS: &[Fault] = &[
        F::Hang,
        F::Fail,
        F::Panic,
        F::Abort,
        F::Segv,
        F::Overflow,
        F::Exit,
    ];
    match (at, state, restart, source) {
        (W::FlushStop, S::Playing, false, Live) => &[F::Delay],
        (W::FlushStop, ..) => &[],
        (W::Send | W::Get, S::Playing, false, Live) => &[
            F::Hang,
            F::Late,
            F::Fail,
            F::Spin,
            F::Slow,
            F::Delay,
            F::Busy,
            F::Panic,
            F::Abort,
            F::Segv,
            F::Overflow,
            F::Exit,
            F::Corrupt,
        ],
        (_, S::Playing, false, Live) | (_, S::Eos, false, NonLive) => ENDS,
        (_, S::Preroll | S::Paused, false, NonLive) => &[F::Hang, F::Segv],
        (_, S::Null, false, Live) => &[F::Hang, F::Late, F::Segv],
        (W::Send | W::Get | W::Drain | W::Caps, S::Playing, true, Live)
        | (W::Send | W::Get | W::Drain | W::Caps, S::Eos, true, NonLive) => {
            &[F::Hang, F::Fail, F::Panic, F::Segv, F::Exit]
        }
        (W::Send | W::Get, S::CapsWait | S::GapWaits | S::Successor, _, NonLive)
        | (W::Send, S::Unlinked, _, NonLive) => &[F::Hang, F::Segv],
        _ => &[],
    }
}

/// What is shown in the states that are about what waits: those that need not be
/// told apart there are left out.
const FAULTS_OF_WAITING: &[Fault] = &[
    Fault::Hang,
    Fault::Late,
    Fault::Fail,
    Fault::Delay,
    Fault::Busy,
    Fault::Panic,
];

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The element.
    pub element: Element,
    /// At which call.
    pub at: Where,
    /// In which state.
    pub state: State,
    /// Whether `restart-limit` is 1 instead of 0.
    pub restart: bool,
    /// With which source.
    pub source: Source,
    /// Which fault.
    pub fault: Fault,
}

/// The faults that are shown in a state, for a call: of a hosted chain with one source.
/// Everything but the chain is as in a native element, so what is left out there is what
/// does not depend on the codec.
fn faults_of_chain(at: Where, state: State, restart: bool, source: Source) -> &'static [Fault] {
    use {Fault as F, Source::Live, Source::NonLive, State as S, Where as W};
    match (at, state, restart, source) {
        (W::FlushStop, S::Playing, false, Live) => &[F::Delay],
        (W::FlushStop, S::Paused | S::Full, false, NonLive) => &[F::Delay],
        (W::FlushStop, ..) | (W::Start, S::Paused | S::Eos, ..) => &[],
        (W::Send | W::Start | W::Query, S::Playing, false, Live) => &[
            F::Hang,
            F::Late,
            F::Fail,
            F::Spin,
            F::Slow,
            F::Delay,
            F::Busy,
            F::Abort,
            F::Segv,
        ],
        (W::Close, S::Eos, false, NonLive) | (W::Send | W::Close, S::Null, false, Live) => {
            &[F::Hang, F::Late, F::Fail, F::Spin, F::Busy]
        }
        (_, S::Playing, false, Live) => &[F::Hang, F::Late, F::Fail, F::Delay, F::Busy],
        (_, S::Null, false, Live) | (_, S::Preroll | S::Paused | S::Eos, false, NonLive) => {
            &[F::Hang, F::Late, F::Fail]
        }
        (W::Flush | W::Seek | W::Close, S::Full, false, NonLive)
        | (W::Send | W::Get, S::CapsWait | S::GapWaits, _, NonLive)
        | (W::Send, S::Unlinked, _, NonLive) => &[F::Hang],
        (W::Send | W::Get | W::Drain | W::Caps, S::Playing, true, Live)
        | (W::Send | W::Get | W::Drain | W::Caps, S::Eos, true, NonLive) => {
            &[F::Hang, F::Late, F::Fail]
        }
        _ => &[],
    }
}

/// What is shown of a chain in a child beside that: the ends of the child.
fn deaths_of_chain(at: Where, state: State, restart: bool, source: Source) -> &'static [Fault] {
    use {Fault as F, Source::Live, Source::NonLive, State as S, Where as W};
    match (at, state, restart, source) {
        // Abort and Segv are there.
        (W::Send | W::Start | W::Query, S::Playing, false, Live) => &[F::Overflow, F::Exit],
        (W::FlushStop, ..) | (W::Start, S::Paused | S::Eos, ..) => &[],
        (_, S::Playing, false, Live) | (_, S::Preroll | S::Eos, false, NonLive) => {
            &[F::Segv, F::Exit]
        }
        (W::Send | W::Get | W::Drain | W::Caps, S::Playing, true, Live)
        | (W::Send | W::Get | W::Drain | W::Caps, S::Eos, true, NonLive) => &[F::Segv],
        _ => &[],
    }
}

/// The faults that are shown in a state, for a call.
fn faults(at: Where, state: State, restart: bool) -> &'static [Fault] {
    use {State as S, Where as W};
    match (at, state, restart) {
        (W::FlushStop, S::Playing | S::Paused | S::Full, false) => &[Fault::Delay],
        (W::FlushStop, ..) => &[],
        (_, S::Preroll | S::Playing | S::Paused | S::Eos | S::Null, false) => FAULTS_OF_A_CALL,
        (W::Flush | W::Seek | W::Close, S::Full, false)
        | (W::Send | W::Get, S::CapsWait | S::GapWaits | S::Successor, _)
        | (W::Send, S::Unlinked, _)
        | (W::Send | W::Get | W::Drain | W::Caps, S::Playing | S::Eos, true) => FAULTS_OF_WAITING,
        _ => &[],
    }
}

impl Cell {
    /// Every combination, possible or not.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for element in Element::all() {
            for &at in Where::ALL {
                for &state in State::ALL {
                    for restart in [false, true] {
                        for source in [Source::NonLive, Source::Live] {
                            let faults = match element.call_at(at) {
                                None => Vec::new(),
                                Some(_) if element.is_hosted => {
                                    let chain = faults_of_chain(at, state, restart, source);
                                    let deaths = match element.is_isolated {
                                        true => deaths_of_chain(at, state, restart, source),
                                        false => &[],
                                    };
                                    [chain, deaths].concat()
                                }
                                Some(_) if element.is_isolated => {
                                    faults_of_child(at, state, restart, source).to_vec()
                                }
                                Some(_) => faults(at, state, restart).to_vec(),
                            };
                            all.extend(faults.into_iter().map(|fault| Self {
                                element,
                                at,
                                state,
                                restart,
                                source,
                                fault,
                            }));
                        }
                    }
                }
            }
        }
        all
    }

    /// The library's function that goes wrong.
    ///
    /// # Panics
    /// Of a combination that is not among [all](Self::all).
    pub fn call(&self) -> &'static Call {
        self.element.call_at(self.at).unwrap()
    }

    /// Whether only the fault is another one.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Self {
            fault: other.fault,
            ..*self
        } == *other
    }

    /// Whether EOS waits behind the frames, by itself or behind what waits.
    pub fn waits_behind(&self) -> bool {
        matches!(
            self.state,
            State::Eos | State::CapsWait | State::GapWaits | State::Unlinked
        )
    }

    /// Whether the call closes a session.
    pub fn closes(&self) -> bool {
        self.call().closes
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}{}",
            self.element.name,
            self.at.name(),
            self.state.name(),
            self.source.name(),
            self.fault.name(),
            if self.restart { " restart" } else { "" }
        )
    }
}
