//! The one binary: `daen SUBCOMMAND`; each subcommand is a file below `cli`.

#![forbid(unsafe_code)]

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("daen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
