//! The roles of the store. One process plays all of them (`serve`); each is a function of its own, so that it can be played
//! alone.

pub mod balancer;
pub mod clone;
pub mod publisher;
pub mod worker;
