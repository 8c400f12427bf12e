// SPDX-License-Identifier: MPL-2.0
//! The entries of the tracer in `GST_TRACERS`, as they are meant and as GStreamer takes
//! them. GStreamer splits the variable at each semicolon, those inside parentheses too: of
//! `codecwatch(wrap=a;b;c)` the tracer gets `wrap=a`, and `b` and `c)` are taken for
//! further tracers.

use super::NAME;

/// One `codecwatch(...)`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// What GStreamer gives to the tracer.
    pub(super) given: String,
    /// What it should have.
    pub(super) parameters: String,
    /// What follows and is looked for as if it were tracers. If the parenthesis is
    /// missing, some may be meant as tracers.
    pub(super) pieces: Vec<String>,
    /// The entry as far as it can reach, if its closing parenthesis is missing.
    pub(super) unclosed: Option<String>,
}

impl Entry {
    /// It is as GStreamer has given it.
    pub(super) fn alone(given: &str) -> Self {
        Self {
            given: given.to_owned(),
            parameters: given.to_owned(),
            ..Self::default()
        }
    }

    /// What is said if its closing parenthesis is missing.
    pub(super) fn complaint(&self) -> Option<String> {
        let text = self.unclosed.as_ref()?;
        let used = match text.contains(';') {
            true => format!(": only '{}' is used", self.parameters),
            false => String::new(),
        };
        Some(format!("')' is missing in '{text}'{used}"))
    }
}

/// Whether the variable names the tracer.
pub(super) fn names_tracer(variable: &str) -> bool {
    variable.split(';').any(|part| looked_for(part) == NAME)
}

/// The entries, one for each time that GStreamer creates the tracer.
pub(super) fn read(variable: &str) -> Vec<Entry> {
    let parts: Vec<_> = variable.split(';').collect();
    let (mut entries, mut rest) = (Vec::new(), &parts[..]);
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if looked_for(first) == NAME {
            let (entry, further) = read_one(first, after);
            // After one without its end, what it could reach is looked at again.
            if entry.unclosed.is_none() {
                rest = &after[further..];
            }
            entries.push(entry);
        }
    }
    entries
}

/// The entry that begins with this part, and how many of those after it are in it.
fn read_one(first: &str, after: &[&str]) -> (Entry, usize) {
    let Some((_, opened)) = first.split_once('(') else {
        return (Entry::default(), 0);
    };
    if let Some((given, _)) = opened.split_once(')') {
        return (Entry::alone(given), 0);
    }
    let next = after.iter().position(|part| opens_tracer(part));
    let reach = &after[..next.unwrap_or(after.len())];
    match reach.iter().position(|part| part.contains(')')) {
        Some(last) => (closed(opened, &reach[..=last]), last + 1),
        None => (unclosed(first, opened, reach), 0),
    }
}

/// Whose end is in the last of the further parts.
fn closed(opened: &str, further: &[&str]) -> Entry {
    let mut parameters = opened.to_owned();
    for part in further {
        parameters.push(';');
        parameters.push_str(part.split(')').next().unwrap_or_default());
    }
    Entry {
        given: opened.to_owned(),
        parameters,
        pieces: pieces(further),
        unclosed: None,
    }
}

/// Whose end is nowhere.
fn unclosed(first: &str, opened: &str, reach: &[&str]) -> Entry {
    // There GStreamer creates the next.
    let next = reach.iter().position(|part| looked_for(part) == NAME);
    let reach = &reach[..next.unwrap_or(reach.len())];
    Entry {
        pieces: pieces(reach),
        unclosed: Some([&[first], reach].concat().join(";")),
        ..Entry::alone(opened)
    }
}

fn pieces(parts: &[&str]) -> Vec<String> {
    let names = parts.iter().map(|part| looked_for(part));
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The name that GStreamer looks for.
fn looked_for(part: &str) -> &str {
    part.split('(').next().unwrap_or_default()
}

/// Whether this begins another tracer: no list of elements goes on like this.
fn opens_tracer(part: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || "-_".contains(c);
    let name = part.split_once('(').map(|(name, _)| name.trim());
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tracer_is_named_with_parameters_and_without() {
        for (variable, named) in [
            ("", false),
            ("codecwatch", true),
            ("codecwatch(wrap=a)", true),
            ("leaks;codecwatch(wrap=a;b)", true),
            ("leaks", false),
            ("codecwatches", false),
            ("stats(codecwatch)", false),
        ] {
            assert_eq!(names_tracer(variable), named, "{variable}");
        }
    }

    #[test]
    fn parameters_are_read_up_to_the_closing_parenthesis() {
        for (variable, given, parameters, pieces) in [
            ("codecwatch(wrap=a)", "wrap=a", "wrap=a", &[][..]),
            ("codecwatch(wrap=a;b)", "wrap=a", "wrap=a;b", &["b)"]),
            (
                "leaks;codecwatch(wrap=a;b;c);stats",
                "wrap=a",
                "wrap=a;b;c",
                &["b", "c)"],
            ),
            (
                "codecwatch(wrap=a;;b,other=d)",
                "wrap=a",
                "wrap=a;;b,other=d",
                &["b,other=d)"],
            ),
            (
                "codecwatch(wrap=a;b,file=/c(1);stats",
                "wrap=a",
                "wrap=a;b,file=/c(1",
                &["b,file=/c"],
            ),
            (
                "codecwatch(wrap=a;codecwatch;b)",
                "wrap=a",
                "wrap=a;codecwatch;b",
                &["codecwatch", "b)"],
            ),
            ("codecwatch(wrap=a;)", "wrap=a", "wrap=a;", &[")"]),
            ("codecwatch;leaks(a)", "", "", &[]),
        ] {
            let [entry] = &read(variable)[..] else {
                panic!("{variable}");
            };
            assert_eq!(entry.given, given, "{variable}");
            assert_eq!(entry.parameters, parameters, "{variable}");
            assert_eq!(entry.pieces, pieces, "{variable}");
            assert_eq!(entry.complaint(), None, "{variable}");
        }
        assert!(read("").is_empty());
        assert!(read("leaks(a;b);stats").is_empty());
    }

    #[test]
    fn each_entry_has_its_parameters() {
        for (variable, expected) in [
            (
                "codecwatch(wrap=a);codecwatch(listen=0)",
                &["wrap=a", "listen=0"][..],
            ),
            (
                "codecwatch(wrap=a;b);leaks;codecwatch;codecwatch(listen=0,wrap=c;d)",
                &["wrap=a;b", "", "listen=0,wrap=c;d"],
            ),
        ] {
            let entries = read(variable);
            let parameters: Vec<_> = entries.iter().map(|entry| &*entry.parameters).collect();
            assert_eq!(parameters, expected, "{variable}");
            assert!(entries.iter().all(|entry| entry.complaint().is_none()));
        }
    }

    #[test]
    fn a_missing_parenthesis_is_seen_whatever_follows() {
        for (variable, count, text, used) in [
            ("codecwatch(listen=0", 1, "codecwatch(listen=0", None),
            (
                "codecwatch(wrap=a;b,listen=0",
                1,
                "codecwatch(wrap=a;b,listen=0",
                Some("wrap=a"),
            ),
            (
                "codecwatch(wrap=a;b;leaks(c);stats",
                1,
                "codecwatch(wrap=a;b",
                Some("wrap=a"),
            ),
            (
                "codecwatch(wrap=a;codecwatch(listen=0)",
                2,
                "codecwatch(wrap=a",
                None,
            ),
            (
                "codecwatch(wrap=a;b;codecwatch",
                2,
                "codecwatch(wrap=a;b",
                Some("wrap=a"),
            ),
        ] {
            let entries = read(variable);
            assert_eq!(entries.len(), count, "{variable}");
            let used = used.map_or(String::new(), |used| format!(": only '{used}' is used"));
            let said = format!("')' is missing in '{text}'{used}");
            assert_eq!(entries[0].complaint(), Some(said), "{variable}");
            for entry in &entries[1..] {
                assert_eq!(entry.complaint(), None, "{variable}");
            }
        }
        let entries = read("codecwatch(wrap=a;b;;leaks");
        assert_eq!(entries[0].pieces, ["b", "leaks"]);
    }
}
