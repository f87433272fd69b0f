//! The floor under any tool that runs commands: starts a program so many times, one after the other, and does nothing else.

use std::process::{Command, ExitCode};

/// `floor 1000 true`
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let times = arguments.next().and_then(|times| times.parse::<u32>().ok());
    let (Some(times), Some(program)) = (times, arguments.next()) else {
        // `cargo bench` starts every bench without arguments.
        return ExitCode::SUCCESS;
    };
    for _ in 0..times {
        let ended_well = Command::new(&program)
            .status()
            .is_ok_and(|status| status.success());
        if !ended_well {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
