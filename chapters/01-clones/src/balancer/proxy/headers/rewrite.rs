//! Rewrites the heads of requests and responses for the next hop.

use std::net::IpAddr;

use http::header::{CONNECTION, EXPECT, FORWARDED, HOST, TRANSFER_ENCODING, UPGRADE, VIA};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version};

use super::framing;
use super::names::{
    X_FORWARDED_FOR, X_FORWARDED_PROTO, is_confusable, is_hop_by_hop, is_only_from_proxies,
    named_by_connection,
};
use crate::web::identity::X_REQUEST_ID;
use crate::web::problem::Problem;

/// Turns the head of a client's request into the one for a clone. The path and the query stay
/// unchanged, byte for byte.
pub(crate) fn prepare_request(
    head: &mut Parts,
    peer: Option<IpAddr>,
    trusted_proxies: &[IpAddr],
    request_id: &HeaderValue,
) -> Result<(), Problem> {
    framing::check_request(head)?;
    let is_trusted = peer.is_some_and(|peer| is_in_list(peer, trusted_proxies));
    // The clone decides about `Expect: 100-continue`. HTTP/1.0 has no such field (RFC 9110, section
    // 10.1.1).
    let is_old = head.version == Version::HTTP_10;
    remove_fields(&mut head.headers, |name| {
        (is_old && *name == EXPECT)
            || is_confusable(name)
            || (!is_trusted && is_only_from_proxies(name))
    });

    let via = match head.version {
        Version::HTTP_10 => "1.0 workshop",
        _ => "1.1 workshop",
    };
    head.headers.append(VIA, HeaderValue::from_static(via));
    // The balancer speaks HTTP/1.1 to the clone, whatever version the client speaks.
    head.version = Version::HTTP_11;
    head.headers.insert(X_REQUEST_ID, request_id.clone());
    // A trusted proxy knows the scheme of the client's own connection, so its value stays.
    head.headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    if let Some(peer) = peer {
        append_peer(&mut head.headers, peer);
    }

    if !head.headers.contains_key(HOST) {
        head.headers.insert(HOST, host_of(&head.uri));
    }
    let target = head.uri.path_and_query().cloned();
    head.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // hyper's extensions describe the client's connection, not the next one.
    head.extensions = Extensions::new();
    Ok(())
}

/// `Host` for a request of HTTP/1.0 without one: the server that the request line names, or a fixed
/// name (RFC 9112, section 3.3). The next hop speaks HTTP/1.1, which requires the field.
fn host_of(target: &Uri) -> HeaderValue {
    let named = target.authority().map(http::uri::Authority::as_str);
    named
        .and_then(|name| HeaderValue::from_str(name).ok())
        .unwrap_or(HeaderValue::from_static("localhost"))
}

/// An operator may write `::ffff:10.0.0.7` for `10.0.0.7`.
fn is_in_list(peer: IpAddr, list: &[IpAddr]) -> bool {
    list.iter().any(|address| address.to_canonical() == peer)
}

/// Turns the head of a clone's response into the one for the client. It gets no `Via`: RFC 9110
/// does not require it of a gateway, and clients need not know what is behind the balancer.
pub(crate) fn prepare_response(head: &mut http::response::Parts) {
    // The only response that tells the client a protocol of this connection (RFC 9110, section
    // 15.5.22).
    let upgrade = match head.status {
        StatusCode::UPGRADE_REQUIRED => head.headers.get_all(UPGRADE).iter().cloned().collect(),
        _ => Vec::new(),
    };
    // hyper has decoded the body, and chooses the encoding for this client.
    remove_fields(&mut head.headers, |name| *name == TRANSFER_ENCODING);
    for protocols in upgrade {
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.append(UPGRADE, protocols);
    }
    head.version = Version::HTTP_11;
    head.extensions = Extensions::new();
}

/// Removes the hop-by-hop fields, and those that `is_unwanted`. It looks at each field of the
/// message once, which is faster than a lookup for each unwanted name.
fn remove_fields(headers: &mut HeaderMap, is_unwanted: impl Fn(&HeaderName) -> bool) {
    let mut unwanted: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_hop_by_hop(name) || is_unwanted(name))
        .cloned()
        .collect();
    if unwanted.contains(&CONNECTION) {
        unwanted.extend(named_by_connection(headers));
    }
    for name in &unwanted {
        headers.remove(name);
    }
}

/// Appends the peer's address to `X-Forwarded-For`, and to `Forwarded` (RFC 7239) if the request
/// has that field.
fn append_peer(headers: &mut HeaderMap, peer: IpAddr) {
    let mut addresses = Vec::new();
    // Byte for byte: an entry that is not text must not hide the entries of the proxies.
    for earlier in headers.get_all(X_FORWARDED_FOR) {
        addresses.extend_from_slice(earlier.as_bytes());
        addresses.extend_from_slice(b", ");
    }
    addresses.extend_from_slice(peer.to_string().as_bytes());
    let addresses =
        HeaderValue::try_from(addresses).expect("values of header fields and addresses are valid");
    headers.insert(X_FORWARDED_FOR, addresses);
    if headers.contains_key(FORWARDED) {
        let element = match peer {
            IpAddr::V4(ip) => format!("for={ip}"),
            IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
        };
        headers.append(
            FORWARDED,
            HeaderValue::try_from(element).expect("an address is ASCII"),
        );
    }
}
