//! Pre-rendering: pages that are the same for all users are rendered once and served as files.
//!
//! | file | content |
//! |---|---|
//! | `publisher.rs` | [`PagePublisher`] renders each game's page and keeps it current |
//! | `page_store.rs` | [`PageStore`] holds the pages in an object store |
//! | `manifest.rs` | which version of its game each page shows |
//! | [`pages`] | the HTML templates |

mod manifest;
mod page_store;
pub mod pages;
mod publisher;

pub use page_store::{PageStore, PublishError, StoredPage};
pub use publisher::{ChangedGame, PagePublisher, PublishSummary};
