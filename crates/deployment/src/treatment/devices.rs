//! Parameters of fencing devices.

use super::{Rows, carried_out, no_meaning, refused};

/// Parameters of a `<primitive class="stonith">` that are not its fence agent's own.
pub const DEVICE_PARAMETERS: Rows = &[
    carried_out("pcmk_host_list", "a_device_is_for_the_hosts_that_it_names"),
    carried_out("pcmk_host_map", "a_device_is_for_the_hosts_that_it_names"),
    carried_out("pcmk_host_check", "a_device_says_how_its_hosts_are_known"),
    carried_out("pcmk_host_argument", COMMANDS),
    carried_out("pcmk_delay_base", COMMANDS),
    carried_out("pcmk_delay_max", COMMANDS),
    carried_out("pcmk_reboot_action", COMMANDS),
    carried_out("pcmk_reboot_timeout", COMMANDS),
    carried_out("pcmk_reboot_retries", EACH),
    carried_out("pcmk_off_action", EACH),
    carried_out("pcmk_off_timeout", EACH),
    carried_out("pcmk_off_retries", COMMANDS),
    carried_out("pcmk_on_action", EACH),
    carried_out("pcmk_on_timeout", EACH),
    carried_out("pcmk_on_retries", EACH),
    carried_out("pcmk_monitor_action", EACH),
    carried_out("pcmk_monitor_timeout", COMMANDS),
    carried_out("pcmk_monitor_retries", EACH),
    carried_out("pcmk_status_action", EACH),
    carried_out("pcmk_status_timeout", EACH),
    carried_out("pcmk_status_retries", EACH),
    carried_out("pcmk_list_action", EACH),
    carried_out("pcmk_list_timeout", EACH),
    carried_out("pcmk_list_retries", EACH),
    carried_out(
        "priority",
        "without_a_topology_higher_priorities_come_first",
    ),
    carried_out("method", COMMANDS).but_not(&["cycle"], SAID),
    refused("action", SAID),
    refused("option", SAID),
    refused("help", SAID),
    refused("version", SAID),
    no_meaning("pcmk_action_limit", WITHOUT),
    no_meaning("pcmk_metadata_action", WITHOUT),
    no_meaning("pcmk_metadata_timeout", WITHOUT),
    no_meaning("pcmk_metadata_retries", WITHOUT),
    no_meaning(
        "stonith-timeout",
        "the cluster option of that name counts, and pcmk_…_timeout",
    ),
    no_meaning(
        "provides",
        "it is a meta attribute: write it in <meta_attributes>",
    ),
];

const COMMANDS: &str = "commands_delays_and_the_host_argument_are_those_of_the_document";
const EACH: &str = "each_command_has_an_action_a_timeout_and_retries";

const SAID: &str = "the DPE says itself what the fence agent is to do";
const WITHOUT: &str = "the DPE does without it: it can be removed";
