//! Completes the OpenAPI document, `/openapi.json`.
//!
//! The annotation of a handler describes that handler. This module adds what the middleware and
//! the extractors do to every request: redirects, error documents, body limits.

use ch01_clones::clone::login::SESSION_COOKIE;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, Header, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    Type,
};

use super::response::X_CONSISTENCY;

/// Describes 401 in an annotation. The operation then requires the session cookie.
pub(super) const NOT_LOGGED_IN: &str = "The client is not logged in";

/// Describes 503 in an annotation.
pub(super) const UNAVAILABLE: &str =
    "A part of the store does not answer; `Retry-After` says when to try again";

/// Adds to the document what the annotations leave out.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let cookie = ApiKeyValue::with_description(SESSION_COOKIE, "Set by `POST /login`");
    let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SESSION_COOKIE, scheme);
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        operations
            .into_iter()
            .flatten()
            .for_each(complete_operation);
    }
    document
}

fn complete_operation(operation: &mut Operation) {
    let parameters = operation.parameters.iter().flatten();
    if parameters.into_iter().any(is_in_url) {
        add_response(operation, "400", "The path or the query is invalid");
    }
    if operation.parameters.iter().flatten().any(is_token) {
        add_response(operation, "400", "The header `x-consistency` is invalid");
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response
                && status.as_str() < "400"
            {
                let name = X_CONSISTENCY.as_str().to_owned();
                response.headers.insert(name, RefOr::T(token_header()));
            }
        }
    }
    if operation.request_body.is_some() {
        add_response(operation, "400", "The body cannot be parsed");
        add_response(operation, "413", "The body is too large");
        add_response(operation, "415", "The body has another content type");
    }
    if operation.responses.responses.contains_key("401") {
        let redirect = "A browser without a session is redirected to `/login`";
        add_response(operation, "303", redirect);
        let session = SecurityRequirement::new(SESSION_COOKIE, <[&str; 0]>::default());
        operation.security.get_or_insert_with(|| vec![session]);
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
        {
            describe_error(status, response);
        }
    }
}

fn is_in_url(parameter: &RefOr<Parameter>) -> bool {
    let RefOr::T(parameter) = parameter else {
        return false;
    };
    matches!(
        parameter.parameter_in,
        ParameterIn::Path | ParameterIn::Query
    )
}

fn is_token(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == X_CONSISTENCY.as_str())
}

fn token_header() -> Header {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[0-9a-f]{24}$"));
    let mut header = Header::new(text);
    header.description = Some(
        "The token to send with the next request; missing if no replica can be late".to_owned(),
    );
    header
}

/// Adds a status, or another reason for a status.
fn add_response(operation: &mut Operation, status: &str, reason: &str) {
    let responses = &mut operation.responses.responses;
    if let Some(RefOr::T(response)) = responses.get_mut(status) {
        response.description = format!("{}. {reason}", response.description);
    } else {
        let response = ResponseBuilder::new().description(reason).build();
        responses.insert(status.to_owned(), RefOr::T(response));
    }
}

/// An error is a problem document for a program and a page for a browser. A 401 has no page,
/// because the browser is redirected instead.
fn describe_error(status: &str, response: &mut Response) {
    let document = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let content = &mut response.content;
    content.clear();
    content.insert("application/problem+json".to_owned(), RefOr::T(document));
    if status != "401" {
        content.insert("text/html".to_owned(), RefOr::T(html()));
    }
}

fn html() -> Content {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ContentBuilder::new().schema(Some(text)).build()
}
