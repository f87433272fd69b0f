//! Why a program could not be run.

use std::io;
use std::path::{Path, PathBuf};

use super::Program;

/// Why a program could not be run. A program that ran and ended badly is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The list that names the program is empty.
    #[error("there is no program to run: the list is empty")]
    Empty,
    /// A name without a slash that no folder of `PATH` holds.
    #[error("the program {0} was not found in PATH")]
    NotInPath(String),
    /// A path where there is no file, or a script whose interpreter is missing.
    #[error("the program {0} does not exist, or the interpreter in its first line does not")]
    NoFile(String),
    /// A file that may not be executed.
    #[error("the program {0} may not be executed")]
    Denied(String),
    /// The folder to run it in is no folder.
    #[error("the folder {} to run {program} in does not exist", folder.display())]
    NoFolder {
        /// The program.
        program: String,
        /// The folder.
        folder: PathBuf,
    },
    /// The system's limit of arguments and environment, or of a single one of them.
    #[error("the arguments or variables of {0} are longer than the system allows")]
    TooLong(String),
    /// Something else that the system refused.
    #[error("the program {program} could not be started")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its input or output failed, or its end could not be waited for.
    #[error("the input, output or end of {program} could not be followed")]
    Follow {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ProcessError {
    /// Finds out why a program could not be started.
    pub(super) fn of_start(program: &Program, source: io::Error) -> Self {
        let name = program.program.clone();
        if let Some(folder) = program.folder.as_deref().filter(|folder| !folder.is_dir()) {
            return Self::NoFolder {
                program: name,
                folder: Path::to_owned(folder),
            };
        }
        match source.kind() {
            io::ErrorKind::NotFound if name.contains('/') => Self::NoFile(name),
            io::ErrorKind::NotFound => Self::NotInPath(name),
            io::ErrorKind::PermissionDenied => Self::Denied(name),
            io::ErrorKind::ArgumentListTooLong => Self::TooLong(name),
            _ => Self::Start {
                program: name,
                source,
            },
        }
    }
}
