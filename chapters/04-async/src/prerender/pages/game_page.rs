//! The product page: one game with its pictures, facts and reviews.
//!
//! With [`Viewer::Anyone`] and without an order key, the page depends on the game alone. It has
//! the same bytes for all users, and can be pre-rendered. A form with an idempotency key is
//! different for each user, so a pre-rendered page links to the page that a clone renders for one
//! user.
//!
//! Left out: deleting a review, because HTML forms cannot send DELETE.

use ch02_database::model::{
    Game, MAX_QUANTITY, MAX_REVIEW_CHARS, Product, REVIEWS_PER_PRODUCT, Review,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::format::{capitalize, price, stars};
use super::layout::{Page, Viewer, layout};

/// The page of one game.
///
/// `order_key` is the idempotency key in the buy form. A customer who clicks twice, or reloads
/// after a lost response, sends the same key and gets the same order.
pub fn game_page(
    product: &Product,
    viewer: Viewer<'_>,
    render_info: Option<&str>,
    order_key: Option<&str>,
) -> Markup {
    let game = &product.game;
    let page = Page {
        render_info,
        ..Page::new(&game.title, viewer)
    };
    let (screens, cover) = (
        game.images.get(1..).unwrap_or_default(),
        game.images.first(),
    );
    let body = html! {
        article.product {
            @if let Some(cover) = cover {
                img.cover src=(cover) width="300" height="400" alt={ "Cover of " (game.title) };
            }
            div.about {
                p.kicker { a href={ "/games?genre=" (game.genre) } { (capitalize(&game.genre)) } " · " (game.platform) }
                h1 { (game.title) }
                p.rating {
                    (stars(game.rating))
                    @if let Some(rating) = game.rating { " " a href="#reviews" { (format!("{rating:.1}")) } }
                }
                div.description {
                    @for paragraph in game.description.lines().filter(|line| !line.trim().is_empty()) { p { (paragraph) } }
                }
                (buy(game, viewer, order_key))
                (facts(game))
            }
        }
        section aria-labelledby="pictures" {
            h2 #pictures { "Trailer and pictures" }
            div.gallery {
                picture {
                    // A still picture for users whose system asks for less motion.
                    @if let Some(still) = screens.first() {
                        source media="(prefers-reduced-motion: reduce)" srcset=(still);
                    }
                    img src=(game.trailer) width="320" height="180" loading="lazy" alt={ "Trailer of " (game.title) };
                }
                @for (n, screen) in (1..).zip(screens) {
                    img src=(screen) width="320" height="180" loading="lazy" alt={ "Picture " (n) " from " (game.title) };
                }
            }
        }
        section.reviews aria-labelledby="reviews" {
            h2 #reviews { "Reviews" }
            (review_form(game, viewer))
            @for review in &product.reviews { (one_review(review)) }
            @if product.reviews.is_empty() { p { "This game has no reviews yet. Write the first one." } }
            @if product.reviews.len() == REVIEWS_PER_PRODUCT { p.note { "These are the newest " (REVIEWS_PER_PRODUCT) "." } }
        }
    };
    layout(page, body)
}

fn buy(game: &Game, viewer: Viewer<'_>, order_key: Option<&str>) -> Markup {
    html! {
        div.buy {
            span.price { (price(game.price_cents)) }
            @match (order_key, viewer) {
                // The response to a form would be 401.
                (_, Viewer::Anonymous) => a.button.primary href={ "/login?next=/games/" (game.id) } { "Log in to buy" },
                (Some(key), _) => form method="post" action="/orders" {
                    input type="hidden" name="game_id" value=(game.id);
                    input type="hidden" name="idempotency_key" value=(key);
                    label for="quantity" { "Copies" }
                    input #quantity type="number" name="quantity" value="1" min="1" max=(MAX_QUANTITY) required;
                    button.primary { "Buy" }
                },
                (None, _) => a.button.primary href={ "/games/" (game.id) } { "Buy" },
            }
        }
    }
}

fn facts(game: &Game) -> Markup {
    html! {
        table.facts {
            caption.hidden { "Facts about " (game.title) }
            tbody {
                tr { th scope="row" { "Developer" } td { (game.developer) } }
                tr { th scope="row" { "Publisher" } td { (game.publisher) } }
                tr { th scope="row" { "Platform" } td { (game.platform) } }
                tr {
                    th scope="row" { "Released" }
                    td { time datetime=(game.release_date) { (game.release_date.format("%-d %B %Y")) } }
                }
                tr { th scope="row" { "Genre" } td { (capitalize(&game.genre)) } }
            }
        }
    }
}

fn review_form(game: &Game, viewer: Viewer<'_>) -> Markup {
    html! {
        @if let Viewer::LoggedIn(_) = viewer {
            form.panel method="post" action={ "/games/" (game.id) "/reviews" } {
                label for="stars" { "Your rating" }
                select #stars name="stars" required {
                    option value="" { "Choose…" }
                    @for (stars, word) in [(5, "wonderful"), (4, "good"), (3, "fair"), (2, "poor"), (1, "awful")] {
                        option value=(stars) { (stars) " – " (word) }
                    }
                }
                label for="text" { "Your review" }
                textarea #text name="text" rows="4" maxlength=(MAX_REVIEW_CHARS) required {}
                button.primary { "Publish review" }
            }
        } @else {
            p { a href={ "/login?next=/games/" (game.id) } { "Log in to write a review" } }
        }
    }
}

fn one_review(review: &Review) -> Markup {
    html! {
        article.review {
            p.byline { (stars(Some(review.stars.into()))) " " a href={ "/users/" (review.customer) "/activity" } { b { (review.customer) } } " " (day(review.created_at)) }
            p.text { (review.text) }
        }
    }
}

fn day(when: DateTime<Utc>) -> Markup {
    html! { time datetime=(when.format("%Y-%m-%dT%H:%M:%SZ")) { (when.format("%-d %B %Y")) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACK: &str = "<script>alert('&')</script>\" onload=\"x";

    fn product(text: &str) -> Product {
        let updated_at = DateTime::UNIX_EPOCH;
        let review = Review {
            id: 1,
            customer: text.into(),
            stars: 4,
            text: text.into(),
            created_at: updated_at,
        };
        let game = Game {
            id: 7,
            slug: "x-7".into(),
            title: text.into(),
            description: text.into(),
            genre: "puzzle".into(),
            developer: text.into(),
            publisher: text.into(),
            platform: text.into(),
            release_date: chrono::NaiveDate::default(),
            price_cents: 1999,
            rating: Some(4.3),
            images: vec![
                "/static/art/7/cover.svg".into(),
                "/static/art/7/screen-1.svg".into(),
            ],
            trailer: "/static/art/7/trailer.svg".into(),
            updated_at,
        };
        Product {
            game,
            reviews: vec![review],
        }
    }

    #[test]
    fn user_input_is_escaped() {
        let html = game_page(
            &product(ATTACK),
            Viewer::LoggedIn(ATTACK),
            Some(ATTACK),
            Some(ATTACK),
        )
        .into_string();
        assert!(!html.contains("<script"), "a tag is not escaped: {html}");
        assert!(
            !html.contains("\" onload=\""),
            "an attribute is not escaped: {html}"
        );
        assert!(
            html.contains("&lt;script&gt;"),
            "the text is missing: {html}"
        );
    }

    #[test]
    fn prerendered_page_has_no_user_data() {
        let html = game_page(
            &product("Skyfall"),
            Viewer::Anyone,
            Some("pre-rendered"),
            None,
        )
        .into_string();
        assert!(
            !html.contains("idempotency_key") && !html.contains("method=\"post\""),
            "the page has a form for one user: {html}"
        );
        assert!(
            !html.contains("Log out"),
            "the page has a user's name: {html}"
        );
        assert!(
            html.contains("<a class=\"button primary\" href=\"/games/7\">Buy</a>"),
            "no link to buy: {html}"
        );
        assert!(
            html.contains("/login?next=/games/7"),
            "no link to write a review: {html}"
        );
    }

    #[test]
    fn customer_can_buy_and_review() {
        let html = game_page(
            &product("Skyfall"),
            Viewer::LoggedIn("ada"),
            None,
            Some("key-1"),
        )
        .into_string();
        assert!(
            html.contains("name=\"idempotency_key\" value=\"key-1\""),
            "{html}"
        );
        assert!(
            html.contains("action=\"/games/7/reviews\"") && html.contains("$19.99"),
            "{html}"
        );
    }

    #[test]
    fn game_without_pictures_or_reviews_has_page() {
        let mut bare = product("Skyfall");
        bare.game.images.clear();
        bare.game.rating = None;
        bare.reviews.clear();
        let html = game_page(&bare, Viewer::LoggedIn("ada"), None, None).into_string();
        assert!(
            html.contains("No reviews yet") && html.contains("has no reviews yet"),
            "{html}"
        );
    }

    #[test]
    fn anonymous_viewer_is_sent_to_login() {
        let html =
            game_page(&product("Skyfall"), Viewer::Anonymous, None, Some("key-1")).into_string();
        assert!(
            html.contains("href=\"/login?next=/games/7\">Log in to buy"),
            "no link to buy: {html}"
        );
        assert!(
            !html.contains("key-1"),
            "the page has a form, although the response would be 401: {html}"
        );
    }
}
