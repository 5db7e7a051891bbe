//! Whether all readers of a message agree where it goes and where it ends.
//!
//! A balancer and a clone read the same bytes one after the other, over a connection that many clients share. If the two find different ends, the
//! rest of one client's message is the beginning of another's: *request smuggling*, and in the other direction *response splitting*.
//! So what can be read in two ways is refused, and never repaired by a guess. hyper refuses most of it before we see it: two
//! lengths, bad chunks, folded lines, a space before the colon. Where it is more lenient than RFC 9112 asks a proxy to be, the checks
//! are here.
//!
//! Left out: what hyper repairs before we can look. Of a request with both a length and a coding it takes the coding, and closes the
//! connection after its answer, as the RFC allows; of `Content-Length: 5` twice it keeps one; it cuts `#fragment` off a path.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use crate::web::problem::Problem;

/// Refuses a request that two readers could understand differently, and the rest of its connection with it: where such a client meant its
/// next request to begin, nobody knows (RFC 9112, section 6.3).
pub(super) fn check_request(head: &Parts) -> Result<(), Problem> {
    let refused = check_target(head)
        .and_then(|()| check_expectation(head))
        .and_then(|()| check_end(head));
    refused.map_err(|problem| problem.with_header(CONNECTION, HeaderValue::from_static("close")))
}

/// Refuses a body that does not end where everybody sees it end (RFC 9112, sections 6.1 and 6.2).
fn check_end(head: &Parts) -> Result<(), Problem> {
    match coding(&head.headers) {
        Coding::None | Coding::Chunked => {}
        Coding::Unknown => {
            return Err(Problem::new(
                StatusCode::NOT_IMPLEMENTED,
                "this server knows no other `Transfer-Encoding` than `chunked`; send the body as it is",
            ));
        }
        Coding::Repeated => {
            return Err(Problem::bad_request(
                "send `Transfer-Encoding: chunked` once only",
            ));
        }
    }
    if has_one_plain_length(&head.headers) {
        Ok(())
    } else {
        Err(Problem::bad_request(
            "send one `Content-Length`, as a number without sign or leading zeros, such as `Content-Length: 5`",
        ))
    }
}

// ANCHOR: answer
/// Refuses an answer whose end two readers could see at different places: with a length and a coding, with more than one length, with
/// any coding but `chunked` (RFC 9112, section 6.3). Its connection must not be used again.
pub(in super::super) fn check_response<B>(response: &Response<B>) -> Result<(), Problem> {
    let headers = response.headers();
    let agrees = match coding(headers) {
        Coding::None => has_one_plain_length(headers),
        Coding::Chunked => !headers.contains_key(CONTENT_LENGTH),
        Coding::Unknown | Coding::Repeated => false,
    };
    agrees.then_some(()).ok_or_else(|| {
        let detail =
            "the clone's answer has no clear end, so it is not passed on; look before you send the request again";
        Problem::new(StatusCode::BAD_GATEWAY, detail)
    })
}
// ANCHOR_END: answer

/// What `Transfer-Encoding` says, in all of its lines.
enum Coding {
    None,
    Chunked,
    Repeated,
    Unknown,
}

fn coding(headers: &HeaderMap) -> Coding {
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    match codings.next() {
        None => Coding::None,
        Some(first) if !is_chunked(first) => Coding::Unknown,
        Some(_) => match codings.next() {
            None => Coding::Chunked,
            Some(second) if is_chunked(second) => Coding::Repeated,
            Some(_) => Coding::Unknown,
        },
    }
}

/// At most one `Content-Length`, in the one form in which nobody can read another number. `010` is eight to some.
fn has_one_plain_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let is_plain = |text: &str| {
        text.parse::<u64>()
            .is_ok_and(|length| length.to_string() == text)
    };
    match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => length.to_str().is_ok_and(is_plain),
        _ => false,
    }
}

/// The only expectation that there is, is met by our own server loop (RFC 9110, section 10.1.1). HTTP/1.0 had none.
fn check_expectation(head: &Parts) -> Result<(), Problem> {
    let mut expectations = head.headers.get_all(EXPECT).iter();
    let is_known = expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if is_known || head.version == Version::HTTP_10 {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::EXPECTATION_FAILED,
        "this server meets no other expectation than `Expect: 100-continue`",
    ))
}

/// A request that could mean two different servers to two readers is refused (RFC 9112, section 3.2).
fn check_target(head: &Parts) -> Result<(), Problem> {
    if head.method == Method::CONNECT {
        return Err(Problem::bad_request(
            "this is a server, not a proxy for others: send a path such as `GET /whoami`, not CONNECT",
        ));
    }
    let is_host_only = head.uri.scheme().is_none() && head.uri.authority().is_some();
    if is_host_only || (head.uri.path() == "*" && head.method != Method::OPTIONS) {
        return Err(Problem::bad_request(
            "the request line must name a path that begins with `/`, such as `GET /whoami`",
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
        .filter(is_name_and_port)
        .ok_or_else(|| {
            Problem::bad_request(
                "the `Host` header must be a name and perhaps a port, such as `localhost:8080`",
            )
        })?;
    match head.uri.authority() {
        Some(other) if *other != host => Err(Problem::bad_request(format!(
            "the request line says `{other}` and the `Host` header `{host}`; send a path only, such as `GET /whoami`"
        ))),
        _ => Ok(()),
    }
}

/// The library also takes a user before the name, and anything for a port.
fn is_name_and_port(host: &Authority) -> bool {
    let port = host.as_str().strip_prefix(host.host());
    port.is_some_and(|port| matches!(port, "" | ":") || port[1..].parse::<u16>().is_ok())
}
