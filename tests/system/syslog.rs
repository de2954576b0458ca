//! Records as syslog messages, taken by a receiver that reads them as RFC 5424 has it.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};

use crate::mesh::proxy::Builder;
use crate::mesh::wait::bounded;
use crate::mesh::{Mesh, Upstream, eventually, free_address};

/// A message, taken apart.
struct Message {
    facility: u32,
    severity: u32,
    process: String,
    kind: String,
    said: serde_json::Value,
}

fn read(message: &[u8]) -> Message {
    let text = std::str::from_utf8(message).unwrap();
    let parts: Vec<&str> = text.splitn(8, ' ').collect();
    let [start, moment, host, name, process, kind, facts, said] = parts[..] else {
        panic!("{text:?} has parts missing")
    };
    let priority = start.strip_prefix('<').and_then(|rest| rest.strip_suffix(">1")).unwrap();
    let priority: u32 = priority.parse().unwrap();
    assert!(priority < 192, "{text}");
    let moment: jiff::Timestamp = moment.parse().unwrap();
    let age = jiff::Timestamp::now().duration_since(moment);
    assert!(age.as_secs().abs() < 600, "{text}");
    assert!(!host.is_empty() && host.is_ascii(), "{text}");
    assert_eq!((name, facts), ("proconsul", "-"), "{text}");
    Message {
        facility: priority / 8,
        severity: priority % 8,
        process: process.to_owned(),
        kind: kind.to_owned(),
        said: serde_json::from_str(said).unwrap(),
    }
}

async fn builder(address: &str) -> Builder {
    let config = "[services.web]\nendpoints = [{ address = \"@up\" }]\n\
                  [[routes]]\nservice = \"web\"\npath_prefix = \"/w\"\n\
                  [log.writers.site]\nto = \"syslog\"\naddress = \"@site\"\nfacility = \"local3\"\n\
                  format = \"json\"\nrecords = [\"access\", \"events\"]\n\
                  [log.writers.file]\nto = \"file\"\npath = \"events.log\"\n";
    let up = Upstream::echo("up").await;
    Mesh::with(config).bare_log().at("up", up).at("site", address)
}

/// Checks messages, from the first on, until there are these: an event, and a request with status 404.
async fn until_done(mesh: &Mesh, mut next: impl AsyncFnMut() -> Message) {
    let (mut heard, mut seen) = (false, false);
    while !(heard && seen) {
        let message = next().await;
        assert_eq!(message.facility, 19);
        assert_eq!(message.process, mesh.pid().to_string());
        match message.kind.as_str() {
            "event" if message.said["message"] == "listening" => {
                assert_eq!(message.severity, 6);
                heard = true;
            }
            "access" => {
                assert_eq!(message.said["fields"]["status"], 404);
                assert_eq!(message.severity, 4);
                seen = true;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn over_udp() {
    let address = free_address();
    let receiver = UdpSocket::bind(address).await.unwrap();
    let mesh = builder(&format!("udp://{address}")).await.start().await;
    mesh.get("/none").await;
    until_done(&mesh, async || {
        let mut buffer = vec![0; 65536];
        let length = bounded("a message", receiver.recv(&mut buffer)).await.unwrap();
        read(&buffer[..length])
    })
    .await;
}

#[tokio::test]
async fn to_a_unix_socket_for_datagrams() {
    let builder = builder("unix:log.sock").await;
    let receiver = UnixDatagram::bind(builder.path("log.sock")).unwrap();
    let mesh = builder.start().await;
    mesh.get("/none").await;
    until_done(&mesh, async || {
        let mut buffer = vec![0; 65536];
        let length = bounded("a message", receiver.recv(&mut buffer)).await.unwrap();
        read(&buffer[..length])
    })
    .await;
}

#[tokio::test]
async fn to_a_unix_socket_for_a_stream() {
    let builder = builder("unix:log.sock").await;
    let listener = UnixListener::bind(builder.path("log.sock")).unwrap();
    let mesh = builder.start().await;
    mesh.get("/none").await;
    let (stream, _) = bounded("a connection", listener.accept()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    until_done(&mesh, async || {
        let line = bounded("a message", lines.next_line()).await.unwrap().unwrap();
        read(line.as_bytes())
    })
    .await;
}

/// A message with its length before it.
async fn framed(stream: &mut BufReader<tokio::net::TcpStream>) -> Message {
    let mut length = Vec::new();
    bounded("a length", stream.read_until(b' ', &mut length)).await.unwrap();
    let length: usize = std::str::from_utf8(&length).unwrap().trim_end().parse().unwrap();
    let mut message = vec![0; length];
    bounded("a message", stream.read_exact(&mut message)).await.unwrap();
    read(&message)
}

#[tokio::test]
async fn over_tcp_and_again_when_the_receiver_comes_back() {
    let address = free_address();
    let listener = TcpListener::bind(address).await.unwrap();
    let mesh = builder(&format!("tcp://{address}")).await.start().await;
    mesh.get("/none").await;
    let (stream, _) = bounded("a connection", listener.accept()).await.unwrap();
    let mut stream = BufReader::new(stream);
    until_done(&mesh, async || framed(&mut stream).await).await;

    drop((stream, listener));
    for number in 0..20 {
        mesh.get(&format!("/none/{number}")).await;
    }
    let told = async |words: &'static str| {
        eventually(words, || async {
            let told = std::fs::read_to_string(mesh.path("events.log")).unwrap_or_default();
            told.contains(words).then_some(told)
        })
        .await
    };
    told("log cannot be written").await;
    let listener = TcpListener::bind(address).await.unwrap();
    let (stream, _) = bounded("a connection", listener.accept()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut paths = Vec::new();
    while paths.len() < 20 {
        let message = framed(&mut stream).await;
        if message.kind == "access" {
            paths.push(message.said["fields"]["path"].as_str().unwrap().to_owned());
        }
    }
    let expected: Vec<String> = (0..20).map(|number| format!("/none/{number}")).collect();
    assert_eq!(paths, expected, "what waited comes, in order");
    let told = told("log is written again").await;
    assert_eq!(told.matches("log cannot be written").count(), 1, "{told}");
}
