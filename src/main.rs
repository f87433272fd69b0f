//! The binary: hands the command line to the library and ends with its exit code.

fn main() -> std::process::ExitCode {
    opsbook::cli::main().into()
}
