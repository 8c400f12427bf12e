// SPDX-License-Identifier: MPL-2.0
//! Queries of the pipeline. They are put to the chain on its worker, for a limited time,
//! which is shorter while the chain itself waits for the pipeline. If the chain is busy
//! for longer, or wedged, the answer is:
//!
//! | query | answer without the chain |
//! |---|---|
//! | CAPS, ACCEPT_CAPS from upstream | by the template of the chain's first pad |
//! | CAPS, ACCEPT_CAPS from downstream | by the caps in force, or the template of its last pad |
//! | LATENCY | upstream's, and what the chain added when it was measured last: the chain is never asked |
//! | ALLOCATION | none: upstream uses memory of its own |
//! | DRAIN | downstream's |
//! | SCHEDULING | none: what comes out is pushed, and the chain is never asked |
//! | others from downstream | upstream's |
//! | others from upstream | downstream's |

mod ends;

use std::sync::mpsc;
use std::time::Duration;

use codecwatch_element::Supervised;
use codecwatch_hosted::{ChainSession, Facts, HostedSession, relay};
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst::{PadDirection, QueryRef, QueryViewMut};

pub(super) use self::ends::Ends;
use super::imp::CodecWatch;

/// How long a query waits for the chain before it looks whether the chain waits for the
/// pipeline around it: for downstream, which in a paused pipeline takes nothing until it
/// plays, or for the answer to a query of its own. Then who asks may be the one that it
/// waits for, as when two of these elements stand side by side and each asks the other.
const ATTEMPT: Duration = Duration::from_millis(100);
/// How often, if it does not: a codec answers when its call in progress has returned.
const ATTEMPTS: u32 = 10;
/// The longest that a query waits beside the worker: as long as for the worker.
const BESIDE: Duration = Duration::from_secs(1);
/// How many buffers of a pool the element holds at most between upstream and the chain:
/// its inputs that wait, the one that is submitted, and the one that the chain has.
const HELD: u32 = <HostedSession as codecwatch_supervisor::Session>::QUEUE as u32 + 2;

/// A query to the sink pad.
pub(super) fn from_upstream(imp: &CodecWatch, pad: &gst::Pad, query: &mut QueryRef) -> bool {
    if query.is_serialized() {
        return in_order(imp, query);
    }
    if asked(imp, false, query) == Some(true) {
        return true;
    }
    let known = template(imp, PadDirection::Sink);
    by_caps(known.as_ref(), query) || gst::Pad::query_default(pad, Some(&*imp.obj()), query)
}

/// A query to the source pad.
pub(super) fn from_downstream(imp: &CodecWatch, pad: &gst::Pad, query: &mut QueryRef) -> bool {
    match query.view_mut() {
        QueryViewMut::Latency(query) => return latency(imp, query),
        QueryViewMut::Caps(_) | QueryViewMut::AcceptCaps(_) => {}
        QueryViewMut::Scheduling(_) => return false,
        // Most codecs pass it on to upstream, and some change the answer.
        _ => return asked(imp, true, query).unwrap_or_else(|| imp.sink.peer_query(query)),
    }
    if asked(imp, true, query) == Some(true) {
        return true;
    }
    let known = imp.src.current_caps();
    let known = known.or_else(|| template(imp, PadDirection::Src));
    by_caps(known.as_ref(), query) || gst::Pad::query_default(pad, Some(&*imp.obj()), query)
}

/// Puts a query to the chain as soon as its call in progress has returned, or beside it,
/// and returns whether it was answered. `None` if the chain cannot be reached.
fn asked(imp: &CodecWatch, from_src: bool, query: &mut QueryRef) -> Option<bool> {
    let mut was_blocked = false;
    for _ in 0..ATTEMPTS {
        if imp.supervision().is_blocked() && (from_src || imp.state().entrance.leads_down()) {
            return asked_beside(imp, from_src, query);
        }
        let question = relay::question(query);
        let answered = imp.supervision().ask(imp, ATTEMPT, move |session, lane| {
            session.query(lane, from_src, question)
        });
        if let Some(answered) = answered {
            return Some(take_answer(answered, query));
        }
        // Twice in a row: on a machine that is busy, an answer of the pipeline may take
        // longer than one attempt.
        let is_blocked = imp.supervision().is_blocked();
        if !from_src && is_blocked && was_blocked {
            return None;
        }
        was_blocked = is_blocked;
    }
    None
}

/// Puts a query to the chain beside its worker, which waits for downstream.
fn asked_beside(imp: &CodecWatch, from_src: bool, query: &mut QueryRef) -> Option<bool> {
    let entrance = imp.state().entrance.clone();
    let question = relay::question(query);
    let (sender, answer) = mpsc::channel();
    imp.supervision().beside("query", move |lane| {
        // Nobody waits any more if it came late.
        let _ = sender.send(match from_src {
            true => entrance.query(lane, question),
            false => entrance.query_down(lane, question),
        });
    });
    let answered = answer.recv_timeout(BESIDE).ok()?;
    Some(take_answer(answered, query))
}

fn take_answer(answered: Option<gst::Query>, query: &mut QueryRef) -> bool {
    if let Some(answered) = &answered {
        relay::answer(answered, query);
    }
    answered.is_some()
}

/// Puts a query to the chain after the buffers and events before it.
fn in_order(imp: &CodecWatch, query: &mut QueryRef) -> bool {
    let question = relay::question(query);
    let answered = imp.supervision().ask_in_order(imp, move |session, lane| {
        session.query(lane, false, question)
    });
    match answered {
        Some(Some(answered)) => {
            relay::answer_to_upstream(&answered, query, HELD);
            true
        }
        Some(None) => false,
        // Without a session there is nothing to drain here.
        None => query.type_() == gst::QueryType::Drain && imp.src.peer_query(query),
    }
}

/// What an end of the chain takes or gives by its template.
fn template(imp: &CodecWatch, direction: PadDirection) -> Option<gst::Caps> {
    // The property may have changed since the chain was checked, or was never checked. A
    // wrapped element has the templates of its codec.
    if imp.wrapped.is_none() && imp.obj().current_state() < gst::State::Paused {
        return ends::caps(imp, direction);
    }
    let state = imp.state();
    let chain = state.chain.as_deref()?;
    Some(match direction {
        PadDirection::Sink => chain.sink_caps.clone(),
        _ => chain.src_caps.clone(),
    })
}

/// Answers for caps without the chain.
fn by_caps(known: Option<&gst::Caps>, query: &mut QueryRef) -> bool {
    let Some(known) = known else { return false };
    match query.view_mut() {
        QueryViewMut::Caps(query) => {
            let caps = match query.filter_owned() {
                Some(filter) => filter.intersect_with_mode(known, gst::CapsIntersectMode::First),
                None => known.clone(),
            };
            query.set_result(&caps);
            true
        }
        QueryViewMut::AcceptCaps(query) => {
            let accepted = query.caps().can_intersect(known);
            query.set_result(accepted);
            true
        }
        _ => false,
    }
}

fn latency(imp: &CodecWatch, query: &mut gst::query::Latency) -> bool {
    let mut upstream = gst::query::Latency::new();
    if !imp.sink.peer_query(&mut upstream) {
        return false;
    }
    let (live, least, most) = upstream.result();
    let chain = imp.supervision().facts::<Facts>();
    let chain = chain.as_deref().copied().unwrap_or_default();
    let most = most.and_then(|most| Some(most.saturating_add(chain.most_latency?)));
    query.set(live, least.saturating_add(chain.least_latency), most);
    true
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_shows_the_table() {
        let row = |line: &str| line.strip_prefix("//! |").map(|rest| format!("|{rest}"));
        let rows = include_str!("queries.rs").lines().filter_map(row);
        let table: Vec<_> = rows.collect();
        let page = include_str!("../../../../docs/ELEMENTS.md");
        assert!(table.len() > 5);
        assert!(
            page.contains(&table.join("\n")),
            "ELEMENTS.md has another table"
        );
    }
}
