// SPDX-License-Identifier: MPL-2.0
//! Queries that are answered on another thread than that which brought them. That thread
//! may stop waiting, so the other gets a query of its own.

use gst::glib::translate::IntoGlib;
use gst::glib::{self, GStr, gstr};
use gst::prelude::*;
use gst::query::{Allocation, QueryRef};

use crate::device_memory::is_said_to_be_in_system_memory;

/// The type of memory of the default allocator.
const SYSTEM_MEMORY: &GStr = gstr!("SystemMemory");

/// A query with the same question, and nothing of an answer.
pub fn question(query: &QueryRef) -> gst::Query {
    match query.view() {
        // A copy would share the lists of pools and metas with the original.
        gst::QueryView::Allocation(query) => {
            let (caps, need_pool) = query.get();
            let caps = caps.map(ToOwned::to_owned);
            Allocation::new(caps.as_ref(), need_pool).into()
        }
        _ => query.to_owned(),
    }
}

/// Writes an answer into the query that asked for it.
pub fn answer(from: &QueryRef, to: &mut QueryRef) {
    answer_with(from, to, |pool| pool, |_| true);
}

/// The same for one that comes from upstream. In an allocation each pool has `held` more
/// buffers at least: those that an element holds on their way. Memory of a device is left
/// out if the caps do not name it: whoever allocates, maps and frees it calls the driver,
/// and that would be a thread of the pipeline.
pub fn answer_to_upstream(from: &QueryRef, to: &mut QueryRef, held: u32) {
    let caps = match from.view() {
        gst::QueryView::Allocation(query) => query.get_owned().0,
        _ => None,
    };
    let is_named = !is_said_to_be_in_system_memory(caps.as_deref());
    let is_known = |pool: &gst::BufferPool| {
        is_named || matches!(pool.type_().name(), "GstBufferPool" | "GstVideoBufferPool")
    };
    let is_plain =
        |allocator: &gst::Allocator| is_named || allocator.memory_type() == SYSTEM_MEMORY;
    let offer = |(pool, size, min, max): Pool| (pool.filter(is_known), size, min, max);
    answer_with(from, to, |pool| held_back(offer(pool), held), is_plain);
}

/// The same for one that comes from the chain. A pool with a limit is left out, and no other
/// has one: downstream may hold all buffers, as long as it is paused, and a codec that waits
/// for one would be taken for one that hangs.
pub(crate) fn answer_to_chain(from: &QueryRef, to: &mut QueryRef, held: u32) {
    let offer = |(pool, size, min, max): Pool| (pool.filter(|_| max == 0), size, min, 0);
    answer_with(from, to, |pool| held_back(offer(pool), held), |_| true);
}

/// A pool in an allocation: it, the size of its buffers, how many at least, and at most, or
/// 0.
type Pool = (Option<gst::BufferPool>, u32, u32, u32);

/// The pool with so many more buffers.
fn held_back((pool, size, min, max): Pool, held: u32) -> Pool {
    let max = match max {
        0 => 0,
        max => max.saturating_add(held),
    };
    (pool, size, min.saturating_add(held), max)
}

fn answer_with(
    from: &QueryRef,
    to: &mut QueryRef,
    offer: impl Fn(Pool) -> Pool,
    keeps: impl Fn(&gst::Allocator) -> bool,
) {
    if let gst::QueryView::Allocation(from) = from.view() {
        return copy_allocation(from, to, offer, keeps);
    }
    let Some(fields) = from.structure().map(ToOwned::to_owned) else {
        return;
    };
    let structure = to.structure_mut();
    for (name, value) in fields.iter() {
        structure.set_value(name, value.clone());
    }
}

fn copy_allocation(
    from: &Allocation,
    to: &mut QueryRef,
    offer: impl Fn(Pool) -> Pool,
    keeps: impl Fn(&gst::Allocator) -> bool,
) {
    if let gst::QueryViewMut::Allocation(to) = to.view_mut() {
        for (allocator, params) in from.allocation_params() {
            to.add_allocation_param(allocator.filter(&keeps).as_ref(), params);
        }
        for pool in from.allocation_pools() {
            let (pool, size, min, max) = offer(pool);
            to.add_allocation_pool(pool.as_ref(), size, min, max);
        }
    }
    for (api, params) in from.allocation_metas() {
        add_meta(to, api, params);
    }
}

/// The bindings add metas whose type is known at compile time only.
pub(crate) fn add_meta(to: &mut QueryRef, api: glib::Type, params: Option<&gst::StructureRef>) {
    let params = params.map_or(std::ptr::null(), |params| params.as_ptr());
    // SAFETY: `to` is an allocation query (`copy_allocation` is called with no other)
    // that is borrowed mutably, so it is writable; `params` lives as long as this call,
    // which copies it; the type comes from such a query.
    unsafe { gst::ffi::gst_query_add_allocation_meta(to.as_mut_ptr(), api.into_glib(), params) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_comes_across_with_pools_metas_and_params() {
        gst::init().unwrap();
        let caps = gst::Caps::new_empty_simple("video/x-raw");
        let mut asked = Allocation::new(Some(&caps), true);
        let question = question(&asked);
        let gst::QueryView::Allocation(answered) = question.view() else {
            panic!("{question:?}")
        };
        assert_eq!(answered.get_owned(), (Some(caps.clone()), true));
        let mut answered = Allocation::new(Some(&caps), true);
        let pool = gst::BufferPool::new();
        answered.add_allocation_pool(Some(&pool), 100, 2, 4);
        answered.add_allocation_pool(Some(&pool), 100, 0, 0);
        let params = gst::Structure::new_empty("params");
        answered.add_allocation_meta::<gst::ReferenceTimestampMeta>(Some(&params));
        answered.add_allocation_param(gst::Allocator::NONE, gst::AllocationParams::default());
        let mut to_chain: gst::Query = Allocation::new(Some(&caps), true).into();
        answer_to_chain(&answered, to_chain.make_mut(), 5);
        let gst::QueryView::Allocation(to_chain) = to_chain.view() else {
            panic!("{to_chain:?}")
        };
        let pools: Vec<_> = to_chain.allocation_pools().collect();
        assert_eq!(
            pools[0],
            (None, 100, 7, 0),
            "downstream may hold all of them"
        );
        assert_eq!(pools[1], (Some(pool.clone()), 100, 5, 0));
        answer_to_upstream(&answered, &mut asked, 5);
        let pools: Vec<_> = asked.allocation_pools().collect();
        assert_eq!(pools[0], (Some(pool.clone()), 100, 7, 9));
        assert_eq!(pools[1], (Some(pool), 100, 5, 0), "no limit stays none");
        let metas: Vec<_> = asked.allocation_metas().collect();
        assert_eq!(metas.len(), 1);
        assert_eq!(
            metas[0].1.map(|params| params.name().as_str()),
            Some("params")
        );
        assert_eq!(asked.allocation_params().count(), 1);
    }

    #[test]
    fn an_answer_replaces_the_fields_of_its_question() {
        gst::init().unwrap();
        let filter = gst::Caps::new_empty_simple("video/x-raw");
        let mut asked = gst::query::Caps::new(Some(&filter));
        let mut answered = question(&asked);
        let gst::QueryViewMut::Caps(query) = answered.make_mut().view_mut() else {
            panic!("no caps query")
        };
        query.set_result(&filter);
        answer(&answered, &mut asked);
        assert_eq!(asked.result_owned(), Some(filter));
    }
}
