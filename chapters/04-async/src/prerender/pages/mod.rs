//! The store's HTML pages, as plain functions from data to markup.
//!
//! A clone renders a page for one request, a publisher renders it in advance for all users. Only
//! the product page ([`game_page`]) can be pre-rendered, because it depends on the game alone. The
//! pages about one customer are in `ch05-full`. The footer of each page says how it was rendered.
//!
//! Left out: JavaScript (forms and links are enough), translations, and a template language. maud
//! checks the markup as Rust code, and escapes all text.

mod format;
mod game_page;
mod layout;

pub use format::{capitalize, price, stars};
pub use game_page::game_page;
pub use layout::{Page, STORE_NAME, STYLE_CSS, Viewer, layout};
