//! The rows of the tables.

/// The section, the sent lines, the checked field, and its values on the other side.
pub(super) type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[rustfmt::skip]
pub(super) const UP: &[Row] = &[
    ("9110 7.6.1", "Connection: keep-alive", "connection", &[]),
    ("9110 7.6.1", "Connection: x-secret\r\nX-Secret: 1", "x-secret", &[]),
    ("9110 7.6.1", "Connection: a\r\nConnection:,, X-OTHER ,\r\nX-Other: 1\r\nx-other: 2", "x-other", &[]),
    ("9110 7.6.1", "Connection: x-secret, \u{e9}\r\nX-Secret: 1", "x-secret", &[]),
    // Only the client itself is affected.
    ("9110 7.6.1", "Connection: cookie\r\nCookie: a=1", "cookie", &[]),
    ("9110 7.6.1", "Connection: close, x-absent\r\nAccept: text/html", "accept", &["text/html"]),
    // `Connection` cannot remove these: the message would lose its host, length or origin.
    ("own", "Connection: host", "host", &["shop.example:8080"]),
    ("own", "Connection: content-length\r\nContent-Length: 0", "content-length", &["0"]),
    ("own", "Connection: x-request-id\r\nX-Request-Id: mine.1", "x-request-id", &["mine.1"]),
    ("own", "Connection: via\r\nVia: 1.0 cache", "via", &["1.0 cache", "1.1 workshop"]),
    ("own", "Connection: x-forwarded-for\r\nX-Forwarded-For: 6.6.6.6", "x-forwarded-for", &["127.0.0.1"]),
    ("9112 C.2.2", "Keep-Alive: timeout=5", "keep-alive", &[]),
    ("9112 C.2.2", "Proxy-Connection: keep-alive", "proxy-connection", &[]),
    ("9110 11.7.2", "Proxy-Authorization: Basic eA==", "proxy-authorization", &[]),
    // CGI programs would take it for the variable `HTTP_PROXY` (CVE-2016-5385).
    ("own", "Proxy: evil.example:80", "proxy", &[]),
    ("9110 10.1.4", "TE: trailers", "te", &[]),
    ("9110 6.6.2", "Trailer: x-sum", "trailer", &[]),
    ("9110 7.8", "Connection: upgrade\r\nUpgrade: h2c", "upgrade", &[]),
    ("9110 7.8", "HTTP2-Settings: AAMAAABkAAQAAP__", "http2-settings", &[]),
    ("9110 10.1.1", "Expect: 100-continue", "expect", &[]),
    ("9110 7.6.3", "Accept: */*", "via", &["1.1 workshop"]),
    ("9110 7.6.3", "Via: 1.0 a, 1.1 b\r\nVia: 1.1 c", "via", &["1.0 a, 1.1 b", "1.1 c", "1.1 workshop"]),
    ("own", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7", "x-forwarded-for", &["127.0.0.1"]),
    ("own", "X-Forwarded-Proto: https", "x-forwarded-proto", &["http"]),
    ("7239 8.1", "Forwarded: for=6.6.6.6", "forwarded", &[]),
    ("own", "X-Forwarded-Host: evil", "x-forwarded-host", &[]),
    ("own", "X-Real-IP: 6.6.6.6", "x-real-ip", &[]),
    ("own", "X-Forwarded-Port: 443", "x-forwarded-port", &[]),
    ("own", "X-Forwarded-Prefix: /evil", "x-forwarded-prefix", &[]),
    ("own", "X-Forwarded-Server: evil", "x-forwarded-server", &[]),
    ("own", "X-Forwarded-Ssl: on", "x-forwarded-ssl", &[]),
    ("own", "X-Forwarded: for=6.6.6.6", "x-forwarded", &[]),
    ("own", "X-Forwarded-Of-Tomorrow: 1", "x-forwarded-of-tomorrow", &[]),
    ("own", "X-Forwarded_Port: 443", "x-forwarded_port", &[]),
    ("own", "X_Forwarded_For: 6.6.6.6", "x_forwarded_for", &[]),
    ("own", "Content_Length: 7", "content_length", &[]),
    ("own", "X_Colour: red", "x_colour", &["red"]),
    ("own", "X-Request-Id: a\r\nX-Request-Id: b\r\nX-Odd: 1", "x-odd", &["1"]),
    ("9110 7.2", "Accept: */*", "host", &["shop.example:8080"]),
    ("9110 11.6.2", "Authorization: Bearer x", "authorization", &["Bearer x"]),
    ("9110 5.3", "Cookie: a=1\r\nCookie: b=2", "cookie", &["a=1", "b=2"]),
    ("9110 5.5", "X-Empty:", "x-empty", &[""]),
    ("9110 5.5", "X-Name: caf\u{c3}\u{a9} \u{ff}", "x-name", &["caf\u{c3}\u{a9} \u{ff}"]),
    ("9110 5.5", "X-Spaced: \t two  words \t", "x-spaced", &["two  words"]),
    ("9110 8.6", "Content-Length: 0", "content-length", &["0"]),
    ("9110 8.6", "Accept: */*", "content-length", &[]),
    ("9112 6.1", "Accept: */*", "transfer-encoding", &[]),
    ("9110 6.6.1", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "date", &["Tue, 15 Nov 1994 08:12:31 GMT"]),
    ("9110 6.6.1", "Accept: */*", "date", &[]),
];

/// The same, sent by a trusted proxy.
#[rustfmt::skip]
pub(super) const UP_FROM_A_PROXY: &[Row] = &[
    ("own", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7, 8.8.8.8", "x-forwarded-for", &["6.6.6.6, 7.7.7.7, 8.8.8.8, 127.0.0.1"]),
    ("own", "Connection: x-forwarded-for\r\nX-Forwarded-For: 6.6.6.6", "x-forwarded-for", &["6.6.6.6, 127.0.0.1"]),
    ("9110 5.5", "X-Forwarded-For: \u{e9}, 6.6.6.6\r\nX-Forwarded-For: \u{ff}", "x-forwarded-for", &["\u{e9}, 6.6.6.6, \u{ff}, 127.0.0.1"]),
    ("own", "Connection: x-forwarded-host\r\nX-Forwarded-Host: shop", "x-forwarded-host", &["shop"]),
    ("own", "Connection: X-FORWARDED-PORT\r\nX-Forwarded-Port: 443", "x-forwarded-port", &["443"]),
    ("own", "Connection: x-real-ip\r\nX-Real-IP: 6.6.6.6", "x-real-ip", &["6.6.6.6"]),
    ("own", "Connection: x-forwarded-of-tomorrow\r\nX-Forwarded-Of-Tomorrow: 1", "x-forwarded-of-tomorrow", &["1"]),
    ("own", "Accept: */*", "x-forwarded-for", &["127.0.0.1"]),
    ("own", "X-Forwarded-Proto: https", "x-forwarded-proto", &["https"]),
    ("own", "Accept: */*", "x-forwarded-proto", &["http"]),
    ("7239 4", "Forwarded: for=6.6.6.6;proto=https", "forwarded", &["for=6.6.6.6;proto=https", "for=127.0.0.1"]),
    ("own", "X_Forwarded_For: 6.6.6.6", "x_forwarded_for", &[]),
];

#[rustfmt::skip]
pub(super) const DOWN: &[Row] = &[
    // The balancer's own field, because this client requested it.
    ("9110 7.6.1", "Connection: keep-alive\r\nContent-Length: 2", "connection", &["close"]),
    ("9110 7.6.1", "Connection: x-secret\r\nX-Secret: 1\r\nContent-Length: 2", "x-secret", &[]),
    ("9110 7.6.1", "Connection: \u{e9},x-secret\r\nX-Secret: 1\r\nContent-Length: 2", "x-secret", &[]),
    ("own", "Connection: content-length\r\nContent-Length: 2", "content-length", &["2"]),
    ("9112 C.2.2", "Keep-Alive: timeout=5\r\nContent-Length: 2", "keep-alive", &[]),
    ("9112 C.2.2", "Proxy-Connection: close\r\nContent-Length: 2", "proxy-connection", &[]),
    ("9110 11.7.1", "Proxy-Authenticate: Basic\r\nContent-Length: 2", "proxy-authenticate", &[]),
    ("9110 11.7.3", "Proxy-Authentication-Info: a=1\r\nContent-Length: 2", "proxy-authentication-info", &[]),
    ("9209 2", "Proxy-Status: cache\r\nContent-Length: 2", "proxy-status", &["cache"]),
    ("9110 6.6.2", "Trailer: x-sum\r\nContent-Length: 2", "trailer", &[]),
    ("9110 7.8", "Upgrade: h2c\r\nContent-Length: 2", "upgrade", &[]),
    ("own", "Content-Length: 2", "via", &[]),
    ("9110 7.6.3", "Via: 1.1 inner\r\nContent-Length: 2", "via", &["1.1 inner"]),
    ("9110 6.6.1", "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 2", "date", &["Tue, 15 Nov 1994 08:12:31 GMT"]),
    ("9110 10.2.4", "Server: antique\r\nContent-Length: 2", "server", &["antique"]),
    ("9110 10.2.4", "Content-Length: 2", "server", &[]),
    ("9110 5.3", "Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nContent-Length: 2", "set-cookie", &["a=1", "b=2, c"]),
    ("9110 5.3", "WWW-Authenticate: A\r\nWWW-Authenticate: B\r\nContent-Length: 2", "www-authenticate", &["A", "B"]),
    ("9110 5.5", "X-Empty:\r\nContent-Length: 2", "x-empty", &[""]),
    ("9110 5.5", "X-Name: caf\u{c3}\u{a9} \u{ff}\r\nContent-Length: 2", "x-name", &["caf\u{c3}\u{a9} \u{ff}"]),
    ("9110 8.6", "Content-Length: 2", "content-length", &["2"]),
    ("9110 8.8.3", "ETag: \"7\"\r\nContent-Length: 2", "etag", &["\"7\""]),
    ("9110 10.2.2", "Location: http://shop.example/a%2Fb?c#d\r\nContent-Length: 2", "location", &["http://shop.example/a%2Fb?c#d"]),
    ("own", "X-Served-By: clone-7\r\nContent-Length: 2", "x-served-by", &["clone-7"]),
    ("own", "X-Request-Id: of the clone\r\nContent-Length: 2", "x-request-id", &["of the clone"]),
    ("9112 6.1", "Content-Length: 2", "transfer-encoding", &[]),
    // The body has a clear end here; the balancer discards what follows.
    ("9112 6.1", "Transfer-Encoding: CHUNKED\r\n\r\n2\r\nok\r\n0", "transfer-encoding", &["chunked"]),
    // A response that ends with its connection gets a clear end.
    ("9112 6.3", "X-Until: close", "transfer-encoding", &["chunked"]),
    ("9112 6.3", "X-Until: close", "content-length", &[]),
];

/// The section, the request line, the clone's response, and the status line, body and length that
/// the client gets.
pub(super) type Shape = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[rustfmt::skip]
pub(super) const SHAPES: &[Shape] = &[
    ("9110 9.3.2", "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", "HTTP/1.1 200 OK", "", &["8"]),
    ("9110 15.3.5", "GET / HTTP/1.1", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content", "", &[]),
    ("9110 8.6", "GET / HTTP/1.1", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content", "", &[]),
    ("9110 15.4.5", "GET / HTTP/1.1", "HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n", "HTTP/1.1 304 Not Modified", "", &[]),
    // hyper drops this length, which is optional in a 304.
    ("9110 15.4.5", "GET / HTTP/1.1", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 304 Not Modified", "", &[]),
    ("9110 8.6", "GET / HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK", "", &["0"]),
    // hyper's client drops 1xx responses, so early hints do not pass.
    ("9110 15.2", "GET / HTTP/1.1", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK", "ok", &["2"]),
    ("9112 2.3", "GET / HTTP/1.1", "HTTP/1.0 200 OK\r\n\r\nold", "HTTP/1.1 200 OK", "3\r\nold\r\n0\r\n\r\n", &[]),
    ("9112 6.1", "GET / HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 200 OK", "2\r\nok\r\n0\r\n\r\n", &[]),
    ("9112 6.1", "GET / HTTP/1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.0 200 OK", "ok", &[]),
    ("9112 7.1.2", "GET / HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", "HTTP/1.1 200 OK", "2\r\nok\r\n0\r\n\r\n", &[]),
    // The reason phrase is free text.
    ("9112 4", "GET / HTTP/1.1", "HTTP/1.1 418 Short And Stout\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 418 I'm a teapot", "ok", &["2"]),
];

/// The section, the sent lines, and the request line, `Host` and `Via` that the clone gets.
pub(super) type Start = (&'static str, &'static str, [&'static str; 3]);

#[rustfmt::skip]
pub(super) const STARTS: &[Start] = &[
    ("9112 3.2.1", "GET /a?b HTTP/1.1\r\nHost: A.example", ["GET /a?b HTTP/1.1", "A.example", "1.1 workshop"]),
    ("9112 3.2.2", "GET http://a:80/b?c HTTP/1.1\r\nHost: a:80", ["GET /b?c HTTP/1.1", "a:80", "1.1 workshop"]),
    ("9112 3.2.2", "GET http://A HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a:80/ HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a/ HTTP/1.1\r\nHost: A:80", ["GET / HTTP/1.1", "A:80", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a:/ HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a/ HTTP/1.1\r\nHost: a:", ["GET / HTTP/1.1", "a:", "1.1 workshop"]),
    ("9110 4.2.3", "GET https://a:443/ HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9112 3.2.4", "OPTIONS * HTTP/1.1\r\nHost: a", ["OPTIONS * HTTP/1.1", "a", "1.1 workshop"]),
    ("9112 2.3", "GET / HTTP/1.0\r\nHost: [::1]:80", ["GET / HTTP/1.1", "[::1]:80", "1.0 workshop"]),
    // HTTP/1.0 needs no `Host`, but the next hop speaks HTTP/1.1 and does.
    ("9112 3.2", "GET / HTTP/1.0", ["GET / HTTP/1.1", "localhost", "1.0 workshop"]),
    ("9112 3.2", "OPTIONS / HTTP/1.0", ["OPTIONS / HTTP/1.1", "localhost", "1.0 workshop"]),
    ("9112 3.2.2", "GET http://a:8080/b HTTP/1.0", ["GET /b HTTP/1.1", "a:8080", "1.0 workshop"]),
    ("9110 9.1", "BREW / HTTP/1.1\r\nHost: a", ["BREW / HTTP/1.1", "a", "1.1 workshop"]),
];

/// The section, the sent lines, and the status of the refusal.
#[rustfmt::skip]
pub(super) const REFUSED: &[(&str, &str, &str)] = &[
    ("9112 3.2", "GET / HTTP/1.1", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a\r\nHost: a", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost:", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a, b", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a@b", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a/b", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a:http", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a:99999", "400"),
    ("9112 3.2.2", "GET http://b/ HTTP/1.1\r\nHost: a", "400"),
    ("9112 3.2.2", "GET http://u@a/ HTTP/1.1\r\nHost: a", "400"),
    ("9110 4.2.3", "GET http://a:81/ HTTP/1.1\r\nHost: a", "400"),
    ("9110 4.2.3", "GET https://a:80/ HTTP/1.1\r\nHost: a", "400"),
    ("9110 4.2.4", "GET http://u@a/ HTTP/1.0", "400"),
    ("9112 3.2", "GET / HTTP/1.0\r\nHost: a\r\nHost: a", "400"),
    ("9112 3.2.3", "CONNECT a:443 HTTP/1.1\r\nHost: a:443", "400"),
    ("9112 3.2.3", "GET a:443 HTTP/1.1\r\nHost: a:443", "400"),
    ("9112 3.2.4", "GET * HTTP/1.1\r\nHost: a", "400"),
    ("9110 10.1.1", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe", "417"),
    ("9112 6.1", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", "501"),
    ("9112 6.1", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked", "400"),
    ("9110 8.6", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00", "400"),
];
