//! Gets the secrets that a plan can reach from where the configuration says they lie, before its first step.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use crate::base::text::{fit, one_line};
use crate::base::{Masker, Secret};
use crate::config::{Config, SecretSource};
use crate::plan::Plan;
use crate::platform::process::{self, Program};

use super::machine::ThisMachine;
use super::secret_argument::{LARGEST, without_line_feed};
use super::{AppError, Environment};

/// A program that gives a secret may ask a person on the way, but not for ever.
const LIMIT: Duration = Duration::from_secs(60);

/// The secrets that are found already, and who is told of what checks lack.
type Around<'a> = (BTreeMap<String, Secret>, &'a dyn Fn(&str));

/// Gets the secrets that a plan can reach, each once: those that are `found` already are not got again. One that only checks
/// need and that is not there is told, and left out: they cannot look, and the others can.
///
/// # Errors
/// Every other secret that is not there, with the place where it should be.
pub(super) async fn of_plan(
    plan: &Plan,
    config: &Config,
    environment: &Environment,
    machine: &ThisMachine,
    (found, tell): Around<'_>,
) -> Result<BTreeMap<String, Secret>, AppError> {
    let mut found = resolve(&plan.secrets, config, environment, machine, found).await?;
    for name in &plan.check_secrets {
        let name = BTreeSet::from([name.clone()]);
        match resolve(&name, config, environment, machine, found.clone()).await {
            Ok(more) => found = more,
            Err(error) => tell(&format!(
                "opsbook: {}; the checks that need it cannot look",
                error.message
            )),
        }
    }
    Ok(found)
}

/// Gets the secrets of these names, each once: those that are `found` already are not got again.
///
/// # Errors
/// Every secret that is not there, with the place where it should be.
pub(super) async fn resolve(
    names: &BTreeSet<String>,
    config: &Config,
    environment: &Environment,
    machine: &ThisMachine,
    mut found: BTreeMap<String, Secret>,
) -> Result<BTreeMap<String, Secret>, AppError> {
    let mut missing = Vec::new();
    for name in names {
        if found.contains_key(name) {
            continue;
        }
        let Some(source) = config.secret(name) else {
            let hint = format!("add `{name} = {{ env = \"…\" }}` below [secret] in opsbook.toml");
            return Err(
                AppError::config(format!("the configuration has no secret {name:?}")).hint(hint),
            );
        };
        match read(source, config, environment, machine).await {
            Ok(text) if text.is_empty() => {
                missing.push(format!("{name}: {} is empty", describe(source)))
            }
            Ok(text) if text.len() as u64 > LARGEST => missing.push(format!(
                "{name}: {} is longer than {} KiB",
                describe(source),
                LARGEST / 1024
            )),
            Ok(text) => {
                found.insert(name.clone(), Secret::new(text));
            }
            Err(reason) => missing.push(format!("{name}: {reason}")),
        }
    }
    match missing.as_slice() {
        [] => Ok(found),
        [one] => Err(AppError::unknown(format!("a secret is missing: {one}"))),
        several => Err(AppError::unknown(format!(
            "secrets are missing: {}",
            several.join("; ")
        ))),
    }
}

/// Learns the secrets that cost nothing to get, whoever needs them: one that no step names may still stand in an answer.
/// One that is not there is nobody's trouble here.
pub(super) fn learn(config: &Config, environment: &Environment) {
    let found: Vec<Secret> = config
        .secrets
        .iter()
        .filter_map(|(_, source)| match source {
            SecretSource::Env(variable) => environment.variable(variable).map(str::to_owned),
            SecretSource::File(path) => file(&config.folder.join(path)).ok(),
            SecretSource::Command(_) => None,
        })
        .map(Secret::new)
        .collect();
    environment.masker.learn(&found);
}

fn describe(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(variable) => format!("the variable {variable}"),
        SecretSource::File(path) => format!("the file {}", path.display()),
        SecretSource::Command(words) => format!("the output of `{}`", words.join(" ")),
    }
}

async fn read(
    source: &SecretSource,
    config: &Config,
    environment: &Environment,
    machine: &ThisMachine,
) -> Result<String, String> {
    match source {
        SecretSource::Env(variable) => match environment.variables.get(variable) {
            None => Err(format!("the variable {variable} is not set")),
            Some(value) => value
                .to_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("the variable {variable} is not UTF-8")),
        },
        SecretSource::File(path) => file(&config.folder.join(path))
            .map_err(|reason| format!("{} {reason}", describe(source))),
        SecretSource::Command(words) => command(words, &config.folder, machine).await,
    }
}

fn file(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > LARGEST {
        return Err("holds more than 64 KiB: that is no secret".to_owned());
    }
    Ok(without_line_feed(&text).to_owned())
}

async fn command(words: &[String], folder: &Path, machine: &ThisMachine) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("its command is empty".to_owned());
    };
    let mut program = Program::new(program.clone(), arguments.iter().cloned());
    if !folder.as_os_str().is_empty() {
        program.folder = Some(folder.to_owned());
    }
    machine.adopt(&mut program);
    let shown = format!("`{}`", words.join(" "));
    let ended = tokio::time::timeout(
        LIMIT,
        process::run(&program, &|_| {}, std::future::pending()),
    )
    .await
    .map_err(|_| format!("{shown} did not end within {} s", LIMIT.as_secs()))?
    .map_err(|error| format!("{shown} could not be run: {error}"))?;
    if ended.code != Some(0) {
        let said = fit(&one_line(&ended.stderr.text(&Masker::default())), 120);
        let how = ended.code.map_or_else(
            || "by a signal".to_owned(),
            |code| format!("in exit code {code}"),
        );
        return Err(format!("{shown} ended {how}: {said}"));
    }
    if ended.stdout.left_out() > 0 {
        return Err(format!("{shown} printed more than a secret can be"));
    }
    let text = ended.stdout.text(&Masker::default());
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(format!("what {shown} printed is not UTF-8"));
    }
    Ok(without_line_feed(&text).to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::resolve;
    use crate::app::machine::ThisMachine;
    use crate::app::{AppError, Environment};
    use crate::config::{Config, SecretSource};

    async fn secret(source: SecretSource, variables: &[(&str, &str)]) -> Result<String, AppError> {
        let config = Config {
            secrets: vec![("token".to_owned(), source)],
            ..Config::default()
        };
        let names = BTreeSet::from(["token".to_owned()]);
        let machine = ThisMachine::without_keeper();
        let environment = Environment::of(variables);
        let found = resolve(&names, &config, &environment, &machine, BTreeMap::new()).await?;
        Ok(found["token"].expose().to_owned())
    }

    fn words(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[tokio::test]
    async fn a_secret_comes_from_a_variable_a_file_or_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "from-file\n").unwrap();
        let variable = SecretSource::Env("TOKEN".to_owned());
        assert_eq!(
            secret(variable, &[("TOKEN", "from-variable")])
                .await
                .unwrap(),
            "from-variable"
        );
        assert_eq!(
            secret(SecretSource::File(path), &[]).await.unwrap(),
            "from-file"
        );
        assert_eq!(
            secret(words(&["printf", "from-program\n"]), &[])
                .await
                .unwrap(),
            "from-program"
        );
    }

    #[tokio::test]
    async fn a_missing_secret_is_unknown_and_names_its_place() {
        for (source, place) in [
            (
                SecretSource::Env("TOKEN".to_owned()),
                "the variable TOKEN is not set",
            ),
            (
                SecretSource::File("/nowhere/token".into()),
                "/nowhere/token",
            ),
            (words(&["false"]), "`false` ended in exit code 1"),
            (words(&["true"]), "is empty"),
            (words(&["printf", "\\377"]), "is not UTF-8"),
            (
                words(&["head", "-c", "65537", "/dev/zero"]),
                "longer than 64 KiB",
            ),
            (
                words(&["head", "-c", "1000000", "/dev/zero"]),
                "more than a secret can be",
            ),
        ] {
            let error = secret(source, &[]).await.unwrap_err();
            assert_eq!(error.exit().code(), 3);
            assert!(
                error.message.contains("token") && error.message.contains(place),
                "{}",
                error.message
            );
        }
    }

    #[tokio::test]
    async fn a_file_without_end_is_no_secret() {
        let error = secret(SecretSource::File("/dev/zero".into()), &[])
            .await
            .unwrap_err();
        assert!(
            error.message.contains("holds more than 64 KiB"),
            "{}",
            error.message
        );
    }
}
