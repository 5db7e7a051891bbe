//! Upgrades: requests that turn an HTTP connection into a WebSocket.
//!
//! A browser sends a `GET` with `Connection: Upgrade` and `Upgrade: websocket`. Both fields are for
//! the next hop only, so [`headers`](super::headers) removes them and the balancer sets them again.
//! When the clone responds with `101 Switching Protocols`, the balancer connects both sides with a
//! [tunnel](Tunnels).
//!
//! Only `websocket` passes. Another protocol, such as `h2c`, would let the client send requests
//! that the balancer cannot check any more.
//!
//! Left out: WebSocket over HTTP/2 (RFC 8441).

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::response_body::ResponseBody;
use crate::balancer::upstream::{InFlightGuard, Tunnels};
use crate::web::header_list::{Quotes, members};
use crate::web::request_body::RequestBody;

/// The only protocol to which a connection may be upgraded.
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A client's request to turn its connection into a WebSocket.
#[derive(Debug)]
pub(super) struct UpgradeRequest {
    /// Resolves to the client's connection after the client has got the balancer's 101.
    client: OnUpgrade,
}

impl UpgradeRequest {
    /// `None` unless the request is a well-formed request for a WebSocket. A server may ignore any
    /// other upgrade (RFC 9110, section 7.8), and the balancer does.
    pub(super) fn from_request(request: &mut Request<RequestBody>) -> Option<Self> {
        let is_upgrade = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && request.body().is_end_stream()
            && names_websocket(request.headers());
        is_upgrade.then(|| UpgradeRequest {
            client: hyper::upgrade::on(request),
        })
    }

    /// Passes the clone's 101 on, and opens the tunnel. `None` if the clone switched to another
    /// protocol.
    pub(super) fn accept(
        self,
        mut response: Response<Incoming>,
        in_flight: InFlightGuard,
        idle: Duration,
        tunnels: &Tunnels,
    ) -> Option<Response<ResponseBody>> {
        if !names_websocket(response.headers()) {
            return None;
        }
        let clone = hyper::upgrade::on(&mut response);
        tunnels.open(self.client, clone, idle, in_flight);
        Some(response.map(|_| Either::Right(Full::new(Bytes::new()))))
    }
}

/// Sets the two header fields of an upgrade for the next hop.
pub(super) fn set_upgrade_headers(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Whether the message asks for, or agrees to, an upgrade to WebSocket and nothing else.
fn names_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let is_websocket = matches!((protocols.next(), protocols.next()), (Some(only), None)
        if only.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()));
    is_websocket
        && members(headers, &CONNECTION, Quotes::None)
            .any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}
