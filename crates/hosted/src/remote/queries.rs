// SPDX-License-Identifier: MPL-2.0
//! Queries and their answers on their way between parent and child.

use gst::glib;
use gst::glib::translate::{IntoGlib, IntoGlibPtr, from_glib_full};
use serde::{Deserialize, Serialize};

use super::text::{self, structure, text_of};
use super::{fields, values};
use crate::relay;

/// The most buffers that a chain in a child can ask upstream to allocate, several times
/// what a codec keeps, and the most bytes: those of 64 pictures of 8192x4320 with 16 bits
/// and three full planes.
const MOST_BUFFERS: u32 = 256;
const MOST_AT_ONCE: u64 = 64 * 8192 * 4320 * 6;

/// A query as data.
#[derive(Debug, Serialize, Deserialize)]
pub enum PackedQuery {
    /// ALLOCATION.
    Allocation {
        /// The caps.
        caps: Option<String>,
        /// Whether a pool is wanted.
        need_pool: bool,
    },
    /// CAPS. (No caps have no text form that can be read again.)
    Caps {
        /// The filter.
        filter: Option<String>,
    },
    /// Any other.
    Other {
        /// Its type.
        kind: i32,
        /// Its structure.
        structure: Option<String>,
    },
}

/// The answer to a query.
#[derive(Debug, Serialize, Deserialize)]
pub enum PackedAnswer {
    /// To ALLOCATION. Pools and allocators stay in their process; how many buffers are
    /// needed does not.
    Allocation {
        /// Size, least and most number of buffers for each pool.
        pools: Vec<(u32, u32, u32)>,
        /// Metas that are understood, and their parameters.
        metas: Vec<(String, Option<String>)>,
    },
    /// To CAPS.
    Caps(String),
    /// To any other: its structure.
    Other(Option<String>),
}

impl PackedQuery {
    pub(super) fn new(query: &gst::QueryRef) -> Self {
        match query.view() {
            gst::QueryView::Allocation(query) => {
                let (caps, need_pool) = query.get();
                Self::Allocation {
                    caps: caps.map(ToString::to_string),
                    need_pool,
                }
            }
            gst::QueryView::Caps(query) => Self::Caps {
                filter: query.filter().map(ToString::to_string),
            },
            _ => Self::Other {
                kind: query.type_().into_glib(),
                structure: query.structure().map(text_of),
            },
        }
    }

    /// The query. `None` if this is none.
    pub(super) fn unpack(&self) -> Option<gst::Query> {
        match self {
            Self::Allocation { caps, need_pool } => {
                let caps = match caps {
                    Some(caps) => {
                        Some(text::caps(caps).filter(|caps| values::is_one_format(caps))?)
                    }
                    None => None,
                };
                Some(gst::query::Allocation::new(caps.as_ref(), *need_pool).into())
            }
            Self::Caps { filter } => {
                let filter = match filter {
                    Some(filter) => Some(text::caps(filter)?),
                    None => None,
                };
                Some(gst::query::Caps::new(filter.as_ref()).into())
            }
            Self::Other {
                kind,
                structure: text,
            } => {
                let kind = known_kind(*kind)?;
                let structure = fields::of_question(kind, structure(text.as_deref())?)?;
                // SAFETY: the kind is one that GStreamer knows; the structure is new, and
                // given away.
                let query = unsafe {
                    gst::ffi::gst_query_new_custom(kind.into_glib(), structure.into_glib_ptr())
                };
                // SAFETY: a new query, whose only reference is taken.
                (!query.is_null()).then(|| unsafe { from_glib_full(query) })
            }
        }
    }
}

impl PackedAnswer {
    /// The answer in a query that was answered. What lies in the memory of a device
    /// cannot leave its process, so caps with such memory are left out.
    pub(super) fn new(answered: &mut gst::QueryRef) -> Self {
        without_devices(answered);
        match answered.view() {
            gst::QueryView::Allocation(query) => Self::Allocation {
                pools: query
                    .allocation_pools()
                    .map(|(_, size, min, max)| (size, min, max))
                    .collect(),
                metas: query
                    .allocation_metas()
                    .map(|(api, params)| (api.name().to_owned(), params.map(ToString::to_string)))
                    .collect(),
            },
            gst::QueryView::Caps(query) => {
                let result = query.result();
                Self::Caps(result.map_or_else(|| "EMPTY".to_owned(), ToString::to_string))
            }
            _ => Self::Other(answered.structure().map(text_of)),
        }
    }

    /// The answered query to `question`. `None` if this is no answer to it.
    pub(super) fn unpack(&self, question: &gst::QueryRef) -> Option<gst::Query> {
        let mut answered = relay::question(question);
        let query = answered.make_mut();
        match (self, query.view_mut()) {
            (Self::Allocation { pools, metas }, gst::QueryViewMut::Allocation(query)) => {
                for &(size, min, max) in pools.iter().filter(|pool| is_pool(pool)) {
                    query.add_allocation_pool(None::<&gst::BufferPool>, size, min, max);
                }
                for (api, params) in metas {
                    let params = structure(params.as_deref())?;
                    // An interface that this process does not have, nobody here uses.
                    if let Some(api) = glib::Type::from_name(api) {
                        relay::add_meta(query, api, params.as_deref());
                    }
                }
            }
            (Self::Caps(result), gst::QueryViewMut::Caps(query)) => {
                let result = text::caps(result)?;
                // Some elements take the same object for a peer that takes anything.
                let filter = query.filter_owned().filter(|filter| *filter == result);
                query.set_result(&filter.unwrap_or(result));
            }
            (_, gst::QueryViewMut::Caps(_) | gst::QueryViewMut::Allocation(_)) => return None,
            (Self::Other(text), _) => {
                let answer = fields::of_answer(question.type_(), structure(text.as_deref())?)?;
                let fields = query.structure_mut();
                for (name, value) in answer.iter() {
                    fields.set_value(name, value.clone());
                }
            }
            _ => return None,
        }
        Some(answered)
    }
}

/// Whether upstream can be asked for a pool of this size and least and most number of
/// buffers: it may allocate the least at once.
fn is_pool(&(size, min, max): &(u32, u32, u32)) -> bool {
    let at_once = u64::from(size) * u64::from(min);
    at_once <= MOST_AT_ONCE && min <= MOST_BUFFERS && (max == 0 || min <= max)
}

/// Leaves caps with memory of a device out of the answer to a CAPS query.
fn without_devices(answered: &mut gst::QueryRef) {
    let gst::QueryViewMut::Caps(query) = answered.view_mut() else {
        return;
    };
    let Some(result) = query.result_owned() else {
        return;
    };
    if result.is_any() {
        return;
    }
    let in_system_memory: gst::Caps = result
        .iter_with_features()
        .filter(|(_, features)| !is_of_device(features))
        .map(|(structure, features)| (structure.to_owned(), features.to_owned()))
        .collect();
    query.set_result(&in_system_memory);
}

fn is_of_device(features: &gst::CapsFeaturesRef) -> bool {
    let memory = |feature: &str| {
        feature.starts_with("memory:") && feature != *gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY
    };
    !features.is_any() && features.iter().any(|feature| memory(feature))
}

/// The kind of query with this number.
fn known_kind(number: i32) -> Option<gst::QueryType> {
    use gst::QueryType as T;
    let kinds = [
        T::Position,
        T::Duration,
        T::Latency,
        T::Seeking,
        T::Segment,
        T::Convert,
        T::Formats,
        T::Buffering,
        T::Custom,
        T::Uri,
        T::Scheduling,
        T::AcceptCaps,
        T::Drain,
        T::Bitrate,
    ];
    kinds.into_iter().find(|kind| kind.into_glib() == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_and_its_answer_come_across() {
        gst::init().unwrap();
        let filter: gst::Caps = "video/x-raw, width=[1, 100]".parse().unwrap();
        let asked = gst::query::Caps::new(Some(&filter));
        let mut there = PackedQuery::new(&asked).unpack().unwrap();
        let gst::QueryViewMut::Caps(query) = there.make_mut().view_mut() else {
            panic!("{there:?}")
        };
        assert_eq!(query.filter_owned(), Some(filter));
        let both = "video/x-raw(memory:VAMemory), width=7; video/x-raw, width=8";
        query.set_result(&both.parse::<gst::Caps>().unwrap());
        let answer = PackedAnswer::new(there.make_mut());
        let back = answer.unpack(&asked).unwrap();
        let gst::QueryView::Caps(query) = back.view() else {
            panic!("{back:?}")
        };
        let in_system_memory: gst::Caps = "video/x-raw, width=8".parse().unwrap();
        assert_eq!(query.result_owned(), Some(in_system_memory));
    }

    #[test]
    fn of_an_allocation_the_numbers_and_metas_come_across() {
        gst::init().unwrap();
        let caps: gst::Caps = "video/x-raw".parse().unwrap();
        let asked = gst::query::Allocation::new(Some(&caps), true);
        let mut there = PackedQuery::new(&asked).unpack().unwrap();
        let gst::QueryViewMut::Allocation(query) = there.make_mut().view_mut() else {
            panic!("{there:?}")
        };
        assert_eq!(query.get_owned(), (Some(caps), true));
        query.add_allocation_pool(Some(&gst::BufferPool::new()), 100, 2, 4);
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        let answer = PackedAnswer::new(there.make_mut());
        let back = answer.unpack(&asked).unwrap();
        let gst::QueryView::Allocation(query) = back.view() else {
            panic!("{back:?}")
        };
        assert_eq!(
            query.allocation_pools().collect::<Vec<_>>(),
            [(None, 100, 2, 4)]
        );
        assert_eq!(query.allocation_metas().count(), 1);
    }

    #[test]
    fn an_answer_to_another_query_is_none() {
        gst::init().unwrap();
        let asked = gst::query::Allocation::new(None, false);
        assert!(PackedAnswer::Other(None).unpack(&asked).is_none());
        let asked = gst::query::Latency::new();
        let wrong = PackedAnswer::Allocation {
            pools: Vec::new(),
            metas: Vec::new(),
        };
        assert!(wrong.unpack(&asked).is_none());
        let broken = PackedAnswer::Other(Some("no structure, =".into()));
        assert!(broken.unpack(&asked).is_none());
    }
}
