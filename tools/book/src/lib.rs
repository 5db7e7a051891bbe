//! Builds and checks the book under `book/`.
//!
//! mdBook reports no error for a missing anchor or a dead link. So [`lint`] builds the book as
//! mdBook does ([`site`]), reads every page ([`page`]), compares both with the [`repository`] and
//! reports each [`finding`]. [`output`] runs the commands whose terminal sessions the book shows.
//! [`open`] shows the book in a browser. All modules use mdBook's library, so the reader does not
//! need an installed mdBook.
//!
//! Left out: links to other sites, because a test must not depend on the network; spelling.

pub mod finding;
pub mod lint;
pub mod open;
pub mod output;
pub mod page;
pub mod repository;
pub mod site;
