//! The book's workshop: it keeps `book/` true to the repository that it tells about.
//!
//! mdBook builds a book with a hole in it and says nothing: a missing anchor gives an empty block, a dead link is a link. So [`lint`] builds
//! the book as mdBook does ([`site`]), reads every page ([`page`]), compares both with the [`repository`], and reports each [`finding`].
//! [`output`] runs again the commands whose terminal sessions the book shows, and [`open`] shows the book in a browser. All of it goes
//! through mdBook's own library, so nobody needs an installed mdBook.
//!
//! Left out: links to other sites, which would make a test depend on the network; and spelling.

pub mod finding;
pub mod lint;
pub mod open;
pub mod output;
pub mod page;
pub mod repository;
pub mod site;
