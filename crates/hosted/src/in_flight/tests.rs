// SPDX-License-Identifier: MPL-2.0
//! What is settled, and what is lost, by what comes out.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// `most` of them may stay when outputs come that belong to none of them.
fn inside(most: usize, gives: Gives) -> InFlight {
    InFlight::new(Some(most * 2), gives)
}

/// The inputs that an output settles; none is lost.
fn settle(inside: &mut InFlight, span: Option<Span>, is_header: bool) -> Vec<u32> {
    let settled = inside.settle(span, is_header);
    assert_eq!(settled.left_out, None);
    settled.frames
}

/// What is missing at the end.
fn missing(inside: &mut InFlight) -> Vec<u32> {
    inside.missing().map_or_else(Vec::new, |lost| lost.frames)
}

fn span(begin: i128, duration: i128) -> Option<Span> {
    let end = begin + duration;
    Some(Span {
        begin,
        end,
        is_shown: true,
        is_backward: false,
    })
}

fn time(nanoseconds: u64) -> Option<gst::ClockTime> {
    Some(gst::ClockTime::from_nseconds(nanoseconds))
}

fn enter(inside: &mut InFlight, ids: std::ops::Range<u32>) {
    for id in ids {
        let begin = u64::from(id) * 40;
        inside.enter(id, time(begin), span(begin.into(), 40));
    }
}

#[test]
fn a_frame_that_comes_out_in_another_order_settles_itself() {
    for gives in [Gives::Frames, Gives::Unknown] {
        let mut inside = inside(100, gives);
        enter(&mut inside, 0..4);
        for id in [0, 3, 1, 2] {
            assert_eq!(
                settle(&mut inside, span(i128::from(id) * 40, 40), false),
                [id]
            );
        }
    }
}

#[test]
fn an_audio_frame_settles_the_buffers_that_it_covers() {
    let mut inside = inside(100, Gives::Samples);
    for id in 0..6 {
        inside.enter(id, None, span(i128::from(id) * 10, 10));
    }
    // 0 to 10, 10 to 20, 20 to 30, ...
    assert_eq!(settle(&mut inside, span(0, 27), false), [0, 1]);
    assert_eq!(settle(&mut inside, span(27, 28), false), [2, 3, 4]);
    assert!(missing(&mut inside).is_empty(), "other times than it gets");
}

#[test]
fn without_times_an_output_settles_all() {
    let mut inside = inside(100, Gives::Unknown);
    inside.enter(1, None, None);
    inside.enter(2, time(7), span(7, 0));
    assert_eq!(settle(&mut inside, None, false), [1, 2]);
}

#[test]
fn headers_settle_nothing_and_say_nothing_of_times() {
    for (gives, is_marked) in [
        (Gives::Frames, false),
        (Gives::Frames, true),
        (Gives::Samples, false),
        (Gives::Samples, true),
        (Gives::Unknown, true),
    ] {
        let mut inside = inside(100, gives);
        enter(&mut inside, 0..3);
        assert!(settle(&mut inside, None, is_marked).is_empty(), "{gives:?}");
        assert_eq!(settle(&mut inside, span(0, 40), false), [0]);
        assert_eq!(missing(&mut inside).len(), 2, "{gives:?}");
    }
}

#[test]
fn a_codec_that_never_gives_a_time_settles_all_after_what_may_be_headers() {
    for gives in [Gives::Frames, Gives::Samples] {
        let mut inside = inside(100, gives);
        enter(&mut inside, 0..3);
        for _ in 0..MOST_HEADERS {
            assert!(settle(&mut inside, None, false).is_empty());
        }
        assert_eq!(settle(&mut inside, None, false), [0, 1, 2]);
        enter(&mut inside, 3..4);
        assert!(missing(&mut inside).is_empty(), "nobody knows");
    }
}

#[test]
fn where_all_that_came_may_be_headers_nobody_knows_what_is_missing() {
    let mut inside = inside(100, Gives::Samples);
    enter(&mut inside, 0..3);
    settle(&mut inside, None, false);
    assert!(missing(&mut inside).is_empty());
}

#[test]
fn an_output_settles_every_part_of_its_frame() {
    let mut inside = inside(100, Gives::Frames);
    for (id, begin) in [0, 0, 40, 0, 40].into_iter().enumerate() {
        inside.enter(u32::try_from(id).unwrap(), None, span(begin, 40));
    }
    assert_eq!(settle(&mut inside, span(0, 40), false), [0, 1, 3]);
    assert_eq!(settle(&mut inside, span(40, 40), false), [2, 4]);
}

#[test]
fn the_parts_of_a_frame_may_come_out_each_by_itself() {
    let mut inside = inside(100, Gives::Unknown);
    inside.enter(0, None, span(0, 40));
    inside.enter(1, None, span(0, 40));
    enter(&mut inside, 2..3);
    assert_eq!(settle(&mut inside, span(0, 40), false), [0, 1]);
    assert!(settle(&mut inside, span(0, 40), false).is_empty());
    assert_eq!(missing(&mut inside).len(), 1, "its times are known");
}

#[test]
fn the_rest_of_a_frame_that_has_come_out_is_not_missing() {
    let mut inside = inside(100, Gives::Frames);
    inside.enter(0, None, span(0, 40));
    assert_eq!(settle(&mut inside, span(0, 40), false), [0]);
    inside.enter(1, None, span(0, 40));
    inside.enter(2, None, span(40, 40));
    assert_eq!(settle(&mut inside, span(40, 40), false), [1, 2]);
    inside.enter(3, None, span(40, 40));
    assert!(missing(&mut inside).is_empty());
}

#[test]
fn a_buffer_without_a_time_belongs_to_the_frame_that_begins_before_it() {
    let mut inside = inside(100, Gives::Frames);
    for (id, begin) in [(0, None), (1, Some(40)), (2, None), (3, Some(0)), (4, None)] {
        inside.enter(id, None, begin.and_then(|begin| span(begin, 40)));
    }
    assert_eq!(settle(&mut inside, span(0, 40), false), [0, 3, 4]);
    assert_eq!(settle(&mut inside, span(40, 40), false), [1, 2]);
    // That has come out.
    inside.enter(5, None, None);
    inside.enter(6, None, None);
    enter(&mut inside, 7..8);
    inside.enter(8, None, None);
    assert_eq!(missing(&mut inside), [7, 8]);
}

#[test]
fn frames_with_times_that_match_nothing_settle_one_input_each() {
    for offset in [3_600_000, -3_600_000] {
        let mut inside = inside(100, Gives::Frames);
        enter(&mut inside, 0..4);
        for id in 0..3 {
            let begin = offset + i128::from(id) * 40;
            assert_eq!(settle(&mut inside, span(begin, 40), false), [id]);
        }
        assert!(missing(&mut inside).is_empty(), "nobody knows");
    }
}

#[test]
fn frames_between_those_of_the_input_settle_no_later_ones() {
    // Twice as many frames as went in.
    let mut inside = inside(100, Gives::Frames);
    enter(&mut inside, 0..3);
    let settled = |begin| settle(&mut inside, span(begin, 20), false);
    let settled: Vec<_> = [0, 20, 40, 60, 80].into_iter().flat_map(settled).collect();
    assert_eq!(settled, [0, 1, 2]);
}

#[test]
fn after_a_flush_the_same_times_are_those_of_other_frames() {
    let mut inside = inside(100, Gives::Frames);
    enter(&mut inside, 0..2);
    settle(&mut inside, span(0, 40), false);
    inside.clear();
    enter(&mut inside, 0..2);
    assert_eq!(settle(&mut inside, span(40, 40), false), [1]);
    let lost = inside.missing().unwrap();
    assert_eq!((lost.frames, lost.first_pts), (vec![0], time(0)));
}

#[test]
fn at_the_end_what_has_not_come_out_is_missing_if_the_chain_keeps_times() {
    let mut inside = inside(100, Gives::Unknown);
    enter(&mut inside, 0..4);
    settle(&mut inside, span(40, 40), false);
    settle(&mut inside, span(0, 40), false);
    let lost = inside.missing().unwrap();
    assert_eq!(lost.frames, [2, 3]);
    assert_eq!((lost.first_pts, lost.last_pts), (time(80), time(120)));
    assert_eq!(inside.missing(), None);
    enter(&mut inside, 4..5);
    settle(&mut inside, span(165, 10), false);
    assert!(missing(&mut inside).is_empty());
}

#[test]
fn inputs_whose_outputs_never_come_do_not_pile_up_while_others_do() {
    let mut inside = inside(8, Gives::Unknown);
    // A chain that sets times back by an hour.
    for id in 0..100 {
        inside.enter(id, None, span(3_600_000 + i128::from(id), 1));
        settle(&mut inside, span(i128::from(id), 1), false);
        assert!(inside.inputs.len() <= 8);
    }
}

/// Frames of 40 ns, of which these come out, at these times. Returns what is lost, and how
/// many were inside at most.
fn play(
    inside: &mut InFlight,
    frames: std::ops::Range<u32>,
    output: impl Fn(u32) -> Option<i128>,
) -> (Vec<u32>, usize) {
    let (mut lost, mut most) = (Vec::new(), 0);
    for id in frames {
        enter(inside, id..id + 1);
        most = most.max(inside.inputs.len());
        if let Some(begin) = output(id) {
            let settled = inside.settle(span(begin, 40), false);
            lost.extend(settled.left_out.map_or_else(Vec::new, |lost| lost.frames));
        }
    }
    (lost, most)
}

#[test]
fn frames_that_never_come_are_lost_when_later_ones_have_come() {
    for (most, gives) in [
        (256, Gives::Frames),
        (8, Gives::Frames),
        (8, Gives::Unknown),
    ] {
        let mut inside = inside(most, gives);
        let comes = |id: u32| id.is_multiple_of(2).then_some(i128::from(id) * 40);
        let (mut lost, most) = play(&mut inside, 0..1001, comes);
        assert!(most < 40, "{most} pile up");
        assert!(lost.len() > 450, "only {lost:?} are told before the end");
        lost.extend(missing(&mut inside));
        let odd: Vec<_> = (0..1000).filter(|id| id % 2 == 1).collect();
        assert_eq!(lost, odd, "{gives:?}");
    }
}

#[test]
fn frames_that_wait_for_the_end_of_a_long_group_are_not_lost() {
    // In each group, the first comes last.
    let group = u32::try_from(MOST_REORDERED).unwrap();
    let mut inside = inside(256, Gives::Frames);
    enter(&mut inside, 0..group * 3);
    for begin in [0, 1, 2].map(|number| number * group) {
        for id in (1..group).chain([0]).map(|id| begin + id) {
            let of_output = settle(&mut inside, span(i128::from(id) * 40, 40), false);
            assert_eq!(of_output, [id]);
        }
    }
}

#[test]
fn a_codec_that_looks_far_ahead_loses_nothing() {
    let mut inside = inside(16, Gives::Frames);
    enter(&mut inside, 0..300);
    for id in 0..300 {
        let of_output = settle(&mut inside, span(i128::from(id) * 40, 40), false);
        assert_eq!(of_output, [id]);
    }
}

#[test]
fn backwards_a_group_of_any_length_comes_out_in_the_reverse_order() {
    let mut inside = inside(256, Gives::Frames);
    let shown = |id: u32| {
        span(i128::from(id) * 40, 0).map(|span| Span {
            is_backward: true,
            ..span
        })
    };
    (0..300).for_each(|id| inside.enter(id, None, shown(id)));
    for id in (0..300).rev() {
        assert_eq!(settle(&mut inside, shown(id), false), [id]);
    }
}

#[test]
fn what_is_dropped_on_purpose_is_settled_and_not_lost() {
    let mut inside = inside(256, Gives::Frames);
    for id in 0..200 {
        let shown = span(i128::from(id) * 40, 40).unwrap();
        // Outside of the segment, or named by a message, or it comes out.
        let is_shown = id % 3 != 1;
        inside.enter(id, None, Some(Span { is_shown, ..shown }));
        match id % 3 {
            1 => {}
            2 => inside.told(shown.begin),
            _ => drop(settle(&mut inside, Some(shown), false)),
        }
        assert!(inside.inputs.len() < 30, "they pile up");
    }
    assert_eq!(inside.missing(), None);
}

#[test]
fn one_time_of_no_input_does_not_end_the_check() {
    let mut inside = inside(256, Gives::Frames);
    let moved = |id: u32| i128::from(id) * 40 + i128::from(id == 5);
    let comes = |id: u32| (id % 10 != 9).then(|| moved(id));
    let (mut lost, _) = play(&mut inside, 0..400, comes);
    lost.extend(missing(&mut inside));
    let tenths: Vec<_> = (0..400).filter(|id| id % 10 == 9).collect();
    assert_eq!(lost, tenths);
}

#[test]
fn frames_whose_times_are_rounded_are_not_lost() {
    for round in [|time: i128| time / 3 * 3, |time: i128| (time + 2) / 3 * 3] {
        let mut inside = inside(256, Gives::Frames);
        let comes = |id: u32| Some(round(i128::from(id) * 40));
        let (lost, most) = play(&mut inside, 0..400, comes);
        assert_eq!((lost.len(), most), (0, 1));
        assert_eq!(inside.missing(), None);
    }
}

#[test]
fn fields_come_out_with_their_frame() {
    let mut inside = inside(256, Gives::Frames);
    for id in 0..200 {
        inside.enter(id, None, span(i128::from(id) * 20, 20));
        if id % 2 == 1 {
            let frame = span(i128::from(id - 1) * 20, 40);
            assert_eq!(settle(&mut inside, frame, false), [id - 1, id]);
        }
    }
    assert_eq!(inside.missing(), None);
}

#[test]
fn a_field_may_go_in_after_its_frame_has_come_out() {
    let mut inside = inside(256, Gives::Frames);
    for id in 0..200 {
        inside.enter(id, None, span(i128::from(id) * 20, 20));
        if id % 2 == 0 {
            let frame = span(i128::from(id) * 20, 40);
            assert!(settle(&mut inside, frame, false).contains(&id));
            assert!(inside.inputs.is_empty());
        }
    }
    assert_eq!(inside.missing(), None);
}

/// Ten seconds of sound in buffers of 20 ms, of which these reach a codec with frames of
/// 23 ms that swallows some of it at first. Returns how many are lost, and how many of
/// those at the end.
fn play_sound(swallows: i128, offset: i128, comes: impl Fn(u32) -> bool) -> (u64, u64) {
    const MS: i128 = 1_000_000;
    let mut inside = inside(256, Gives::Samples);
    let buffers = |lost: Option<LeftOut>| lost.map_or(0, |lost| lost.buffers);
    let (mut lost, mut coded, mut end) = (0, swallows, 0);
    for id in 0..500 {
        let begin = i128::from(id) * 20;
        inside.enter(id, time(id.into()), span(begin * MS, 20 * MS));
        if !comes(id) {
            continue;
        }
        if end < begin {
            // A gap ends a frame, and another begins behind it.
            (coded, end) = (begin, begin);
        }
        end += 20;
        while coded + 23 <= end {
            let output = span((coded + offset) * MS, 23 * MS);
            lost += buffers(inside.settle(output, false).left_out);
            coded += 23;
        }
    }
    let at_end = buffers(inside.missing());
    (lost + at_end, at_end)
}

#[test]
fn sound_that_comes_out_in_other_portions_is_not_lost() {
    for swallows in [0, 80] {
        for offset in [0, 30, -30, 3_600_000, -3_600_000] {
            let lost = play_sound(swallows, offset, |_| true);
            assert_eq!(lost, (0, 0), "{swallows} {offset}");
        }
    }
}

#[test]
fn sound_that_never_comes_is_lost_when_it_is_more_than_a_codec_swallows() {
    let every_other = |id: u32| (id / 5).is_multiple_of(2);
    let all_but_two_seconds = |id: u32| id / 100 != 3;
    let comes: [fn(u32) -> bool; 2] = [every_other, all_but_two_seconds];
    for comes in comes {
        let all = (0..500).filter(|id| !comes(*id)).count() as u64;
        let (lost, at_end) = play_sound(80, 0, comes);
        assert!(lost.abs_diff(all) <= all / 5, "{lost} of {all}");
        assert!(at_end < 20, "{at_end} of {lost} are told at the end");
    }
    // Half a second may be anything.
    assert_eq!(play_sound(80, 0, |id| id / 25 != 3), (0, 0));
}

/// Packets of sound at these times, in milliseconds, that have no durations. Each comes out
/// by itself, `late` packets later. Returns how many are lost.
fn play_packets(begins: &[i128], late: usize, comes: impl Fn(usize) -> bool) -> u64 {
    const MS: i128 = 1_000_000;
    let mut inside = inside(256, Gives::Samples);
    let buffers = |lost: Option<LeftOut>| lost.map_or(0, |lost| lost.buffers);
    let mut lost = 0;
    for at in 0..begins.len() + late {
        if let Some(begin) = begins.get(at) {
            let id = u32::try_from(at).unwrap();
            inside.enter(id, time(id.into()), span(begin * MS, 0));
        }
        if let Some(out) = at.checked_sub(late).filter(|out| comes(*out)) {
            let output = span(begins[out] * MS, 20 * MS);
            lost += buffers(inside.settle(output, false).left_out);
        }
    }
    lost + buffers(inside.missing())
}

#[test]
fn packets_without_durations_are_lost_too() {
    let begins: Vec<i128> = (0..500).map(|at| at * 20).collect();
    for late in 0..3 {
        assert_eq!(play_packets(&begins, late, |_| true), 0, "{late}");
        let lost = play_packets(&begins, late, |at| !(150..350).contains(&at));
        assert!(lost.abs_diff(200) <= 2, "{late}: {lost}");
    }
}

#[test]
fn silence_between_packets_is_not_lost() {
    let begins: Vec<i128> = (0..500).map(|at| at * 20 + at / 5 * 900).collect();
    for late in 0..3 {
        assert_eq!(play_packets(&begins, late, |_| true), 0, "{late}");
    }
}

#[test]
fn sound_that_conceals_a_gap_makes_up_for_none_that_is_lost() {
    const MS: i128 = 1_000_000;
    let mut inside = inside(256, Gives::Samples);
    let mut lost = 0;
    for at in 0..1500_u32 {
        let (begin, comes) = (i128::from(at) * 20, !(1000..1300).contains(&at));
        if !(200..700).contains(&at) {
            inside.enter(at, time(at.into()), span(begin * MS, 20 * MS));
        }
        if comes {
            let settled = inside.settle(span(begin * MS, 20 * MS), false);
            lost += settled.left_out.map_or(0, |lost| lost.buffers);
        }
    }
    assert_eq!(lost, 300);
}

#[test]
fn a_chain_that_is_no_codec_and_gives_other_times_loses_nothing_that_is_known() {
    for gives in [Gives::Frames, Gives::Unknown] {
        const MS: i128 = 1_000_000;
        let mut inside = inside(4000, gives);
        for at in 0..1000_u32 {
            let begin = i128::from(at) * 20;
            inside.enter(at, time(at.into()), span(begin * MS, 20 * MS));
            let halved = span(begin * MS / 2 + 1, 10 * MS);
            assert_eq!(inside.settle(halved, false).left_out, None);
        }
        assert_eq!(inside.missing(), None, "{gives:?}");
    }
}

#[test]
fn packets_with_times_of_their_own_that_make_a_picture_are_not_lost() {
    let mut inside = inside(100, Gives::Assembled);
    for at in 0..1000_u32 {
        inside.enter(at, time(at.into()), span(at.into(), 0));
        if at % 5 == 4 {
            // The time of one of them.
            let settled = inside.settle(span(i128::from(at) - 2, 0), false);
            assert_eq!(settled.left_out, None);
        }
    }
    assert!(inside.inputs.len() < 5);
    assert_eq!(inside.missing(), None);
}

#[test]
fn packets_that_share_the_time_of_their_picture_are_lost_with_it() {
    let mut inside = inside(1000, Gives::Assembled);
    let mut lost = 0;
    for picture in 0..200_u32 {
        let time_of = |picture: u32| i128::from(picture) * 40;
        for packet in 0..5 {
            let id = picture * 5 + packet;
            inside.enter(id, time(id.into()), span(time_of(picture), 0));
        }
        if !(50..80).contains(&picture) {
            let settled = inside.settle(span(time_of(picture), 0), false);
            lost += settled.left_out.map_or(0, |lost| lost.buffers);
        }
    }
    assert_eq!(lost, 30 * 5);
}

#[test]
fn sound_that_is_inside_at_the_end_is_lost() {
    let (lost, at_end) = play_sound(0, 0, |id| id < 300);
    // The last frame is not full.
    assert_eq!((lost, at_end), (201, 201));
}

fn any_gives() -> impl Strategy<Value = Gives> {
    prop::sample::select(vec![
        Gives::Frames,
        Gives::Samples,
        Gives::Unknown,
        Gives::Assembled,
    ])
}

proptest! {
    #[test]
    fn each_input_is_settled_once(
        gives in any_gives(),
        steps in prop::collection::vec(
            (any::<bool>(), prop::option::of(0..50_i128), any::<bool>()),
            0..200,
        )
    ) {
        let (mut inside, mut next, mut settled) = (inside(16, gives), 0, BTreeSet::new());
        for (enters, begin, is_header) in steps {
            let span = begin.and_then(|begin| span(begin, 1));
            if enters {
                inside.enter(next, None, span);
                next += 1;
            } else {
                let of_output = inside.settle(span, is_header);
                let lost = of_output.left_out.map_or_else(Vec::new, |lost| lost.frames);
                for id in of_output.frames.into_iter().chain(lost) {
                    prop_assert!(id < next);
                    prop_assert!(settled.insert(id));
                }
            }
        }
    }
}
