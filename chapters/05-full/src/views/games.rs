//! The list of games: filtered by genre, searched by title, in pages.
//!
//! The filter is a form with `GET`, so every filtered list has a URL. The list does not show the
//! number of matches: a count costs the database more than one page.

use ch02_database::catalog::{GamePage, GameQuery};
use ch02_database::model::GENRES;
use ch04_async::prerender::pages::{Page, Viewer, capitalize, layout};
use maud::{Markup, html};

use super::cards::cards;

/// One page of games. `next` and `previous` are the URLs of the neighbouring pages.
pub fn games(
    page: &GamePage,
    query: &GameQuery,
    next: Option<&str>,
    previous: Option<&str>,
    viewer: Viewer<'_>,
    render_info: &str,
) -> Markup {
    let (genre, text) = (
        query.genre.as_deref().unwrap_or_default(),
        query.text.as_deref().unwrap_or_default(),
    );
    let heading = if genre.is_empty() {
        "All games".into()
    } else {
        format!("{} games", capitalize(genre))
    };
    let body = html! {
        h1 { (heading) @if !text.is_empty() { " with “" (text) "” in the title" } }
        (genres(genre, text))
        @if page.items.is_empty() {
            div.panel.narrow {
                h2 { "Nothing here, sorry" }
                p {
                    "No game matches your search. Try a shorter word or another genre"
                    @if query.page > 1 { ", or go back a page: the list may be shorter now" }
                    "."
                }
                a.button.primary href="/games" { "See all games" }
            }
        } @else {
            (cards(&page.items))
        }
        @if next.or(previous).is_some() {
            nav.pager aria-label="Pages" {
                @if let Some(previous) = previous {
                    a.button rel="prev" href=(previous) { "← Previous" }
                }
                @else { span {} } // keeps the layout
                span.note { "Page " (query.page.max(1)) }
                @if let Some(next) = next { a.button rel="next" href=(next) { "Next →" } }
                @else { span {} }
            }
        }
    };
    layout(
        Page {
            render_info: Some(render_info),
            search: text,
            ..Page::new(&heading, viewer)
        },
        body,
    )
}

/// A button for each genre. The buttons belong to one form, so the browser also sends the search
/// text.
fn genres(current: &str, text: &str) -> Markup {
    html! {
        form.chips action="/games" aria-label="Filter by genre" {
            @if !text.is_empty() { input type="hidden" name="q" value=(text); }
            button aria-current=[current.is_empty().then_some("true")] { "All" }
            @for genre in GENRES {
                button name="genre" value=(genre)
                    aria-current=[(genre == current).then_some("true")] { (capitalize(genre)) }
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
        games(&empty, query, next, None, Viewer::Anonymous, "").into_string()
    }

    #[test]
    fn empty_list_links_to_all_games() {
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
    fn only_existing_neighbours_are_linked() {
        let html = rendered(&GameQuery::default(), Some("/games?page=2&genre=puzzle"));
        assert!(
            html.contains("href=\"/games?page=2&amp;genre=puzzle\""),
            "{html}"
        );
        assert!(!html.contains("rel=\"prev\""), "{html}");
    }
}
