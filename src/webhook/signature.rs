//! How a call shows that it comes from here, and when: `t=<unix seconds>,v1=<hex>`, where `v1` is the
//! HMAC-SHA256 of `<t>.<body>` with the subscription's secret. Whoever is called computes the same, and
//! refuses what is old: so that nobody replays a call.

use http::HeaderName;
use ring::hmac;

/// The header.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-proconsul-signature");

/// The header's value.
pub fn sign(secret: &str, unix_seconds: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(unix_seconds.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let tag = context.sign();
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={unix_seconds},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_other_tools_compute() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let expected =
            "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        assert_eq!(sign("secret", 1_700_000_000, b"{}"), expected);
    }
}
