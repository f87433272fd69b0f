//! Where a run is told while it goes on: the live terminal, the report on standard output, the reports in files.

use std::fmt::Display;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tempfile::NamedTempFile;

use crate::base::Verdict;
use crate::base::exit::ExitCode;
use crate::base::text::one_line;
use crate::engine::{Progress, Sink};
use crate::event::{Envelope, Event};
use crate::report::{self, Report, Style};
use crate::term::{Live, Output, StandardData, Terminal};

use super::github::GitHub;
use super::output::{harmless, unprintable};
use super::settings::ReportRequest;
use super::{App, AppError, LogFormat};

/// How long a pipe may take to find its reader.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a run is told.
pub(super) struct Outlets {
    terminal: Terminal,
    live: Option<Live>,
    /// What is told on standard output; none where who runs it shows it in another way.
    printed: Option<Box<dyn Report>>,
    output: Output<StdoutLock<'static>>,
    /// What is told on standard error where standard output holds rows and nothing else.
    beside: Option<Box<dyn Report>>,
    /// Standard output, for the data of a step.
    data: StandardData,
    /// Whether standard output is a terminal.
    is_terminal: bool,
    /// Whether it is told line by line.
    streams: bool,
    /// Whether it is told to people.
    for_people: bool,
    /// Whether a run that ended well is not worth printing: `-q`, and nobody asked for a machine's format by name.
    silent_if_well: bool,
    well: bool,
    logs_steps: bool,
    files: Vec<ReportFile>,
    github: Option<GitHub>,
    failure: Option<AppError>,
}

/// A report that becomes a file when the run is over: whoever looks for it finds the old one or the whole new one.
struct ReportFile {
    path: PathBuf,
    report: Box<dyn Report>,
    file: BufWriter<Target>,
}

/// Where a report is written to.
enum Target {
    /// A file beside the one whose place it takes in the end.
    Beside(NamedTempFile),
    /// What is there already and is no file: a device, a pipe, `/dev/stdout`. Nothing may take its place.
    Straight(File),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(file) => file.write(bytes),
            Self::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(file) => file.flush(),
            Self::Straight(file) => file.flush(),
        }
    }
}

impl Outlets {
    /// Opens them, so that a report that cannot be written is known before anything runs.
    pub(super) fn open(app: &App) -> Result<Self, AppError> {
        let settings = app.settings();
        Ok(Self {
            live: settings
                .format
                .is_for_people()
                .then(|| app.terminal().live()),
            printed: Some((settings.format.0.make)(app.style())),
            beside: settings
                .format
                .0
                .rows_only
                .then(|| (report::FORMATS[0].make)(app.error_style())),
            data: match settings.format.is_lines() {
                true => app
                    .terminal()
                    .data()
                    .taken_by("the events of the run are told there"),
                false => app.terminal().data(),
            },
            ..Self::open_unprinted(app)?
        })
    }

    /// Standard output, for the data of a step.
    pub(super) fn data(&self) -> StandardData {
        self.data.clone()
    }

    /// The same without the terminal and standard output.
    pub(super) fn open_unprinted(app: &App) -> Result<Self, AppError> {
        let settings = app.settings();
        refuse_twice(app)?;
        let files = settings
            .reports
            .iter()
            .map(|request| {
                let path = app.environment().absolute(&request.path);
                let report = (request.format.0.make)(Style::default());
                ReportFile::open(path, report)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            terminal: app.terminal().clone(),
            live: None,
            printed: None,
            beside: None,
            data: app.terminal().data().taken_by("a watch is shown there"),
            is_terminal: app.environment().facts.stdout.terminal,
            for_people: settings.format.is_for_people(),
            streams: settings.format.is_lines(),
            output: app.terminal().output(),
            silent_if_well: settings.quiet && settings.format.is_for_people(),
            well: false,
            logs_steps: settings.log_format == LogFormat::Json,
            files,
            github: GitHub::of(app),
            failure: None,
        })
    }

    fn note(&mut self, outcome: Result<(), AppError>) {
        if let Err(error) = outcome {
            self.failure.get_or_insert(error);
        }
    }

    /// Writes what is left and puts the files in their places. Says whether nobody reads standard output any more.
    pub(super) fn finish(mut self) -> Result<bool, AppError> {
        drop(self.live.take());
        if !(self.silent_if_well && self.well) {
            self.print_rest();
        }
        for file in std::mem::take(&mut self.files) {
            let kept = file.keep();
            self.note(kept);
        }
        if let Some(github) = self.github.take() {
            github.finish();
        }
        let unread = self.output.is_closed();
        self.failure.map_or(Ok(unread), Err)
    }

    /// Writes what is left of the report on standard output: on standard error where standard output is taken for data.
    fn print_rest(&mut self) {
        let Some(report) = &mut self.printed else {
            return;
        };
        let mut text = Vec::new();
        if self.well && self.data.is_unread() {
            // Whoever has seen enough wants to hear no more.
            return;
        }
        let printed = if self.data.is_taken() {
            let finished = report.finish(&mut text);
            self.terminal.error(&String::from_utf8_lossy(&text));
            finished
        } else if self.beside.is_some() && self.is_terminal {
            report
                .finish(&mut text)
                .and_then(|()| self.output.write_all(harmless(&text).as_bytes()))
        } else {
            report.finish(&mut self.output)
        };
        let printed = printed.and_then(|()| self.output.flush());
        self.note(printed.map_err(|error| unprintable(&error)));
        if let Some(report) = &mut self.beside
            && !self.well
        {
            let mut text = Vec::new();
            // A vector takes everything.
            let _ = report.finish(&mut text);
            self.terminal.error(&String::from_utf8_lossy(&text));
        }
    }

    /// Tells an event on standard output.
    fn print(&mut self, envelope: &Envelope) {
        if let Some(report) = &mut self.beside {
            let _ = report.event(envelope, &mut io::sink());
        }
        if let Some(report) = &mut self.printed {
            let printed = report.event(envelope, &mut self.output);
            self.note(printed.map_err(|error| unprintable(&error)));
        }
    }
}

impl Outlets {
    /// Tells what happened before to the reports that tell of the whole run. A stream tells only what happens now.
    pub(super) fn remember(&mut self, envelope: &Envelope) {
        if !self.streams {
            self.print(envelope);
        }
        for index in 0..self.files.len() {
            let file = &mut self.files[index];
            let written = file
                .report
                .event(envelope, &mut file.file)
                .map_err(|error| unwritable(&file.path, &error));
            self.note(written);
        }
    }
}

impl Sink for Outlets {
    fn event(&mut self, envelope: &Envelope) {
        if let Some(live) = &mut self.live {
            live.event(envelope);
        }
        if let Event::StepFinished(end) = &envelope.event
            && self.logs_steps
        {
            tracing::info!(step = %end.step, status = %end.status, took_ms = end.took_ms, detail = end.detail, "step ended");
        }
        if let Event::StepFinished(end) = &envelope.event
            && let Some(table) = end.table.as_ref().filter(|table| table.truncated)
            && !self.for_people
        {
            let remark = table.remark.as_deref().unwrap_or("there are more rows");
            self.waiting(&format!("{}: {remark}", end.step));
        }
        if let Event::LockTakenOver(taken) = &envelope.event {
            self.waiting(&format!(
                "the lock {} was held by run {} of {} on {}, pid {}, which is dead",
                taken.lock, taken.from, taken.user, taken.host, taken.pid
            ));
        }
        if let Event::RunFinished(end) = &envelope.event {
            self.well = end.verdict == Verdict::Ok && end.exit == ExitCode::Ok.code();
        }
        self.print(envelope);
        for index in 0..self.files.len() {
            let file = &mut self.files[index];
            let written = file
                .report
                .event(envelope, &mut file.file)
                .map_err(|error| unwritable(&file.path, &error));
            self.note(written);
        }
        if let Some(github) = &mut self.github {
            github.event(envelope);
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if let Some(live) = &mut self.live {
            live.progress(progress);
        }
    }

    fn waiting(&mut self, line: &str) {
        self.terminal.note(&format!("opsbook: {}", one_line(line)));
    }
}

impl ReportFile {
    fn open(path: PathBuf, report: Box<dyn Report>) -> Result<Self, AppError> {
        // The error of a temporary file names that one, which nobody asked for.
        let file = Target::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unwritable(&path, "its folder does not exist"),
            io::ErrorKind::Other => unwritable(&path, error),
            kind => unwritable(&path, kind),
        })?;
        Ok(Self {
            path,
            report,
            file: BufWriter::new(file),
        })
    }

    fn keep(mut self) -> Result<(), AppError> {
        let written = self
            .look_at_old()
            .and_then(|()| self.report.finish(&mut self.file))
            .and_then(|()| self.file.flush());
        written
            .and_then(|()| {
                let target = self.file.into_inner();
                target
                    .map_err(io::IntoInnerError::into_error)?
                    .keep(&self.path)
            })
            .map_err(|error| unwritable(&self.path, &error))
    }
}

impl ReportFile {
    /// Shows the report the file whose place it takes, as late as can be: another run may have written it meanwhile.
    fn look_at_old(&mut self) -> io::Result<()> {
        if matches!(self.file.get_ref(), Target::Straight(_)) {
            return Ok(());
        }
        match File::open(&self.path) {
            Ok(mut old) => self.report.replaces(&mut old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Target {
    /// Whether there is something already that no file may take the place of.
    fn is_straight(path: &Path) -> bool {
        // Descriptors have names there that look like the files they lead to.
        let descriptor = path.starts_with("/dev") || path.starts_with("/proc");
        std::fs::metadata(path).is_ok_and(|there| descriptor || !there.is_file())
    }

    fn open(path: &Path) -> io::Result<Self> {
        if Self::is_straight(path) {
            return open_straight(path).map(Self::Straight);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        tempfile::Builder::new()
            .prefix(".opsbook-report-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map(Self::Beside)
    }

    fn keep(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Straight(_) => Ok(()),
            Self::Beside(file) => {
                file.as_file().sync_all()?;
                file.persist(path).map(|_| ()).map_err(|error| error.error)
            }
        }
    }
}

/// Opens what is there already. A pipe that nobody reads from would hold up the run, and every signal to it, for ever.
fn open_straight(path: &Path) -> io::Result<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let opened = OpenOptions::new()
            .append(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path);
        match opened {
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
                if Instant::now() >= deadline {
                    return Err(io::Error::other("nobody reads from it"));
                }
                #[expect(
                    clippy::disallowed_methods,
                    reason = "nothing runs before the reports are open"
                )]
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(file) => {
                // What is written must wait for a slow reader.
                let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
                fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
                return Ok(file);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Of two reports in one file only one would be left.
fn refuse_twice(app: &App) -> Result<(), AppError> {
    let reports = &app.settings().reports;
    for (index, report) in reports.iter().enumerate() {
        let path = app.environment().absolute(&report.path);
        let again = |other: &ReportRequest| app.environment().absolute(&other.path) == path;
        if reports[..index].iter().any(again) && !Target::is_straight(&path) {
            return Err(AppError::usage(format!(
                "two reports would be written to {}",
                report.path.display()
            ))
            .hint("give each a file of its own"));
        }
    }
    Ok(())
}

fn unwritable(path: &std::path::Path, error: impl Display) -> AppError {
    AppError::unknown(format!(
        "the report {} cannot be written: {error}",
        path.display()
    ))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::ReportFile;
    use crate::report::{FORMATS, Style};

    #[test]
    fn a_report_takes_the_place_of_the_old_one_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        std::fs::write(&path, "old").unwrap();
        let json = FORMATS.iter().find(|format| format.name == "json").unwrap();
        let given_up = ReportFile::open(path.clone(), (json.make)(Style::default())).unwrap();
        drop(given_up);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let kept = ReportFile::open(path.clone(), (json.make)(Style::default())).unwrap();
        kept.keep().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with('{'));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_report_goes_through_what_is_no_file_and_never_takes_its_place() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || std::fs::read_to_string(path).unwrap())
        };
        let json = FORMATS.iter().find(|format| format.name == "json").unwrap();
        let report = ReportFile::open(path.clone(), (json.make)(Style::default())).unwrap();
        report.keep().unwrap();
        assert!(reader.join().unwrap().starts_with('{'));
        assert!(std::fs::metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_that_nobody_reads_from_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let json = FORMATS.iter().find(|format| format.name == "json").unwrap();
        let refused = ReportFile::open(path, (json.make)(Style::default())).err();
        assert!(refused.unwrap().message.ends_with("nobody reads from it"));
    }

    #[test]
    fn a_report_to_a_full_device_fails() {
        let path = std::path::PathBuf::from("/dev/full");
        let json = FORMATS.iter().find(|format| format.name == "json").unwrap();
        let report = ReportFile::open(path, (json.make)(Style::default())).unwrap();
        assert_eq!(report.keep().unwrap_err().exit().code(), 3);
    }

    #[test]
    fn a_report_that_cannot_be_written_is_known_before_anything_runs() {
        let path = std::path::PathBuf::from("/nowhere/run.json");
        let error = ReportFile::open(path, (FORMATS[0].make)(Style::default()))
            .err()
            .unwrap();
        assert_eq!(error.exit().code(), 3);
        assert_eq!(
            error.message,
            "the report /nowhere/run.json cannot be written: its folder does not exist"
        );
    }
}
