// The tests of `cache_aside`: a real Redis, and a test database that counts its queries and can run
// another task in the middle of a call. A proxy stops a clone between two of its commands.

use cache_aside::{Database, DatabaseError, Prices, TTL};

mod changes;
mod outage;
mod reads;
mod support;
