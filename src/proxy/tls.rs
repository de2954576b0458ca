//! A listener's certificates: checked before use, chosen by the name that the client asks for,
//! exchanged while connections go on.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{CertificateFiles, ListenerTls};

/// Why certificates cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}")]
    Invalid { path: PathBuf, error: String },
    #[error("{key}: is not the private key of {certificate}: {error}")]
    Mismatch { certificate: PathBuf, key: PathBuf, error: String },
}

/// Certificates by the names that they are for.
#[derive(Debug)]
pub struct Certificates {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads and checks every certificate of a listener.
    pub fn load(tls: &ListenerTls) -> Result<Self, CertificateError> {
        let mut certificates = Self { by_name: HashMap::new(), default: None };
        for files in &tls.certificates {
            let key = Arc::new(certified_key(files)?);
            for name in names_of(&key, files)? {
                certificates.by_name.entry(name).or_insert_with(|| key.clone());
            }
            certificates.default.get_or_insert(key);
        }
        Ok(certificates)
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let wildcard = || name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            self.by_name.get(&name).or_else(|| self.by_name.get(&wildcard()?))
        });
        named.or(self.default.as_ref()).cloned()
    }
}

/// What rustls asks at each handshake.
pub struct Resolver(ArcSwap<Certificates>);

impl Resolver {
    pub fn new(certificates: Certificates) -> Self {
        Self(ArcSwap::from_pointee(certificates))
    }

    /// Serves other certificates from the next handshake on.
    pub fn replace(&self, certificates: Certificates) {
        self.0.store(Arc::new(certificates));
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resolver").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(hello.server_name())
    }
}

fn certified_key(files: &CertificateFiles) -> Result<CertifiedKey, CertificateError> {
    let CertificateFiles { certificate, key } = files;
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|error| CertificateError::Unreadable { path: path.clone(), error })
    };
    let invalid =
        |path: &PathBuf, error: String| CertificateError::Invalid { path: path.clone(), error };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| invalid(certificate, format!("not a PEM certificate: {error}")))?;
    if chain.is_empty() {
        return Err(invalid(certificate, "holds no PEM certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| invalid(key, format!("not a PEM private key: {error}")))?;
    CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider()).map_err(
        |error| CertificateError::Mismatch {
            certificate: certificate.clone(),
            key: key.clone(),
            error: error.to_string(),
        },
    )
}

fn names_of(key: &CertifiedKey, files: &CertificateFiles) -> Result<Vec<String>, CertificateError> {
    let invalid = |error: webpki::Error| CertificateError::Invalid {
        path: files.certificate.clone(),
        error: error.to_string(),
    };
    let leaf = key.end_entity_cert().map_err(|error| CertificateError::Invalid {
        path: files.certificate.clone(),
        error: error.to_string(),
    })?;
    let certificate = webpki::EndEntityCert::try_from(leaf).map_err(invalid)?;
    Ok(certificate.valid_dns_names().map(str::to_ascii_lowercase).collect())
}
