//! What the proxy must know of an endpoint beside how to reach it: whose it is, and what to tell
//! clients about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::ResponseHeader;

use crate::model::{EndpointId, InstanceKey, UnixMillis};

/// RFC 9745.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594.
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Of one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Background {
    /// The instance that it is an address of.
    pub subject: InstanceKey,
    /// Its version is deprecated.
    pub notice: Option<Notice>,
}

/// Of a service's endpoints.
pub type Backgrounds = HashMap<EndpointId, Arc<Background>>;

/// Headers that tell a client that what answered ought not to be used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    deprecation: HeaderValue,
    sunset: Option<HeaderValue>,
}

impl Notice {
    /// Deprecated `since`; gone from `sunset` on.
    pub fn new(since: UnixMillis, sunset: Option<UnixMillis>) -> Self {
        let value = |text: &str| HeaderValue::from_str(text).expect("digits and ASCII letters");
        let date = |at: UnixMillis| {
            // A date past the format's last year is as good as its last day.
            let at = Duration::from_millis(at.0).min(Duration::from_secs(LAST_HTTP_DATE));
            value(&httpdate::fmt_http_date(UNIX_EPOCH + at))
        };
        Self { deprecation: value(&format!("@{}", since.0 / 1000)), sunset: sunset.map(date) }
    }

    /// Adds the headers, unless the service says it itself.
    pub(super) fn add_to(&self, response: &mut ResponseHeader) -> Result<()> {
        for (name, value) in
            [(DEPRECATION, Some(&self.deprecation)), (SUNSET, self.sunset.as_ref())]
        {
            if let Some(value) = value.filter(|_| !response.headers.contains_key(&name)) {
                response.insert_header(name, value.clone())?;
            }
        }
        Ok(())
    }
}

/// 9999-12-31 23:59:59 UTC.
const LAST_HTTP_DATE: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_two_headers_in_their_own_formats() {
        let notice = Notice::new(UnixMillis(1_688_169_599_000), Some(UnixMillis(u64::MAX)));
        let mut response = ResponseHeader::build(200, None).unwrap();
        notice.add_to(&mut response).unwrap();
        assert_eq!(response.headers["deprecation"], "@1688169599");
        assert_eq!(response.headers["sunset"], "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn what_the_service_says_itself_stays() {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.insert_header("deprecation", "@1").unwrap();
        Notice::new(UnixMillis(5_000), None).add_to(&mut response).unwrap();
        assert_eq!(response.headers["deprecation"], "@1");
        assert!(!response.headers.contains_key("sunset"));
    }
}
