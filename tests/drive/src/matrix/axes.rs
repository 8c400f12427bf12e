// SPDX-License-Identifier: MPL-2.0
//! What the matrix varies.

use std::fmt;

use crate::scenario::{Element, Source};

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
        /// To open a session.
        Open = "open",
        /// To take a frame.
        Send = "send",
        /// To give one.
        Get = "get",
        /// To forget what is inside: FLUSH_START and FLUSH_STOP.
        Flush = "flush",
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
        /// The worker panics.
        Panic = "panic",
        /// The library aborts.
        Abort = "abort",
        /// It touches memory that is not there.
        Segv = "segv",
        /// What it gives out is corrupt.
        Corrupt = "corrupt",
    }
}

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The element.
    pub element: Element,
    /// At which call.
    pub at: Where,
    /// In which state.
    pub state: State,
    /// With which source.
    pub source: Source,
    /// Which fault.
    pub fault: Fault,
}

impl Cell {
    /// Every combination, possible or not.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for element in [Element::Encoder, Element::Decoder] {
            for &at in Where::ALL {
                for &state in State::ALL {
                    for source in [Source::NonLive, Source::Live] {
                        for &fault in Fault::ALL {
                            all.push(Self {
                                element,
                                at,
                                state,
                                source,
                                fault,
                            });
                        }
                    }
                }
            }
        }
        all
    }

    /// The library's function that goes wrong.
    pub fn call(&self) -> &'static str {
        match (self.element, self.at) {
            (Element::Encoder, Where::Open) => "svt_av1_enc_init",
            (Element::Encoder, Where::Send) => "svt_av1_enc_send_picture",
            (Element::Encoder, Where::Get | Where::Drain | Where::Caps) => "svt_av1_enc_get_packet",
            // SVT-AV1 cannot flush: the session is closed.
            (Element::Encoder, Where::Flush | Where::Seek) => "svt_av1_enc_deinit",
            (Element::Encoder, Where::Close) => "svt_av1_enc_deinit_handle",
            (Element::Decoder, Where::Open) => "dav1d_open",
            (Element::Decoder, Where::Send) => "dav1d_send_data",
            (Element::Decoder, Where::Get | Where::Drain | Where::Caps) => "dav1d_get_picture",
            (Element::Decoder, Where::Flush | Where::Seek) => "dav1d_flush",
            (Element::Decoder, Where::Close) => "dav1d_close",
        }
    }

    /// Whether the call closes a session.
    pub fn closes(&self) -> bool {
        self.at == Where::Close
            || (self.element == Element::Encoder && matches!(self.at, Where::Flush | Where::Seek))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            self.element.name(),
            self.at.name(),
            self.state.name(),
            self.source.name(),
            self.fault.name()
        )
    }
}
