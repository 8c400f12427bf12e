// SPDX-License-Identifier: MPL-2.0
//! Names of folders.

use std::fmt;

/// Most characters of an element's name in a folder's.
const LONGEST_ELEMENT: usize = 40;
/// How a date looks: `20261128T104100Z`.
const DATE: &str = "00000000T000000Z";

/// The name of a fault's folder: `DATE-ELEMENT-PROCESS-SESSION`. Sorts by date.
///
/// Whatever the element is called, it is one plain name: letters, digits, `_`, `.`
/// and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FolderName(String);

impl FolderName {
    /// `date`: UTC, as `20261128T104100Z`. `session`: its number in the process.
    pub fn new(date: &str, element: &str, process: u32, session: u64) -> Self {
        let date = if is_date(date) { date } else { DATE };
        let mut element: String = element
            .chars()
            .take(LONGEST_ELEMENT)
            .map(|c| if is_plain(c) { c } else { '_' })
            .collect();
        if element.is_empty() {
            element.push('_');
        }
        Self(format!("{date}-{element}-{process}-{session}"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the name of a folder of ours: only those are ever deleted.
    pub(crate) fn is_one(name: &str) -> bool {
        let is_number = |part: &str| {
            (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let Some((date, rest)) = name.split_at_checked(DATE.len()) else {
            return false;
        };
        let mut parts = rest.rsplitn(3, '-');
        let (session, process, element) = (parts.next(), parts.next(), parts.next());
        let Some(element) = element.and_then(|element| element.strip_prefix('-')) else {
            return false;
        };
        is_date(date)
            && session.is_some_and(is_number)
            && process.is_some_and(is_number)
            && !element.is_empty()
            && element.chars().all(is_plain)
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn is_date(text: &str) -> bool {
    let is_like = |(byte, like): (u8, u8)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == like,
    };
    text.len() == DATE.len() && text.bytes().zip(DATE.bytes()).all(is_like)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: &str = "20261128T104100Z";

    #[test]
    fn a_name_says_when_who_and_which_session() {
        let name = FolderName::new(NOW, "dav1dwatchdec0", 4711, 12);
        assert_eq!(name.as_str(), "20261128T104100Z-dav1dwatchdec0-4711-12");
    }

    #[test]
    fn folders_of_others_are_none_of_ours() {
        for name in [
            "",
            "photos",
            "20261128T104100Z",
            "20261128T104100Z--1-2",
            "20261128T104100Z-a-1",
            "20261128T104100Z-a-1-x",
            "2026112xT104100Z-a-1-2",
            "20261128T104100Z-a b-1-2",
            "ä0261128T104100Z-a-1-2",
        ] {
            assert!(!FolderName::is_one(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_element_is_called_its_folder_has_one_plain_name(
            element in ".*", process: u32, session: u64, date in ".*",
        ) {
            let name = FolderName::new(&date, &element, process, session);
            prop_assert!(FolderName::is_one(name.as_str()), "{name}");
            prop_assert!(name.as_str().len() < 120);
            let path = std::path::Path::new(name.as_str());
            prop_assert_eq!(path.components().count(), 1);
            prop_assert!(path.file_name().is_some());
        }
    }
}
