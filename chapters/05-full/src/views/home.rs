//! The front page: the shop window.
//!
//! The page that everybody loads first and most often, and the same for all visitors but for the header: the best case
//! for a cache. Left out: recommendations.

use ch02_database::model::{GENRES, Listing};
use ch04_async::pages::{Page, Visitor, capital, layout};
use maud::{Markup, html};

use super::cards;

/// The front page with some games picked by the store, and the newest ones.
pub fn home(featured: &[Listing], newest: &[Listing], visitor: Visitor<'_>, made: &str) -> Markup {
    let page = Page {
        made: Some(made),
        ..Page::new("Games for every mood", visitor)
    };
    let body = html! {
        div.hero {
            div {
                h1 { "Worlds worth getting lost in" }
                p {
                    "Thousands of games, each drawn, described and priced by one seeded generator. "
                    "Pick one, and follow its request through the system."
                }
                a.button href="/games" { "See all games" }
            }
            // Decoration: the same covers stand with their titles just below.
            div.fan aria-hidden="true" {
                @for cover in featured.iter().filter_map(|listing| listing.game.images.first()).take(3) {
                    img src=(cover) alt="" width="300" height="400";
                }
            }
        }
        nav aria-label="Genres" {
            ul.chips {
                @for genre in GENRES { li { a href={ "/games?genre=" (genre) } { (capital(genre)) } } }
            }
        }
        (shelf("featured", "Featured", featured))
        (shelf("newest", "Just released", newest))
    };
    layout(page, body)
}

fn shelf(id: &str, title: &str, listings: &[Listing]) -> Markup {
    html! {
        @if !listings.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                (cards(listings))
            }
        }
    }
}
