// SPDX-License-Identifier: MPL-2.0
//! The parameters of the tracer: `NAME=VALUE`, with commas between them. A value that is
//! a list has semicolons.

/// What the parameters say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `wrap`: the elements to put under supervision, each once.
    pub(super) wrap: Vec<String>,
}

/// A parameter: its name, and how its value is read. A value that cannot be used is
/// an error that says why.
type Row = (
    &'static str,
    fn(&mut Parameters, &str) -> Result<(), String>,
);

const TABLE: &[Row] = &[("wrap", |parameters, value| {
    let names = value.split(';').map(str::trim);
    for name in names.filter(|name| !name.is_empty()) {
        if !parameters.wrap.iter().any(|known| known == name) {
            parameters.wrap.push(name.to_owned());
        }
    }
    match parameters.wrap.is_empty() {
        true => Err("'wrap' names no element".to_owned()),
        false => Ok(()),
    }
})];

/// Reads the parameters: what can be used, and a line for each that cannot.
pub(super) fn read(text: &str) -> (Parameters, Vec<String>) {
    let (mut parameters, mut complaints) = (Parameters::default(), Vec::new());
    for item in text.split(',').map(str::trim) {
        let read = match item.split_once('=') {
            _ if item.is_empty() => Ok(()),
            None => Err(format!("'{item}' is not NAME=VALUE, and is ignored")),
            Some((name, value)) => {
                let row = TABLE.iter().find(|(known, _)| *known == name.trim());
                match row {
                    Some((_, set)) => set(&mut parameters, value.trim()),
                    None => {
                        let known: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
                        let known = known.join(", ");
                        Err(format!(
                            "there is no parameter '{}' (there is: {known}); it is ignored",
                            name.trim()
                        ))
                    }
                }
            }
        };
        complaints.extend(read.err());
    }
    (parameters, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(text: &str) -> (Vec<String>, Vec<String>) {
        let (parameters, complaints) = read(text);
        (parameters.wrap, complaints)
    }

    #[test]
    fn names_to_wrap_are_a_list_with_semicolons() {
        let names = |text: &str| {
            let (names, complaints) = wrap(text);
            assert!(complaints.is_empty(), "{text}: {complaints:?}");
            names
        };
        assert_eq!(names("wrap=x264enc"), ["x264enc"]);
        assert_eq!(
            names("wrap=avdec_h264;vah264dec; x264enc;"),
            ["avdec_h264", "vah264dec", "x264enc"]
        );
        assert_eq!(names("wrap=a;a,wrap=b;a"), ["a", "b"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn what_cannot_be_used_is_one_line_and_the_rest_is_used() {
        for (text, said) in [
            ("listening=a,wrap=b", "no parameter 'listening'"),
            ("wrap=b,fast", "'fast' is not NAME=VALUE"),
        ] {
            let (names, complaints) = wrap(text);
            assert_eq!(names, ["b"], "{text}");
            assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
            assert!(complaints[0].contains(said), "{text}: {complaints:?}");
        }
        let (names, complaints) = wrap("wrap=;");
        assert!(names.is_empty());
        assert_eq!(complaints, ["'wrap' names no element"]);
    }
}
