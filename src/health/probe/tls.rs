//! TLS to an instance.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::words;
use crate::model::CheckTls;

/// Speaks TLS over `stream`. `protocol` is what is offered by ALPN.
pub(super) async fn handshake(
    stream: TcpStream,
    tls: &CheckTls,
    host: &str,
    protocol: &'static str,
) -> Result<TlsStream<TcpStream>, String> {
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let server_name = ServerName::try_from(name.clone())
        .map_err(|_| format!("`{name}` cannot be the name of a certificate"))?;
    let mut config = config(tls.verify);
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let connected = TlsConnector::from(Arc::new(config)).connect(server_name, stream).await;
    connected.map_err(|error| format!("TLS: {}", words(&error)))
}

/// A copy is cheap: what is large in it is shared.
fn config(verify: bool) -> ClientConfig {
    static TRUSTING: OnceLock<ClientConfig> = OnceLock::new();
    static BLIND: OnceLock<ClientConfig> = OnceLock::new();
    let provider = || Arc::new(ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
    };
    match verify {
        true => TRUSTING.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            // A system without authorities trusts nobody: each check says so.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder().with_root_certificates(roots).with_no_client_auth()
        }),
        false => BLIND.get_or_init(|| {
            let anybody = Arc::new(Anybody(provider()));
            builder().dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()
        }),
    }
    .clone()
}

/// Takes any certificate: for `verify = false`.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
