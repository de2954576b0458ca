//! A server on this machine that does as a script says, for one check.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::format::{Http, Server};

/// As much of a question is read before it is answered.
const QUESTION_BYTES: usize = 64 << 10;

/// A server; it ends when this is dropped.
pub struct Upstream {
    pub address: SocketAddr,
    _serving: JoinSet<()>,
    /// Holds the port of one that refuses.
    _socket: Option<TcpSocket>,
}

impl Upstream {
    pub async fn start(server: Server) -> std::io::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut serving = JoinSet::new();
        if let Server::Refuses = server {
            let socket = TcpSocket::new_v4()?;
            socket.bind(any)?;
            let address = socket.local_addr()?;
            return Ok(Self { address, _serving: serving, _socket: Some(socket) });
        }
        let listener = TcpListener::bind(any).await?;
        let address = listener.local_addr()?;
        serving.spawn(async move {
            // One after the other: a check has few connections.
            while let Ok((stream, _)) = listener.accept().await {
                // A client that leaves early is no failure of the scenario.
                let _ = serve(stream, &server).await;
            }
        });
        Ok(Self { address, _serving: serving, _socket: None })
    }
}

async fn serve(mut stream: TcpStream, server: &Server) -> std::io::Result<()> {
    match server {
        Server::Says(words) => stream.write_all(words.as_bytes()).await?,
        Server::Answers(words) => {
            hear_question(&mut stream).await?;
            stream.write_all(words.as_bytes()).await?;
            stream.shutdown().await?;
        }
        Server::Http(http) => {
            hear_question(&mut stream).await?;
            stream.write_all(&response(http)).await?;
            stream.shutdown().await?;
        }
        Server::Silent | Server::Refuses => {}
    }
    // Stays until the client has had enough.
    stream.read_to_end(&mut Vec::new()).await.map(|_| ())
}

/// Waits until something was said; what, is nobody's concern.
async fn hear_question(stream: &mut TcpStream) -> std::io::Result<usize> {
    stream.read(&mut vec![0; QUESTION_BYTES]).await
}

fn response(Http { status, headers, body }: &Http) -> Vec<u8> {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status} \r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}
