// SPDX-License-Identifier: MPL-2.0
//! Queries that are answered on another thread than that which brought them. That thread
//! may stop waiting, so the other gets a query of its own.

use gst::glib;
use gst::glib::translate::IntoGlib;
use gst::query::{Allocation, QueryRef};

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

/// Writes an answer into the query that asked for it. In an allocation each pool has
/// `held` more buffers at least: those that an element holds on their way.
pub fn answer(from: &QueryRef, to: &mut QueryRef, held: u32) {
    if let gst::QueryView::Allocation(from) = from.view() {
        return copy_allocation(from, to, held);
    }
    let Some(fields) = from.structure().map(ToOwned::to_owned) else {
        return;
    };
    let structure = to.structure_mut();
    for (name, value) in fields.iter() {
        structure.set_value(name, value.clone());
    }
}

fn copy_allocation(from: &Allocation, to: &mut QueryRef, held: u32) {
    if let gst::QueryViewMut::Allocation(to) = to.view_mut() {
        for (allocator, params) in from.allocation_params() {
            to.add_allocation_param(allocator.as_ref(), params);
        }
        for (pool, size, min, max) in from.allocation_pools() {
            let max = if max == 0 {
                0
            } else {
                max.saturating_add(held)
            };
            to.add_allocation_pool(pool.as_ref(), size, min.saturating_add(held), max);
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
        answer(&answered, &mut asked, 5);
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
        answer(&answered, &mut asked, 5);
        assert_eq!(asked.result_owned(), Some(filter));
    }
}
