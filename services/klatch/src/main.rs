//! `klatch`: the one binary. It reads the command line, hands over to one subcommand, and turns what that says into an
//! exit code: 0 done, 1 not done (one line on standard error says why and what to do), 2 misused.

mod accounts;
mod bench;
mod broker;
mod config;
mod data_folder;
mod demo;
mod doctor;
mod edge;
mod epoch;
mod health;
mod notifier;
mod projector;
mod rebuild;
mod send;
mod settings;
mod signer;
mod supervision;
mod tail;
mod token;
mod up;
mod verify;
mod watch;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

// Many small messages, freed on another thread than they were made on: what mimalloc is good at. To be measured against
// the system's own with the load generator before it is taken for granted.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What goes wrong on the outermost layer is only ever shown.
type AnyError = Box<dyn Error + Send + Sync>;

/// A chat backend that keeps everything that was said in a log of its own: start it, connect clients by WebSocket.
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
Start here:
  klatch up --dev                       everything in one process, on http://127.0.0.1:5004, with two demo people
  klatch token mint --user ada --dev    a token to connect with
  klatch send --dev --user ada --room lobby 'Hello!'
  klatch tail --dev --user ben --room lobby

Settings come from defaults, then klatch.toml (or --config FILE), then KLATCH_… variables, then flags:
  klatch config show --origin           what holds, and where each value came from"
)]
struct Cli {
    /// The configuration file [default: klatch.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "KLATCH_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Args),
    Edge(edge::Args),
    Projector(projector::Args),
    Accounts(accounts::Args),
    Notifier(notifier::Args),
    #[command(subcommand)]
    Token(token::Command),
    Send(send::Args),
    Tail(tail::Args),
    Health(health::Args),
    Rebuild(rebuild::Args),
    Verify(verify::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
    #[command(subcommand)]
    Epoch(epoch::Command),
    #[command(subcommand)]
    Config(config::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(run(cli));
    // Whatever still runs on it is a blocking call that nobody waits for any more.
    runtime.shutdown_background();
    // Not on the runtime: it waits for the collector.
    klatch_service::traces::flush();
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, AnyError> {
    let file = cli.config.as_deref();
    match cli.command {
        Command::Up(args) => Box::pin(up::run(args, file)).await,
        Command::Edge(args) => Box::pin(edge::run(args, file)).await,
        Command::Projector(args) => Box::pin(projector::run(args, file)).await,
        Command::Accounts(args) => Box::pin(accounts::run(args, file)).await,
        Command::Notifier(args) => Box::pin(notifier::run(args, file)).await,
        Command::Token(command) => token::run(command, file),
        Command::Send(args) => send::run(args, file).await,
        Command::Tail(args) => tail::run(args, file).await,
        Command::Health(args) => health::run(args).await,
        Command::Rebuild(args) => rebuild::run(args, file).await,
        Command::Verify(args) => verify::run(args, file).await,
        Command::Doctor(args) => Box::pin(doctor::run(args, file)).await,
        Command::Bench(args) => Box::pin(bench::run(args)).await,
        Command::Epoch(command) => epoch::run(command, file).await,
        Command::Config(command) => config::run(command, file),
    }
}

fn failed(error: &AnyError) -> ExitCode {
    eprintln!("klatch: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_explains_itself() {
        let mut cli = Cli::command();
        cli.clone().debug_assert();
        fn undocumented(command: &clap::Command, found: &mut Vec<String>) {
            if command.get_about().is_none() {
                found.push(command.get_name().to_owned());
            }
            let silent = command.get_arguments().filter(|argument| argument.get_help().is_none());
            found.extend(silent.map(|argument| format!("{} {}", command.get_name(), argument.get_id())));
            command.get_subcommands().for_each(|command| undocumented(command, found));
        }
        let mut found = Vec::new();
        cli.build();
        cli.get_subcommands().filter(|command| command.get_name() != "help").for_each(|c| undocumented(c, &mut found));
        found.retain(|name| !name.starts_with("help"));
        assert_eq!(found, Vec::<String>::new());
    }
}
