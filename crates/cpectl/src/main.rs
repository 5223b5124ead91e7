//! `cpectl`, the administrator's command line of the Cloud Policy Engine.
//!
//! Everything it does goes over the bus API that other programs use too; only `validate`, `import`,
//! `pki`, `token` and `guest` work without a daemon. Text for people goes through [`output`],
//! programs get the records of the bus as JSON, and every way to fail has an exit status of its own
//! ([`failure`]).

mod cells;
mod client;
mod commands;
mod failure;
mod follow;
mod options;
mod output;
mod times;

use std::process::ExitCode;

use clap::FromArgMatches;

use crate::client::Client;
use crate::failure::Failure;
use crate::options::{Command, Options};
use crate::output::Output;

fn main() -> ExitCode {
    let found = options::command().get_matches();
    let options = Options::from_arg_matches(&found).unwrap_or_else(|error| error.exit());
    let output = Output::new(options.json, options.color);
    let output = output.that_is_endless(options.command.is_endless());
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(run(options, &output)));
    match outcome {
        // What was to be said is missing somewhere.
        Ok(_) if output.has_failed() => Failure::failed("").code(),
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

/// Something differs: the exit status of `diff`.
const DIFFERENT: ExitCode = ExitCode::FAILURE;

async fn run(options: Options, output: &Output) -> Result<ExitCode, Failure> {
    if let Command::Diff(arguments) = &options.command {
        let compared = async {
            let client = Client::connect(&options.bus).await?;
            commands::diff::run(&client, arguments, output).await
        };
        let same = compared.await.map_err(commands::diff::trouble)?;
        return Ok(if same { ExitCode::SUCCESS } else { DIFFERENT });
    }
    obey(options, output).await.map(|()| ExitCode::SUCCESS)
}

async fn obey(options: Options, output: &Output) -> Result<(), Failure> {
    use commands::{guest, import, man, pki, token, validate};
    let bus = options.bus;
    match options.command {
        Command::Validate(arguments) => return validate::run(&arguments, output),
        Command::Import(arguments) => return import::run(&arguments, output),
        Command::Pki(arguments) => return pki::run(&arguments, &bus, output).await,
        Command::Token(arguments) => return token::run(&arguments, output),
        Command::Guest(arguments) => return guest::run(&arguments, output),
        Command::Completions { shell } => return man::completions(shell),
        Command::Man { directory } => return man::pages(&directory),
        _ => {}
    }
    ask(Client::connect(&bus).await?, options.command, output).await
}

/// What takes a daemon.
async fn ask(client: Client, command: Command, output: &Output) -> Result<(), Failure> {
    use commands::{
        administer, agents, attribute, check, debug, deploy, destroy, edit, events, explain,
        fencing, history, host, list, orders, owner, plan, report, rollback, sinks, standby,
        status, store, ticket, top, transitions, upkeep, wait,
    };
    match command {
        Command::Deploy(arguments) => deploy::run(&client, &arguments, output).await,
        Command::Plan(arguments) => plan::run(&client, &arguments, output).await,
        Command::Status(arguments) => status::run(client, &arguments, output).await,
        Command::Top(arguments) => top::run(client, &arguments, output).await,
        Command::Explain(arguments) => explain::run(&client, &arguments, output).await,
        Command::Check(arguments) => check::run(&client, &arguments, output).await,
        Command::Agents(arguments) => agents::list(&client, &arguments, output).await,
        Command::Describe(arguments) => agents::describe(&client, &arguments, output).await,
        Command::List => list::list(&client, output).await,
        Command::Chown(arguments) => owner::run(&client, &arguments, output).await,
        Command::Show(arguments) => list::show(&client, &arguments, output).await,
        Command::History(arguments) => history::run(&client, &arguments, output).await,
        Command::Rollback(arguments) => rollback::run(&client, &arguments, output).await,
        Command::Edit(arguments) => edit::run(&client, &arguments, output).await,
        Command::Wait(arguments) => wait::run(&client, &arguments, output).await,
        Command::Events(arguments) => events::run(client, &arguments, output).await,
        Command::Standby(arguments) => standby::standby(&client, &arguments, output).await,
        Command::Unstandby(arguments) => standby::standby(&client, &arguments.into(), output).await,
        Command::Maintenance(arguments) => upkeep::maintenance(&client, &arguments, output).await,
        Command::Move(arguments) => orders::move_service(&client, &arguments, output).await,
        Command::Ban(arguments) => orders::ban(&client, &arguments, output).await,
        Command::Clear(arguments) => orders::clear(&client, &arguments, output).await,
        Command::Disable(of) => orders::plain(&client, "disable", &of, output).await,
        Command::Enable(of) => orders::plain(&client, "enable", &of, output).await,
        Command::Unmanage(of) => orders::plain(&client, "unmanage", &of, output).await,
        Command::Manage(of) => orders::plain(&client, "manage", &of, output).await,
        Command::Restart(of) => orders::plain(&client, "restart", &of, output).await,
        Command::Cleanup(arguments) => upkeep::cleanup(&client, &arguments, output).await,
        Command::Debug(arguments) => debug::run(&client, &arguments, output).await,
        Command::Refresh(arguments) => upkeep::refresh(&client, &arguments, output).await,
        Command::ConfirmFenced(arguments) => {
            administer::confirm_fenced(&client, &arguments, output).await
        }
        Command::Fence(arguments) => fencing::fence(&client, &arguments, output).await,
        Command::Fencing { name } => fencing::show(&client, &name, output).await,
        Command::HostFailed(arguments) => fencing::host_failed(&client, &arguments, output).await,
        Command::Host(arguments) => host::run(&client, &arguments, output).await,
        Command::Store(arguments) => store::run(&client, &arguments, output).await,
        Command::Attribute(arguments) => attribute::run(&client, &arguments, output).await,
        Command::Ticket(arguments) => ticket::run(&client, &arguments, output).await,
        Command::Transitions(arguments) => transitions::run(&client, &arguments, output).await,
        Command::Report(arguments) => report::run(&client, &arguments, output).await,
        Command::Input(arguments) => transitions::input(&client, &arguments, output).await,
        Command::Sinks(arguments) => sinks::run(&client, &arguments, output).await,
        Command::Destroy(arguments) => destroy::run(&client, &arguments, output).await,
        Command::Validate(_)
        | Command::Diff(_)
        | Command::Import(_)
        | Command::Pki(_)
        | Command::Token(_)
        | Command::Guest(_)
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(()),
    }
}
