//! How endpoints are reached: pingora's peers, built once for each endpoint of a set.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora_core::protocols::ALPN;
use pingora_core::protocols::tls::CaType;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, PeerOptions};
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::balance::Member;
use crate::config::{
    CertificateFiles, RouteTimeouts, Service, Upstream, UpstreamProtocol, UpstreamTls,
};

/// Why a service's upstream TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error("{path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{path}: holds no PEM {what} that can be read: {error}")]
    NotPem { path: PathBuf, what: &'static str, error: String },
}

/// What all peers of a service have in common.
pub(super) struct PeerTemplate {
    options: PeerOptions,
    tls: Option<TlsTemplate>,
    /// Connections are shared between services, and kept across reloads, only where they were made
    /// alike: by the same configuration, and the same certificates in the files that it names.
    group_key: u64,
}

struct TlsTemplate {
    server_name: Option<String>,
    client_certificate: Option<Arc<CertKey>>,
}

impl PeerTemplate {
    pub(super) fn new(service: &Service) -> Result<Self, PeerError> {
        let Upstream { protocol, tls, max_h2_streams } = &service.upstream;
        let mut options = PeerOptions::new();
        options.connection_timeout = Some(service.timeouts.connect);
        options.total_connection_timeout = Some(service.timeouts.connect);
        options.read_timeout = Some(service.timeouts.read);
        options.write_timeout = Some(service.timeouts.write);
        options.idle_timeout = Some(service.timeouts.idle);
        options.max_h2_streams = *max_h2_streams;
        options.alpn = match (protocol, tls) {
            (UpstreamProtocol::Http1, _) | (UpstreamProtocol::Auto, None) => ALPN::H1,
            (UpstreamProtocol::Http2, _) => ALPN::H2,
            (UpstreamProtocol::Auto, Some(_)) => ALPN::H2H1,
        };
        let mut group = DefaultHasher::new();
        format!("{:?}", service.upstream).hash(&mut group);
        let tls =
            tls.as_ref().map(|tls| tls_template(tls, &mut options, &mut group)).transpose()?;
        Ok(Self { options, tls, group_key: group.finish() })
    }

    pub(super) fn peer(&self, member: &Member) -> HttpPeer {
        let server_name = match &self.tls {
            Some(tls) => tls.server_name.clone().unwrap_or_else(|| member.endpoint.host.clone()),
            None => String::new(),
        };
        let mut peer = HttpPeer::new(member.address, self.tls.is_some(), server_name);
        peer.client_cert_key = self.tls.as_ref().and_then(|tls| tls.client_certificate.clone());
        peer.group_key = self.group_key;
        peer.options = self.options.clone();
        peer
    }
}

/// Fits a peer's options to one request of a route.
pub(super) fn tailor(options: &mut PeerOptions, timeouts: &RouteTimeouts, has_hop: bool) {
    if !has_hop {
        // Nothing to take out: pingora need not look each of them up.
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
    }
    let overrides = [
        (timeouts.connect, &mut options.total_connection_timeout),
        (timeouts.read, &mut options.read_timeout),
        (timeouts.write, &mut options.write_timeout),
    ];
    for (value, place) in overrides {
        if value.is_some() {
            *place = value;
        }
    }
}

/// What is read from files goes into `group`.
fn tls_template(
    tls: &UpstreamTls,
    options: &mut PeerOptions,
    group: &mut impl Hasher,
) -> Result<TlsTemplate, PeerError> {
    let UpstreamTls { server_name, verify, ca, client_certificate } = tls;
    options.verify_cert = *verify;
    options.verify_hostname = *verify;
    if let Some(path) = ca {
        let trusted = certificates(path)?;
        trusted.hash(group);
        let trusted: Vec<WrappedX509> =
            trusted.into_iter().map(|der| WrappedX509::new(der, parse_x509)).collect();
        options.ca = Some(Arc::<CaType>::from(trusted));
    }
    let client_certificate = match client_certificate {
        Some(CertificateFiles { certificate, key }) => {
            let (chain, key) = (certificates(certificate)?, private_key(key)?);
            (&chain, &key).hash(group);
            Some(Arc::new(CertKey::new(chain, key)))
        }
        None => None,
    };
    Ok(TlsTemplate { server_name: server_name.clone(), client_certificate })
}

fn read(path: &Path) -> Result<Vec<u8>, PeerError> {
    fs::read(path).map_err(|error| PeerError::Unreadable { path: path.to_owned(), error })
}

/// At least one certificate, each of which parses.
fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, PeerError> {
    let not_pem =
        |error: String| PeerError::NotPem { path: path.to_owned(), what: "certificate", error };
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&read(path)?)
        .map(|der| der.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(error.to_string()))?;
    if certificates.is_empty() {
        return Err(not_pem("there is none".into()));
    }
    // Pingora panics on what is no certificate; find out first.
    for der in &certificates {
        webpki::EndEntityCert::try_from(&CertificateDer::from(der.as_slice()))
            .map_err(|error| not_pem(error.to_string()))?;
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<Vec<u8>, PeerError> {
    let key = PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| PeerError::NotPem {
        path: path.to_owned(),
        what: "private key",
        error: error.to_string(),
    })?;
    Ok(key.secret_der().to_vec())
}
