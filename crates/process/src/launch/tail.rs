// SPDX-License-Identifier: MPL-2.0
//! The last lines that a child wrote.

use std::collections::VecDeque;
use std::fmt::{self, Write};

/// Keeps the last lines of a stream of bytes, whatever is in it: for an error message
/// and a log.
///
/// A line ends with a newline or a carriage return (programs show progress with it);
/// empty lines are left out. Control characters, those that change the direction of
/// writing and everything else that does not print are escaped; bytes that are not
/// UTF-8 become `\xNN`. Of a longer line the beginning is kept, and an ellipsis. It
/// holds a few bytes for each character that it may keep, whatever it is given.
#[derive(Clone, Debug)]
pub struct Tail {
    lines: usize,
    characters: usize,
    kept: VecDeque<String>,
    /// The beginning of the line that has not ended yet.
    line: Vec<u8>,
    /// That line goes on after what is in `line`.
    cut: bool,
}

/// 10 lines of 200 characters.
impl Default for Tail {
    fn default() -> Self {
        Self::new(10, 200)
    }
}

impl Tail {
    /// An empty one that keeps so many lines of so many characters.
    pub fn new(lines: usize, characters: usize) -> Self {
        Self {
            lines,
            characters,
            kept: VecDeque::new(),
            line: Vec::new(),
            cut: false,
        }
    }

    /// Takes what was read, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| b"\n\r".contains(byte)) {
            let (text, ends) = match piece {
                [text @ .., b'\n' | b'\r'] => (text, true),
                text => (text, false),
            };
            // A character has at most four bytes.
            let room = (self.characters * 4).saturating_sub(self.line.len());
            self.cut |= text.len() > room;
            self.line.extend(text.iter().take(room));
            if ends {
                self.kept.extend(self.last_line());
                while self.kept.len() > self.lines {
                    self.kept.pop_front();
                }
                self.line.clear();
                self.cut = false;
            }
        }
    }

    /// The lines, the oldest first; the last one may not have ended.
    pub fn lines(&self) -> Vec<String> {
        let all = self.kept.iter().cloned().chain(self.last_line());
        let over = all.clone().count().saturating_sub(self.lines);
        all.skip(over).collect()
    }

    fn last_line(&self) -> Option<String> {
        (!self.line.is_empty()).then(|| printable(&self.line, self.characters, self.cut))
    }
}

/// Line by line, without a newline at the end.
impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// At most so many characters of a text, with those escaped that do not print; an
/// ellipsis if there are more, or `cut` says that there were.
pub fn printable(line: &[u8], characters: usize, cut: bool) -> String {
    // A character has at most four bytes; what lies beyond is not looked at.
    let beginning = &line[..line.len().min(characters.saturating_mul(4))];
    let cut = cut || beginning.len() < line.len();
    let line = beginning;
    let mut text = String::new();
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\'' | '\\' => text.push(character),
                other => text.extend(other.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            // A string takes everything.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    let end = text.char_indices().nth(characters).map(|(end, _)| end);
    if let Some(end) = end {
        text.truncate(end);
    }
    if cut || end.is_some() {
        text.push('\u{2026}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tail(lines: usize, characters: usize, pieces: &[&[u8]]) -> Vec<String> {
        let mut tail = Tail::new(lines, characters);
        for piece in pieces {
            tail.push(piece);
        }
        tail.lines()
    }

    #[test]
    fn the_last_lines_are_kept_and_an_unfinished_one_counts() {
        assert_eq!(tail(2, 9, &[b"a\nb\nc\n"]), ["b", "c"]);
        assert_eq!(tail(2, 9, &[b"a\nb\n", b"c", b"d"]), ["b", "cd"]);
        assert_eq!(tail(2, 9, &[b"1 %\r2 %\r3 %\n\n"]), ["2 %", "3 %"]);
        assert_eq!(tail(0, 9, &[b"a\nb"]), [""; 0]);
        assert_eq!(tail(3, 9, &[]), [""; 0]);
    }

    #[test]
    fn long_lines_are_cut_and_say_so() {
        assert_eq!(tail(2, 3, &[b"abc\nabcd"]), ["abc", "abc\u{2026}"]);
        let accents = "\u{e4}\u{f6}\u{fc}\u{df}".as_bytes();
        assert_eq!(tail(2, 3, &[accents]), ["\u{e4}\u{f6}\u{fc}\u{2026}"]);
        assert_eq!(tail(2, 1, &[&[b'a'; 9], &[b'b'; 9]]), ["a\u{2026}"]);
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        assert_eq!(
            tail(1, 99, &[b"a\x1b[31m\x07\0\x7f\xff\xc3"]),
            [r"a\u{1b}[31m\u{7}\0\u{7f}\xff\xc3"]
        );
        assert_eq!(
            tail(1, 99, &["\u{202e}\u{2028}it's \"ok\"".as_bytes()]),
            [r#"\u{202e}\u{2028}it's "ok""#]
        );
        assert_eq!(tail(1, 9, &[b"\xc3", b"\xa4"]), ["\u{e4}"]);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_short_printable_lines(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n')], 0..400),
            size in 1..50usize,
        ) {
            let whole = tail(3, 5, &[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(&whole, &tail(3, 5, &pieces));
            prop_assert!(whole.len() <= 3);
            for line in whole {
                prop_assert!(line.chars().count() <= 6);
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
