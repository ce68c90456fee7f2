//! The body of a request as text: within its limits of size and time, whether packed or not.
//!
//! What is packed was unpacked on its way here (`routes`), and what counts is its size after that: a small body that unpacks
//! to a large one is refused as soon as it is too large.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, header};
use futures_core::Stream;

use crate::options::ServerOptions;
use crate::problem::Problem;

/// How much of a body that is too large is read and thrown away, so that the asker gets to read the answer.
const DRAINED_BYTES: usize = 64 << 20;

/// The whole body.
pub(crate) async fn read_body(
    body: Body,
    headers: &HeaderMap,
    options: &ServerOptions,
) -> Result<String, Problem> {
    if let Some(packed) = headers.get(header::CONTENT_ENCODING).filter(|name| *name != "identity") {
        return Err(Problem::unsupported_encoding(packed.to_str().unwrap_or_default()));
    }
    let limit = options.body_bytes;
    let said =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::with_capacity(said.unwrap_or(0).min(limit));
    let mut total = 0;
    let late = |_| Problem::timed_out(options.query_timeout.as_millis());
    let reading = async {
        while let Some(chunk) = next(&mut stream).await? {
            total += chunk.len();
            if total <= limit {
                bytes.extend_from_slice(&chunk);
            } else if total > limit.saturating_add(DRAINED_BYTES) {
                break;
            }
        }
        Ok::<(), Problem>(())
    };
    tokio::time::timeout(options.query_timeout, reading).await.map_err(late)??;
    if total > limit {
        return Err(Problem::body_too_large(limit));
    }
    String::from_utf8(bytes)
        .map_err(|_| Problem::incorrect("db.error/bad-body", "the body is not UTF-8 text"))
}

async fn next(stream: &mut BodyDataStream) -> Result<Option<Bytes>, Problem> {
    let broken = |error| Problem::incorrect("db.error/bad-body", format!("the body broke off: {error}"));
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await.transpose().map_err(broken)
}
