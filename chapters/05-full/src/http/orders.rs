//! Orders. An idempotency key makes one order, and only its customer may read it.

use axum::extract::State;
use axum::response::{Redirect, Response};
use ch01_clones::Problem;
use ch01_clones::clone::login::{CurrentUser, find_user, find_user_quickly};
use ch01_clones::clone::session::UserName;
use ch01_clones::web::extract::{Json, Path, Payload, Query};
use ch02_database::model::{MAX_IDEMPOTENCY_KEY_BYTES, MAX_QUANTITY, NewOrder, PlaceOutcome};
use ch02_database::seed::generator::SAMPLE_ORDERS;
use ch02_database::{GameId, Order, OrderId};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistency::{ClientToken, ConsistencyHeader};
use super::error::ApiError;
use super::negotiation::wants_html;
use super::openapi::{NOT_LOGGED_IN, UNAVAILABLE};
use super::response::{page, private, viewer};
use super::state::CloneState;
use super::validation::{Id, Integer};
use crate::views;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How many orders one page of a list shows.
const ORDERS_PER_PAGE: usize = 20;

/// The body of `POST /orders`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceOrder {
    #[schema(example = 7, minimum = 1, value_type = i64)]
    game_id: Integer<GameId>,
    /// 1 to 100.
    #[schema(example = 1, minimum = 1, maximum = 100, value_type = u32)]
    quantity: Integer<u32>,
    /// For HTML forms, which cannot set a header.
    #[schema(ignore)]
    idempotency_key: Option<String>,
    /// The payment that pays for this order: 1 to 255 visible ASCII characters. It pays for one
    /// order of all customers.
    #[schema(example = "payment-6d1f", pattern = "^[!-~]{1,255}$")]
    payment_reference: Option<String>,
}

/// Places an order. A second request with the same key gets the same order.
#[utoipa::path(
    post, path = "/orders", operation_id = "place_order", tag = "orders",
    params(("idempotency-key" = String, Header, pattern = "^[!-~]{1,255}$",
        example = "6d1f2a9c",
        description = "The client's own name for this order, 1 to 255 visible ASCII characters. \
                       The store's pages cannot set a header, so their form has the field \
                       `idempotency_key` instead"), ConsistencyHeader),
    request_body(content(
        (PlaceOrder = "application/json"),
        (PlaceOrder = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 201, body = Order,
            description = "The order, new or placed before with this key; `Location` is its URL"),
        (status = 303, description = "For an HTML form: a redirect to the order"),
        (status = 400, description = "The idempotency key is missing, invalid or ambiguous"),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 409, description = "The payment reference belongs to another order"),
        (status = 422,
            description = "The order is invalid, or the key belongs to another order"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn place(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    mut client: ClientToken,
    headers: HeaderMap,
    payload: Payload<PlaceOrder>,
) -> Result<Response, ApiError> {
    let PlaceOrder {
        game_id: Integer(game_id),
        quantity: Integer(quantity),
        idempotency_key,
        payment_reference,
    } = payload.value;
    let idempotency_key = validate_key(&headers, idempotency_key)?;
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        let detail = format!("`quantity` is 1 to {MAX_QUANTITY}, so it cannot be {quantity}");
        return Err(Problem::unprocessable(detail).into());
    }
    if payment_reference
        .as_deref()
        .is_some_and(|reference| !is_name(reference))
    {
        let detail = format!(
            "a `payment_reference` has 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters \
             and no spaces; leave it out for an order without a payment"
        );
        return Err(Problem::unprocessable(detail).into());
    }
    let services = &state.services;
    // The price comes from the catalogue, because a cached price may be old.
    let game = services.catalog.game(game_id, client.consistency()).await?;
    let Some(game) = client.note(game) else {
        let detail = format!("`game_id`: there is no game {game_id}");
        return Err(Problem::unprocessable(detail).into());
    };
    let order = NewOrder {
        customer,
        game_id,
        quantity,
        unit_price_cents: game.price_cents,
        idempotency_key,
        payment_reference,
    };
    let shard = services.orders.shard_of_customer(&order.customer);
    let order = match services.orders.place(&order).await? {
        PlaceOutcome::Created(order) | PlaceOutcome::AlreadyPlaced(order) => order,
        PlaceOutcome::KeyReused => {
            return Err(Problem::unprocessable(
                "this idempotency key belongs to another order of yours; \
                 use a new key for a new order",
            )
            .into());
        }
        PlaceOutcome::ReferenceUsed => {
            return Err(conflict(
                "this `payment_reference` pays for another order; use the reference of a new \
                 payment",
            ));
        }
        PlaceOutcome::ReferenceInProgress => {
            return Err(conflict(
                "another order with this `payment_reference` may be in progress; send the same \
                 order again in some seconds",
            ));
        }
    };
    // Also for a repeated request: the copy of the first one may be missing.
    let copied = services.order_placed(&order).await;
    client.wrote(services, copied).await;
    let info = state.response_info().shard(shard).token(client.token());
    let location = format!("/orders/{}", order.id);
    if payload.is_form {
        return Ok(info.respond(private(Redirect::to(&location))));
    }
    let created = (StatusCode::CREATED, [(LOCATION, location)], Json(order));
    Ok(info.respond(private(created)))
}

/// The query of `GET /orders`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FindParams {
    /// The order with this id, as in `GET /orders/{id}`.
    id: Option<OrderId>,
    /// The orders of this customer. It must be the user, who is also the default.
    #[param(value_type = Option<UserName>)]
    customer: Option<String>,
    /// Only orders with a lower id. The last id of a page leads to the next page.
    before: Option<OrderId>,
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderList {
    items: Vec<Order>,
    /// The URL of the next page; null on the last page.
    next: Option<String>,
}

/// The response of `GET /orders`: one order with `id`, otherwise a page of orders.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "describes the response in the OpenAPI document; the handler sends either value"
)]
pub(super) enum OrderOrList {
    One(Order),
    Many(OrderList),
}

/// The user's orders, newest first, or one order by `?id=`.
#[utoipa::path(
    get, path = "/orders", operation_id = "find_orders", tag = "orders",
    params(FindParams, ConsistencyHeader),
    security((), ("session" = [])),
    responses(
        (status = 200, description = "The orders; with `id` one order, as in `GET /orders/{id}`",
            content((OrderOrList = "application/json"), (String = "text/html"))),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 404, description = "There is no such order, or it is not the user's"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn find(
    State(state): State<CloneState>,
    mut client: ClientToken,
    headers: HeaderMap,
    Query(params): Query<FindParams>,
) -> Result<Response, ApiError> {
    if let Some(id) = params.id {
        return one(&state, &mut client, &headers, id).await;
    }
    let user = find_user(&*state.services.sessions, &headers).await?;
    let user = user.ok_or_else(|| {
        Problem::unauthorized(
            "you are not logged in; send `POST /login` with {\"user\":\"ada\"} first. \
             Sample orders are public: `/orders?id=1`",
        )
    })?;
    if params.customer.is_some_and(|customer| customer != user) {
        let detail = "only the customer may see a customer's orders";
        return Err(Problem::not_found(detail).into());
    }
    let services = &state.services;
    // One more order than a page: if it exists, there is a next page.
    let mut orders = services
        .orders
        .list_by_customer(&user, params.before, ORDERS_PER_PAGE + 1)
        .await?;
    let has_more = orders.len() > ORDERS_PER_PAGE;
    orders.truncate(ORDERS_PER_PAGE);
    let next = orders
        .last()
        .filter(|_| has_more)
        .map(|last| format!("/orders?before={}", last.id));
    let shard = services.orders.shard_of_customer(&user);
    let info = state.response_info().shard(shard);
    if wants_html(&headers) {
        // A join in the application: orders from their shard, titles from the catalogue.
        let mut titled = Vec::with_capacity(orders.len());
        for order in orders {
            let catalog = &services.catalog;
            let game = catalog.game(order.game_id, client.consistency()).await?;
            titled.push((order, client.note(game).map(|game| game.title)));
        }
        let html = views::orders(
            &titled,
            next.as_deref(),
            viewer(Some(&user)),
            &info.render_info,
        );
        return Ok(info.token(client.token()).respond(page(&html)));
    }
    let items = orders;
    Ok(info
        .token(client.token())
        .respond(private(Json(OrderList { items, next }))))
}

/// One order. Sample orders, ids 1 to 1,000, are public; only the customer sees another order.
#[utoipa::path(
    get, path = "/orders/{id}", operation_id = "show_order", tag = "orders",
    params(("id" = OrderId, Path), ConsistencyHeader),
    security((), ("session" = [])),
    responses(
        (status = 200, description = "The order",
            content((Order = "application/json"), (String = "text/html"))),
        (status = 404, description = "There is no such order, or it is not the user's"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn show(
    State(state): State<CloneState>,
    mut client: ClientToken,
    headers: HeaderMap,
    Path(Id(id)): Path<Id>,
) -> Result<Response, ApiError> {
    one(&state, &mut client, &headers, id).await
}

async fn one(
    state: &CloneState,
    client: &mut ClientToken,
    headers: &HeaderMap,
    id: OrderId,
) -> Result<Response, ApiError> {
    let services = &state.services;
    // Sample orders are public. For another order, a customer whom the session store cannot name
    // gets a 503 and not a 404.
    let user = if id <= SAMPLE_ORDERS {
        find_user_quickly(&*services.sessions, headers).await
    } else {
        find_user(&*services.sessions, headers).await?
    };
    let user = user.as_deref();
    let found = services.orders.get(id).await?;
    // A hidden order and a missing order get the same response, so it does not tell whether the
    // order exists.
    let order = found
        .filter(|order| order.id <= SAMPLE_ORDERS || user == Some(&order.customer))
        .ok_or_else(|| {
            Problem::not_found(format!(
                "there is no order {id} that you may see; are you logged in?"
            ))
        })?;
    let info = state
        .response_info()
        .shard(services.orders.shard_of_order(id));
    if wants_html(headers) {
        let catalog = &services.catalog;
        let game = catalog.game(order.game_id, client.consistency()).await?;
        let game = client.note(game);
        let html = views::order(&order, game.as_ref(), viewer(user), &info.render_info);
        return Ok(info.token(client.token()).respond(page(&html)));
    }
    Ok(info.token(client.token()).respond(private(Json(order))))
}

fn conflict(detail: &str) -> ApiError {
    Problem::new(StatusCode::CONFLICT, detail).into()
}

/// Whether a text can be a key or a reference.
fn is_name(text: &str) -> bool {
    (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The idempotency key in the header or in the form.
///
/// Fails with 400 if there are two different keys: a wrong guess could make a second order.
fn validate_key(headers: &HeaderMap, in_form: Option<String>) -> Result<String, Problem> {
    let mut in_headers = headers
        .get_all(IDEMPOTENCY_KEY)
        .iter()
        .map(|key| key.to_str().unwrap_or_default().to_owned());
    let key = match (in_headers.next(), in_headers.next(), in_form) {
        (Some(_), Some(_), _) => Err("send one `Idempotency-Key`, not several"),
        (Some(header), None, Some(field)) if header != field => Err(
            "the header `Idempotency-Key` and the field `idempotency_key` differ; \
             send one of them",
        ),
        (Some(key), ..) | (None, _, Some(key)) => Ok(key),
        (None, _, None) => Err(
            "send an `Idempotency-Key`: any text that is new for each order; \
             with the same key you can safely send the order again if you get no response",
        ),
    };
    let key = key.map_err(Problem::bad_request)?;
    if !is_name(&key) {
        return Err(Problem::bad_request(format!(
            "an `Idempotency-Key` has 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters \
             and no spaces"
        )));
    }
    Ok(key)
}
