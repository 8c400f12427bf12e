// SPDX-License-Identifier: MPL-2.0
//! Finds the key frame that a decoder can begin at.

use crate::io::Input;

/// The buffers before the first key frame, and the input from there on, if there is one.
pub(crate) fn split(input: Input) -> (Vec<gst::Buffer>, Option<Input>) {
    match input {
        Input::Buffer { buffer, .. } if is_delta(&buffer) => (vec![buffer], None),
        Input::List { id, list } => {
            let (mut skipped, mut rest) = (Vec::new(), gst::BufferList::new());
            let list_of_rest = rest.make_mut();
            for buffer in list.iter_owned() {
                if list_of_rest.is_empty() && is_delta(&buffer) {
                    skipped.push(buffer);
                } else {
                    list_of_rest.add(buffer);
                }
            }
            let is_empty = rest.is_empty();
            (
                skipped,
                (!is_empty).then_some(Input::List { id, list: rest }),
            )
        }
        other => (Vec::new(), Some(other)),
    }
}

fn is_delta(buffer: &gst::BufferRef) -> bool {
    buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(is_delta: bool) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        if is_delta {
            buffer.make_mut().set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        buffer
    }

    #[test]
    fn a_buffer_stays_if_it_is_a_key_frame() {
        gst::init().unwrap();
        let input = |is_delta| Input::Buffer {
            id: 1,
            buffer: buffer(is_delta),
        };
        let (skipped, rest) = split(input(true));
        assert!(skipped.len() == 1 && rest.is_none());
        let (skipped, rest) = split(input(false));
        assert!(skipped.is_empty() && rest.is_some());
    }

    #[test]
    fn a_list_stays_from_its_first_key_frame_on() {
        gst::init().unwrap();
        let split_of = |deltas: &[bool]| {
            let list = deltas.iter().map(|&is_delta| buffer(is_delta)).collect();
            let (skipped, rest) = split(Input::List { id: 1, list });
            let stays = match rest {
                Some(Input::List { list, .. }) => list.len(),
                _ => 0,
            };
            (skipped.len(), stays)
        };
        assert_eq!(split_of(&[true, true, false, true]), (2, 2));
        assert_eq!(split_of(&[true, true]), (2, 0));
        assert_eq!(split_of(&[false, true]), (0, 2));
    }
}
