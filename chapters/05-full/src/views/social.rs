//! The pages of one user that others may see: friends, and the activity stream.

use ch02_database::model::{Activity, ActivityKind, Friend};
use ch04_async::prerender::pages::{Page, Viewer, layout, stars};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

/// The data of a page of an activity stream.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// Whose page it is.
    pub name: &'a str,
    /// Whether it shows the activity of the friends instead of the user's own.
    pub of_friends: bool,
    /// The events, newest first.
    pub items: &'a [Activity],
    /// The URL of older events.
    pub next: Option<&'a str>,
}

/// The friends of a user. `next` is the URL of the next page.
pub fn friends(
    name: &str,
    friends: &[Friend],
    next: Option<&str>,
    viewer: Viewer<'_>,
    render_info: &str,
) -> Markup {
    let title = format!("Friends of {name}");
    let body = html! {
        h1 { (title) }
        (tabs(name, "friends", viewer))
        @if friends.is_empty() {
            div.panel.narrow { p { (name) " has no friends in this list." } }
        } @else {
            div.panel {
                table {
                    thead { tr { th scope="col" { "Name" } th.right scope="col" { "Friends since" } } }
                    tbody {
                        @for friend in friends {
                            tr {
                                td { (user(&friend.name)) }
                                td.right { (day(friend.since)) }
                            }
                        }
                    }
                }
            }
        }
        (pager(next, "More friends →"))
    };
    page(&title, viewer, render_info, body)
}

/// A page of an activity stream.
pub fn activity(stream: &Stream<'_>, viewer: Viewer<'_>, render_info: &str) -> Markup {
    let name = stream.name;
    let (title, tab) = if stream.of_friends {
        (format!("What the friends of {name} did"), "feed")
    } else {
        (format!("Activity of {name}"), "activity")
    };
    let body = html! {
        h1 { (title) }
        (tabs(name, tab, viewer))
        @if stream.items.is_empty() {
            div.panel.narrow {
                h2 { "Nothing here yet" }
                p { "Orders and reviews appear here. Only friends see the orders." }
                a.button.primary href="/games" { "Find a game" }
            }
        }
        ul.stream { @for event in stream.items { li { (one_event(event)) } } }
        (pager(stream.next, "Older →"))
    };
    page(&title, viewer, render_info, body)
}

/// Links between the pages of one user. Only the user sees the link to the stream of all friends.
fn tabs(name: &str, current: &str, viewer: Viewer<'_>) -> Markup {
    let own = viewer == Viewer::LoggedIn(name);
    let link = |tab: &str, path: &str, text: &str| {
        html! {
            li {
                a href={ "/users/" (name) (path) }
                    aria-current=[(tab == current).then_some("page")] { (text) }
            }
        }
    };
    html! {
        nav aria-label={ "Pages of " (name) } {
            ul.chips {
                (link("activity", "/activity", "Activity"))
                (link("friends", "/friends", "Friends"))
                @if own { (link("feed", "/activity?of=friends", "Friends’ activity")) }
                @if own { li { a href="/orders" { "Orders" } } }
            }
        }
    }
}

fn one_event(event: &Activity) -> Markup {
    let verb = match event.kind {
        ActivityKind::Order => " bought ",
        ActivityKind::Review => " reviewed ",
    };
    html! {
        article.panel {
            p {
                (user(&event.customer)) (verb)
                a href={ "/games/" (event.game_id) } { (event.game_title) }
                @if let Some(given) = event.stars { " " (stars(Some(given.into()))) }
            }
            p.note { (day(event.created_at)) }
        }
    }
}

fn user(name: &str) -> Markup {
    html! { a href={ "/users/" (name) "/activity" } { b { (name) } } }
}

fn day(when: DateTime<Utc>) -> Markup {
    html! { time datetime=(when.format("%Y-%m-%dT%H:%M:%SZ")) { (when.format("%-d %B %Y")) } }
}

fn pager(next: Option<&str>, text: &str) -> Markup {
    html! {
        @if let Some(next) = next {
            nav.pager aria-label="Pages" { span {} a.button rel="next" href=(next) { (text) } }
        }
    }
}

fn page(title: &str, viewer: Viewer<'_>, render_info: &str, body: Markup) -> Markup {
    let page = Page {
        render_info: Some(render_info),
        ..Page::new(title, viewer)
    };
    layout(page, body)
}
