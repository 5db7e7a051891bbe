//! Lists of header fields that the balancer treats in a special way.

use http::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName};

use crate::web::identity::X_REQUEST_ID;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields for the next hop only, whether `Connection` names them or not. `Transfer-Encoding` is not
/// in the list, because hyper decodes and encodes the body.
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

/// Fields that pass even if `Connection` names them. Otherwise a client could remove the message's
/// host, its length or its origin.
static PROTECTED: [HeaderName; 8] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    VIA,
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_REQUEST_ID,
];

/// Fields that only a trusted proxy may send.
static ONLY_FROM_PROXIES: [HeaderName; 5] = [
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

pub(super) fn is_only_from_proxies(name: &HeaderName) -> bool {
    ONLY_FROM_PROXIES.contains(name)
}

/// The fields that `Connection` names as hop-by-hop.
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !PROTECTED.contains(name))
        .collect()
}

/// Whether a clone could confuse this name with a field that the balancer sets. Frameworks that put
/// header fields into environment variables, as CGI does, see no difference between
/// `X_Forwarded_For` and `X-Forwarded-For`. nginx drops all names with an underscore.
pub(super) fn is_confusable(name: &HeaderName) -> bool {
    let is_special =
        |name: HeaderName| PROTECTED.contains(&name) || ONLY_FROM_PROXIES.contains(&name);
    name.as_str().contains('_')
        && name
            .as_str()
            .replace('_', "-")
            .parse()
            .is_ok_and(is_special)
}
