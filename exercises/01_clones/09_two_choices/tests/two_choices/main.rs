// The tests of `two_choices`: they count how many requests each clone gets. All random numbers have
// a seed. The limits allow six standard deviations, because your draws may differ from ours.

use two_choices::{InFlightGuard, TwoChoices, Upstream};

mod choices;
mod in_flight;
mod support;
