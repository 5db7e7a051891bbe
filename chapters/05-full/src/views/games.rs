//! The list of games: by genre, by a search in the title, page by page.
//!
//! The filter is a plain form with `GET`, so a filtered list has an address that can be sent to a friend, and cached.
//! Left out: sorting, and counting all the matches, which costs the database more than showing one page of them.

use ch02_database::catalog::{GamePage, GameQuery};
use ch02_database::model::GENRES;
use ch04_async::pages::{Page, Visitor, capital, layout};
use maud::{Markup, html};

use super::cards;

/// One page of games. `next` and `previous` are the addresses of its neighbours, if it has any.
pub fn games(
    page: &GamePage,
    query: &GameQuery,
    next: Option<&str>,
    previous: Option<&str>,
    visitor: Visitor<'_>,
    made: &str,
) -> Markup {
    let (genre, text) = (
        query.genre.as_deref().unwrap_or_default(),
        query.text.as_deref().unwrap_or_default(),
    );
    let heading = if genre.is_empty() {
        "All games".into()
    } else {
        format!("{} games", capital(genre))
    };
    let body = html! {
        h1 { (heading) @if !text.is_empty() { " with “" (text) "” in the title" } }
        (genres(genre, text))
        @if page.items.is_empty() {
            div.panel.narrow {
                h2 { "Nothing here, sorry" }
                p {
                    "No game matches what you asked for. Try a shorter word or another genre"
                    @if query.page > 1 { ", or go back a page: this list may have become shorter" }
                    "."
                }
                a.button.primary href="/games" { "See all games" }
            }
        } @else {
            (cards(&page.items))
        }
        @if next.or(previous).is_some() {
            nav.pager aria-label="Pages" {
                @if let Some(previous) = previous { a.button rel="prev" href=(previous) { "← Previous" } }
                @else { span {} } // keeps the others in their places
                span.note { "Page " (query.page.max(1)) }
                @if let Some(next) = next { a.button rel="next" href=(next) { "Next →" } }
                @else { span {} }
            }
        }
    };
    layout(
        Page {
            made: Some(made),
            search: text,
            ..Page::new(&heading, visitor)
        },
        body,
    )
}

/// A button for each genre. They are buttons of one form rather than links, so that the search text goes along
/// and the browser does the encoding.
fn genres(current: &str, text: &str) -> Markup {
    html! {
        form.chips action="/games" aria-label="Filter by genre" {
            @if !text.is_empty() { input type="hidden" name="q" value=(text); }
            button aria-current=[current.is_empty().then_some("true")] { "All" }
            @for genre in GENRES {
                button name="genre" value=(genre) aria-current=[(genre == current).then_some("true")] { (capital(genre)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(query: &GameQuery, next: Option<&str>) -> String {
        let empty = GamePage {
            items: Vec::new(),
            has_more: false,
        };
        games(&empty, query, next, None, Visitor::Anonymous, "").into_string()
    }

    #[test]
    fn an_empty_list_says_so_kindly_and_shows_a_way_out() {
        let html = rendered(
            &GameQuery {
                text: Some("zzz".into()),
                ..GameQuery::default()
            },
            None,
        );
        assert!(
            html.contains("Nothing here, sorry") && html.contains("href=\"/games\""),
            "{html}"
        );
    }

    #[test]
    fn changing_the_genre_keeps_the_search() {
        let query = GameQuery {
            genre: Some("puzzle".into()),
            text: Some("moon & sun".into()),
            page: 2,
            ..GameQuery::default()
        };
        let html = rendered(&query, None);
        assert!(
            html.contains("<input type=\"hidden\" name=\"q\" value=\"moon &amp; sun\">"),
            "{html}"
        );
        assert!(
            html.contains("value=\"puzzle\" aria-current=\"true\""),
            "{html}"
        );
    }

    #[test]
    fn only_neighbours_that_exist_are_linked() {
        let html = rendered(&GameQuery::default(), Some("/games?page=2&genre=puzzle"));
        assert!(
            html.contains("href=\"/games?page=2&amp;genre=puzzle\""),
            "{html}"
        );
        assert!(!html.contains("rel=\"prev\""), "{html}");
    }
}
