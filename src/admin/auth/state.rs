//! What is known of those who may ask: tokens by their hashes, the keys of those who sign, and whether
//! somebody may ask who shows nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::caller::Caller;
use super::jwt::{JwtKeys, looks_like_a_jwt};
use crate::config::{AdminAuth, Role, ServicePattern};

/// Longer ones are nobody's.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// What tells a good request from a bad one. Immutable: a reload makes another.
#[derive(Debug, Default)]
pub struct AuthState {
    anonymous: Option<Role>,
    tokens: Vec<StaticToken>,
    jwt: Option<JwtKeys>,
}

#[derive(Debug)]
struct StaticToken {
    name: Arc<str>,
    sha256: [u8; 32],
    role: Role,
    services: Arc<[ServicePattern]>,
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("cannot read the keys in {path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{path} is no JSON Web Key Set: {error}")]
    NoKeySet { path: PathBuf, error: String },
    #[error("{path}: key {place} cannot be used: {error}")]
    BadKey { path: PathBuf, place: String, error: String },
    #[error("{path} has no key that may sign: it needs an RSA, P-256 or secret key")]
    NoKey { path: PathBuf },
}

/// Why somebody is not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Nothing was shown, and that is not enough here.
    Nothing,
    /// What was shown is no good.
    Bad(String),
}

impl AuthState {
    /// Reads what the configuration names.
    pub fn load(config: &AdminAuth) -> Result<Self, AuthError> {
        let AdminAuth { anonymous, tokens, jwt } = config;
        let tokens = tokens.iter().map(|token| StaticToken {
            name: token.name.as_str().into(),
            sha256: token.sha256,
            role: token.role,
            services: token.services.clone().into(),
        });
        Ok(Self {
            anonymous: *anonymous,
            tokens: tokens.collect(),
            jwt: jwt.as_ref().map(JwtKeys::load).transpose()?,
        })
    }

    /// Who shows this token.
    pub(super) fn who(&self, token: &str, from: Option<IpAddr>) -> Result<Caller, Denied> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Denied::Bad("the token is too long".to_owned()));
        }
        let shown: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // Every one is compared, so that the time taken tells nothing.
        let mut known = None;
        for token in &self.tokens {
            if same(&token.sha256, &shown) {
                known = Some(token);
            }
        }
        if let Some(StaticToken { name, role, services, .. }) = known {
            let (name, role, services) = (name.clone(), *role, services.clone());
            return Ok(Caller { name, role, services, from });
        }
        match &self.jwt {
            Some(keys) if looks_like_a_jwt(token) => {
                let bearer = keys.verify(token).map_err(Denied::Bad)?;
                let (name, role, services) = (bearer.name, bearer.role, bearer.services);
                Ok(Caller { name, role, services, from })
            }
            Some(_) | None => Err(Denied::Bad("the token is not known".to_owned())),
        }
    }

    /// Who shows nothing: somebody on this machine, where that is allowed.
    pub(super) fn anonymous(&self, from: Option<IpAddr>) -> Result<Caller, Denied> {
        match (self.anonymous, from) {
            (Some(role), Some(address)) if address.to_canonical().is_loopback() => {
                Ok(Caller { name: "anonymous".into(), role, services: Arc::new([]), from })
            }
            _ => Err(Denied::Nothing),
        }
    }
}

/// Takes the same time whatever differs.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differs = a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b));
    std::hint::black_box(differs) == 0
}
