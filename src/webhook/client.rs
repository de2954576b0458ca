//! Making a call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use reqwest::redirect::Policy;

use super::address::{Reach, Vetted, check_url};
use super::signature::{SIGNATURE, sign};
use crate::model::UnixMillis;
use crate::store::Subscription;

/// For a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// For a call as a whole.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that nobody used for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A longer error is cut.
const MAX_ERROR_CHARACTERS: usize = 300;

const INDEX: HeaderName = HeaderName::from_static("x-proconsul-index");
const SUBSCRIPTION: HeaderName = HeaderName::from_static("x-proconsul-subscription");

/// Makes calls. A copy shares its connections.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    reach: Reach,
}

impl Client {
    pub(super) fn new(reach: Reach) -> Result<Self, String> {
        let mut roots = rustls::RootCertStore::empty();
        // What the system's store holds that is no certificate helps nobody.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Vetted(reach)))
            .redirect(Policy::none()) // one could lead where a callback may not go
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("proconsul/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { http, reach })
    }

    /// Posts a state. Good is every status from 200 to 299.
    pub(super) async fn call(
        &self,
        subscription: &Subscription,
        index: u64,
        body: Bytes,
        now: UnixMillis,
    ) -> Result<(), String> {
        let url = check_url(&subscription.url, self.reach).map_err(|e| format!("the URL {e}"))?;
        let signature = sign(&subscription.secret, now.0 / 1000, &body);
        let answer = self
            .http
            .post(url)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(SIGNATURE, signature)
            .header(SUBSCRIPTION, &subscription.id)
            .header(INDEX, index)
            .body(body)
            .send()
            .await
            .map_err(|error| cut(&told(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("answered {status}")),
        }
    }
}

/// An error with its causes: the outermost one says little.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_ERROR_CHARACTERS).collect()
}
