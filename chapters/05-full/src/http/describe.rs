//! Completes the description of the interface, `/openapi.json`, with what is true of all operations alike.
//!
//! A handler's annotation says what is its own. What the layers and the extractors around it do to each request is said here,
//! once, so that no handler can forget it. Left out: 405, which belongs to no operation, and what the balancer answers by itself.

use ch01_clones::clone::login::SESSION_COOKIE;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type,
};

/// 401 in a handler's annotation. It makes the session cookie a requirement of the operation.
pub(super) const NOBODY: &str = "Nobody is logged in";

/// 503 in a handler's annotation.
pub(super) const AWAY: &str = "A part of the store is away; `Retry-After` says when to ask again";

/// The document with what the handlers' annotations leave out.
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
    if operation.parameters.iter().flatten().any(in_url) {
        add(
            operation,
            "400",
            "A part of the path or of the query does not fit",
        );
    }
    if operation.request_body.is_some() {
        add(operation, "400", "The body cannot be read");
        add(
            operation,
            "413",
            "The body is larger than this server reads",
        );
        add(operation, "415", "The body is of another kind");
    }
    if operation.responses.responses.contains_key("401") {
        add(
            operation,
            "303",
            "A browser without a session is sent to `/login`",
        );
        let session = SecurityRequirement::new(SESSION_COOKIE, <[&str; 0]>::default());
        operation.security.get_or_insert_with(|| vec![session]);
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
        {
            problem(status, response);
        }
    }
}

fn in_url(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Path | ParameterIn::Query))
}

/// Adds a status, or one more reason for it.
fn add(operation: &mut Operation, status: &str, reason: &str) {
    let responses = &mut operation.responses.responses;
    if let Some(RefOr::T(response)) = responses.get_mut(status) {
        response.description = format!("{}. {reason}", response.description);
    } else {
        let response = ResponseBuilder::new().description(reason).build();
        responses.insert(status.to_owned(), RefOr::T(response));
    }
}

/// What went wrong is told in a problem document, to a person as a page. Who has to log in gets no page but a redirect.
fn problem(status: &str, response: &mut Response) {
    let document = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    response.content.clear();
    response
        .content
        .insert("application/problem+json".to_owned(), RefOr::T(document));
    if status != "401" {
        response
            .content
            .insert("text/html".to_owned(), RefOr::T(html()));
    }
}

fn html() -> Content {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ContentBuilder::new().schema(Some(text)).build()
}
