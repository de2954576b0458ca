//! Connects; where something is to be said or heard, says it and listens. A new connection each time: what a
//! server thinks of a second greeting on the same one, nobody knows.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial::Place;
use super::{MAX_ANSWER_BYTES, judge_time};
use crate::model::{TcpCheck, Verdict};

/// Of what came instead, a reason shows this much.
const MAX_SHOWN_BYTES: usize = 64;

/// Read at once.
const CHUNK_BYTES: usize = 4 << 10;

pub(super) async fn check(check: &TcpCheck, place: &Place<'_>) -> Result<Verdict, String> {
    let began = Instant::now();
    let mut stream = place.connect(check.port).await?;
    if !check.send.is_empty() {
        let sent = stream.write_all(&check.send).await;
        sent.map_err(|error| format!("connected, but it took nothing: {error}"))?;
    }
    let mut reason = "connected";
    if !check.expect.is_empty() {
        listen(&mut stream, &check.expect).await?;
        reason = "answered as expected";
    }
    Ok(judge_time(reason.to_owned(), began.elapsed(), check.degraded_above))
}

async fn listen(stream: &mut (impl AsyncReadExt + Unpin), expect: &[u8]) -> Result<(), String> {
    let mut heard = Vec::new();
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let read = stream.read(&mut chunk).await;
        let read = read.map_err(|error| format!("no answer: {error}"))?;
        // Where the rest of what is expected may still be coming, the end of what was heard is looked at again.
        let from = heard.len().saturating_sub(expect.len() - 1);
        heard.extend_from_slice(&chunk[..read]);
        if memchr::memmem::find(&heard[from..], expect).is_some() {
            return Ok(());
        }
        if read == 0 || heard.len() >= MAX_ANSWER_BYTES {
            let heard = heard[..heard.len().min(MAX_SHOWN_BYTES)].escape_ascii();
            return Err(format!("answered `{heard}`, expected `{}`", expect.escape_ascii()));
        }
    }
}
