//! What of a message's head may pass the balancer, and what the balancer adds.
//!
//! HTTP/1.1 puts two kinds of fields into one list: those for the other end, and those for the next hop only, such as
//! `Connection: keep-alive`. A proxy must take the second kind out (RFC 9110, section 7.6.1). It must also not pass
//! on what a client claims about its own address, because the clones believe what the balancer says.
//!
//! A proxy in front of us is such a client too, unless its address is on the list of those that are trusted: then what it says is
//! kept, and our own word comes after it. The clones read the list from the right, and believe as far as they know who speaks.
//!
//! A message that two readers could understand differently is refused; what that means stands in `framing`. On its way down a message
//! gets no `Via` of ours: RFC 9110 leaves that to a gateway, and what stands before the clones is nobody's business outside.
//!
//! Left out: networks in that list (addresses only), trailers, `Max-Forwards`, and passing 1xx answers on (hyper answers
//! `Expect: 100-continue` itself and drops the clones' 103). What `Upgrade` means is the business of `upgrade`.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, Version};

use crate::web::identity::X_REQUEST_ID;
use crate::web::problem::Problem;

mod framing;

pub(super) use framing::check_response;

/// For the next hop only, whether `Connection` names them or not. `Transfer-Encoding` is one too, but hyper, which
/// undoes and redoes the encoding, looks after it.
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    UPGRADE,
];

/// Nobody may have these removed by naming them in `Connection`. The message would lose its address or its length, or what those
/// before us have said of where it comes from.
static NEVER_NOMINATED: [HeaderName; 8] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    VIA,
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_REQUEST_ID,
];

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
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !NEVER_NOMINATED.contains(name))
        .collect()
}

/// Whether a clone could mistake this name for our own words: frameworks that put a request into environment variables, as CGI does,
/// see no difference between `X_Forwarded_For` and `X-Forwarded-For`. nginx drops all names with an underscore.
fn is_lookalike(name: &HeaderName) -> bool {
    let is_ours =
        |name: HeaderName| NEVER_NOMINATED.contains(&name) || NOT_FROM_CLIENTS.contains(&name);
    name.as_str().contains('_') && name.as_str().replace('_', "-").parse().is_ok_and(is_ours)
}

/// Makes the head of a client's request into the one for a clone. The path and the query stay as they are, byte for
/// byte.
pub(super) fn prepare_request(
    head: &mut Parts,
    peer: Option<IpAddr>,
    trusted: &[IpAddr],
    request_id: &HeaderValue,
) -> Result<(), Problem> {
    framing::check_request(head)?;
    let is_trusted = peer.is_some_and(|peer| trusted.contains(&peer));
    // `Expect` has been answered by our own server loop: it sends `100 Continue` when the clone's connection begins to take the body.
    strip(&mut head.headers, |name| {
        *name == EXPECT || is_lookalike(name) || (!is_trusted && NOT_FROM_CLIENTS.contains(name))
    });

    let via = match head.version {
        Version::HTTP_10 => "1.0 workshop",
        _ => "1.1 workshop",
    };
    head.headers.append(VIA, HeaderValue::from_static(via));
    // To the clone it is we who speak, whatever version the client speaks.
    head.version = Version::HTTP_11;
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
    let addresses =
        HeaderValue::try_from(addresses).expect("what came in a header may go out in one");
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

/// Makes the head of a clone's response into the one for the client: what the clone said, without its hop.
pub(super) fn prepare_response(head: &mut http::response::Parts) {
    // hyper has undone the coding, and chooses its own for this client: one of HTTP/1.0 knows none.
    strip(&mut head.headers, |name| *name == TRANSFER_ENCODING);
    head.version = Version::HTTP_11;
    head.extensions = Extensions::new();
}
