//! `sql.export`: the rows of a statement as a file or on standard output, as they come. However many there are, a few are held.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use crate::action::database::system::DatabaseSystem;
use crate::base::text::{count, hexadecimal};
use crate::base::{Masker, Size, Span};
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};
use crate::expr::SqlText;
use crate::platform::rows::{self, Portion, RowReceiver};

use super::form::{Form, Writer};
use super::target::{Place, Target, unwritable};

/// What is written at once.
const BUFFER: usize = 128 * 1024;

/// Exports the rows of a statement.
pub(super) async fn export(
    system: &dyn DatabaseSystem,
    sql: &SqlText,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let began = Instant::now();
    let place = Place::of(invocation, context)?;
    let form = form(invocation, place.path());
    let target = place.open(context).await?;
    let (sender, portions) = rows::channel(usize::MAX);
    let masker = context.masker.clone();
    let writing = tokio::task::spawn_blocking(move || write(portions, target, form, &masker));
    let (sent, written) = tokio::join!(system.stream(sql, sender), writing);
    let (written, target) = match written {
        Ok(written) => written,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => return Err(ActionError::own("stopped")),
    };
    let at = place.path().unwrap_or(Path::new("standard output"));
    let written = written.map_err(|error| unwritable(at, &error))?;
    sent?;
    target
        .keep(&place)
        .map_err(|error| unwritable(at, &error))?;
    Ok(written.told(place.path(), began))
}

/// The form that is asked for, else the one that the name of the file tells.
fn form(invocation: &Invocation, path: Option<&Path>) -> Form {
    let asked = invocation.text("as").and_then(Form::parse);
    let told = || path?.extension()?.to_str().and_then(Form::parse);
    asked.or_else(told).unwrap_or(Form::Csv)
}

/// Counts and sums what passes.
struct Summed<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
    sum: Sha256,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What was written.
#[derive(Default)]
struct Written {
    columns: Vec<String>,
    rows: u64,
    bytes: u64,
    sha256: String,
    masked: u64,
    /// Whether the reader went before the end.
    unread: bool,
}

impl Written {
    fn told(self, path: Option<&Path>, began: Instant) -> Outputs {
        let rows = count(usize::try_from(self.rows).unwrap_or(usize::MAX), "row");
        let place = path.map_or_else(String::new, |path| format!(" to {}", path.display()));
        let unread = if self.unread {
            "; the reader left before the end"
        } else {
            ""
        };
        let masked = match self.masked {
            0 => String::new(),
            some => format!(
                "; {} held a secret of the run and were masked",
                count(some as usize, "value")
            ),
        };
        Outputs::new(format!(
            "{rows}, {}{place}{unread}{masked}",
            Size(self.bytes)
        ))
        .with("count", self.rows)
        .with("counted", None::<u64>)
        .with("columns", self.columns)
        .with("bytes", self.bytes)
        .with("sha256", self.sha256)
        .with("path", path.map(|path| path.display().to_string()))
        .with("masked", self.masked)
        .with("unread", self.unread)
        .with("ms", Span(began.elapsed()).milliseconds())
    }
}

/// Writes what comes, on a thread of its own: a slow reader holds up the database and nothing else.
fn write(
    portions: RowReceiver,
    mut target: Target,
    form: Form,
    masker: &Masker,
) -> (io::Result<Written>, Target) {
    let mut summed = Summed {
        out: target.writer(),
        bytes: 0,
        sum: Sha256::new(),
    };
    let mut written = Written::default();
    let outcome = write_portions(portions, &mut summed, form, masker, &mut written);
    written.bytes = summed.bytes;
    written.sha256 = hexadecimal(&summed.sum.finalize());
    let outcome = match outcome {
        // As every tool of a pipe ends whose reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            written.unread = true;
            Ok(written)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(written),
    };
    (outcome, target)
}

fn write_portions(
    mut portions: RowReceiver,
    out: &mut dyn Write,
    form: Form,
    masker: &Masker,
    written: &mut Written,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let mut writer = Writer::new(form);
    while let Some(portion) = portions.next_on_thread() {
        match portion {
            // Only what came to its end looks whole.
            Portion::End => writer.end(&mut out)?,
            Portion::Columns(columns) => {
                writer.begin(&mut out, &columns)?;
                written.columns = columns;
            }
            Portion::Rows(rows) => {
                for mut row in rows {
                    written.masked += mask(&mut row, masker);
                    writer.row(&mut out, &row)?;
                    written.rows += 1;
                }
            }
        }
    }
    out.flush()
}

/// Takes the secrets of the run out of a row; gives how many of its values held one.
fn mask(row: &mut [serde_json::Value], masker: &Masker) -> u64 {
    if masker.is_empty() {
        return 0;
    }
    let mut masked = 0;
    for value in row {
        if masker.finds_in_json(value) {
            *value = masker.json(value.take());
            masked += 1;
        }
    }
    masked
}
