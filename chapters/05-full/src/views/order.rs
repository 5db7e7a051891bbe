//! The orders of a customer: one order as a receipt, all orders as a list.
//!
//! The title of a game comes from another database. If it is missing, the page shows the game's id.

use ch02_database::model::Game;
use ch02_database::model::Order;
use ch02_database::sharding::{BUCKETS, bucket_of_order};
use ch04_async::prerender::pages::{Page, Viewer, layout, price};
use maud::{Markup, html};

/// One order as a receipt.
pub fn order(order: &Order, game: Option<&Game>, viewer: Viewer<'_>, render_info: &str) -> Markup {
    let title = format!("Order {}", order.id);
    // From the total, because the price of the game may have changed.
    let each = order.total_cents / i64::from(order.quantity.max(1));
    let body = html! {
        div.panel.narrow {
            p.kicker { "Receipt" }
            h1 { (title) }
            div.thumb {
                @if let Some(cover) = game.and_then(|game| game.images.first()) {
                    img src=(cover) alt="" width="300" height="400";
                }
                h2 {
                    a href={ "/games/" (order.game_id) } {
                        (name(order, game.map(|game| game.title.as_str())))
                    }
                }
            }
            table {
                caption.hidden { "The order and its price" }
                tbody {
                    tr { th scope="row" { "Ordered by" } td.right { (order.customer) } }
                    tr {
                        th scope="row" { "Placed" }
                        td.right { (time(order, "%-d %B %Y, %H:%M UTC")) }
                    }
                    tr { th scope="row" { "Price of one copy" } td.number { (price(each)) } }
                    tr { th scope="row" { "Copies" } td.number { (order.quantity) } }
                    tr.total {
                        th scope="row" { "Total" }
                        td.number { (price(order.total_cents)) }
                    }
                }
            }
            p.note {
                "Stored in bucket " (bucket_of_order(order.id)) ": the order’s id modulo " (BUCKETS)
                ". The bucket decides the shard."
            }
            p { a href="/orders" { "All your orders" } }
        }
    };
    layout(
        Page {
            render_info: Some(render_info),
            ..Page::new(&title, viewer)
        },
        body,
    )
}

/// The orders of a customer, each with the title of its game. `next` is the URL of older orders.
pub fn orders(
    orders: &[(Order, Option<String>)],
    next: Option<&str>,
    viewer: Viewer<'_>,
    render_info: &str,
) -> Markup {
    let body = html! {
        div.heading {
            h1 { "Your orders" }
            @if !orders.is_empty() {
                form method="post" action="/work?job=order-export" {
                    button { "Export my orders" }
                }
            }
        }
        @if let Viewer::LoggedIn(name) = viewer {
            nav aria-label="Your pages" {
                ul.chips {
                    li { a href={ "/users/" (name) "/activity" } { "Activity" } }
                    li { a href={ "/users/" (name) "/friends" } { "Friends" } }
                    li { a href={ "/users/" (name) "/activity?of=friends" } { "Friends’ activity" } }
                }
            }
        }
        @if orders.is_empty() {
            div.panel.narrow {
                h2 { "No orders yet" }
                p { "Your purchases appear here." }
                a.button.primary href="/games" { "Find a game" }
            }
        } @else {
            div.panel {
                table {
                    thead {
                        tr {
                            th scope="col" { "Order" }
                            th.number scope="col" { "Copies" }
                            th.number scope="col" { "Total" }
                        }
                    }
                    tbody { @for (order, title) in orders { (row(order, title.as_deref())) } }
                }
            }
        }
        @if let Some(next) = next {
            nav.pager aria-label="Pages" {
                span {}
                a.button rel="next" href=(next) { "Older orders →" }
            }
        }
    };
    layout(
        Page {
            render_info: Some(render_info),
            ..Page::new("Your orders", viewer)
        },
        body,
    )
}

fn row(order: &Order, title: Option<&str>) -> Markup {
    html! {
        tr {
            td {
                a href={ "/orders/" (order.id) } { (name(order, title)) }
                div.note { "No. " (order.id) " · " (time(order, "%-d %b %Y")) }
            }
            td.number { (order.quantity) }
            td.number { (price(order.total_cents)) }
        }
    }
}

fn name(order: &Order, title: Option<&str>) -> String {
    title.map_or_else(|| format!("Game {}", order.game_id), ToOwned::to_owned)
}

/// When the order was placed: in `format` for people, in RFC 3339 for programs.
fn time(order: &Order, format: &str) -> Markup {
    let when = order.created_at;
    html! { time datetime=(when.format("%Y-%m-%dT%H:%M:%SZ")) { (when.format(format)) } }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const ORDER: fn() -> Order = || Order {
        id: 263,
        customer: "ada".into(),
        game_id: 7,
        quantity: 3,
        total_cents: 5997,
        created_at: DateTime::UNIX_EPOCH,
    };

    #[test]
    fn receipt_shows_price_and_bucket() {
        let html = order(&ORDER(), None, Viewer::LoggedIn("ada"), "").into_string();
        for part in [
            "$19.99",
            "$59.97",
            "Game 7",
            "bucket 7:",
            "1 January 1970, 00:00 UTC",
        ] {
            assert!(
                html.contains(part),
                "the receipt does not show {part}: {html}"
            );
        }
    }

    #[test]
    fn export_is_offered_only_with_orders() {
        let page =
            |orders: &[_]| self::orders(orders, None, Viewer::LoggedIn("ada"), "").into_string();
        assert!(page(&[(ORDER(), None)]).contains("action=\"/work?job=order-export\""));
        assert!(!page(&[]).contains("/work"));
    }
}
