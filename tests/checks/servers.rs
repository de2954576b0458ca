//! Servers for checks to look at, each as simple as a test needs it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::mesh::free_address;

/// A TCP server; it ends with the test.
pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Does `serve` with each connection.
    pub async fn new<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = free_address();
        let listener = TcpListener::bind(address).await.unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, connections }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Says something, and then nothing more.
    pub async fn says(words: &'static str) -> Self {
        Self::new(move |mut stream| async move {
            let _ = stream.write_all(words.as_bytes()).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await
    }

    /// Waits for a question, answers, and closes.
    pub async fn answers(words: impl Into<String>) -> Self {
        let words: Arc<str> = words.into().into();
        Self::new(move |mut stream| {
            let words = words.clone();
            async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(words.as_bytes()).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        })
        .await
    }

    /// Answers HTTP with a JSON document.
    pub async fn json(status: &str, document: &str) -> Self {
        let length = document.len();
        Self::answers(format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{document}"
        ))
        .await
    }

    /// Begins with `head`, and never ends; `sent` says how much went out.
    pub async fn floods(head: &'static str, sent: Arc<AtomicUsize>) -> Self {
        Self::new(move |mut stream| {
            let sent = sent.clone();
            async move {
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(&[b'x'; 64 << 10]).await.is_ok() {
                    sent.fetch_add(64 << 10, Ordering::SeqCst);
                }
            }
        })
        .await
    }
}
