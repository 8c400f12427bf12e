// SPDX-License-Identifier: MPL-2.0
//! dav1d, the AV1 decoder, as a codec for `codecwatch-supervisor`.
//!
//! A [`Config`] is everything that a session is to know of its stream and of the
//! user's wishes, as plain data; an [`Environment`] is what this process lends it:
//! memory for pictures, a place for its log. [`Dav1d`], made of both, travels to the
//! worker and opens a [`Dav1dSession`] there, which publishes its [`Facts`], takes [`Chunk`]s of coded data and gives [`Decoded`] outputs. Coded data
//! goes in, and pictures come out, without a copy: see [`PictureAllocator`] for
//! who holds the memory when.
//! Other framings of AV1 than dav1d's are read by `codecwatch-av1`.
//!
//! The bindings are made from the installed header when this crate is built, so
//! it has to be built again for another dav1d; 1.0 and later are supported.

mod callbacks;
mod chunk;
mod codec;
mod config;
mod decode_session;
mod decoded;
mod decoder;
mod facts;
mod in_flight;
mod key_frame_gate;
mod loaded_version;
mod metadata;
mod page_allocator;
mod pages;
mod picture;
mod picture_memory;
mod shape;
mod sys;

pub use callbacks::LogSink;
pub use chunk::{Bytes, Chunk};
pub use codec::{Dav1d, Environment, LIBRARY};
pub use config::{Config, InloopFilters, LARGEST_LEVEL_PICTURE, frame_delay};
pub use decode_session::Dav1dSession;
pub use decoded::{Damage, DamageCause, Decoded};
pub use facts::Facts;
pub use metadata::{Frame, FrameKind, Sequence, T35};
pub use page_allocator::PageAllocator;
pub use picture::{Picture, Plane};
pub use picture_memory::{Allocation, PictureAllocator, PictureMemory};
pub use shape::{ALIGNMENT, Chroma, PictureLayout, PictureShape};
