//! A strict reader of RFC 9112. What the balancer sends must not be ambiguous.

/// Why the bytes are not a valid request.
#[derive(Debug, PartialEq, Eq)]
pub enum Bad {
    /// They may be the beginning of a request.
    Incomplete,
    Line(String),
    /// The host or the end is ambiguous.
    Ambiguous(String),
}

/// Removes one request from the front, and returns its path.
pub fn take_request(bytes: &mut &[u8]) -> Result<String, Bad> {
    let line = take_line(bytes)?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, path, "HTTP/1.1"] = words[..] else {
        return Err(Bad::Line(line));
    };
    if method.is_empty()
        || !method.bytes().all(is_token)
        || path.is_empty()
        || !path.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(Bad::Line(line.clone()));
    }
    let (mut hosts, mut lengths, mut codings) = (0, Vec::new(), Vec::new());
    loop {
        let line = take_line(bytes)?;
        if line.is_empty() {
            break;
        }
        let field = line
            .split_once(':')
            .filter(|(name, _)| !name.is_empty() && name.bytes().all(is_token));
        let (name, value) = field.ok_or_else(|| Bad::Line(line.clone()))?;
        if value
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err(Bad::Line(line.clone()));
        }
        let value = value.trim_matches([' ', '\t']).to_owned();
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value.to_lowercase()),
            _ => {}
        }
    }
    let path = path.to_owned();
    let end = (hosts, &lengths[..], &codings[..]);
    match end {
        (1, [], []) => {}
        (1, [length], []) => {
            let length = length
                .parse()
                .ok()
                .filter(|number: &usize| number.to_string() == *length);
            take(
                bytes,
                length.ok_or_else(|| Bad::Ambiguous(format!("{end:?}")))?,
            )?;
        }
        (1, [], [coding]) if coding == "chunked" => take_chunks(bytes)?,
        _ => return Err(Bad::Ambiguous(format!("{end:?}"))),
    }
    Ok(path)
}

fn take_chunks(bytes: &mut &[u8]) -> Result<(), Bad> {
    loop {
        let line = take_line(bytes)?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| Bad::Line(line))?;
        take(bytes, size)?;
        let line = take_line(bytes)?;
        if !line.is_empty() {
            return Err(Bad::Line(line));
        }
        if size == 0 {
            return Ok(());
        }
    }
}

/// Reads a line that ends with CRLF and contains no other CR or LF. Each byte becomes a character.
fn take_line(bytes: &mut &[u8]) -> Result<String, Bad> {
    let end = bytes
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .ok_or(Bad::Incomplete)?;
    let line: String = take(bytes, end)?
        .iter()
        .map(|byte| char::from(*byte))
        .collect();
    take(bytes, 2)?;
    if line.contains(['\r', '\n']) {
        Err(Bad::Line(line))
    } else {
        Ok(line)
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Bad> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Bad::Incomplete)?;
    *bytes = rest;
    Ok(taken)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[test]
fn strict_reader_refuses_ambiguous_requests() {
    let table: [(&[u8], Result<&str, ()>); 8] = [
        (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", Ok("/a")),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", Ok("/a")),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Ok("/a"),
        ),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Err(()),
        ),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 02\r\n\r\nok", Err(())),
        (b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n", Err(())),
        (b"GET /a HTTP/1.1\nHost: a\r\n\r\n", Err(())),
        (b"GET /a HTTP/1.1\r\n\r\n", Err(())),
    ];
    for (mut bytes, expected) in table {
        let got = take_request(&mut bytes);
        assert_eq!(got.as_deref().map_err(|_| ()), expected, "{got:?}");
    }
}
