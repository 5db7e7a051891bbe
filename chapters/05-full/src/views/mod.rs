//! The pages that depend on who asks or on what was asked: the shop window, lists, receipts, jobs, the login.
//!
//! They stand on the layout and the small pieces of chapter 4, and turn data into markup, nothing more: whoever calls
//! them has already asked the stores. Every page works without JavaScript; the one script ([`JOB_JS`]) only spares a
//! customer the reloading. Left out: the product page, which chapter 4 can render in advance.

mod account;
mod games;
mod home;
mod job;
mod order;

use ch02_database::model::Listing;
use ch04_async::pages::{Page, Visitor, capital, layout, price, stars};
use maud::{Markup, html};

pub use account::login;
pub use games::games;
pub use home::home;
pub use job::{JobView, job};
pub use order::{order, orders};

/// The script of the job page, served as `/static/job.js`.
pub const JOB_JS: &str = include_str!("job.js");

/// An error, told to a person: the same `title` and `detail` as in the problem document that a program gets (RFC 9457).
pub fn problem(status: u16, title: &str, detail: &str, visitor: Visitor<'_>) -> Markup {
    let body = html! {
        div.panel.narrow {
            p.kicker { "Status " (status) }
            h1 { (title) }
            p { (detail) }
            a.button.primary href="/" { "Back to the shop" }
        }
    };
    layout(Page::new(title, visitor), body)
}

/// Games side by side. The whole card leads to the game; the cover says nothing that the title does not say.
fn cards(listings: &[Listing]) -> Markup {
    html! {
        ul.cards {
            @for Listing { game, reviews } in listings {
                li {
                    article.card {
                        @if let Some(cover) = game.images.first() {
                            img src=(cover) alt="" width="300" height="400" loading="lazy";
                        }
                        div {
                            p.kicker { (capital(&game.genre)) }
                            h3 { a href={ "/games/" (game.id) } { (game.title) } }
                            p {
                                (stars(reviews.average))
                                @if reviews.count > 0 { " " span.note { "(" (reviews.count) ")" } }
                            }
                            p.price { (price(game.price_cents)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use ch02_database::catalog::{GamePage, GameQuery};
    use ch02_database::model::Order;
    use ch02_database::model::{Game, ReviewSummary};
    use chrono::DateTime;

    use super::*;

    const ATTACK: &str = "<script>alert('&')</script>\" onload=\"x";

    fn listing(text: &str) -> Listing {
        let game = Game {
            id: 7,
            slug: "x-7".into(),
            title: text.into(),
            description: text.into(),
            genre: text.into(),
            developer: text.into(),
            publisher: text.into(),
            platform: text.into(),
            release_date: chrono::NaiveDate::default(),
            price_cents: 1999,
            rating: Some(4.3),
            images: vec!["/static/art/7/cover.svg".into()],
            trailer: "/static/art/7/trailer.svg".into(),
            updated_at: DateTime::UNIX_EPOCH,
        };
        Listing {
            game,
            reviews: ReviewSummary {
                count: 3,
                average: Some(4.3),
            },
        }
    }

    fn sample_order(customer: &str) -> Order {
        Order {
            id: 263,
            customer: customer.into(),
            game_id: 7,
            quantity: 3,
            total_cents: 5997,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn whatever_people_typed_is_escaped_on_every_page() {
        let (who, listing, order) = (
            Visitor::LoggedIn(ATTACK),
            listing(ATTACK),
            sample_order(ATTACK),
        );
        let query = GameQuery {
            page: 1,
            genre: Some(ATTACK.into()),
            text: Some(ATTACK.into()),
            ..GameQuery::default()
        };
        let found = GamePage {
            items: vec![listing.clone()],
            has_more: true,
        };
        let view = JobView {
            id: ATTACK,
            name: ATTACK,
            state: ATTACK,
            progress: 40,
            attempts: 1,
            result: Some(ATTACK),
        };
        for (name, page) in [
            (
                "home",
                home(from_ref(&listing), from_ref(&listing), who, ATTACK),
            ),
            (
                "games",
                games(&found, &query, Some(ATTACK), Some(ATTACK), who, ATTACK),
            ),
            (
                "order",
                self::order(&order, Some(&listing.game), who, ATTACK),
            ),
            (
                "orders",
                orders(
                    &[(order.clone(), Some(ATTACK.into()))],
                    Some(ATTACK),
                    who,
                    ATTACK,
                ),
            ),
            ("job", job(&view, who, ATTACK)),
            ("login", login(Some(ATTACK), Visitor::Anonymous, ATTACK)),
            ("problem", problem(404, ATTACK, ATTACK, who)),
        ] {
            let html = page.into_string();
            assert!(
                !html.contains("<script>"),
                "{name}: a tag came through: {html}"
            );
            assert!(
                !html.contains("\" onload=\""),
                "{name}: an attribute came through: {html}"
            );
            assert!(
                !html.contains(" style="),
                "{name}: the content security policy forbids inline styles: {html}"
            );
        }
    }

    #[test]
    fn a_card_leads_to_its_game_and_names_its_price() {
        let html = cards(&[listing("Skyfall")]).into_string();
        assert!(
            html.contains("<a href=\"/games/7\">Skyfall</a>") && html.contains("$19.99"),
            "{html}"
        );
    }
}
