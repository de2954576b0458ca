//! The instances: answers on a few ports, well until it is told otherwise on its standard input.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const PORTS: usize = 8;
const WELL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";
const UNWELL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// Prints its ports, and serves until its standard input ends.
pub fn run() -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<()> {
    let fails = Arc::new(AtomicBool::new(false));
    let mut ports = Vec::new();
    for _ in 0..PORTS {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(listener.local_addr()?.port().to_string());
        let fails = fails.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, fails.clone()));
            }
        });
    }
    println!("{}", ports.join(" "));
    std::io::stdout().flush()?;
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while orders.next_line().await?.is_some() {
        fails.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// One request is one read: checks are short, and wait for their answers.
async fn answer(mut stream: TcpStream, fails: Arc<AtomicBool>) {
    let mut request = [0; 1024];
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        let answer = if fails.load(Ordering::Relaxed) { UNWELL } else { WELL };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
