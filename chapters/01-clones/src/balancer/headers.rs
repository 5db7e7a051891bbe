//! What of a message's head may pass the balancer, and what the balancer adds.
//!
//! HTTP/1.1 puts two kinds of fields into one list: those for the other end, and those for the next hop only, such as
//! `Connection: keep-alive`. A proxy must take the second kind out (RFC 9110, section 7.6.1). It must also not pass
//! on what a client claims about its own address, because the clones believe what the balancer says.
//!
//! A proxy in front of us is such a client too, unless its address is on the list of those that are trusted: then what it says is
//! kept, and our own word comes after it. The clones read the list from the right, and believe as far as they know who speaks.
//!
//! Left out: networks in that list (addresses only), trailers, and `Upgrade`, so no WebSocket passes. What would be
//! needed against request smuggling (two lengths, bad chunks, folded lines) is in hyper: it answers 400 before we see
//! the request.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::identity::X_REQUEST_ID;
use crate::problem::Problem;

/// For the next hop only, whether `Connection` names them or not. `Transfer-Encoding` is one too, but hyper, which
/// undoes and redoes the encoding, looks after it.
static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    UPGRADE,
];

/// A client may not have these removed by naming them in `Connection`: the message would lose its address or its
/// length.
static NEVER_NOMINATED: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

/// What only a proxy may say, and we do not begin with.
static NOT_FROM_CLIENTS: [HeaderName; 5] = [
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Takes out what was meant for us as the next hop, and what else `is_unwanted`.
///
/// It looks once at each field that is there. A message has a handful, and few of them go; looking for each that might be there took
/// longer.
fn strip(headers: &mut HeaderMap, is_unwanted: impl Fn(&HeaderName) -> bool) {
    let goes = |name: &&HeaderName| HOP_BY_HOP.contains(name) || is_unwanted(name);
    let mut gone: Vec<HeaderName> = headers.keys().filter(goes).cloned().collect();
    if gone.contains(&CONNECTION) {
        gone.extend(nominated(headers));
    }
    for name in &gone {
        headers.remove(name);
    }
}

/// The fields that `Connection` names.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !NEVER_NOMINATED.contains(name))
        .collect()
}

/// Makes the head of a client's request into the one for a clone. The path and the query stay as they are, byte for
/// byte.
pub(super) fn prepare_request(
    head: &mut Parts,
    peer: Option<IpAddr>,
    trusted: &[IpAddr],
    request_id: &HeaderValue,
) -> Result<(), Problem> {
    check_target(head)?;
    let is_trusted = peer.is_some_and(|peer| trusted.contains(&peer));
    // `Expect` has been answered by our own server loop: it sends `100 Continue` when the clone's connection begins to take the body.
    strip(&mut head.headers, |name| {
        *name == EXPECT || (!is_trusted && NOT_FROM_CLIENTS.contains(name))
    });

    let via = match head.version {
        Version::HTTP_10 => "1.0 workshop",
        _ => "1.1 workshop",
    };
    head.headers.append(VIA, HeaderValue::from_static(via));
    head.headers.insert(X_REQUEST_ID, request_id.clone());
    // A proxy that we trust has seen the visitor's own connection; we see only the one from the proxy.
    head.headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    if let Some(peer) = peer {
        tell_peer(&mut head.headers, peer);
    }

    let target = head.uri.path_and_query().cloned();
    head.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // hyper's notes about the client's connection mean nothing on the next one.
    head.extensions = Extensions::new();
    Ok(())
}

/// Says where the request came from, after what those before us have said. `Forwarded` (RFC 7239) is the newer form of the same; it
/// is continued where somebody has begun it.
fn tell_peer(headers: &mut HeaderMap, peer: IpAddr) {
    let mut addresses = String::new();
    for before in headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
    {
        addresses += before;
        addresses += ", ";
    }
    addresses += &peer.to_string();
    let addresses = HeaderValue::try_from(addresses).expect("what came in a header may go out in one");
    headers.insert(X_FORWARDED_FOR, addresses);
    if headers.contains_key(FORWARDED) {
        let element = match peer {
            IpAddr::V4(ip) => format!("for={ip}"),
            IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
        };
        headers.append(FORWARDED, HeaderValue::try_from(element).expect("an address is ASCII"));
    }
}

/// Makes the head of a clone's response into the one for the client: what the clone said, without its hop.
pub(super) fn prepare_response(head: &mut http::response::Parts) {
    strip(&mut head.headers, |_| false);
    head.extensions = Extensions::new();
}

/// A request that could mean two different servers to two readers is refused (RFC 9112, section 3.2).
fn check_target(head: &Parts) -> Result<(), Problem> {
    if head.method == Method::CONNECT {
        return Err(Problem::bad_request(
            "this is a server, not a proxy for others: send a path such as `GET /whoami`, not CONNECT",
        ));
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Problem::bad_request(
            "send exactly one `Host` header, such as `Host: localhost:8080`",
        ));
    };
    let host = Authority::try_from(host.as_bytes())
        .ok()
        .filter(|host| !host.as_str().contains('@'))
        .ok_or_else(|| {
            Problem::bad_request("the `Host` header must be a name and perhaps a port, such as `localhost:8080`")
        })?;
    match head.uri.authority() {
        Some(other) if *other != host => Err(Problem::bad_request(format!(
            "the request line says `{other}` and the `Host` header `{host}`; send a path only, such as `GET /whoami`"
        ))),
        _ => Ok(()),
    }
}
