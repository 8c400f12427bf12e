// SPDX-License-Identifier: MPL-2.0
//! A collector, and one request to it.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The port of OTLP over HTTP.
const PORT: u16 = 4318;

/// Text that is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no OTLP endpoint: give http://HOST:PORT, such as http://localhost:4318 (there is no \
     TLS: let a collector on this machine pass it on)"
)]
pub struct EndpointError(pub String);

/// Where a collector listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    /// Goes before the paths of the protocol.
    prefix: String,
}

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = || EndpointError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| error())?;
        let http = uri.scheme_str() == Some("http") && uri.query().is_none();
        let host = uri.host().filter(|host| http && !host.is_empty());
        Ok(Self {
            host: host.ok_or_else(error)?.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(PORT),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.prefix)
    }
}

impl Endpoint {
    /// Posts a message. The caller bounds the time.
    ///
    /// # Errors
    /// Why it was not taken.
    pub(super) async fn post(&self, path: &str, message: Vec<u8>) -> Result<(), String> {
        let stream = TcpStream::connect((&*self.host, self.port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let request = Request::post(format!("{}{path}", self.prefix))
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(Bytes::from(message)))
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await;
        connection.abort();
        match response {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("it answers {}", response.status())),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_without_tls() {
        for (text, shown) in [
            ("http://localhost", "http://localhost:4318"),
            ("http://10.0.0.1:80/", "http://10.0.0.1:80"),
            ("http://collector:4318/otlp/", "http://collector:4318/otlp"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
        }
        for text in [
            "",
            "localhost:4318",
            "https://a",
            "http://",
            "http://a/?b",
            "ftp://a",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert_eq!(error, EndpointError(text.to_owned()));
        }
    }
}
