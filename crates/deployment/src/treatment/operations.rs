//! Operations: attributes of `<op>`, and their meta attributes.

use super::Values::{Boolean, Delay, Duration, Moment, Timeout, Words};
use super::{Rows, carried_out, no_meaning};

/// Attributes of `<op>`.
pub const OPERATION_ATTRIBUTES: Rows = &[
    carried_out("name", OPERATIONS),
    carried_out("interval", OPERATIONS).with(Duration),
    carried_out("timeout", OPERATIONS).with(Timeout),
    carried_out("enabled", OPERATIONS).with(Boolean),
    carried_out("role", OPERATIONS).with(Words(super::ROLES)),
    carried_out("on-fail", ON_FAIL).with(Words(super::ON_FAIL)),
    carried_out("start-delay", START_DELAY).with(Delay),
    carried_out("interval-origin", START_DELAY).with(Moment),
    no_meaning("record-pending", RECORDED),
];

/// Meta attributes of operations: names in the `<meta_attributes>` of an `<op>` or of
/// `<op_defaults>`. Others are given to the resource agent.
pub const OPERATION_OPTIONS: Rows = &[
    carried_out("timeout", DEFAULTS).with(Timeout),
    carried_out("on-fail", DEFAULTS).with(Words(super::ON_FAIL)),
    carried_out("start-delay", START_DELAY).with(Delay),
    carried_out("interval-origin", START_DELAY).with(Moment),
    no_meaning("record-pending", RECORDED),
    no_meaning("name", OF_THE_ELEMENT),
    no_meaning("interval", OF_THE_ELEMENT),
    no_meaning("enabled", OF_THE_ELEMENT),
    no_meaning("role", OF_THE_ELEMENT),
    no_meaning(
        "requires",
        "it is a meta attribute of the resource: write it there",
    ),
];

const START_DELAY: &str = "an_operation_begins_after_its_start_delay";

const OPERATIONS: &str = "operations_are_done_as_their_elements_say";
const ON_FAIL: &str = "a_failure_has_the_effect_that_the_operation_says";
const DEFAULTS: &str = "operations_take_what_they_do_not_say_from_the_defaults";

const RECORDED: &str = "what is under way is always recorded";
const OF_THE_ELEMENT: &str = "only the attribute of <op> of that name counts: write it there";
