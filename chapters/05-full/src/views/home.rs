//! The home page. It is the same for all users except for the header.

use ch02_database::model::{Article, GENRES, Listing};
use ch04_async::prerender::pages::{Page, Viewer, capitalize, layout};
use maud::{Markup, html};

use super::cards::cards;
use super::news::teaser;

/// The home page with the best-rated games, the newest ones and the latest news.
pub fn home(
    featured: &[Listing],
    newest: &[Listing],
    news: &[Article],
    viewer: Viewer<'_>,
    render_info: &str,
) -> Markup {
    let page = Page {
        render_info: Some(render_info),
        ..Page::new("Games for every mood", viewer)
    };
    let covers = featured
        .iter()
        .filter_map(|listing| listing.game.images.first());
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
            // Decoration: the section below shows the same covers with their titles.
            div.fan aria-hidden="true" {
                @for cover in covers.take(3) {
                    img src=(cover) alt="" width="300" height="400";
                }
            }
        }
        nav aria-label="Genres" {
            ul.chips {
                @for genre in GENRES {
                    li { a href={ "/games?genre=" (genre) } { (capitalize(genre)) } }
                }
            }
        }
        (section("featured", "Featured", featured))
        (section("newest", "Just released", newest))
        @if !news.is_empty() {
            div.heading { h2 { "News" } a href="/news" { "All news" } }
            div.stream { @for article in news { (teaser(article)) } }
        }
    };
    layout(page, body)
}

fn section(id: &str, title: &str, listings: &[Listing]) -> Markup {
    html! {
        @if !listings.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                (cards(listings))
            }
        }
    }
}
