//! `generate-certs`: the command line of [`certs::ensure`].

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use certs::{Action, Dates, Name, Outcome, Request, SecretFiles, ensure};
use clap::Parser;

/// Makes, keeps or renews development certificates: a local CA and the server's pair that it signs.
///
/// The CA (ca.crt, ca.key) is made once and reused. It may sign only for the DNS names it serves, and for IP
/// addresses; when --name adds a name, it is reissued with the same key to permit that too, and must then be trusted again. A second run keeps a pair that
/// is good, renews one with less than a third of its lifetime left or with other names, and says why. Renewal keeps the
/// pair's key, so a public-key pin holds; --force makes a new key. Files that this program did not make are never
/// overwritten.
///
/// Exit code: 0 done, 1 failed (nothing was changed), 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "generate-certs", version)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
struct Args {
    /// One more name for the server: DNS name, *.wildcard or IP address; may be given several times
    ///
    /// `localhost`, `127.0.0.1` and `::1` are always there. Without this option an existing pair keeps its names; with it the
    /// pair has exactly these and the local ones.
    #[arg(long = "name", value_name = "NAME", conflicts_with = "client")]
    names: Vec<Name>,

    /// Days until the new certificate ends
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=i64::from(Request::MAX_DAYS)))]
    days: u16,

    /// Directory of the files, made with mode 0700 if it is not there
    #[arg(long, value_name = "DIR", default_value = "certs", env = "CERTS_OUT")]
    out: PathBuf,

    /// Make a client's certificate NAME.crt and NAME.key instead of the server's
    #[arg(long, value_name = "NAME")]
    client: Option<String>,

    /// Make a new key and certificate even though the pair is good; the CA is kept
    #[arg(long)]
    force: bool,

    /// For tests: make a certificate that ended yesterday
    #[arg(long, conflicts_with = "not_yet_valid")]
    expired: bool,

    /// For tests: make a certificate that begins tomorrow
    #[arg(long)]
    not_yet_valid: bool,

    /// Use private keys that are there already even if other users of the machine can read or replace them
    #[arg(long)]
    insecure_secret_files: bool,
}

impl From<Args> for Request {
    fn from(args: Args) -> Self {
        let dates = match (args.expired, args.not_yet_valid) {
            (true, _) => Dates::Expired,
            (_, true) => Dates::NotYetValid,
            _ => Dates::Now,
        };
        Self {
            names: args.names,
            days: args.days,
            force: args.force,
            client: args.client,
            dates,
            secret_files: if args.insecure_secret_files {
                SecretFiles::Insecure
            } else {
                SecretFiles::Checked
            },
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let directory = args.out.clone();
    match ensure(&directory, &args.into()) {
        Ok(outcome) => match report(&outcome, &mut io::stdout().lock()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error),
            _ => ExitCode::SUCCESS,
        },
        Err(error) => fail(&error),
    }
}

/// Files, what was done with them and why, names, end and fingerprints.
fn report(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let certificate = &outcome.description;
    let line = |action: &Action| match action {
        Action::Renewed(reason) => format!("{action}: {reason}"),
        Action::Made | Action::Kept => action.to_string(),
    };
    let (ca, ca_key) = (outcome.authority.display(), outcome.authority_key.display());
    writeln!(
        out,
        "CA       {ca}, {ca_key}: {}",
        line(&outcome.authority_action)
    )?;
    let (pair, key) = (outcome.certificate.display(), outcome.key.display());
    writeln!(out, "pair     {pair}, {key}: {}", line(&outcome.action))?;
    if certificate.names.is_empty() {
        writeln!(out, "subject  {}", certificate.subject)?;
    } else {
        writeln!(out, "names    {}", certificate.names.join(", "))?;
    }
    writeln!(
        out,
        "ends     {} ({} days)",
        certificate.not_after_text(),
        certificate.days_left
    )?;
    writeln!(out, "SHA-256  {}", certificate.sha256)?;
    writeln!(out, "pin      {}", certificate.spki_pin())?;
    if let Action::Renewed(_) = outcome.authority_action {
        writeln!(
            out,
            "The CA's certificate is a new one: import {ca} again where the old one is trusted."
        )?;
    }
    Ok(())
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    // If even standard error is gone, the exit code still tells.
    let _ = writeln!(io::stderr(), "generate-certs: {error}");
    ExitCode::FAILURE
}
