//! Lists of header fields that the balancer treats in a special way.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName};

use crate::web::header_list::{Quotes, members};
use crate::web::identity::X_REQUEST_ID;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields for the next hop only, whether `Connection` names them or not. `Transfer-Encoding` is not
/// in the list, because hyper decodes and encodes the body. `Proxy` is no field of HTTP, but CGI
/// programs take it for the variable `HTTP_PROXY` (CVE-2016-5385). Other names with this prefix,
/// such as `Proxy-Status` (RFC 9209), are for all readers.
static HOP_BY_HOP: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    UPGRADE,
];

/// Fields without which a message has no server, no length, no path or no name.
static REQUIRED: [HeaderName; 5] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, VIA, X_REQUEST_ID];

pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Whether only a trusted proxy may send this field: it says from where a request came. Proxies
/// invent new names with the prefix `X-Forwarded-`, so the prefix decides and not a list.
pub(super) fn is_only_from_proxies(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded-") || ["forwarded", "x-forwarded", "x-real-ip"].contains(&name)
}

/// Whether the field passes even if `Connection` names it. Otherwise a client could remove the
/// message's host, its length or its origin.
fn is_protected(name: &HeaderName) -> bool {
    REQUIRED.contains(name) || is_only_from_proxies(name)
}

/// The fields that `Connection` names as hop-by-hop.
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    members(headers, &CONNECTION, Quotes::None)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| !is_protected(name))
        .collect()
}

/// Whether a clone could confuse this name with a field that the balancer sets. Frameworks that put
/// header fields into environment variables, as CGI does, see no difference between
/// `X_Forwarded_For` and `X-Forwarded-For`. nginx drops all names with an underscore.
pub(super) fn is_confusable(name: &HeaderName) -> bool {
    name.as_str().contains('_')
        && name
            .as_str()
            .replace('_', "-")
            .parse()
            .is_ok_and(|name| is_protected(&name))
}
