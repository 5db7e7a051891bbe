//! Message framing: all readers must agree on where a message goes and where it ends.
//!
//! The balancer and a clone read the same bytes, one after the other, over a connection that many
//! clients share. If they find different ends, the rest of one client's message becomes the
//! beginning of another's: *request smuggling*, or *response splitting* in the other direction. So
//! the balancer refuses ambiguous messages and never repairs them by a guess. hyper refuses most of
//! them: different lengths, bad chunks, folded lines, a space before the colon. The checks here
//! cover what hyper accepts and RFC 9112 asks a proxy to refuse.
//!
//! Left out: what hyper repairs before the balancer sees it. Of a request with a length and a
//! transfer coding, hyper takes the coding and closes the connection after the response, as the RFC
//! allows. Of `Content-Length: 5` twice, it keeps one. It cuts `#fragment` off a path.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version};

use crate::web::problem::Problem;

/// Refuses an ambiguous request, and closes its connection: the start of the client's next request
/// is unknown (RFC 9112, section 6.3).
pub(super) fn check_request(head: &Parts) -> Result<(), Problem> {
    let checked = check_target(head)
        .and_then(|()| check_expectation(head))
        .and_then(|()| check_length(head));
    checked.map_err(|problem| problem.with_header(CONNECTION, HeaderValue::from_static("close")))
}

/// Refuses a body whose end is ambiguous (RFC 9112, sections 6.1 and 6.2).
fn check_length(head: &Parts) -> Result<(), Problem> {
    match TransferCoding::of(&head.headers) {
        TransferCoding::None | TransferCoding::Chunked => {}
        TransferCoding::Unknown => {
            return Err(Problem::new(
                StatusCode::NOT_IMPLEMENTED,
                "this server supports only `Transfer-Encoding: chunked`; send the body without \
                 another coding",
            ));
        }
        TransferCoding::Repeated => {
            return Err(Problem::bad_request(
                "send `Transfer-Encoding: chunked` only once",
            ));
        }
    }
    if has_at_most_one_plain_length(&head.headers) {
        Ok(())
    } else {
        Err(Problem::bad_request(
            "send one `Content-Length`, as a number without sign or leading zeros, such as \
             `Content-Length: 5`",
        ))
    }
}

// ANCHOR: answer
/// Refuses a response whose end is ambiguous: with a length and a transfer coding, with several
/// lengths, or with a coding other than `chunked` (RFC 9112, section 6.3). The caller must close
/// the clone's connection.
pub(crate) fn check_response<B>(response: &Response<B>) -> Result<(), Problem> {
    let headers = response.headers();
    let is_clear = match TransferCoding::of(headers) {
        TransferCoding::None => has_at_most_one_plain_length(headers),
        TransferCoding::Chunked => !headers.contains_key(CONTENT_LENGTH),
        TransferCoding::Unknown | TransferCoding::Repeated => false,
    };
    is_clear.then_some(()).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "the end of the clone's response is ambiguous, so the balancer does not pass it on; \
             the clone may have acted on the request",
        )
    })
}
// ANCHOR_END: answer

/// The value of `Transfer-Encoding`, all lines together.
enum TransferCoding {
    None,
    Chunked,
    Repeated,
    Unknown,
}

impl TransferCoding {
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(TRANSFER_ENCODING).iter();
        let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        match codings.next() {
            None => TransferCoding::None,
            Some(first) if !is_chunked(first) => TransferCoding::Unknown,
            Some(_) => match codings.next() {
                None => TransferCoding::Chunked,
                Some(second) if is_chunked(second) => TransferCoding::Repeated,
                Some(_) => TransferCoding::Unknown,
            },
        }
    }
}

/// Whether there is at most one `Content-Length`, in a form that all readers understand alike. Some
/// readers take `010` for eight.
fn has_at_most_one_plain_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let is_plain = |text: &str| {
        text.parse::<u64>()
            .is_ok_and(|length| length.to_string() == text)
    };
    match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => str::from_utf8(length.as_bytes()).is_ok_and(is_plain),
        _ => false,
    }
}

/// Refuses all expectations but `100-continue`, which the clone decides (RFC 9110, section 10.1.1).
/// HTTP/1.0 had no expectations.
fn check_expectation(head: &Parts) -> Result<(), Problem> {
    let mut expectations = head.headers.get_all(EXPECT).iter();
    let is_known = expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if is_known || head.version == Version::HTTP_10 {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::EXPECTATION_FAILED,
        "this server supports only `Expect: 100-continue`; send the request without another `Expect`",
    ))
}

/// Refuses a request whose target server is ambiguous (RFC 9112, section 3.2).
fn check_target(head: &Parts) -> Result<(), Problem> {
    if head.method == Method::CONNECT {
        return Err(Problem::bad_request(
            "this server is not a proxy for other servers: send a path such as `GET /whoami`, not \
             CONNECT",
        ));
    }
    let is_host_only = head.uri.scheme().is_none() && head.uri.authority().is_some();
    if is_host_only || (head.uri.path() == "*" && head.method != Method::OPTIONS) {
        return Err(Problem::bad_request(
            "the request line must name a path that begins with `/`, such as `GET /whoami`",
        ));
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host,
        // Only HTTP/1.1 requires a `Host`.
        (None, _) if head.version == Version::HTTP_10 => return check_authority(&head.uri),
        _ => {
            return Err(Problem::bad_request(
                "send exactly one `Host` header, such as `Host: localhost:8080`",
            ));
        }
    };
    let host = Authority::try_from(host.as_bytes())
        .ok()
        .filter(is_name_and_port)
        .ok_or_else(|| {
            Problem::bad_request(
                "the `Host` header must be a name with an optional port, such as `localhost:8080`",
            )
        })?;
    match head.uri.authority() {
        Some(other) if !is_same_server(other, &host, head.uri.scheme_str()) => {
            Err(Problem::bad_request(format!(
                "the request line names `{other}` and the `Host` header names `{host}`; send only a \
             path, such as `GET /whoami`"
            )))
        }
        _ => Ok(()),
    }
}

/// Refuses a request line that names a user, as in `http://user@shop/` (RFC 9110, section 4.2.4).
fn check_authority(target: &Uri) -> Result<(), Problem> {
    match target.authority() {
        Some(authority) if !is_name_and_port(authority) => Err(Problem::bad_request(format!(
            "the request line names `{authority}`, which is not a name with an optional port; send \
             only a path, such as `GET /whoami`"
        ))),
        _ => Ok(()),
    }
}

/// Whether both name the same server. Names have no case, and no port means the default port of the
/// scheme (RFC 9110, section 4.2.3).
fn is_same_server(target: &Authority, host: &Authority, scheme: Option<&str>) -> bool {
    let default_port = match scheme {
        Some("https") => 443,
        _ => 80,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    is_name_and_port(target)
        && target.host().eq_ignore_ascii_case(host.host())
        && port(target) == port(host)
}

/// `Authority` also accepts a user name before the host, and any text as a port.
fn is_name_and_port(host: &Authority) -> bool {
    let port = host.as_str().strip_prefix(host.host());
    port.is_some_and(|port| matches!(port, "" | ":") || port[1..].parse::<u16>().is_ok())
}
