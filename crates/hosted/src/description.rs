// SPDX-License-Identifier: MPL-2.0
//! The text that names a codec, in the syntax of `gst-launch-1.0`: one element with its
//! properties, or several in a row.
//!
//! It is parsed here and not by GStreamer's parser because that one creates the elements
//! while it reads: a description must be checked before anything exists.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A codec as plain data: a chain of elements in the order of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The elements; at least one.
    pub parts: Vec<Part>,
}

/// One element of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The name of its factory.
    pub factory: String,
    /// Its properties and their values, as written.
    pub properties: Vec<(String, String)>,
}

/// A description that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// It names no element.
    #[error("it names no element")]
    Empty,
    /// Nothing stands before or after a `!`.
    #[error("an element is missing beside '!'")]
    NothingToLink,
    /// Something that is neither a property nor `!`.
    #[error("'{0}' is neither PROPERTY=VALUE nor '!'")]
    NotAProperty(String),
    /// A quotation mark without its partner.
    #[error("a quotation mark is not closed")]
    OpenQuote,
    /// Pads, bins and presets, which a linear chain has no use for.
    #[error("'{0}' is not a linear chain: write elements with '!' between them")]
    NotLinear(String),
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let words = words(text)?;
        if words.is_empty() {
            return Err(SyntaxError::Empty);
        }
        let parts: Result<Vec<_>, _> = words.split(|word| word == "!").map(part).collect();
        Ok(Self { parts: parts? })
    }

    /// The factories, as messages and the ledger name the chain.
    pub fn name(&self) -> String {
        let factories: Vec<_> = self.parts.iter().map(|part| &*part.factory).collect();
        factories.join(" ! ")
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

fn part(words: &[String]) -> Result<Part, SyntaxError> {
    let (first, rest) = words.split_first().ok_or(SyntaxError::NothingToLink)?;
    if first.contains(['(', ')', '[', ']', '{', '}']) && !is_caps(first)
        || first.ends_with('.')
        || first.starts_with('@')
    {
        return Err(SyntaxError::NotLinear(first.clone()));
    }
    if is_caps(first) {
        // Caps may contain spaces.
        return Ok(Part {
            factory: "capsfilter".to_owned(),
            properties: vec![("caps".to_owned(), words.join(" "))],
        });
    }
    if let Some((name, _)) = first.split_once('=') {
        return Err(SyntaxError::NotAProperty(format!("{name}=...")));
    }
    let properties = rest.iter().map(|word| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(SyntaxError::NotAProperty(word.clone())),
    });
    Ok(Part {
        factory: first.clone(),
        properties: properties.collect::<Result<_, _>>()?,
    })
}

/// Whether a word is caps, such as `video/x-raw,width=320`.
fn is_caps(word: &str) -> bool {
    let media = word.split([',', '(']).next().unwrap_or_default();
    media.contains('/')
}

/// Splits a text at its blanks, except within quotation marks. A backslash takes the
/// next character as it is.
fn words(text: &str) -> Result<Vec<String>, SyntaxError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) => {
                if let Some(next) = characters.next() {
                    word.get_or_insert_default().push(next);
                }
            }
            (mark, Some(open)) if mark == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (blank, None) if blank.is_whitespace() => words.extend(word.take()),
            // As in GStreamer, it needs no blanks, except after a value.
            ('!', None) if word.as_ref().is_none_or(|word| !word.contains('=')) => {
                words.extend(word.take());
                words.push("!".to_owned());
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(SyntaxError::OpenQuote);
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Vec<(String, Vec<(String, String)>)> {
        let parts = Description::parse(text).unwrap().parts.into_iter();
        parts.map(|part| (part.factory, part.properties)).collect()
    }

    fn property(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn an_element_has_properties_and_a_chain_has_elements() {
        assert_eq!(
            parsed("x264enc tune=zerolatency  bitrate=500"),
            [(
                "x264enc".to_owned(),
                vec![property("tune", "zerolatency"), property("bitrate", "500")]
            )]
        );
        assert_eq!(
            parsed("h264parse ! avdec_h264"),
            [
                ("h264parse".to_owned(), vec![]),
                ("avdec_h264".to_owned(), vec![])
            ]
        );
        assert_eq!(
            parsed("h264parse!avdec_h264"),
            parsed("h264parse ! avdec_h264")
        );
        assert_eq!(
            parsed("identity name=a!b !identity"),
            [
                ("identity".to_owned(), vec![property("name", "a!b")]),
                ("identity".to_owned(), vec![])
            ]
        );
        let chain = Description::parse("h264parse ! avdec_h264 max-threads=2").unwrap();
        assert_eq!(chain.name(), "h264parse ! avdec_h264");
    }

    #[test]
    fn caps_between_elements_are_a_filter_and_quotes_keep_blanks() {
        assert_eq!(
            parsed("videoconvert ! video/x-raw, format=I420 ! x264enc option-string=\"a=b c\""),
            [
                ("videoconvert".to_owned(), vec![]),
                (
                    "capsfilter".to_owned(),
                    vec![property("caps", "video/x-raw, format=I420")]
                ),
                (
                    "x264enc".to_owned(),
                    vec![property("option-string", "a=b c")]
                ),
            ]
        );
        assert_eq!(
            parsed(r#"x264enc option-string='say \'no\'' a=\"b\""#),
            [(
                "x264enc".to_owned(),
                vec![
                    property("option-string", "say 'no'"),
                    property("a", "\"b\"")
                ]
            )]
        );
    }

    #[test]
    fn what_is_no_linear_chain_is_refused_with_the_word_that_shows_it() {
        let error = |text| Description::parse(text).unwrap_err();
        assert_eq!(error("  "), SyntaxError::Empty);
        assert_eq!(error("x264enc !"), SyntaxError::NothingToLink);
        assert_eq!(error("! x264enc"), SyntaxError::NothingToLink);
        assert_eq!(error("a ! ! b"), SyntaxError::NothingToLink);
        assert_eq!(
            error("x264enc fast"),
            SyntaxError::NotAProperty("fast".into())
        );
        assert_eq!(error("x264enc =1"), SyntaxError::NotAProperty("=1".into()));
        assert_eq!(
            error("bitrate=5"),
            SyntaxError::NotAProperty("bitrate=...".into())
        );
        assert_eq!(error("x264enc a=\"b"), SyntaxError::OpenQuote);
        assert_eq!(error("(a ! b)"), SyntaxError::NotLinear("(a".into()));
        assert_eq!(error("t. ! b"), SyntaxError::NotLinear("t.".into()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = Description::parse(&text);
        }

        #[test]
        fn what_is_quoted_comes_back_as_it_was(value in "[^\\\\\"]{0,20}") {
            let read = Description::parse(&format!("x264enc a=\"{value}\" b=1")).unwrap();
            prop_assert_eq!(&read.parts[0].properties[0].1, &value);
        }
    }
}
