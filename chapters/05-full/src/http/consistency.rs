//! The consistency token of a request: what its reads must not be older than.
//!
//! It comes from the header `x-consistency` and from the pin of the session, whichever is later. A
//! write pins the session, so that the next clone knows of the write. The response carries the
//! token to send next. See the page "Consistency" of the book.

use std::error::Error;

use axum::extract::FromRequestParts;
use ch01_clones::clone::login::session_id;
use ch01_clones::{Problem, SessionId};
use ch02_database::{Consistency, ConsistencyToken, Read};
use http::HeaderMap;
use http::request::Parts;
use utoipa::IntoParams;

use super::response::X_CONSISTENCY;
use super::state::CloneState;
use crate::services::Services;

/// The header in the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; the extractor reads it")]
pub(super) struct ConsistencyHeader {
    /// The response is not older than this position. Send the `x-consistency` of the last response;
    /// a client with a session does not need it. `000000000000000000000000` is before all writes.
    #[param(
        rename = "x-consistency",
        pattern = "^[0-9a-f]{24}$",
        example = "00000001000000000301a2b8",
        required = false
    )]
    x_consistency: String,
}

/// The latest position that the client knows of. Every read of a request goes through it.
pub(super) struct ClientToken {
    token: Option<ConsistencyToken>,
    /// Whose pin the request's writes set.
    session: Option<SessionId>,
}

impl FromRequestParts<CloneState> for ClientToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &CloneState) -> Result<Self, Problem> {
        ClientToken::find(&state.services, &parts.headers).await
    }
}

impl ClientToken {
    /// The later one of the header and the pin. Fails with 400 if the header is invalid.
    pub(super) async fn find(services: &Services, headers: &HeaderMap) -> Result<Self, Problem> {
        let in_header = token_in_header(headers)?;
        let session = session_id(headers);
        let pin = match &session {
            Some(session) => pin(services, session).await,
            None => None,
        };
        Ok(ClientToken {
            token: in_header.max(pin),
            session,
        })
    }

    /// What the next read of this request demands.
    pub(super) fn consistency(&self) -> Consistency {
        self.token.into()
    }

    /// Takes the value of a read. The next read shows nothing older (monotonic reads).
    pub(super) fn note<T>(&mut self, read: Read<T>) -> T {
        self.seen(read.token);
        read.value
    }

    /// The client sees this position.
    pub(super) fn seen(&mut self, token: Option<ConsistencyToken>) {
        self.token = self.token.max(token);
    }

    /// The client has written at this position: pins the session to it.
    ///
    /// The write is committed, so a failure is no error for the client. It has the token in the
    /// header of the response, too.
    pub(super) async fn wrote(&mut self, services: &Services, write: Option<ConsistencyToken>) {
        self.seen(write);
        let (Some(session), Some(write)) = (&self.session, write) else {
            return;
        };
        if let Err(error) = services.pins.pin(session.as_str(), write).await {
            let error = &error as &dyn Error;
            tracing::warn!(error, "the session's next read may not show its write");
        }
    }

    /// The token for the response. `None` if the client knows of no position.
    pub(super) fn token(&self) -> Option<ConsistencyToken> {
        self.token
    }
}

/// The session's pin. Releases it if all replicas have caught up: then this request is the last one
/// that asks for it.
///
/// While the store of the pins is away, the store of the sessions is too, and the visitor counts as
/// unknown.
async fn pin(services: &Services, session: &SessionId) -> Option<ConsistencyToken> {
    let found = async {
        let pin = services.pins.get(session.as_str()).await?;
        if let Some(token) = pin {
            let positions = services.catalog.replica_positions();
            services
                .pins
                .release_if_replayed(session.as_str(), token, &positions)
                .await?;
        }
        Ok::<_, ch02_database::StoreError>(pin)
    };
    found.await.unwrap_or_else(|error| {
        let error = &error as &dyn Error;
        tracing::warn!(error, "the pin of a session cannot be read");
        None
    })
}

/// The token in the header. An invalid one is an error, because without it the client would get an
/// older answer than it asked for.
pub(super) fn token_in_header(headers: &HeaderMap) -> Result<Option<ConsistencyToken>, Problem> {
    let mut values = headers.get_all(X_CONSISTENCY).iter();
    let token = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok().and_then(|text| text.parse().ok()),
        (Some(_), Some(_)) => None,
    };
    token.map(Some).ok_or_else(|| {
        Problem::bad_request(
            "`x-consistency` is one token of 24 hexadecimal digits; send the header of the last \
             response, or leave it out",
        )
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(values: &[&[u8]]) -> Result<Option<ConsistencyToken>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value).unwrap();
            headers.append(X_CONSISTENCY, value);
        }
        token_in_header(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn header_is_one_valid_token() {
        let text = b"00000001000000000301a2b8";
        let token = String::from_utf8_lossy(text).parse().unwrap();
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&[text]), Ok(Some(token)));
        for invalid in [
            &[&b""[..]][..],
            &[b"\xff\xfe"],
            &["é".as_bytes()],
            &[b"00000001000000000301A2B8"],
            &[b"00000001000000000301a2b8,"],
            &[&[b'0'; 10_000]],
            &[text, text],
            &[text, b"x"],
        ] {
            assert_eq!(parse(invalid), Err(400));
        }
    }

    #[test]
    fn token_of_a_request_never_goes_back() {
        let token = |text: &str| Some(text.parse::<ConsistencyToken>().unwrap());
        let (low, high) = (
            token("000000010000000000000001"),
            token("000000010000000000000002"),
        );
        let mut client = ClientToken {
            token: high,
            session: None,
        };
        for seen in [None, low] {
            client.seen(seen);
            assert_eq!(
                client.token(),
                high,
                "a read at {seen:?} took the token back"
            );
        }
        let mut client = ClientToken {
            token: None,
            session: None,
        };
        assert_eq!(client.consistency(), Consistency::Eventual);
        client.seen(low);
        assert_eq!(client.consistency(), Consistency::from(low));
    }
}
