//! A few examples of each command, which end its `--help` and its man page. A test has the grammar
//! read each of them.

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, Command, CommandFactory};

use super::Options;

/// By command: what to type, and after `#` what for.
const ALL: &[(&str, &str)] = &[
    (
        "deploy",
        "cpectl deploy --wait shop.xml            # and see it become active
cpectl deploy --expect 7 shop.xml        # only if nobody has changed generation 7",
    ),
    (
        "plan",
        "cpectl plan shop.xml                     # read it before you deploy it",
    ),
    (
        "validate",
        "cpectl validate shop.xml mail.xml        # problems with line and column",
    ),
    (
        "import",
        "cpectl import cib.xml --output shop.xml  # then decide where it says Decide",
    ),
    (
        "status",
        "cpectl status shop                       # what runs where, and what is wrong
cpectl status shop --watch               # as it changes
cpectl status --check                    # of all, for a monitor: 0 if all is well, 9 if not",
    ),
    (
        "top",
        "cpectl top                               # all deployments
cpectl top shop --act                    # one, with keys that give orders",
    ),
    (
        "explain",
        "cpectl explain shop                      # what is not as it should be
cpectl explain shop db                   # why db is where it is
cpectl explain shop db app1              # why it is not on app1",
    ),
    (
        "check",
        "cpectl check shop --lose-any             # if any one assembly were lost
cpectl check shop --lose web1,web2       # if these two were lost at once",
    ),
    (
        "agents",
        "cpectl agents shop                       # which agents which guests have",
    ),
    (
        "describe",
        "cpectl describe ocf:heartbeat:pgsql --deployment shop",
    ),
    (
        "list",
        "cpectl list                              # all deployments of this host",
    ),
    (
        "show",
        "cpectl show shop > shop.xml              # to change it and deploy it again
cpectl show shop --generation 6          # as it was then",
    ),
    (
        "history",
        "cpectl history shop                      # who stored which, and what changed",
    ),
    (
        "diff",
        "cpectl diff shop                         # the last change
cpectl diff shop 6 8 --text              # line by line",
    ),
    (
        "rollback",
        "cpectl rollback shop 6 --dry-run         # what going back would do
cpectl rollback shop 6 --wait            # go back, and see it become active",
    ),
    (
        "edit",
        "cpectl edit shop                         # in $EDITOR; planned before it is stored",
    ),
    (
        "wait",
        "cpectl wait shop --for settled           # until nothing is done any more
cpectl wait shop --for service=db:started --timeout 2m",
    ),
    (
        "chown",
        "cpectl chown shop alice --group web      # alice owns it, group web gives orders",
    ),
    (
        "events",
        "cpectl events --follow                   # as they come
cpectl events -d shop --since 2h         # of one deployment, of the last two hours",
    ),
    (
        "standby",
        "cpectl standby shop web1 --dry-run       # what would move, and what has no place
cpectl standby shop web1                 # empty it for work on it",
    ),
    (
        "unstandby",
        "cpectl unstandby shop web1               # it may have services again",
    ),
    (
        "maintenance",
        "cpectl maintenance shop on               # nothing is recovered
cpectl maintenance shop off web1         # its end, for one assembly",
    ),
    (
        "cleanup",
        "cpectl cleanup shop db                   # its failures, once their cause is gone
cpectl cleanup shop db --operation monitor --interval 10s",
    ),
    (
        "move",
        "cpectl move shop db app1 --dry-run       # what would follow
cpectl move shop db app1 --for 2h        # and it stays there for two hours",
    ),
    (
        "ban",
        "cpectl ban shop db app1 --for 1h         # not there for an hour
cpectl ban shop db app1                  # not there until cpectl clear",
    ),
    (
        "clear",
        "cpectl clear shop db                     # all its moves and bans",
    ),
    (
        "disable",
        "cpectl disable shop web                  # stop it, and leave it stopped",
    ),
    (
        "enable",
        "cpectl enable shop web                   # it runs again",
    ),
    (
        "unmanage",
        "cpectl unmanage shop db                  # leave it alone, whatever happens",
    ),
    (
        "manage",
        "cpectl manage shop db                    # look after it again",
    ),
    (
        "restart",
        "cpectl restart shop app --wait           # with all that depends on it",
    ),
    (
        "debug",
        "cpectl debug monitor shop db --on db1    # what does its agent say there?",
    ),
    (
        "refresh",
        "cpectl refresh shop                      # look at everything again
cpectl refresh shop db --assembly db1    # only at this",
    ),
    (
        "confirm-fenced",
        "cpectl confirm-fenced shop web1          # you have looked: it is powered off",
    ),
    (
        "fence",
        "cpectl fence shop web1                   # off and on again, now
cpectl fence shop web1 --off             # and it stays off",
    ),
    (
        "fencing",
        "cpectl fencing shop                      # what was tried, and what you can do",
    ),
    (
        "host-failed",
        "cpectl host-failed rack3                 # you have looked: the host is off",
    ),
    (
        "host",
        "cpectl host list                         # which are there, and what they have
cpectl host drain host-2 --dry-run       # what would move where
cpectl host drain host-2 --wait          # empty it before work on it
cpectl host activate host-2              # it takes deployments again",
    ),
    (
        "store",
        "cpectl store status                      # does it answer, and has it room?
cpectl store backup /backup/cpe.db       # a copy, while cpe runs",
    ),
    (
        "ticket",
        "cpectl ticket shop list                  # which this site holds, and what needs them
cpectl ticket shop grant east --force    # you have looked: no other site holds it",
    ),
    (
        "attribute",
        "cpectl attribute shop list               # what was set by hand, and by tools
cpectl attribute shop set rack 7 --assembly web1",
    ),
    (
        "transitions",
        "cpectl transitions shop                  # the last ones, and what failed in them",
    ),
    (
        "input",
        "cpectl input shop > cib.xml              # what would be decided on now
cpectl input shop --transition 4 > cib.xml",
    ),
    (
        "report",
        "cpectl report shop --since 2h            # one archive for whoever is to help",
    ),
    (
        "sinks",
        "cpectl sinks                             # how far each sink is
cpectl sinks dead pager                  # what did not arrive there, and why
cpectl sinks redeliver pager             # once the receiver is mended",
    ),
    (
        "destroy",
        "cpectl destroy shop                      # stop its services, delete its document",
    ),
    (
        "pki",
        "cpectl pki init                          # once on each host
cpectl pki issue shop web1               # a certificate for a guest on a network",
    ),
    (
        "token",
        "cpectl token new ci --days 90            # prints it once
cpectl token revoke ci",
    ),
    ("guest", "cpectl guest bundle shop web1 --output web1.tar"),
    (
        "completions",
        "cpectl completions bash > /etc/bash_completion.d/cpectl",
    ),
];

/// The grammar, with the examples.
pub(crate) fn command() -> Command {
    ALL.iter()
        .fold(named(Options::command()), |all, (name, lines)| {
            let lines: Vec<String> = lines.lines().map(|line| format!("  {line}")).collect();
            let text = format!("Examples:\n{}", lines.join("\n"));
            all.mut_subcommand(name, |own| own.after_help(text))
        })
}

/// Refuses names that are empty: one may be a variable of a script that nobody has set, and without
/// a name all is meant.
fn named(command: Command) -> Command {
    let is_name = |own: &Arg| {
        let id = own.get_id().as_str();
        matches!(id, "service" | "assembly" | "of_assembly" | "operation")
    };
    let command = command.mut_args(|own| match is_name(&own) {
        true => own.value_parser(NonEmptyStringValueParser::new()),
        false => own,
    });
    command.mut_subcommands(named)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn every_command_has_an_example() {
        let told: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        let all = Options::command();
        let shown = all.get_subcommands().filter(|own| !own.is_hide_set());
        let names: Vec<String> = shown.map(|own| own.get_name().to_owned()).collect();
        assert_eq!(told, names);
    }

    #[test]
    fn every_example_is_understood_and_fits() {
        for (name, lines) in ALL {
            for line in lines.lines() {
                assert!(line.len() < 98, "{line}");
                let typed = line.split(" # ").next().unwrap_or_default();
                let typed = typed.split(" > ").next().unwrap_or_default();
                let words: Vec<&str> = typed.split_whitespace().collect();
                assert_eq!(words[..2], ["cpectl", name], "{line}");
                let read = command().try_get_matches_from(words);
                let read = read.and_then(|found| Options::from_arg_matches(&found));
                assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
            }
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        command().debug_assert();
    }
}
