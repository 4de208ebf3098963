//! From the command line to an exit status.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};
use tokio::sync::mpsc;
use tungstenite_deflate::tungstenite::Message;

use crate::args::{BenchArgs, Cli, Command, ConnectionArgs, Mode, ReachArgs, TalkArgs};
use crate::causes;
use crate::command::Input;
use crate::connect::{Connection, Settings};
use crate::duration::show_duration;
use crate::error::ConnectError;
use crate::exit::ExitStatus;
use crate::input::{self, InputOptions, Reading};
use crate::meaning;
use crate::modes::conversation::{self, Plan};
use crate::modes::replay::{self, Recording};
use crate::modes::{self, Failure, autobahn, bench, count, exchange, interactive};
use crate::output::{Framing, Output, OutputOptions};
use crate::reconnect::{Backoff, connect_with_backoff};
use crate::reference::reference;
use crate::sensitive::shown_target;
use crate::target::Target;
use values::escape::escaped;

/// Runs the program with these arguments, the first of which is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let cli = match parse(arguments.into_iter().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            show_usage(&error);
            return if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Normal
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Io(error)),
    };
    let result = runtime.block_on(dispatch(cli));
    // A thread that waits for standard input must not hold the program.
    runtime.shutdown_background();
    result.unwrap_or_else(|failure| report(&failure))
}

/// Takes the command line apart. `-h` has one line for each flag, however narrow the terminal is.
fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    if arguments.iter().any(|argument| argument == "-h") {
        command = command.term_width(0);
    }
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// Help and version go to standard output, errors to standard error. A value that was refused is not repeated as a
/// whole: a URL may hold a password.
fn show_usage(error: &clap::Error) {
    let source = std::error::Error::source(error);
    let (ErrorKind::ValueValidation, Some(reason)) = (error.kind(), source) else {
        let _ = error.print();
        return;
    };
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.as_str(),
        _ => "an argument",
    };
    let meant = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if argument.contains("URL") => meant_subcommand(value),
        _ => None,
    };
    let reason = match meant {
        Some(name) => format!("there is no such subcommand; did you mean `client {name}`?"),
        None => reason.to_string(),
    };
    let _ = writeln!(
        std::io::stderr().lock(),
        "error: invalid value for {argument}: {}\n\nFor more information, try '--help'.",
        escaped(&reason)
    );
}

/// The subcommand that a word was probably meant to be: two slips of the fingers away, as clap counts for options.
fn meant_subcommand(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let command = Cli::command();
    command
        .get_subcommands()
        .map(|one| (strsim::damerau_levenshtein(&word, one.get_name()), one))
        .filter(|(distance, one)| *distance <= 2 && *distance < one.get_name().len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, one)| one.get_name().to_owned())
}

/// One line on standard error: the cause and what to do.
fn report(failure: &Failure) -> ExitStatus {
    let status = failure.status();
    if status != ExitStatus::Normal {
        let remedy = failure
            .remedy()
            .map_or_else(String::new, |remedy| format!("; {remedy}"));
        let _ = writeln!(std::io::stderr().lock(), "client: {failure}{remedy}");
    }
    status
}

async fn dispatch(cli: Cli) -> Result<ExitStatus, Failure> {
    match cli.command {
        None => Box::pin(talk(cli.talk, Purpose::Talk)).await,
        Some(Command::Record { file, talk: args }) => {
            Box::pin(talk(args, Purpose::Record(file))).await
        }
        Some(Command::Replay {
            file,
            speed,
            talk: args,
        }) => {
            let recording = Recording::read(&file)?;
            Box::pin(talk(args, Purpose::Replay(recording, speed))).await
        }
        Some(Command::Autobahn {
            url,
            agent,
            connection,
        }) => {
            let mut output = Output::new(OutputOptions {
                verbose: true,
                ..OutputOptions::default()
            });
            let settings = settings(&connection, url, &mut output)?;
            let has_choices = connection.compression_option().is_some();
            autobahn::run(&settings, &agent, has_choices, &mut output).await
        }
        Some(Command::Bench(args)) => {
            let mut output = Output::new(OutputOptions::default());
            let settings = bench_settings(&args, &mut output)?;
            bench::run(&settings, &args, &mut output).await
        }
        Some(Command::Grpc(args)) => {
            let mut output = Output::new(OutputOptions {
                verbose: args.verbose,
                raw: args.raw,
                ..OutputOptions::default()
            });
            let settings = grpc_settings(&args.reach, args.url, &mut output)?;
            modes::grpc::run(&settings, &args.sender, &args.texts, &mut output).await
        }
        Some(Command::Compare(args)) => {
            let mut output = Output::new(OutputOptions::default());
            bench::compare(&args, &mut output).await
        }
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "client", &mut text);
            print(&text)
        }
        Some(Command::Reference { errors: true }) => print(causes::table().as_bytes()),
        Some(Command::Reference { errors: false }) => print(reference().as_bytes()),
        Some(Command::Man { command }) => print(&man_page(command.as_deref())?),
    }
}

/// The man page of the program, or of one of its subcommands.
fn man_page(name: Option<&str>) -> Result<Vec<u8>, Failure> {
    let mut whole = Cli::command();
    // Gives the subcommands their full names: client-bench(1).
    whole.build();
    let page = match name {
        None => whole,
        Some(name) => whole.find_subcommand(name).cloned().ok_or_else(|| {
            let meant = meant_subcommand(name)
                .map_or_else(String::new, |name| format!("did you mean {name}? "));
            Failure::Usage(format!("{name} is not a subcommand; {meant}see --help"))
        })?,
    };
    let title = page
        .get_display_name()
        .unwrap_or_else(|| page.get_name())
        .to_owned();
    let mut text = Vec::new();
    clap_mangen::Man::new(page).title(title).render(&mut text)?;
    Ok(text)
}

fn print(text: &[u8]) -> Result<ExitStatus, Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()?;
    Ok(ExitStatus::Normal)
}

/// Purpose of a conversation.
enum Purpose {
    Talk,
    Record(PathBuf),
    Replay(Recording, f64),
}

async fn talk(args: TalkArgs, purpose: Purpose) -> Result<ExitStatus, Failure> {
    if args.exchange.mode == Some(Mode::Interactive) && !interactive::is_possible() {
        let text = "--mode interactive needs standard input and output on a terminal that TERM does not call dumb; \
                    leave it out, and lines are read and written plainly";
        return Err(Failure::Usage(text.into()));
    }
    let mut output = Output::new(output_options(&args));
    let is_exchange =
        args.url.is_none() && args.exchange.count.is_none() && matches!(purpose, Purpose::Talk);
    let url = match args.url.clone() {
        Some(url) => url,
        None => default_url(if args.exchange.count.is_some() {
            count::DEFAULT_URL
        } else {
            exchange::DEFAULT_URL
        })?,
    };
    let settings = settings(&args.connection, url, &mut output)?;
    let result = if is_exchange {
        exchange::run(&settings, args.output.show_handshake, &mut output).await
    } else {
        converse(&settings, &args, purpose, &mut output).await
    };
    if let (true, Err(Failure::Connect(ConnectError::Handshake { fault, .. }))) =
        (args.output.show_handshake, &result)
    {
        modes::show_handshake(&fault.request, fault.response.as_ref(), &mut output);
    }
    result
}

async fn converse(
    settings: &Settings,
    args: &TalkArgs,
    purpose: Purpose,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    if let Purpose::Record(path) = &purpose {
        let file = std::fs::File::create(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        output.set_recording(std::io::BufWriter::new(file));
    }
    let mut backoff = Backoff::new(args.connection.reconnect.unwrap_or(0));
    let connection = connect_with_backoff(settings, &mut backoff, |error, wait, attempt| {
        output.warn(&format!(
            "attempt {attempt}: {error}; again in {}",
            show_duration(wait)
        ));
    })
    .await?;
    if args.output.show_handshake {
        modes::show_handshake(
            &connection.details.request,
            Some(&connection.details.response),
            output,
        );
    }
    if let Purpose::Replay(recording, speed) = purpose {
        return replay::run(settings, connection, recording, speed, output).await;
    }
    if let Some(count) = args.exchange.count {
        let result = count::run(settings, connection, &args.exchange, count, output).await;
        output.finish()?;
        return result;
    }
    let mut plan = Plan {
        expect: args.exchange.expect,
        idle: idle(args),
        bad_input_ends: true,
        ping_interval: args.connection.ping_interval,
        reconnect: backoff,
        stats: args.output.stats || args.output.verbose,
    };
    if !args.messages.is_empty() {
        plan.expect.get_or_insert(args.messages.len() as u64);
        let input = (queued(args), Reading::default());
        return conversation::run(settings, connection, input, plan, output).await;
    }
    let is_interactive = match args.exchange.mode {
        Some(mode) => mode == Mode::Interactive,
        None => interactive::is_possible(),
    };
    if !is_interactive {
        let options = InputOptions {
            framing: output_options(args).framing,
            binary: args.exchange.binary,
            max_bytes: args.connection.reach.max_message,
        };
        let input = input::spawn(options)?;
        return conversation::run(settings, connection, input, plan, output).await;
    }
    converse_at_terminal(settings, connection, args, plan, output).await
}

/// Converses with a line editor, until the user or the peer ends it.
async fn converse_at_terminal(
    settings: &Settings,
    connection: Connection,
    args: &TalkArgs,
    mut plan: Plan,
    output: &mut Output,
) -> Result<ExitStatus, Failure> {
    plan.bad_input_ends = false;
    // Ctrl-D ends a session at once; replies are waited for only if that is asked for.
    plan.idle = Some(args.exchange.idle.unwrap_or_default());
    output.talk(&format!(
        "connected to {}; /help shows the commands, Ctrl-D ends",
        shown_target(&connection.details.target.to_string())
    ));
    let history = if args.exchange.no_history {
        None
    } else {
        interactive::history_file()
    };
    let (input, terminal) = interactive::spawn(output, history, args.connection.reach.max_message)?;
    let input = (input, Reading::default());
    let result = conversation::run(settings, connection, input, plan, output).await;
    drop(terminal);
    result
}

/// Silence after the input that ends a pipe: 2 s, unless `--idle` or `--expect` say otherwise.
fn idle(args: &TalkArgs) -> Option<Duration> {
    match args.exchange.idle {
        Some(Duration::ZERO) => None,
        Some(idle) => Some(idle),
        None if args.exchange.expect.is_some() || !args.messages.is_empty() => None,
        None => Some(DEFAULT_IDLE),
    }
}

const DEFAULT_IDLE: Duration = Duration::from_secs(2);

/// The messages of the command line as an input that is over.
fn queued(args: &TalkArgs) -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(args.messages.len().max(1));
    for text in &args.messages {
        let message = if args.exchange.binary {
            Message::binary(text.clone().into_bytes())
        } else {
            Message::text(text.clone())
        };
        // There is room for all of them.
        let _ = sender.try_send(Input::Message(message));
    }
    receiver
}

fn settings(args: &ConnectionArgs, url: Target, output: &mut Output) -> Result<Settings, Failure> {
    let (settings, warnings) = meaning::settings(args, url)?;
    for warning in warnings {
        output.warn(&warning);
    }
    Ok(settings)
}

fn grpc_settings(args: &ReachArgs, url: Target, output: &mut Output) -> Result<Settings, Failure> {
    let (settings, warnings) = meaning::reach(args, url, meaning::GRPC)?;
    for warning in warnings {
        output.warn(&warning);
    }
    Ok(settings)
}

/// The settings of a benchmark: of a gRPC server it knows what is common to both.
fn bench_settings(args: &BenchArgs, output: &mut Output) -> Result<Settings, Failure> {
    if !args.grpc {
        return settings(&args.connection, args.url.clone(), output);
    }
    if let Some(option) = args.connection.websocket_option() {
        let text = format!("{option} means nothing to gRPC: leave it or --grpc out");
        return Err(Failure::Usage(text));
    }
    grpc_settings(&args.connection.reach, args.url.clone(), output)
}

fn default_url(otherwise: &str) -> Result<Target, Failure> {
    let url = std::env::var("CLIENT_URL").unwrap_or_else(|_| otherwise.into());
    url.parse()
        .map_err(|error| Failure::Usage(format!("CLIENT_URL: {error}")))
}

fn output_options(args: &TalkArgs) -> OutputOptions {
    OutputOptions {
        jsonl: args.output.jsonl,
        raw: args.output.raw,
        verbose: args.output.verbose,
        quiet: args.output.quiet,
        color: args.output.color,
        framing: match (
            args.exchange.null,
            args.exchange.base64,
            args.exchange.length_prefixed,
        ) {
            (true, ..) => Framing::Null,
            (_, true, _) => Framing::Base64,
            (.., true) => Framing::LengthPrefixed,
            _ => Framing::Lines,
        },
    }
}
