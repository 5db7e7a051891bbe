//! Rewrites the heads of requests and responses for the next hop.

use std::net::IpAddr;

use http::header::{CONNECTION, EXPECT, FORWARDED, TRANSFER_ENCODING, VIA};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, Version};

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
    let is_trusted = peer.is_some_and(|peer| trusted_proxies.contains(&peer));
    // hyper handles `Expect`: it sends `100 Continue` when the balancer begins to read the body.
    remove_fields(&mut head.headers, |name| {
        *name == EXPECT || is_confusable(name) || (!is_trusted && is_only_from_proxies(name))
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

    let target = head.uri.path_and_query().cloned();
    head.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // hyper's extensions describe the client's connection, not the next one.
    head.extensions = Extensions::new();
    Ok(())
}

/// Turns the head of a clone's response into the one for the client. It gets no `Via`: RFC 9110
/// does not require it of a gateway, and clients need not know what is behind the balancer.
pub(crate) fn prepare_response(head: &mut http::response::Parts) {
    // hyper has decoded the body, and chooses the encoding for this client.
    remove_fields(&mut head.headers, |name| *name == TRANSFER_ENCODING);
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
    let mut addresses = String::new();
    for earlier in headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
    {
        addresses += earlier;
        addresses += ", ";
    }
    addresses += &peer.to_string();
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
