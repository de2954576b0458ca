//! From an instance's host to a connection: names are resolved, addresses tried in their order, each within
//! its share of the time-out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls::TlsClients;
use crate::model::{CheckTls, InstanceRecord};

/// Of a name's addresses, this many are tried.
const MAX_ADDRESSES: usize = 8;

/// What all checks share to reach their instances.
pub(in crate::health) struct Dialer {
    /// `None` = the system's settings could not be read; why.
    resolver: Result<TokioResolver, String>,
    tls: TlsClients,
    /// Where components run.
    pub(super) plugins: tokio::runtime::Handle,
}

/// Where one check goes.
pub(super) struct Place<'a> {
    pub dialer: &'a Dialer,
    pub record: &'a Arc<InstanceRecord>,
    /// Time for the whole check.
    pub limit: Duration,
}

/// A connection, whatever is under it.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Dialer {
    pub(in crate::health) fn new(plugins: tokio::runtime::Handle) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        let resolver = resolver.map_err(|error| error.to_string());
        Self { resolver, tls: TlsClients::default(), plugins }
    }

    /// What a host stands for, in the order to try; the resolver keeps answers for as long as they hold.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let resolver = self.resolver.as_ref().map_err(|why| format!("no name resolves: {why}"))?;
        let answer = resolver.lookup_ip(host).await;
        let answer = answer.map_err(|error| format!("`{host}` does not resolve: {error}"))?;
        let addresses = answer.iter().take(MAX_ADDRESSES);
        let addresses: Vec<_> = addresses.map(|ip| SocketAddr::new(ip, port)).collect();
        match addresses.is_empty() {
            true => Err(format!("`{host}` has no address")),
            false => Ok(addresses),
        }
    }
}

impl Place<'_> {
    /// Connects to the instance, at another port if the check names one.
    pub(super) async fn connect(&self, port: Option<u16>) -> Result<TcpStream, String> {
        let port = port.unwrap_or(self.record.port);
        let addresses = self.dialer.addresses(&self.record.host, port).await?;
        let share = self.limit / addresses.len() as u32;
        let mut reason = String::new();
        for address in addresses {
            reason = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Without it an answer may come later, but it comes.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => in_words(&error, address),
                Err(_) => format!("no connection within {share:?} ({address})"),
            };
        }
        Err(reason)
    }

    /// The same, with TLS where the check wants it; `protocol` is what ALPN offers.
    pub(super) async fn connect_as(
        &self,
        port: Option<u16>,
        tls: Option<&CheckTls>,
        protocol: &'static str,
    ) -> Result<Box<dyn Wire>, String> {
        let stream = self.connect(port).await?;
        match tls {
            None => Ok(Box::new(stream)),
            Some(tls) => {
                let client = self.dialer.tls.client(tls.verify, protocol).await?;
                let name = tls.server_name.as_deref().unwrap_or(&self.record.host);
                Ok(Box::new(client.connect(stream, name).await?))
            }
        }
    }
}

fn in_words(error: &std::io::Error, address: SocketAddr) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("connection refused ({address})"),
        std::io::ErrorKind::ConnectionReset => format!("connection reset ({address})"),
        std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => {
            format!("not reachable ({address})")
        }
        _ => format!("no connection ({address}): {error}"),
    }
}
