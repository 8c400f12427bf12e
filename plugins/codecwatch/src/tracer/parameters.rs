// SPDX-License-Identifier: MPL-2.0
//! The parameters of the tracer: `NAME=VALUE`, with commas between them. A value that is
//! a list has semicolons.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What the parameters say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `wrap`: the elements to put under supervision, each once.
    pub(super) wrap: Vec<String>,
    /// `listen`: where the health of the process is served, if anywhere.
    pub(super) listen: Option<SocketAddr>,
    /// `port-file`: the file that gets the port.
    pub(super) port_file: Option<PathBuf>,
    /// `drain-file`: the file that says that the process drains.
    pub(super) drain_file: Option<PathBuf>,
    /// `otlp`: the OpenTelemetry collector that gets the same.
    #[cfg(feature = "otlp")]
    pub(super) otlp: Option<codecwatch_health::otlp::Endpoint>,
}

/// A parameter: its name, and how its value is read. A value that cannot be used is
/// an error that says why.
type Row = (
    &'static str,
    fn(&mut Parameters, &str) -> Result<(), String>,
);

const TABLE: &[Row] = &[
    ("wrap", |parameters, value| {
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
    }),
    ("listen", |parameters, value| {
        let address = codecwatch_health::parse_address(value);
        let address = address.map_err(|error| format!("no health: {error}"))?;
        parameters.listen = Some(address);
        Ok(())
    }),
    ("port-file", |parameters, value| {
        parameters.port_file = Some(file("port-file", value)?);
        Ok(())
    }),
    ("drain-file", |parameters, value| {
        parameters.drain_file = Some(file("drain-file", value)?);
        Ok(())
    }),
    #[cfg(feature = "otlp")]
    ("otlp", |parameters, value| {
        let endpoint = value.parse();
        let endpoint = endpoint.map_err(|error| format!("no export: {error}"))?;
        parameters.otlp = Some(endpoint);
        Ok(())
    }),
];

/// What may be given more than once: the names come together.
const LISTS: &[&str] = &["wrap"];

fn file(parameter: &str, value: &str) -> Result<PathBuf, String> {
    match value.is_empty() {
        true => Err(format!("'{parameter}' names no file")),
        false => Ok(PathBuf::from(value)),
    }
}

/// The row of an item and its value.
fn row_of(item: &str) -> Result<(&'static Row, &str), String> {
    let Some((name, value)) = item.split_once('=') else {
        return Err(format!("'{item}' is not NAME=VALUE, and is ignored"));
    };
    let name = name.trim();
    let row = TABLE.iter().find(|(known, _)| *known == name);
    let row = row.ok_or_else(|| {
        let known: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
        let known = known.join(", ");
        format!("there is no parameter '{name}' (there is: {known}); it is ignored")
    })?;
    Ok((row, value.trim()))
}

/// Reads the parameters: what can be used, and a line for each that cannot.
pub(super) fn read(text: &str) -> (Parameters, Vec<String>) {
    let (mut parameters, mut complaints) = (Parameters::default(), Vec::new());
    let mut given = Vec::new();
    let items = text.split(',').map(str::trim);
    for item in items.filter(|item| !item.is_empty()) {
        let read = row_of(item).and_then(|((name, set), value)| {
            let before = given.iter().filter(|known| *known == name).count();
            given.push(*name);
            match before {
                0 => set(&mut parameters, value),
                _ if LISTS.contains(name) => set(&mut parameters, value),
                1 => Err(format!(
                    "'{name}' is given more than once: the first is used"
                )),
                // Has been said.
                _ => Ok(()),
            }
        });
        complaints.extend(read.err());
    }
    if parameters.listen.is_none() && complaints.is_empty() {
        let files = [
            ("port-file", &parameters.port_file),
            ("drain-file", &parameters.drain_file),
        ];
        let given = files.iter().filter(|(_, file)| file.is_some());
        complaints.extend(given.map(|(name, _)| format!("'{name}' is ignored without 'listen'")));
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
        let read = |text: &str| {
            let (parameters, complaints) = super::read(text);
            assert_eq!(parameters.listen, None, "{text}");
            assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
            complaints[0].clone()
        };
        assert!(read("listen=here").contains("'here' is no address"));
        assert!(read("listen=here,port-file=/tmp/port").contains("'here' is no address"));
        assert!(read("port-file=/tmp/port").contains("without 'listen'"));
        assert!(read("port-file=").contains("names no file"));
        assert!(read("drain-file=/tmp/drain").contains("without 'listen'"));
        assert!(read("drain-file=").contains("'drain-file' names no file"));
        let (names, complaints) = wrap("wrap=;");
        assert!(names.is_empty());
        assert_eq!(complaints, ["'wrap' names no element"]);
    }

    #[test]
    fn health_is_served_where_it_is_said_beside_wrapped_elements_or_alone() {
        for (text, address, port_file) in [
            ("listen=9848", "127.0.0.1:9848", None),
            ("wrap=a;b,listen=[::1]:0", "[::1]:0", None),
            (
                "listen=0.0.0.0:80, port-file=/run/a port",
                "0.0.0.0:80",
                Some("/run/a port"),
            ),
        ] {
            let (parameters, complaints) = read(text);
            assert!(complaints.is_empty(), "{text}: {complaints:?}");
            let listens = parameters.listen.map(|address| address.to_string());
            assert_eq!(listens.as_deref(), Some(address), "{text}");
            let file = parameters.port_file;
            assert_eq!(file, port_file.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn what_is_given_more_than_once_is_one_line_and_the_first_is_used() {
        for text in [
            "listen=1,port-file=/a,listen=2",
            "listen=1,port-file=/a,wrap=b,port-file=/c,port-file=/d",
        ] {
            let (parameters, complaints) = read(text);
            let listens = parameters.listen.map(|address| address.port());
            assert_eq!(listens, Some(1), "{text}");
            assert_eq!(parameters.port_file, Some(PathBuf::from("/a")), "{text}");
            assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
            assert!(complaints[0].contains("given more than once"), "{text}");
        }
    }
}
