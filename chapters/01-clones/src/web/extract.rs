//! Extractors that reject invalid input with a [`Problem`]: axum's own, and [`Payload`] and
//! [`Raw`].

use axum::body::HttpBody;
use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::Problem;

/// A JSON body of a request or a response. Rejects a request with a [`Problem`]: 400, 413, 415 or
/// 422.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    axum::Json<T>: FromRequest<S, Rejection = JsonRejection>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Json(value) = axum::Json::from_request(request, state).await?;
        Ok(Json(value))
    }
}

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The parameters after `?`. Rejects with a [`Problem`]: 400.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    axum::extract::Query<T>: FromRequestParts<S, Rejection = QueryRejection>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Query(value) =
            axum::extract::Query::from_request_parts(parts, state).await?;
        Ok(Query(value))
    }
}

/// The variable parts of the path, such as `7` in `/games/7`. Rejects with a [`Problem`]: 400.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    axum::extract::Path<T>: FromRequestParts<S, Rejection = PathRejection>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(value) =
            axum::extract::Path::from_request_parts(parts, state).await?;
        Ok(Path(value))
    }
}

/// A body that may be JSON, from a program, or an HTML form, from a browser.
///
/// The kind of the body decides the response too: a program gets the result, a browser gets a
/// redirect to a page.
#[derive(Clone, Copy, Debug)]
pub struct Payload<T> {
    /// The parsed body.
    pub value: T,
    /// True for `application/x-www-form-urlencoded`, false for JSON.
    pub is_form: bool,
}

impl<T, S> FromRequest<S> for Payload<T>
where
    axum::Json<T>: FromRequest<S, Rejection = JsonRejection>,
    axum::Form<T>: FromRequest<S, Rejection = FormRejection>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_form = is_form(request.headers());
        let value = if is_form {
            axum::Form::from_request(request, state).await?.0
        } else {
            axum::Json::from_request(request, state).await?.0
        };
        Ok(Payload { value, is_form })
    }
}

/// The bytes of a body, at most `MAX`. Rejects with a [`Problem`]: 400 or 413.
///
/// `MAX` replaces axum's `DefaultBodyLimit`, which applies to JSON and forms only.
#[derive(Clone, Debug, Default)]
pub struct Raw<const MAX: usize>(pub Bytes);

impl<const MAX: usize, S: Send + Sync> FromRequest<S> for Raw<MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let too_large = || {
            let detail =
                format!("the body may have up to {MAX} bytes, and this one has more; send less");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        };
        let body = request.into_body();
        // A body that is announced as too large is rejected before the first byte. A client that
        // sends `Expect: 100-continue` then does not send it.
        if body.size_hint().lower() > MAX as u64 {
            return Err(too_large());
        }
        match Limited::new(body, MAX).collect().await {
            Ok(whole) => Ok(Raw(whole.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => {
                let detail =
                    format!("the body could not be read to its end; send it again ({error})");
                Err(Problem::bad_request(detail))
            }
        }
    }
}

/// Whether the content type is an HTML form. Parameters such as `; charset=utf-8` are ignored.
pub fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().split(|byte| *byte == b';').next());
    media_type.is_some_and(|media_type| {
        media_type
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

impl From<JsonRejection> for Problem {
    /// 400 malformed, 413 too large, 415 another content type, 422 well-formed but of the wrong
    /// shape.
    fn from(rejection: JsonRejection) -> Self {
        let advice = match &rejection {
            JsonRejection::MissingJsonContentType(_) => {
                "send the body as JSON, with `Content-Type: application/json`"
            }
            JsonRejection::JsonDataError(_) => "this is JSON, but not of the shape asked for",
            JsonRejection::JsonSyntaxError(_) => {
                "this is not JSON; look for a missing quote or comma"
            }
            _ => advice_for_body(rejection.status()),
        };
        explained(rejection.status(), &rejection.body_text(), advice)
    }
}

impl From<FormRejection> for Problem {
    /// 413 too large, 415 another content type, 422 a field is missing or of the wrong type.
    fn from(rejection: FormRejection) -> Self {
        let advice = match &rejection {
            FormRejection::InvalidFormContentType(_) => {
                "send the fields with `Content-Type: application/x-www-form-urlencoded`"
            }
            FormRejection::FailedToDeserializeForm(_)
            | FormRejection::FailedToDeserializeFormBody(_) => {
                "a field is missing, there twice, or not of its type"
            }
            _ => advice_for_body(rejection.status()),
        };
        explained(rejection.status(), &rejection.body_text(), advice)
    }
}

impl From<QueryRejection> for Problem {
    /// 400: a parameter is missing or of the wrong type.
    fn from(rejection: QueryRejection) -> Self {
        let advice = "the part of the URL after `?` has a parameter that does not fit";
        explained(rejection.status(), &rejection.body_text(), advice)
    }
}

impl From<PathRejection> for Problem {
    /// 400: a part of the path is not of its type, such as a word where a number belongs.
    fn from(rejection: PathRejection) -> Self {
        let advice = "a part of the path does not fit";
        explained(rejection.status(), &rejection.body_text(), advice)
    }
}

fn advice_for_body(status: StatusCode) -> &'static str {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        "the body is larger than this server reads; send less"
    } else {
        "the body could not be read to its end; send it again"
    }
}

/// The advice, then the message of the library, which names the field, line or column.
fn explained(status: StatusCode, finding: &str, advice: &str) -> Problem {
    Problem::new(status, format!("{advice} ({finding})"))
}
