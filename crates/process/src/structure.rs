// SPDX-License-Identifier: MPL-2.0
//! A limit for what a message may grow to when it is read. Strings and byte strings take
//! as much memory as they have bytes. Lists of anything else can take a hundred times as
//! much: an element of one byte becomes a value of many fields. So the bytes outside of
//! strings, of which each element has at least one, are counted. Pure.

use std::cell::Cell;

use postcard::de_flavors::{Flavor, Slice};
use postcard::{Error, Result};
use serde::de::DeserializeOwned;

use crate::wire::Broken;

/// Most bytes outside of strings and byte strings in a message. A list of 60,000 buffers
/// has as many.
pub(crate) const LARGEST_STRUCTURE: usize = 4 << 20;

/// A message that fills all of `bytes`.
///
/// # Errors
/// They are none, or more than a message, or it has too many elements.
pub(crate) fn read<M: DeserializeOwned>(bytes: &[u8]) -> std::result::Result<M, Broken> {
    let left = Cell::new(LARGEST_STRUCTURE);
    let mut deserializer = postcard::Deserializer::from_flavor(Counted {
        bytes: Slice::new(bytes),
        left: &left,
    });
    let message = M::deserialize(&mut deserializer).map_err(|error| match left.get() {
        0 => Broken::new(format!(
            "a message has more than {LARGEST_STRUCTURE} bytes outside of strings"
        )),
        _ => Broken::new(format!("a message cannot be read: {error}")),
    })?;
    match deserializer.finalize() {
        Ok([]) => Ok(message),
        Ok(surplus) => Err(Broken::new(format!(
            "a message has {} bytes too many",
            surplus.len()
        ))),
        Err(error) => Err(Broken::new(format!("a message cannot be read: {error}"))),
    }
}

/// Bytes that are taken one by one are counted, others are not.
struct Counted<'de> {
    bytes: Slice<'de>,
    left: &'de Cell<usize>,
}

impl<'de> Flavor<'de> for Counted<'de> {
    type Remainder = &'de [u8];
    type Source = &'de [u8];

    fn pop(&mut self) -> Result<u8> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or(Error::SerdeDeCustom)?);
        self.bytes.pop()
    }

    fn size_hint(&self) -> Option<usize> {
        self.bytes.size_hint()
    }

    fn try_take_n(&mut self, count: usize) -> Result<&'de [u8]> {
        self.bytes.try_take_n(count)
    }

    fn finalize(self) -> Result<Self::Remainder> {
        self.bytes.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &impl serde::Serialize) -> Vec<u8> {
        postcard::to_extend(message, Vec::new()).unwrap()
    }

    #[test]
    fn a_list_of_too_many_elements_is_refused_before_it_has_grown() {
        // The length of the list takes four bytes.
        let most = LARGEST_STRUCTURE - 4;
        let read = |count| read::<Vec<Option<u64>>>(&written(&vec![None::<u64>; count]));
        assert_eq!(read(most).map(|list| list.len()), Ok(most));
        let error = read(most + 1).unwrap_err();
        assert!(error.0.contains("outside of strings"), "{error}");
    }

    #[test]
    fn lists_in_lists_are_counted_together() {
        let list = vec![vec![String::new(); 1 << 12]; 1 << 10];
        assert!(read::<Vec<Vec<String>>>(&written(&list)).is_err());
    }

    #[test]
    fn long_strings_are_not_counted() {
        let message = (
            "x".repeat(5 << 20),
            serde_bytes::ByteBuf::from(vec![7; 5 << 20]),
        );
        let came = read::<(String, serde_bytes::ByteBuf)>(&written(&message));
        assert_eq!(came, Ok(message));
    }

    #[test]
    fn a_list_that_is_announced_longer_than_it_is_takes_no_memory_for_the_rest() {
        // 2^35 elements, and no more bytes.
        let error = read::<Vec<u64>>(&[0x80, 0x80, 0x80, 0x80, 0x80, 1]).unwrap_err();
        assert!(error.0.contains("cannot be read"), "{error}");
    }
}
