//! A connection that is to be made, and bytes that are to come.

use std::time::Instant;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connect::{connect, words};
use super::{critical, timely};
use crate::model::{InstanceRecord, TcpCheck, Verdict};

/// What is expected must come within so many bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Of what came instead, how much a reason shows.
const MAX_SHOWN_BYTES: usize = 64;

pub struct TcpProbe {
    check: TcpCheck,
    host: String,
    port: u16,
}

impl TcpProbe {
    pub(super) fn new(check: &TcpCheck, record: &InstanceRecord) -> Self {
        let port = check.port.unwrap_or(record.port);
        Self { check: check.clone(), host: record.host.clone(), port }
    }

    pub(super) async fn look(&self) -> Verdict {
        let begun = Instant::now();
        match self.talk().await {
            Ok(reason) => timely(reason, begun.elapsed(), self.check.degraded_above),
            Err(why) => critical(why),
        }
    }

    async fn talk(&self) -> Result<String, String> {
        let mut stream = connect(&self.host, self.port).await?;
        let failed = |error: std::io::Error| words(&error);
        stream.write_all(&self.check.send).await.map_err(failed)?;
        if self.check.expect.is_empty() {
            return Ok("connected".to_owned());
        }
        let mut came = Vec::with_capacity(1024);
        while came.len() < MAX_ANSWER_BYTES {
            let read = stream.read_buf(&mut came).await.map_err(failed)?;
            if memmem::find(&came, &self.check.expect).is_some() {
                return Ok("answered as expected".to_owned());
            }
            if read == 0 {
                break;
            }
        }
        let shown = &came[..came.len().min(MAX_SHOWN_BYTES)];
        let (shown, expected) = (shown.escape_ascii(), self.check.expect.escape_ascii());
        Err(format!("answered \"{shown}\", expected \"{expected}\""))
    }
}
