//! The HTML pages that a clone renders: home, lists, orders, friends, news, jobs, login.
//!
//! A handler reads the data and passes it to a function of this module, which returns markup. The
//! layout comes from chapter 4. Every page works without JavaScript; the script of the job page
//! ([`JOB_JS`]) only updates it. The product page is in chapter 4, because it can be pre-rendered.

mod account;
mod cards;
mod games;
mod home;
mod job;
mod news;
mod order;
mod problem;
mod social;

pub use account::login;
pub use games::games;
pub use home::home;
pub use job::{JobView, job};
pub use news::{article, news};
pub use order::{order, orders};
pub use problem::problem;
pub use social::{Stream, activity, friends};

/// The script of the job page, served as `/static/job.js`.
pub const JOB_JS: &str = include_str!("job.js");

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use ch02_database::catalog::{GamePage, GameQuery};
    use ch02_database::model::Order;
    use ch02_database::model::{Activity, ActivityKind, Article, Friend, Game, ReviewSummary};
    use chrono::DateTime;

    use ch02_database::model::Listing;
    use ch04_async::prerender::pages::Viewer;

    use super::cards::cards;
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

    fn sample_article(text: &str) -> Article {
        Article {
            id: 1,
            slug: text.into(),
            title: text.into(),
            summary: text.into(),
            body: text.into(),
            game_id: 7,
            game_title: text.into(),
            published_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn every_page_escapes_user_text() {
        let (viewer, listing, order) = (
            Viewer::LoggedIn(ATTACK),
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
        let news = sample_article(ATTACK);
        let friend = Friend {
            name: ATTACK.into(),
            since: DateTime::UNIX_EPOCH,
        };
        let event = Activity {
            id: ATTACK.into(),
            customer: ATTACK.into(),
            kind: ActivityKind::Review,
            game_id: 7,
            game_title: ATTACK.into(),
            stars: Some(4),
            created_at: DateTime::UNIX_EPOCH,
        };
        let stream = Stream {
            name: ATTACK,
            of_friends: false,
            items: from_ref(&event),
            next: Some(ATTACK),
        };
        for (name, page) in [
            (
                "home",
                home(
                    from_ref(&listing),
                    from_ref(&listing),
                    from_ref(&news),
                    viewer,
                    ATTACK,
                ),
            ),
            ("news", self::news(from_ref(&news), Some(ATTACK), true)),
            ("article", article(&news)),
            (
                "friends",
                friends(ATTACK, from_ref(&friend), Some(ATTACK), viewer, ATTACK),
            ),
            ("activity", activity(&stream, viewer, ATTACK)),
            (
                "games",
                games(&found, &query, Some(ATTACK), Some(ATTACK), viewer, ATTACK),
            ),
            (
                "order",
                self::order(&order, Some(&listing.game), viewer, ATTACK),
            ),
            (
                "orders",
                orders(
                    &[(order.clone(), Some(ATTACK.into()))],
                    Some(ATTACK),
                    viewer,
                    ATTACK,
                ),
            ),
            ("job", job(&view, viewer, ATTACK)),
            ("login", login(Some(ATTACK), Viewer::Anonymous, ATTACK)),
            ("problem", problem(404, ATTACK, ATTACK, viewer)),
        ] {
            let html = page.into_string();
            assert!(
                !html.contains("<script>"),
                "{name} does not escape a tag: {html}"
            );
            assert!(
                !html.contains("\" onload=\""),
                "{name} does not escape an attribute: {html}"
            );
            assert!(
                !html.contains(" style="),
                "{name}: the content security policy forbids inline styles: {html}"
            );
        }
    }

    #[test]
    fn card_links_to_its_game_and_shows_price() {
        let html = cards(&[listing("Skyfall")]).into_string();
        assert!(
            html.contains("<a href=\"/games/7\">Skyfall</a>") && html.contains("$19.99"),
            "{html}"
        );
    }
}
