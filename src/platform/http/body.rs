//! The body of a response: taken in whole up to a limit, and unpacked up to the same limit, however well it was packed.

use async_compression::tokio::bufread::{DeflateDecoder, GzipDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::base::Size;

use super::HttpCause;
use super::error::how;

/// A body is unpacked, and memory for one reserved, in pieces of this size, in bytes.
const PIECE: usize = 64 << 10;

/// Takes the body in as it was sent.
pub(super) async fn receive(mut body: Incoming, limit: u64) -> Result<Vec<u8>, HttpCause> {
    let expected = body.size_hint().exact();
    if let Some(size) = expected.filter(|size| *size > limit) {
        return Err(too_large(limit, size, true));
    }
    // A promise costs the server nothing, so it reserves little here.
    let mut taken = Vec::with_capacity(expected.unwrap_or(0).min(PIECE as u64) as usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| HttpCause::BodyCut {
            how: how(&error),
            received: taken.len() as u64,
            expected,
        })?;
        // Trailers are of no use here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let size = (taken.len() + data.len()) as u64;
        if size > limit {
            return Err(too_large(limit, size, false));
        }
        taken.extend_from_slice(&data);
    }
    Ok(taken)
}

/// Undoes the packing that the headers name. A body in an encoding that nobody asked for stays as it is.
pub(super) async fn unpack(
    packed: Vec<u8>,
    headers: &HeaderMap,
    limit: u64,
) -> Result<Vec<u8>, HttpCause> {
    if packed.is_empty() {
        return Ok(packed);
    }
    let sent = packed.len() as u64;
    let named = headers
        .get(CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.trim().to_ascii_lowercase());
    match named.as_deref() {
        Some("gzip" | "x-gzip") => {
            let mut decoder = GzipDecoder::new(packed.as_slice());
            decoder.multiple_members(true);
            inflate(decoder, "gzip", sent, limit).await
        }
        // "deflate" is the zlib format (RFC 9110, section 8.4.1.2); some servers leave its two bytes of header out.
        Some("deflate") if is_zlib(&packed) => {
            inflate(ZlibDecoder::new(packed.as_slice()), "deflate", sent, limit).await
        }
        Some("deflate") => {
            inflate(
                DeflateDecoder::new(packed.as_slice()),
                "deflate",
                sent,
                limit,
            )
            .await
        }
        _ => Ok(packed),
    }
}

/// Whether the first two bytes are a header of RFC 1950, section 2.2.
fn is_zlib(packed: &[u8]) -> bool {
    match packed {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

async fn inflate(
    mut decoder: impl AsyncRead + Unpin,
    encoding: &'static str,
    sent: u64,
    limit: u64,
) -> Result<Vec<u8>, HttpCause> {
    let mut unpacked = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = decoder
            .read(&mut piece)
            .await
            .map_err(|error| HttpCause::Encoding {
                encoding,
                reason: error.to_string(),
            })?;
        if count == 0 {
            return Ok(unpacked);
        }
        if (unpacked.len() + count) as u64 > limit {
            return Err(HttpCause::Bomb {
                limit: Size(limit),
                packed: Size(sent),
                encoding,
            });
        }
        unpacked.extend_from_slice(&piece[..count]);
        // The bytes are all here, so nothing else would ever let other steps and the timeout have their turn.
        tokio::task::yield_now().await;
    }
}

fn too_large(limit: u64, size: u64, promised: bool) -> HttpCause {
    HttpCause::BodyTooLarge {
        limit: Size(limit),
        size: Size(size),
        promised,
    }
}
