//! Conditional requests (RFC 9110, section 13): a client that has the current version gets a 304.

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};

use super::header_list::{Quotes, members};

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
    let ours = opaque(etag.as_bytes());
    members(headers, &IF_NONE_MATCH, Quotes::Plain).any(|tag| tag == b"*" || opaque(tag) == ours)
}

/// The tag without the mark of a weak tag.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_of_the_list_counts() {
        let ours = HeaderValue::from_static(r#""a,b""#);
        let table: [(&[u8], bool); 8] = [
            (br#""x", "a,b""#, true),
            (b"\"\xe9\", \"a,b\"", true),
            (b"\"a,b\", \"\xe9\"", true),
            (br#""\", W/"a,b""#, true),
            (br#"x", "a,b""#, false),
            (br#""x, "a,b""#, false),
            (br#""a", "b""#, false),
            (b"*", true),
        ];
        for (list, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_bytes(list).unwrap());
            assert_eq!(
                is_not_modified(&headers, &ours),
                expected,
                "{}",
                list.escape_ascii()
            );
        }
        let mut headers = HeaderMap::new();
        headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(b"\xff").unwrap());
        headers.append(IF_NONE_MATCH, ours.clone());
        assert!(
            is_not_modified(&headers, &ours),
            "several lines are one list (RFC 9110, section 5.3)"
        );
    }
}
