// SPDX-License-Identifier: MPL-2.0
//! dav1d, the AV1 decoder, as a codec for `codecwatch-supervisor`.
//!
//! A [`Config`] contains the settings and the stream's headers, as plain data; an
//! [`Environment`] contains what this process lends to a session: an allocator of
//! picture memory, a log sink. [`Dav1d`], made of both, is sent to the worker and opens
//! a [`Dav1dSession`] there, which publishes its [`Facts`], takes [`Chunk`]s of coded
//! data and emits [`Decoded`] outputs. Neither coded data nor pictures are copied: see
//! [`PictureAllocator`] for the lifetime of the memory.
//! `codecwatch-av1` converts other framings of AV1 to dav1d's.
//!
//! The bindings are generated from the installed header when this crate is built, so
//! it has to be rebuilt for another dav1d; 1.0 and later are supported.

mod callbacks;
mod chunk;
mod codec;
mod config;
mod decode_session;
mod decoded;
mod decoder;
mod facts;
mod inside;
mod key_frame_gate;
mod loaded_version;
mod metadata;
mod page_allocator;
mod pages;
mod picture;
mod picture_memory;
mod remote;
mod shape;
mod sys;

pub use callbacks::LogSink;
pub use chunk::{Bytes, Chunk};
pub use codec::{Dav1d, Environment, LIBRARY};
pub use config::{Config, InloopFilters, LARGEST_LEVEL_PICTURE};
pub use decode_session::Dav1dSession;
pub use decoded::{Damage, DamageCause, Decoded};
pub use facts::Facts;
pub use loaded_version::version;
pub use metadata::T35;
pub use page_allocator::PageAllocator;
pub use picture::{Picture, Plane};
pub use picture_memory::{Allocation, PictureAllocator, PictureMemory};
pub use remote::RemoteDav1d;
pub use shape::{ALIGNMENT, Chroma, PictureLayout, PictureShape};
