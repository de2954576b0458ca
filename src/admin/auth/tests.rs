//! Good tokens and bad ones, as a table.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::AuthState;
use crate::config::{AdminAuth, JwtAuth, Role};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &[u8] = b"fedcba9876543210fedcba9876543210";

/// A key pair for ES256, and its public point.
static EC: LazyLock<(EncodingKey, String, String)> = LazyLock::new(|| {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let raw = pair.public_key_raw(); // 04, x, y
    let key = EncodingKey::from_ec_der(pair.serialized_der());
    (key, base64(&raw[1..33]), base64(&raw[33..65]))
});

/// A key for RS256, which nothing but these tests trusts, and its modulus.
const RSA: &[u8] = include_bytes!("rsa_for_tests.der");
const RSA_MODULUS: &str = "nGwRT6ZWrCk50rUTggR_oA8sWwUSgMrZSIloZl9WC2ow_oB2vdtYeW2dnB-NarDJlztOxgcTMUooRLKQZsE2zv38\
    rMC7UoHW_E4wLJBqp406vat5bGMQg2tAg5cRt3hNCP3gX5FhYmkx6IAJ7t2AEgCSN-ksBtaiFaNNzmv9r2JFfZy8\
    MzNVbkwZ6N3reo9mTw6lFkz6tGcnYQCRBZ2i3gIkCxzeLDuo-sQgIW_RDtQqry4cO0Oi1ZmOectC2Bvd7ZyWZtYJ\
    _Gswl0EBXN95hm6JX4aTiVZwvN9kbl39Zk6qKf8dHzGm241CN3U-gTp46o-4VIAubZaUk-OGt0K1kQ";

/// For URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

fn key_set() -> Value {
    let (_, x, y) = &*EC;
    json!({ "keys": [
        { "kty": "oct", "kid": "hs", "alg": "HS256", "k": base64(SECRET) },
        { "kty": "EC", "kid": "ec", "crv": "P-256", "use": "sig", "x": x, "y": y },
        { "kty": "RSA", "kid": "rs", "n": RSA_MODULUS, "e": "AQAB" },
        { "kty": "EC", "kid": "sealing", "crv": "P-256", "use": "enc", "x": x, "y": y },
    ] })
}

fn load(directory: &Path, set: &Value) -> Result<AuthState, String> {
    let jwks = directory.join("jwks.json");
    std::fs::write(&jwks, set.to_string()).unwrap();
    let jwt = JwtAuth {
        jwks,
        audience: vec!["proconsul".into()],
        issuer: Some("https://issuer.example".into()),
        role_claim: "role".into(),
        services_claim: "services".into(),
        leeway: Duration::from_secs(30),
    };
    let config = AdminAuth { anonymous: None, tokens: Vec::new(), jwt: Some(jwt) };
    AuthState::load(&config).map_err(|error| error.to_string())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({
        "sub": "ci", "aud": "proconsul", "iss": "https://issuer.example", "exp": now() + 600,
        "role": "registrar", "services": ["web-*"],
    })
}

fn token(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}

fn hs(claims: &Value) -> String {
    token(Algorithm::HS256, Some("hs"), &EncodingKey::from_secret(SECRET), claims)
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(key);
    claims
}

#[test]
fn a_good_token_says_who_and_what() {
    let directory = tempfile::tempdir().unwrap();
    let auth = load(directory.path(), &key_set()).unwrap();
    let es = token(Algorithm::ES256, Some("ec"), &EC.0, &claims());
    let rs = token(Algorithm::RS256, Some("rs"), &EncodingKey::from_rsa_der(RSA), &claims());
    let good = [
        hs(&claims()),
        es,
        rs,
        hs(&with("aud", json!(["other", "proconsul"]))),
        hs(&with("exp", json!(now() - 20))),
        hs(&with("nbf", json!(now() + 20))),
    ];
    for token in good {
        let caller = auth.who(&token, None).unwrap();
        assert_eq!((&*caller.name, caller.role), ("ci", Role::Registrar));
        assert!(caller.services[0].matches("default", "web-1"));
    }
}

#[test]
fn a_bad_token_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let auth = load(directory.path(), &key_set()).unwrap();
    let unsigned = |header: Value| {
        let part = |value: &Value| base64(value.to_string().as_bytes());
        format!("{}.{}.", part(&header), part(&claims()))
    };
    let (_, x, _) = &*EC;
    let confused = EncodingKey::from_secret(x.as_bytes());
    let other = EncodingKey::from_secret(OTHER_SECRET);
    let mut cut = hs(&claims());
    cut.pop();
    let bad = [
        ("no algorithm", unsigned(json!({ "alg": "none" }))),
        ("no algorithm, with a key", unsigned(json!({ "alg": "none", "kid": "hs" }))),
        ("public key as secret", token(Algorithm::HS256, Some("ec"), &confused, &claims())),
        (
            "another algorithm",
            token(Algorithm::HS512, Some("hs"), &EncodingKey::from_secret(SECRET), &claims()),
        ),
        ("the key of another", token(Algorithm::ES256, Some("hs"), &EC.0, &claims())),
        ("another secret", token(Algorithm::HS256, Some("hs"), &other, &claims())),
        (
            "no key named",
            token(Algorithm::HS256, None, &EncodingKey::from_secret(SECRET), &claims()),
        ),
        (
            "unknown key",
            token(Algorithm::HS256, Some("x"), &EncodingKey::from_secret(SECRET), &claims()),
        ),
        ("a key for sealing", token(Algorithm::ES256, Some("sealing"), &EC.0, &claims())),
        ("cut signature", cut),
        ("expired", hs(&with("exp", json!(now() - 60)))),
        ("no end", hs(&without("exp"))),
        ("end as text", hs(&with("exp", json!("never")))),
        ("not yet", hs(&with("nbf", json!(now() + 60)))),
        ("another audience", hs(&with("aud", json!("other")))),
        ("no audience", hs(&without("aud"))),
        ("another issuer", hs(&with("iss", json!("https://evil.example")))),
        ("no issuer", hs(&without("iss"))),
        ("no subject", hs(&without("sub"))),
        ("no role", hs(&without("role"))),
        ("unknown role", hs(&with("role", json!("root")))),
        ("bad services", hs(&with("services", json!(["a*b"])))),
        ("services as text", hs(&with("services", json!("*")))),
        ("nonsense", "a.b.c".to_owned()),
        ("no token", String::new()),
    ];
    for (why, token) in bad {
        let told = auth.who(&token, None);
        assert!(told.is_err(), "{why}: {told:?}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_when_they_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let weak = json!({ "kty": "oct", "kid": "w", "k": base64(b"short") });
    let small = json!({ "kty": "RSA", "kid": "s", "n": base64(&[7; 128]), "e": "AQAB" });
    let cases = [
        (json!({ "keys": [weak] }), "key w cannot be used: it has 5 bytes; at least 32 are safe"),
        (
            json!({ "keys": [small] }),
            "key s cannot be used: it has 128 bytes; at least 256 are safe",
        ),
        (json!({ "keys": [] }), "has no key that may sign"),
        (json!({}), "is no JSON Web Key Set"),
    ];
    for (set, expected) in cases {
        let told = load(directory.path(), &set).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}
