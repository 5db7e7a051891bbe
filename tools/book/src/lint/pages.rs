//! The pages that the rules of the lint read.

use crate::page::Page;
use crate::site::RenderedPage;

/// Each page of the book: the author's Markdown, and what mdBook makes of it.
pub type Pages<'book> = &'book [(Page, &'book RenderedPage)];
