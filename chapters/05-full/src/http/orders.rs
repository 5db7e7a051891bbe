//! Orders over HTTP: placed once for each idempotency key, read by their customer alone.

use axum::extract::State;
use axum::response::{Redirect, Response};
use ch01_clones::Problem;
use ch01_clones::clone::login::{CurrentUser, MaybeUser};
use ch01_clones::web::extract::{Json, Path, Payload, Query};
use ch02_database::model::{MAX_IDEMPOTENCY_KEY_BYTES, MAX_QUANTITY, NewOrder, PlaceOutcome};
use ch02_database::seed::generator::SAMPLE_ORDERS;
use ch02_database::{GameId, Order, OrderId};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::describe::{AWAY, NOBODY};
use super::input::Id;
use super::negotiate::{Explained, page, private, visitor, wants_html};
use super::{CloneState, unavailable};
use crate::views;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How many orders a page of a list holds.
const ORDERS_PER_PAGE: usize = 20;

/// What `POST /orders` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceOrder {
    #[schema(example = 7)]
    game_id: GameId,
    /// 1 to 100.
    #[schema(example = 1, minimum = 1, maximum = 100)]
    quantity: u32,
    /// For HTML forms, which cannot set a header.
    idempotency_key: Option<String>,
}

/// Places an order, once: the same key again answers with the same order.
#[utoipa::path(post, path = "/orders", operation_id = "place_order", tag = "orders",
    params(("idempotency-key" = Option<String>, Header, description = "The client's own name for this order, 1 to 255 visible ASCII characters. Required, unless the form has it")),
    request_body(content((PlaceOrder = "application/json"), (PlaceOrder = "application/x-www-form-urlencoded"))), responses(
    (status = 201, description = "The order, new or as it was placed under this key before; `Location` is its address", body = Order),
    (status = 303, description = "The same for an HTML form: on to the order"),
    (status = 400, description = "No usable idempotency key, or more than one"),
    (status = 401, description = NOBODY),
    (status = 422, description = "Not an order, or a key that stands for another one"),
    (status = 503, description = AWAY),
))]
pub(super) async fn place(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    headers: HeaderMap,
    payload: Payload<PlaceOrder>,
) -> Result<Response, Problem> {
    let PlaceOrder {
        game_id,
        quantity,
        idempotency_key,
    } = payload.value;
    let idempotency_key = key(&headers, idempotency_key)?;
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        return Err(Problem::unprocessable(format!(
            "`quantity` is 1 to {MAX_QUANTITY}, so it cannot be {quantity}"
        )));
    }
    // From the catalogue and not from the cache: what somebody pays must not come from a copy.
    let game = state
        .services
        .catalog
        .game(game_id)
        .await
        .map_err(unavailable)?
        .value;
    let game = game
        .ok_or_else(|| Problem::unprocessable(format!("`game_id`: there is no game {game_id}")))?;
    let order = NewOrder {
        customer,
        game_id,
        quantity,
        unit_price_cents: game.price_cents,
        idempotency_key,
    };
    let shard = state.services.orders.shard_of_customer(&order.customer);
    let order = match state
        .services
        .orders
        .place(&order)
        .await
        .map_err(unavailable)?
    {
        PlaceOutcome::Created(order) | PlaceOutcome::AlreadyPlaced(order) => order,
        PlaceOutcome::KeyReused => {
            return Err(Problem::unprocessable(
                "this idempotency key stands for another order of yours; take a new key for a new order",
            ));
        }
    };
    let explained = Explained::by(state.identity.name()).shard(shard);
    let location = format!("/orders/{}", order.id);
    if payload.is_form {
        return Ok(explained.explain(private(Redirect::to(&location))));
    }
    let answer = (StatusCode::CREATED, [(LOCATION, location)], Json(order));
    Ok(explained.explain(private(answer)))
}

/// What `GET /orders` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FindParams {
    /// The order with this id, as `GET /orders/{id}`.
    id: Option<OrderId>,
    /// This customer's orders. Only one's own are shown, and they are the default.
    customer: Option<String>,
    /// Only orders with a lower id: where the page before ended.
    before: Option<OrderId>,
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderList {
    items: Vec<Order>,
    /// Where the next page is; null on the last one.
    next: Option<String>,
}

/// What `GET /orders` answers: with `id` the one order, else a page of them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "for the description only; the handler sends one or the other"
)]
pub(super) enum Found {
    One(Order),
    Many(OrderList),
}

/// One's own orders, newest first; or one order by `?id=`.
#[utoipa::path(get, path = "/orders", operation_id = "find_orders", tag = "orders", params(FindParams),
    security((), ("session" = [])), responses(
    (status = 200, description = "The orders; with `id` the one order, as `GET /orders/{id}`",
        content((Found = "application/json"), (String = "text/html"))),
    (status = 401, description = NOBODY),
    (status = 404, description = "No such order, or not yours"),
    (status = 503, description = AWAY),
))]
pub(super) async fn find(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    headers: HeaderMap,
    Query(params): Query<FindParams>,
) -> Result<Response, Problem> {
    if let Some(id) = params.id {
        return one(&state, user.as_deref(), &headers, id).await;
    }
    let Some(user) = user else {
        return Err(Problem::unauthorized(
            r#"whose orders? Send `POST /login` with {"user":"ada"} first; sample orders are public: `/orders?id=1`"#,
        ));
    };
    if params
        .customer
        .as_ref()
        .is_some_and(|customer| *customer != user)
    {
        return Err(Problem::not_found(
            "a customer's orders are shown to that customer only",
        ));
    }
    // One more than a page: whether it comes tells whether another page follows.
    let store = &state.services;
    let mut orders = store
        .orders
        .list_by_customer(&user, params.before, ORDERS_PER_PAGE + 1)
        .await
        .map_err(unavailable)?;
    let has_more = orders.len() > ORDERS_PER_PAGE;
    orders.truncate(ORDERS_PER_PAGE);
    let next = orders
        .last()
        .filter(|_| has_more)
        .map(|last| format!("/orders?before={}", last.id));
    let explained =
        Explained::by(state.identity.name()).shard(store.orders.shard_of_customer(&user));
    if wants_html(&headers) {
        // The join in the application: orders from their shard, titles from the catalogue.
        let mut titled = Vec::with_capacity(orders.len());
        for order in orders {
            let game = store
                .catalog
                .game(order.game_id)
                .await
                .map_err(unavailable)?
                .value;
            titled.push((order, game.map(|game| game.title)));
        }
        let html = views::orders(
            &titled,
            next.as_deref(),
            visitor(Some(&user)),
            &explained.made,
        );
        return Ok(explained.explain(page(&html)));
    }
    Ok(explained.explain(private(Json(OrderList {
        items: orders,
        next,
    }))))
}

/// One order. Sample orders, ids 1 to 1,000, are public; any other is for its customer alone.
#[utoipa::path(get, path = "/orders/{id}", operation_id = "show_order", tag = "orders", params(("id" = OrderId, Path)),
    security((), ("session" = [])), responses(
    (status = 200, description = "The order", content((Order = "application/json"), (String = "text/html"))),
    (status = 404, description = "No such order, or not yours"),
    (status = 503, description = AWAY),
))]
pub(super) async fn show(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    headers: HeaderMap,
    Path(Id(id)): Path<Id>,
) -> Result<Response, Problem> {
    one(&state, user.as_deref(), &headers, id).await
}

async fn one(
    state: &CloneState,
    user: Option<&str>,
    headers: &HeaderMap,
    id: OrderId,
) -> Result<Response, Problem> {
    let store = &state.services;
    let found = store.orders.get(id).await.map_err(unavailable)?;
    // The same answer for "not yours" as for "not there": whether an order exists is nobody else's business.
    let order = found
        .filter(|order| order.id <= SAMPLE_ORDERS || user == Some(&order.customer))
        .ok_or_else(|| {
            Problem::not_found(format!(
                "there is no order {id} that you may see; are you logged in?"
            ))
        })?;
    let explained = Explained::by(state.identity.name()).shard(store.orders.shard_of_order(id));
    if wants_html(headers) {
        let game = store
            .catalog
            .game(order.game_id)
            .await
            .map_err(unavailable)?
            .value;
        let html = views::order(&order, game.as_ref(), visitor(user), &explained.made);
        return Ok(explained.explain(page(&html)));
    }
    Ok(explained.explain(private(Json(order))))
}

/// The idempotency key of the header, or of the form. Which of two different ones was meant cannot be guessed, and a wrong guess
/// is a second order.
fn key(headers: &HeaderMap, in_form: Option<String>) -> Result<String, Problem> {
    let mut in_headers = headers
        .get_all(IDEMPOTENCY_KEY)
        .iter()
        .map(|key| key.to_str().unwrap_or_default().to_owned());
    let key = match (in_headers.next(), in_headers.next(), in_form) {
        (Some(_), Some(_), _) => Err("send one `Idempotency-Key`, not several"),
        (Some(header), None, Some(field)) if header != field => Err(
            "the header `Idempotency-Key` and the field `idempotency_key` differ; send one of them",
        ),
        (Some(key), ..) | (None, _, Some(key)) => Ok(key),
        (None, _, None) => Err(
            "send an `Idempotency-Key`, any text of your own that is new for each order; with it you may send the order again \
             if you do not hear from us",
        ),
    };
    let key = key.map_err(Problem::bad_request)?;
    let fits = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return Err(Problem::bad_request(format!(
            "an `Idempotency-Key` has 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters and no spaces"
        )));
    }
    Ok(key)
}
