//! Requests as somebody typed them.

use std::io::Write;

use futures::StreamExt;
use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::{Client, ClientError, transport};
use crate::cli::output::Failure;

/// One request and what is said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Raw {
    /// `GET`, ...
    pub(in crate::cli) method: String,
    /// `/v1/jobs?prefix=a`, `jobs` for `/v1/jobs`, or a whole address.
    pub(in crate::cli) path: String,
    pub(in crate::cli) filter: Option<String>,
    pub(in crate::cli) headers: Vec<(String, String)>,
    pub(in crate::cli) body: Vec<u8>,
}

impl Client {
    /// Where the request goes.
    pub(in crate::cli) fn raw_url(&self, raw: &Raw) -> Result<Url, Failure> {
        let path = &raw.path;
        if path.starts_with("http://") {
            return Url::parse(path).map_err(|error| Failure::message(format!("{path:?}: {error}")));
        }
        let (path, typed) = path.split_once('?').unwrap_or((path, ""));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/v1/{path}") };
        let mut url = self.url(&path, &[]);
        // What is typed comes before what the flags say.
        let own = url.query().unwrap_or_default().to_owned();
        let both: Vec<&str> = [typed, &own].into_iter().filter(|part| !part.is_empty()).collect();
        url.set_query(Some(both.join("&").as_str()).filter(|query| !query.is_empty()));
        if let Some(filter) = &raw.filter {
            url.query_pairs_mut().append_pair("filter", filter);
        }
        Ok(url)
    }

    /// Sends it and writes the body of the answer to `out`, whatever its status. Returns the status with its words, the
    /// headers, and how much was written.
    pub(in crate::cli) fn send_raw(
        &self,
        raw: Raw,
        out: &mut dyn Write,
    ) -> Result<(String, HeaderMap, usize), Failure> {
        let url = self.raw_url(&raw)?;
        let method = Method::from_bytes(raw.method.as_bytes())
            .map_err(|_| Failure::message(format!("{:?} is not a method", raw.method)))?;
        let failed = |error: ClientError| Failure::message(format!("Error making request: {error}"));
        self.runtime.block_on(async {
            let mut request = self.request(method, url.clone());
            for (name, value) in &raw.headers {
                let bad = || Failure::message(format!("{name}: {value}: not a header"));
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
                request = request.header(name, HeaderValue::from_str(value).map_err(|_| bad())?);
            }
            if !raw.body.is_empty() {
                request = request.body(raw.body);
            }
            let response = request.send().await.map_err(|error| failed(transport("Get", &url, &error)))?;
            let (status, headers) = (response.status().to_string(), response.headers().clone());
            let mut written = 0;
            let mut pieces = Box::pin(response.bytes_stream());
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| failed(transport("Get", &url, &error)))?;
                written += piece.len();
                out.write_all(&piece)?;
                out.flush()?;
            }
            Ok((status, headers, written))
        })
    }
}
