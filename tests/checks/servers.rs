//! Servers for checks to look at, each as simple as a test needs it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::mesh::{eventually, free_address};

/// A TCP server; it ends with the test.
pub struct Server {
    pub address: SocketAddr,
    clients: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Server {
    /// Does `serve` with each connection.
    pub async fn new<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = free_address();
        let listener = TcpListener::bind(address).await.unwrap();
        let clients: Arc<Mutex<Vec<_>>> = Arc::default();
        let seen = clients.clone();
        tokio::spawn(async move {
            while let Ok((stream, client)) = listener.accept().await {
                seen.lock().unwrap().push(client);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, clients }
    }

    /// Connections so far: one more is made first, and those before it were accepted when it is.
    pub async fn connections(&self) -> usize {
        let mut probe = TcpStream::connect(self.address).await.unwrap();
        let own = probe.local_addr().unwrap();
        eventually("the probe to be accepted", || async {
            self.clients.lock().unwrap().contains(&own).then_some(())
        })
        .await;
        let _ = probe.shutdown().await;
        let mut clients = self.clients.lock().unwrap();
        clients.retain(|client| *client != own);
        clients.len()
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
