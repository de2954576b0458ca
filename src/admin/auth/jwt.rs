//! Tokens that somebody else signs: JSON Web Tokens (RFC 7519), with keys of a JSON Web Key Set (RFC 7517).
//!
//! A key is good for one algorithm, which its own type decides; what a token's header says has to agree with
//! that. So there is no `none`, and nobody can have a public key taken for a secret.

use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::state::AuthError;
use crate::config::{JwtAuth, Role, ServicePattern, service_pattern};

/// A file that is larger is no key set.
const MAX_JWKS_BYTES: u64 = 1 << 20;

/// A shorter secret can be guessed (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// A shorter modulus can be factored (RFC 7518, 3.3).
const MIN_MODULUS_BYTES: usize = 256;

/// Services that one token may name.
const MAX_PATTERNS: usize = 256;

/// Keys, and what a token must say.
#[derive(Debug)]
pub(super) struct JwtKeys {
    keys: Vec<Key>,
    validation: Validation,
    role_claim: String,
    services_claim: String,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Whom a token is about.
#[derive(Debug)]
pub(super) struct Bearer {
    pub name: Arc<str>,
    pub role: Role,
    pub services: Arc<[ServicePattern]>,
}

/// Three parts between dots; static tokens have none.
pub(super) fn looks_like_a_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

impl JwtKeys {
    pub(super) fn load(config: &JwtAuth) -> Result<Self, AuthError> {
        let JwtAuth { jwks, audience, issuer, role_claim, services_claim, leeway } = config;
        let mut validation = Validation::default();
        let mut required = vec!["exp", "aud"];
        validation.set_audience(audience);
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation.validate_nbf = true;
        validation.leeway = leeway.as_secs();
        Ok(Self {
            keys: read_keys(jwks)?,
            validation,
            role_claim: role_claim.clone(),
            services_claim: services_claim.clone(),
        })
    }

    /// Whom a token is about, if it is good now.
    pub(super) fn verify(&self, token: &str) -> Result<Bearer, String> {
        let header = decode_header(token).map_err(|_| "the token is malformed".to_owned())?;
        let key = self.key(header.kid.as_deref())?;
        if header.alg != key.algorithm {
            let (shown, known) = (header.alg, key.algorithm);
            return Err(format!("the token is signed with {shown:?}, its key is for {known:?}"));
        }
        let mut validation = self.validation.clone();
        validation.algorithms = vec![key.algorithm];
        let claims = decode::<Map<String, Value>>(token, &key.key, &validation);
        let claims = claims.map_err(|error| format!("the token is no good: {error}"))?.claims;
        self.bearer(&claims)
    }

    fn key(&self, id: Option<&str>) -> Result<&Key, String> {
        match (id, self.keys.as_slice()) {
            (Some(id), keys) => {
                let known = keys.iter().find(|key| key.id.as_deref() == Some(id));
                known.ok_or_else(|| "the token's key (`kid`) is not known".to_owned())
            }
            (None, [only]) => Ok(only),
            (None, _) => Err("the token names no key (`kid`), and there are several".to_owned()),
        }
    }

    fn bearer(&self, claims: &Map<String, Value>) -> Result<Bearer, String> {
        let name = claims.get("sub").and_then(Value::as_str).filter(|name| !name.is_empty());
        let role = claims.get(&self.role_claim).and_then(Value::as_str).and_then(role);
        let role = role.ok_or_else(|| {
            format!(
                "the token's claim `{}` is none of viewer, registrar, operator, admin",
                self.role_claim
            )
        })?;
        let services = match claims.get(&self.services_claim) {
            None => Vec::new(),
            Some(Value::Array(patterns)) if patterns.len() <= MAX_PATTERNS => {
                let read = |pattern: &Value| pattern.as_str().and_then(service_pattern);
                let all: Option<Vec<_>> = patterns.iter().map(read).collect();
                all.ok_or_else(|| {
                    format!("the token's claim `{}` has a bad pattern", self.services_claim)
                })?
            }
            Some(_) => {
                return Err(format!("the token's claim `{}` is no list", self.services_claim));
            }
        };
        Ok(Bearer {
            name: name.ok_or("the token has no subject (`sub`)")?.into(),
            role,
            services: services.into(),
        })
    }
}

fn role(word: &str) -> Option<Role> {
    let all = [Role::Viewer, Role::Registrar, Role::Operator, Role::Admin];
    all.into_iter().find(|&role| super::caller::word(role) == word)
}

fn read_keys(path: &Path) -> Result<Vec<Key>, AuthError> {
    let unreadable = |error| AuthError::Unreadable { path: path.to_owned(), error };
    let no_set = |error: String| AuthError::NoKeySet { path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_JWKS_BYTES {
        return Err(no_set(format!("it is larger than {MAX_JWKS_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let set: JwkSet = serde_json::from_slice(&bytes).map_err(|error| no_set(error.to_string()))?;
    let mut keys = Vec::new();
    for (index, jwk) in set.keys.iter().enumerate() {
        let place = jwk.common.key_id.clone().unwrap_or_else(|| index.to_string());
        let bad = |error: String| AuthError::BadKey { path: path.to_owned(), place, error };
        keys.extend(key(jwk).map_err(bad)?);
    }
    match keys.is_empty() {
        true => Err(AuthError::NoKey { path: path.to_owned() }),
        false => Ok(keys),
    }
}

/// `None` = it is for something else than signatures that are known here.
fn key(jwk: &Jwk) -> Result<Option<Key>, String> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        _ => return Ok(None),
    };
    let signs = matches!(&jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = match &jwk.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::HS256) => algorithm == Algorithm::HS256,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(_) => false,
    };
    if !signs || !named {
        return Ok(None);
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
    let (bytes, least) = match key.kind() {
        jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } => (n.len(), MIN_MODULUS_BYTES),
        jsonwebtoken::DecodingKeyKind::SecretOrDer(bytes) => (bytes.len(), MIN_SECRET_BYTES),
    };
    if bytes < least {
        return Err(format!("it has {bytes} bytes; at least {least} are safe"));
    }
    Ok(Some(Key { id: jwk.common.key_id.clone(), algorithm, key }))
}
