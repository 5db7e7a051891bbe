//! Ambiguous and invalid requests, and the responses that the balancer must give.

/// What happens to the connection after the last response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It accepts another request.
    Open,
    /// The balancer closes it.
    Closed,
    /// The client stops sending, and waits for the responses.
    Cut,
}

use After::{Closed, Cut, Open};

pub struct Case {
    pub name: &'static str,
    /// Each character is a byte. `[hidden]` stands for [`HIDDEN`], `[long]` for 70,000 bytes, and
    /// `[many]` for 101 lines.
    sent: &'static str,
    /// The status codes in order; a 200 has the path that the clone has read.
    pub answers: &'static [&'static str],
    pub after: After,
    /// A proxy without checks passes a hidden request, if the clone reads the bytes differently.
    pub deceives_unchecked_proxy: bool,
}

/// The request that is hidden in others: 40 bytes.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\nX: 12\r\n\r\n";

impl Case {
    pub fn request_bytes(&self) -> Vec<u8> {
        let many = "X-More: 1\r\n".repeat(101);
        let sent = self
            .sent
            .replace("[hidden]", HIDDEN)
            .replace("[long]", &"a".repeat(70_000));
        let bytes = sent.replace("[many]", &many);
        bytes
            .chars()
            .map(|char| u8::try_from(char).expect("a byte"))
            .collect()
    }
}

const fn case(
    name: &'static str,
    sent: &'static str,
    answers: &'static [&'static str],
    after: After,
) -> Case {
    let deceives_unchecked_proxy = false;
    Case {
        name,
        sent,
        answers,
        after,
        deceives_unchecked_proxy,
    }
}

const fn fools(
    name: &'static str,
    sent: &'static str,
    answers: &'static [&'static str],
    after: After,
) -> Case {
    let mut case = case(name, sent, answers, after);
    case.deceives_unchecked_proxy = true;
    case
}

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    // Where does the body end? RFC 9112, section 6.
    fools("a length that covers a hidden request, and a coding that ends before it",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n[hidden]", &["200 /a"], Closed),
    case("a length that ends before a hidden request, and a coding that covers it",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n[hidden]\r\n0\r\n\r\n", &["200 /a"], Closed),
    fools("the same, the coding first",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["200 /a"], Closed),
    fools("two lengths, the first one covers", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\nContent-Length: 0\r\n\r\n[hidden]", &["400"], Closed),
    case("two lengths, the second one covers", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n[hidden]", &["400"], Closed),
    case("the same length twice", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", &["200 /a"], Open),
    case("a list of the same length", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", &["400"], Closed),
    case("a list of lengths", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 40\r\n\r\n[hidden]", &["400"], Closed),
    case("a length with a sign", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", &["400"], Closed),
    case("a negative length", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", &["400"], Closed),
    case("a length with a space in it", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4 0\r\n\r\n[hidden]", &["400"], Closed),
    case("a hexadecimal length", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0x28\r\n\r\n[hidden]", &["400"], Closed),
    case("an octal length", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 050\r\n\r\n[hidden]xxxxxxxxxx", &["400"], Closed),
    case("an empty length", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n[hidden]", &["400"], Closed),
    case("a length of more than 64 bits", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551656\r\n\r\n[hidden]", &["400"], Closed),
    case("a length with a comment", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 40;x\r\n\r\n[hidden]", &["400"], Closed),
    fools("a length with a space before its colon", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length : 40\r\nContent-Length: 0\r\n\r\n[hidden]", &["400"], Closed),
    case("a name that a framework could take for a length", "POST /a HTTP/1.1\r\nHost: a\r\nContent_Length: 40\r\n\r\n[hidden]", &["200 /a", "200 /hidden"], Open),
    case("a length for `GET`", "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n[hidden]", &["200 /a"], Open),
    case("a length that `Connection` names", "POST /a HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 40\r\n\r\n[hidden]", &["200 /a"], Open),
    case("a body that is too short", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\n\r\n[hidden]", &["400"], Cut),
    // Codings: RFC 9112, sections 6.1 and 7.
    case("the coding `identity`", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 40\r\n\r\n[hidden]", &["400"], Closed),
    fools("`chunked` that is not the last coding", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("an unknown coding", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n[hidden]", &["501"], Closed),
    case("two codings in two lines", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n[hidden]", &["501"], Closed),
    case("`chunked` in two lines", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("`chunked` twice in one line", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    fools("a coding that ends like `chunked`", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    fools("a control character before `chunked`", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    fools("`chunked` in quotes", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    fools("a coding with a space before its colon", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("a coding in a folded line", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    fools("a coding in HTTP/1.0", "POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 45\r\n\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("`chunked` after a tab, in capitals", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n28\r\n[hidden]\r\n0\r\n\r\n", &["200 /a"], Open),
    case("a coding that `Connection` names", "POST /a HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n[hidden]\r\n0\r\n\r\n", &["200 /a"], Open),
    case("chunks for `GET`", "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n[hidden]\r\n0\r\n\r\n", &["200 /a"], Open),
    case("an ordinary extension of a chunk", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", &["200 /a"], Open),
    case("spaces after a chunk's size", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5  \r\nhello\r\n0\r\n\r\n", &["200 /a"], Open),
    case("a line feed in an extension", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("an endless extension", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;[long]\r\nhello\r\n0\r\n\r\n", &["400"], Closed),
    case("a chunk's size of more than 64 bits", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("a chunk's size with a prefix", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("a negative chunk's size", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("a chunk without a size", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("chunks that end with a line feed alone", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n[hidden]", &["400"], Closed),
    case("no line end after a chunk", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n[hidden]", &["400"], Closed),
    case("a chunk that is longer than its size", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n[hidden]", &["400"], Closed),
    case("trailers that would be headers", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nHost: b\r\nContent-Length: 40\r\n\r\n", &["200 /a"], Open),
    case("chunks without an end", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n[hidden]\r\n", &["400"], Cut),
    // Lines: RFC 9112, sections 2.2 and 5.
    case("line feeds alone", "GET /a HTTP/1.1\nHost: a\n\n", &["200 /a"], Open),
    case("carriage returns alone", "GET /a HTTP/1.1\rHost: a\r\r", &["400"], Closed),
    case("a carriage return in a value", "GET /a HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 40\r\n\r\n[hidden]", &["400"], Closed),
    case("a NUL in a value", "GET /a HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", &["400"], Closed),
    case("a NUL in a name", "GET /a HTTP/1.1\r\nHost: a\r\nX\u{0}: a\r\n\r\n", &["400"], Closed),
    case("a line without a colon", "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length\r\n\r\n", &["400"], Closed),
    case("a line without a name", "GET /a HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", &["400"], Closed),
    case("a name of two words", "GET /a HTTP/1.1\r\nHost: a\r\nContent Length: 40\r\n\r\n[hidden]", &["400"], Closed),
    case("a folded line", "GET /a HTTP/1.1\r\nHost: a\r\nX: a\r\n\tContent-Length: 40\r\n\r\n[hidden]", &["400"], Closed),
    case("a first line that is folded", "GET /a HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n", &["400"], Closed),
    case("empty lines before the request", "\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", &["200 /a"], Open),
    case("a space before the request", " GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &["400"], Closed),
    case("too many lines", "GET /a HTTP/1.1\r\nHost: a\r\n[many]\r\n", &["431"], Closed),
    case("too long a line", "GET /a HTTP/1.1\r\nHost: a\r\nX: [long]\r\n\r\n", &["431"], Closed),
    case("an incomplete head", "GET /a HTTP/1.1\r\nHost: a\r\n", &[], Cut),
    // The request line: RFC 9112, section 3.
    case("HTTP/0.9", "GET /a\r\n\r\n", &["400"], Closed),
    case("HTTP/2 without negotiation", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[], Closed),
    case("a version that does not exist", "GET /a HTTP/1.2\r\nHost: a\r\n\r\n", &["400"], Closed),
    case("a version in small letters", "GET /a http/1.1\r\nHost: a\r\n\r\n", &["400"], Closed),
    case("an invalid method", "GE(T /a HTTP/1.1\r\nHost: a\r\n\r\n", &["400"], Closed),
    case("a path with a space", "GET /a HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", &["400"], Closed),
    case("two spaces before the path", "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", &["400"], Closed),
    case("a fragment, which is cut off", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", &["200 /a"], Open),
    case("a very long path", "GET /[long] HTTP/1.1\r\nHost: a\r\n\r\n", &["431"], Closed),
    case("another host in the request line", "GET http://b/a HTTP/1.1\r\nHost: a\r\n\r\n[hidden]", &["400"], Closed),
    case("a CONNECT request", "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n[hidden]", &["400"], Closed),
    case("no host", "GET /a HTTP/1.1\r\n\r\n[hidden]", &["400"], Closed),
    case("two hosts", "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n[hidden]", &["400"], Closed),
    // One request after the other: RFC 9112, section 9.
    case("an honest pipeline", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello[hidden]", &["200 /a", "200 /b", "200 /hidden"], Open),
    case("a pipeline after `close`", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n[hidden]", &["200 /a"], Closed),
    case("a pipeline of HTTP/1.0", "GET /a HTTP/1.0\r\nHost: a\r\n\r\n[hidden]", &["200 /a"], Closed),
    case("a pipeline that becomes invalid", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost : a\r\n\r\n[hidden]", &["200 /a", "400"], Closed),
    case("an expectation, and its body at once", "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n[hidden]", &["200 /a"], Open),
    case("an unknown expectation", "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 40\r\n\r\n[hidden]", &["417"], Closed),
    case("an upgrade to HTTP/2 with a request behind it", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n[hidden]", &["200 /a", "200 /hidden"], Open),
];
