//! The heads of messages: which fields pass the balancer, and which the balancer adds.
//!
//! HTTP/1.1 puts two kinds of fields into one list: those for the other end, and those for the next
//! hop only, such as `Connection: keep-alive`. A proxy must remove the second kind (RFC 9110,
//! section 7.6.1). It must also not pass on what a client claims about its own address, because the
//! clones trust the balancer. `framing` refuses messages that two readers could understand
//! differently.
//!
//! Left out: networks in the list of trusted proxies (it holds addresses only), trailers,
//! `Max-Forwards`, and passing on a clone's 103 (its `100 Continue` allows the upload:
//! `upstream::continue_gate`).

mod framing;
mod names;
mod rewrite;

pub(super) use framing::check_response;
pub(super) use rewrite::{prepare_request, prepare_response};
