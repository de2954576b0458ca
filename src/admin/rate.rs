//! Requests of one client address in a second: more are refused, and told when to come again.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;
use super::v1::Api;

/// Addresses that were quiet are forgotten each time that so many requests came.
const FORGET_EVERY: u64 = 10_000;

/// A host has a whole network of this width, and is counted as one.
const IPV6_PREFIX_BITS: u32 = 64;

/// Counts requests by address.
#[derive(Default)]
pub(super) struct Rate {
    current: ArcSwapOption<Limited>,
    seen: AtomicU64,
}

struct Limited {
    per_second: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<IpAddr>,
}

impl Rate {
    /// Seconds to wait, if this request is one too many.
    fn check(&self, per_second: u32, address: IpAddr) -> Option<u64> {
        let per_second = NonZeroU32::new(per_second)?;
        let limited = match self.current.load_full() {
            Some(limited) if limited.per_second == per_second => limited,
            // The first request, or a reload changed the limit.
            _ => {
                let limiter = RateLimiter::keyed(Quota::per_second(per_second));
                let limited = Arc::new(Limited { per_second, limiter });
                self.current.store(Some(limited.clone()));
                limited
            }
        };
        if self.seen.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limited.limiter.retain_recent();
            limited.limiter.shrink_to_fit();
        }
        let refused = limited.limiter.check_key(&key(address)).err()?;
        Some(refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
    }
}

fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (u128::BITS - IPV6_PREFIX_BITS);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
        v4 => v4,
    }
}

/// Before anything else is looked at: a token that is guessed costs the guesser, too.
pub(super) async fn limit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let per_second = api.limits.load().requests_per_second;
    if let Some(address) = address
        && let Some(seconds) = api.rate.check(per_second, address)
    {
        let what = format!("more than {per_second} requests in a second: wait {seconds} s");
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", what)
            .with(header::RETRY_AFTER, &seconds.to_string())
            .into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_a_network_counts_as_one() {
        let rate = Rate::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let refused = |text: &str| rate.check(2, address(text)).is_some();
        let asked = ["::1", "::2", "::3", "1.2.3.4", "::ffff:1.2.3.4", "1.2.3.4", "1.2.3.5"];
        assert_eq!(asked.map(refused), [false, false, true, false, false, true, false]);
        assert_eq!(rate.check(0, address("::1")), None, "0 = no limit");
    }
}
