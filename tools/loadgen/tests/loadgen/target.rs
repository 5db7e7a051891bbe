//! Only servers on this machine are valid targets.

use loadgen::{Target, TargetError};

#[test]
fn only_loopback_is_a_target() {
    for url in [
        "http://127.0.0.1:8080",
        "127.0.0.1:8080",
        "localhost:8080/",
        "[::1]:8080",
        "http://127.9.9.9:1/",
        "http://[::1]:8080",
        "http://[::ffff:127.0.0.1]:8080",
        "http://localhost:8080",
        "http://localhost",
    ] {
        assert!(
            Target::parse(url).is_ok(),
            "{url} is this machine: {:?}",
            Target::parse(url)
        );
    }
    for url in [
        "http://192.0.2.1:8080",
        "192.0.2.1:8080",
        "http://example.com",
        "http://0.0.0.0:8080",
        "http://[2001:db8::1]:8080",
        "http://localhost.example.com:8080",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://2130706433:8080",
    ] {
        let error = Target::parse(url).expect_err(url);
        assert!(matches!(error, TargetError::Elsewhere(_)), "{url}: {error}");
        assert!(
            error.to_string().contains("load goes only to this machine"),
            "{error}"
        );
    }
}

#[test]
fn refused_address_gets_a_hint() {
    for (url, hint) in [
        ("https://127.0.0.1:8443", "use the server's http:// address"),
        (
            "http://127.0.0.1:8080/games/7",
            "each request brings its path",
        ),
        ("127.0.0.1:8080/games/7", "each request brings its path"),
        ("127.0.0.1:x", "such as http://127.0.0.1:8080"),
        ("ftp://127.0.0.1", "such as http://127.0.0.1:8080"),
        ("", "such as http://127.0.0.1:8080"),
    ] {
        let error = Target::parse(url).expect_err(url).to_string();
        assert!(error.contains(hint), "{url:?} was refused with {error:?}");
    }
}
