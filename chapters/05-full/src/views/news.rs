//! The news: a list and articles. The pages are the same for all users.

use ch02_database::model::Article;
use ch04_async::prerender::pages::{Page, Viewer, layout};
use maud::{Markup, html};

/// One page of the list. `next` is the URL of older articles.
pub fn news(articles: &[Article], next: Option<&str>, is_later_page: bool) -> Markup {
    let body = html! {
        h1 { "News" }
        @if articles.is_empty() {
            div.panel.narrow {
                h2 { "No older news" }
                a.button.primary href="/news" { "Back to the newest" }
            }
        }
        div.stream { @for article in articles { (teaser(article)) } }
        @if is_later_page || next.is_some() {
            nav.pager aria-label="Pages" {
                @if is_later_page { a.button href="/news" { "← Newest" } } @else { span {} }
                @if let Some(next) = next { a.button rel="next" href=(next) { "Older news →" } }
                @else { span {} }
            }
        }
    };
    layout(Page::new("News", Viewer::Anyone), body)
}

/// One article in a list, also on the home page.
pub(super) fn teaser(article: &Article) -> Markup {
    html! {
        article.panel {
            p.kicker { (day(article)) " · " (article.game_title) }
            h2 { a href={ "/news/" (article.slug) } { (article.title) } }
            p { (article.summary) }
        }
    }
}

/// One article.
pub fn article(article: &Article) -> Markup {
    let body = html! {
        article.panel.narrow {
            p.kicker { a href="/news" { "News" } " · " (day(article)) }
            h1 { (article.title) }
            p { b { (article.summary) } }
            @for paragraph in article.body.split("\n\n") { p { (paragraph) } }
            p {
                a.button.primary href={ "/games/" (article.game_id) } {
                    "See " (article.game_title)
                }
            }
        }
    };
    layout(Page::new(&article.title, Viewer::Anyone), body)
}

fn day(article: &Article) -> Markup {
    let when = article.published_at;
    html! { time datetime=(when.format("%Y-%m-%dT%H:%M:%SZ")) { (when.format("%-d %B %Y")) } }
}
