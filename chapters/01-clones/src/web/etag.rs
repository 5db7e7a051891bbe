//! Conditional requests (RFC 9110, section 13): a client that has the current version gets a 304.

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};

/// Whether the client has the content with this tag already: its `If-None-Match` lists the tag, or
/// is `*`.
///
/// Compared weakly, as RFC 9110 (13.1.2) wants it: `W/"x"` is as good as `"x"`.
///
/// ```
/// use ch01_clones::web::etag::is_not_modified;
/// use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(IF_NONE_MATCH, HeaderValue::from_static(r#""a", W/"b""#));
/// assert!(is_not_modified(&headers, &HeaderValue::from_static(r#""b""#)));
/// assert!(!is_not_modified(&headers, &HeaderValue::from_static(r#""c""#)));
/// ```
pub fn is_not_modified(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes())
}
