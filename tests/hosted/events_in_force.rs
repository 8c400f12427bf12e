// SPDX-License-Identifier: MPL-2.0
//! Events that stay in force, such as caps, outlive what drops the inputs and outputs
//! among which they wait: a restart and a flush.

use gst::prelude::*;

use crate::record::Record;
use crate::rig::{Item, Rig, produce};

fn input(size: u32) -> Vec<Item> {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    produce(&format!(
        "videotestsrc num-buffers=12 ! \
         video/x-raw,format=I420,width={size},height={size},framerate=25/1"
    ))
}

fn is(item: &Item, kind: gst::EventType) -> bool {
    matches!(item, Item::Event(event) if event.type_() == kind)
}

fn first_buffer(items: &[Item]) -> usize {
    let is_buffer = |item: &Item| matches!(item, Item::Buffer(_));
    items.iter().position(is_buffer).unwrap()
}

/// Where the first record is that begins with this text.
fn place(records: &[Record], text: &str) -> Option<usize> {
    let begins = |record: &Record| format!("{record:?}").starts_with(text);
    records.iter().position(begins)
}

#[test]
fn a_new_session_gets_them_first() {
    let items = input(64);
    // An encoder that needs its caps.
    let rig = {
        let element = gst::ElementFactory::make("codecwatch")
            .property("codec", "wedge at=chain how=error number=5 ! jpegenc")
            .property("restart-limit", 1_u32)
            .build();
        Rig::around(element.unwrap(), "wedge ! jpegenc".to_owned())
    };
    let first = first_buffer(&items);
    let mut script = items[..first].to_vec();
    for item in &items[first..first + 10] {
        script.extend([item.clone(), Item::Settle]);
    }
    script.push(Item::Event(gst::event::Eos::new()));
    let records = rig.play_on(&script);
    let buffers = records.iter().filter_map(Record::size).count();
    assert_eq!(buffers, 9, "one was inside: {records:?}");
    assert!(rig.errors().is_empty());
}

#[test]
fn those_that_a_flush_drops_before_the_chain_reach_it() {
    let (items, others) = (input(64), input(32));
    let rig = Rig::hosted("wedge at=chain how=sleep number=2 time=400 ! jpegenc");
    let first = first_buffer(&items);
    rig.play_on(&items[..first + 3]);
    // The worker sleeps; these caps wait behind it, and the flush drops them.
    let caps = others
        .iter()
        .find(|item| is(item, gst::EventType::Caps))
        .unwrap();
    let segment = items
        .iter()
        .find(|item| is(item, gst::EventType::Segment))
        .unwrap();
    let mut script = vec![
        caps.clone(),
        Item::Event(gst::event::FlushStart::new()),
        Item::Event(gst::event::FlushStop::new(true)),
        segment.clone(),
    ];
    script.extend_from_slice(&others[first_buffer(&others)..]);
    let records = rig.play_on(&script);
    assert!(rig.errors().is_empty());
    let mut texts = records.iter().rev().map(|record| format!("{record:?}"));
    let caps = texts.find(|text| text.starts_with("caps:")).unwrap();
    assert!(caps.contains("width=(int)32"), "{caps}");
    assert_eq!(place(&records, "eos"), Some(records.len() - 1));
}

#[test]
fn those_that_a_flush_drops_behind_the_chain_come_out() {
    let (items, others) = (input(64), input(32));
    let rig = Rig::hosted("wedge");
    let first = first_buffer(&items);
    rig.play_on(&items[..first + 1]);
    rig.settle();
    rig.downstream.block(true);
    let _opens = rig.downstream.opens_at_last();
    // The caps are behind a buffer that downstream does not take, and the flush drops them.
    let caps = others
        .iter()
        .find(|item| is(item, gst::EventType::Caps))
        .unwrap();
    rig.play_on(&[items[first + 1].clone(), caps.clone()]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let segment = items
        .iter()
        .find(|item| is(item, gst::EventType::Segment))
        .unwrap();
    let mut script = vec![
        Item::Event(gst::event::FlushStart::new()),
        Item::Event(gst::event::FlushStop::new(true)),
        segment.clone(),
    ];
    script.extend_from_slice(&others[first_buffer(&others)..]);
    let records = rig.play_on(&script);
    let after = place(&records, "flush-stop").unwrap();
    let caps = place(&records[after..], "caps: video/x-raw").expect("no caps");
    let buffer = place(&records[after..], "buffer").unwrap();
    assert!(caps < buffer, "{records:?}");
}

/// Pools of downstream get as many buffers more as wait on the way, on either side. One with
/// a limit is not offered: a paused pipeline may hold all of its buffers.
#[test]
fn an_allocation_counts_what_is_held_on_the_way() {
    let items = input(64);
    let pool = gst::BufferPool::new();
    for (max, offered) in [(0, Some(pool.clone())), (10, None)] {
        let rig = Rig::hosted("identity");
        let pool = pool.clone();
        rig.end
            .add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
                let Some(query) = info.query_mut() else {
                    return gst::PadProbeReturn::Ok;
                };
                match query.view_mut() {
                    gst::QueryViewMut::Allocation(query) => {
                        query.add_allocation_pool(Some(&pool), 100, 2, max);
                        gst::PadProbeReturn::Handled
                    }
                    _ => gst::PadProbeReturn::Ok,
                }
            });
        rig.play(&items[..first_buffer(&items) + 1]);
        rig.settle();
        let caps = rig.end.current_caps();
        let mut query = gst::query::Allocation::new(caps.as_ref(), true);
        assert!(rig.feed.peer_query(&mut query));
        let (pool, _, min, max) = query.allocation_pools().next().unwrap();
        // Four inputs, the one that is submitted, the one that the chain has; four outputs,
        // and the one that is pushed.
        assert_eq!((pool, min, max), (offered, 2 + 6 + 5, 0));
    }
}
