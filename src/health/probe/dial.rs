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
        Self::asking(resolver.map_err(|error| error.to_string()), plugins)
    }

    fn asking(resolver: Result<TokioResolver, String>, plugins: tokio::runtime::Handle) -> Self {
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

#[cfg(test)]
mod tests {
    use hickory_resolver::Hosts;
    use hickory_resolver::config::ResolverConfig;
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use tokio::net::TcpSocket;

    use super::super::tests::record;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(6);

    /// Knows the names of a hosts file, and nobody to ask for others.
    fn dialer(hosts: &str) -> Dialer {
        let provider = TokioRuntimeProvider::default();
        let builder = TokioResolver::builder_with_config(
            ResolverConfig::from_parts(None, vec![], vec![]),
            provider,
        );
        let mut resolver = builder.build().unwrap();
        let mut known = Hosts::default();
        known.read_hosts_conf(hosts.as_bytes()).unwrap();
        resolver.set_hosts(Arc::new(known));
        Dialer::asking(Ok(resolver), tokio::runtime::Handle::current())
    }

    /// Where it is connected to, of the addresses of `db.test`.
    async fn reached(dialer: &Dialer, port: u16) -> Result<IpAddr, String> {
        let mut record = record(port);
        Arc::make_mut(&mut record).host = "db.test".to_owned();
        let place = Place { dialer, record: &record, limit: LIMIT };
        let connected = timeout(LIMIT, place.connect(None)).await.expect("all are tried in time");
        connected.map(|stream| stream.peer_addr().unwrap().ip())
    }

    /// A socket that is bound and, unless `backlog` is `None`, takes so many connections that nobody accepts.
    fn bound(ip: &str, port: u16, backlog: Option<u32>) -> (u16, Box<dyn std::any::Any>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(ip.parse().unwrap(), port)).unwrap();
        let port = socket.local_addr().unwrap().port();
        match backlog {
            Some(backlog) => (port, Box::new(socket.listen(backlog).unwrap())),
            None => (port, Box::new(socket)),
        }
    }

    #[tokio::test]
    async fn of_a_names_addresses_the_first_that_answers_is_taken() {
        let dialer =
            dialer("127.0.0.11 db.test\n127.0.0.12 db.test other.test\n127.0.0.13 db.test\n");
        let ips =
            |addresses: Vec<SocketAddr>| addresses.iter().map(SocketAddr::to_string).collect();
        let all: Vec<String> = ips(dialer.addresses("db.test", 7).await.unwrap());
        assert_eq!(all, ["127.0.0.11:7", "127.0.0.12:7", "127.0.0.13:7"]);

        let (port, _last) = bound("127.0.0.13", 0, Some(16));
        let (_, refusing) = bound("127.0.0.11", port, None);
        let (_, silent) = bound("127.0.0.12", port, Some(0));
        // Its queue is full: who comes now hears nothing at all.
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..3 {
            waiting.spawn(TcpStream::connect(("127.0.0.12", port)));
        }
        let _first = waiting.join_next().await.unwrap().unwrap().unwrap();
        let found = reached(&dialer, port).await;
        assert_eq!(
            found,
            Ok(IpAddr::from([127, 0, 0, 13])),
            "the others had their share of the time"
        );

        drop((refusing, silent, waiting));
        let (_, _better) = bound("127.0.0.11", port, Some(16));
        assert_eq!(reached(&dialer, port).await, Ok(IpAddr::from([127, 0, 0, 11])));
    }

    #[tokio::test]
    async fn where_none_of_them_answers_the_last_ones_reason_is_said() {
        let dialer = dialer("127.0.0.21 db.test\n127.0.0.22 db.test\n");
        let (port, _refusing) = bound("127.0.0.21", 0, None);
        let (_, _too) = bound("127.0.0.22", port, None);
        let reason = reached(&dialer, port).await.unwrap_err();
        assert_eq!(reason, format!("connection refused (127.0.0.22:{port})"));
        let reason = dialer.addresses("nowhere.test", 1).await.unwrap_err();
        assert!(reason.starts_with("`nowhere.test` does not resolve: "), "{reason}");
    }

    #[tokio::test]
    async fn of_very_many_addresses_only_some_are_tried() {
        let hosts: String = (1..=40).map(|low| format!("127.0.1.{low} many.test\n")).collect();
        let found = dialer(&hosts).addresses("many.test", 1).await.unwrap();
        assert_eq!(found.len(), MAX_ADDRESSES);
    }
}
