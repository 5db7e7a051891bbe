//! Jobs that are lost by nobody, and pages that follow their games. One binary for the chapter, in two parts.

mod jobs;
mod pages;
