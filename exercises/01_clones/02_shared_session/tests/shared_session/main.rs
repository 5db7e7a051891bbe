// The tests of `shared_session`: clones of the store share one real Redis. A proxy between a clone
// and Redis stops the clone between two of its commands.

use shared_session::{RedisSessions, SessionsUnavailable, TTL};

mod expiry;
mod faults;
mod login;
mod session_ids;
mod support;
