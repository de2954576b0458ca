//! TLS of checks: against the system's authorities, or against none where a check says so.
//!
//! The authorities are read once, when the first check needs them.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Settings by what they are for: verified or not, and the protocol; a handful.
#[derive(Default)]
pub(super) struct TlsClients {
    roots: OnceCell<Arc<RootCertStore>>,
    made: Mutex<Vec<(bool, &'static str, TlsClient)>>,
}

#[derive(Clone)]
pub(super) struct TlsClient(TlsConnector);

impl TlsClients {
    pub(super) async fn client(
        &self,
        verify: bool,
        protocol: &'static str,
    ) -> Result<TlsClient, String> {
        let known = |made: &[(bool, &'static str, TlsClient)]| {
            let found = made.iter().find(|(v, p, _)| (*v, *p) == (verify, protocol));
            found.map(|(.., client)| client.clone())
        };
        if let Some(client) = known(&self.made.lock()) {
            return Ok(client);
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let mut config = match verify {
            true => builder.with_root_certificates(self.roots().await?).with_no_client_auth(),
            false => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
                .with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let client = TlsClient(TlsConnector::from(Arc::new(config)));
        self.made.lock().push((verify, protocol, client.clone()));
        Ok(client)
    }

    async fn roots(&self) -> Result<Arc<RootCertStore>, String> {
        let read = || async {
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let found = found.map_err(|error| format!("the system's authorities: {error}"))?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            Ok::<_, String>(Arc::new(roots))
        };
        self.roots.get_or_try_init(read).await.cloned()
    }
}

impl TlsClient {
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        name: &str,
    ) -> Result<TlsStream<TcpStream>, String> {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| format!("TLS: `{bare}` cannot be the name of a certificate"))?;
        self.0.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))
    }
}

/// Takes any certificate: the check said so.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
