//! Games as cards, for the home page and the lists.

use ch02_database::model::Listing;
use ch04_async::prerender::pages::{capitalize, price, stars};
use maud::{Markup, html};

/// One card for each game. The whole card is a link. The `alt` of the cover is empty, because the
/// title follows.
pub(super) fn cards(listings: &[Listing]) -> Markup {
    html! {
        ul.cards {
            @for Listing { game, reviews } in listings {
                li {
                    article.card {
                        @if let Some(cover) = game.images.first() {
                            img src=(cover) alt="" width="300" height="400" loading="lazy";
                        }
                        div {
                            p.kicker { (capitalize(&game.genre)) }
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
