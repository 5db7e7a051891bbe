//! The roles of the store. One process plays all of them (`serve`). The balancer can be played alone as well; the others will, once
//! their services can be reached from other processes. The fourth role, the publisher, is
//! [`ch04_async::Publisher`] as it is.

pub mod balancer;
pub mod clone;
pub mod worker;
