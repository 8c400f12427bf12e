// SPDX-License-Identifier: MPL-2.0
//! Where the service listens, as text.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Text that is no address. Nothing was opened: pass on what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no address to listen on: give a port (on the loopback interface only), or an IP \
     address and a port, such as 127.0.0.1:9848, [::1]:9848, or 0.0.0.0:9848 for every interface; \
     port 0 is any that is free"
)]
pub struct AddressError(pub String);

/// Reads `PORT`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or `localhost:PORT`. A port alone is on
/// the loopback interface. Names are not resolved, because that may take long.
///
/// # Errors
/// [`AddressError`], with the text.
pub fn parse_address(text: &str) -> Result<SocketAddr, AddressError> {
    let loopback = |port: &str| {
        // Otherwise `+80` would be a port.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits)?;
        Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    };
    let text = text.trim();
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    loopback(port)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| AddressError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_the_loopback_interface() {
        for (text, address) in [
            ("9848", "127.0.0.1:9848"),
            (" 0 ", "127.0.0.1:0"),
            ("localhost:9848", "127.0.0.1:9848"),
            ("127.0.0.1:9848", "127.0.0.1:9848"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:9848", "[::1]:9848"),
            ("[::]:1", "[::]:1"),
        ] {
            let parsed = parse_address(text).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in [
            "",
            ":",
            ":80",
            "x",
            "65536",
            "-1",
            "+80",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:x",
            "::1:80",
            "example.org:80",
            "localhost",
            "1.2.3.4.5:6",
        ] {
            let error = parse_address(text).unwrap_err();
            assert_eq!(error, AddressError(text.to_owned()));
            assert!(error.to_string().contains(&format!("'{text}'")));
        }
    }
}
