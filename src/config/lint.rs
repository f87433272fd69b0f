//! What is legal in `opsbook.toml` and still wrong, and what lint of runbooks knows of the estate.

use crate::base::Diagnostic;
use crate::book::{EstateNames, Lint, LintEstate, lint_check, lint_source, lint_value};
use crate::expr::names_in_template;
use crate::model::Template;

use super::estate::{Auth, Config, Service};

/// What lint of runbooks needs to know of the configuration.
#[must_use]
pub fn lint_estate(config: &Config) -> LintEstate {
    fn names<T>(items: &[T], name: impl Fn(&T) -> &String) -> Vec<String> {
        items.iter().map(|item| name(item).clone()).collect()
    }
    LintEstate {
        names: EstateNames {
            services: names(&config.services, |service| &service.name),
            databases: names(&config.databases, |database| &database.name),
            queues: names(&config.queues, |queue| &queue.name),
            deploys: Vec::new(),
            windows: names(&config.windows, |window| &window.name),
            metrics: names(&config.metrics, |metrics| &metrics.name),
        },
        secrets: names(&config.secrets, |(name, _)| name),
        dialects: config
            .databases
            .iter()
            .map(|database| (database.name.clone(), database.kind.dialect()))
            .collect(),
    }
}

/// Looks at a configuration that was read without mistakes: secrets that are written out, names that it does not
/// describe itself, checks whose SQL does more than look.
#[must_use]
pub fn lint(config: &Config) -> Lint {
    let estate = lint_estate(config);
    let mut lint = Lint::default();
    if let Some(source) = &config.source {
        lint.extend(lint_source(source));
    }
    for service in &config.services {
        look_at_service(service, &estate, &mut lint);
    }
    for metrics in &config.metrics {
        let what = format!("metrics {:?}", metrics.name);
        let auth = metrics.auth.as_ref();
        look_at_access(&what, auth, &metrics.headers, &estate, &mut lint);
    }
    for database in &config.databases {
        for (key, template) in database.templates() {
            lint.extend(lint_value(key, template, &estate));
            if matches!(key, "password" | "token") && !uses_secret(template) {
                let owner = format!("database {:?}", database.name);
                lint.mistakes.push(written_out(template, &owner));
            }
        }
    }
    lint.mistakes.sort();
    lint.advice.sort();
    lint
}

fn look_at_service(service: &Service, estate: &LintEstate, lint: &mut Lint) {
    let what = format!("service {:?}", service.name);
    look_at_access(&what, service.auth.as_ref(), &service.headers, estate, lint);
    for check in &service.checks {
        lint.extend(lint_check(&check.step, estate));
    }
}

/// How requests prove who sends them.
fn look_at_access(
    what: &str,
    auth: Option<&Auth>,
    headers: &[(String, Template)],
    estate: &LintEstate,
    lint: &mut Lint,
) {
    let (open, secret) = match auth {
        Some(Auth::Bearer(token)) => (None, Some(token)),
        Some(Auth::Basic { user, password }) => (Some(user), Some(password)),
        None => (None, None),
    };
    if let Some(template) = secret
        && !uses_secret(template)
    {
        lint.mistakes.push(written_out(template, what));
    }
    for (name, value) in headers {
        lint.extend(lint_value(name, value, estate));
    }
    for template in open.into_iter().chain(secret) {
        lint.extend(lint_value("auth", template, estate));
    }
}

/// The line is not shown: what stands there is a secret.
fn written_out(template: &Template, owner: &str) -> Diagnostic {
    let place = &template.place;
    Diagnostic::new(format!("{place}: the secret of {owner} is written out"))
        .help("take it from `{{ secret.NAME }}`, with its source under [secret]")
}

fn uses_secret(template: &Template) -> bool {
    names_in_template(template)
        .iter()
        .any(|used| matches!(used.path.as_slice(), [first, ..] if first == "secret"))
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a test may fail")]
mod tests {
    use super::lint;
    use crate::base::SourceFile;
    use crate::config::parse;
    use crate::model::Vocabulary;

    fn look(text: &str) -> String {
        let config = parse(SourceFile::new("opsbook.toml", text), None, Vocabulary(&[]))
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        lint(&config).mistakes.to_string()
    }

    #[test]
    fn a_secret_that_is_written_out_is_told_and_not_shown() {
        assert_eq!(
            look("[service.api]\nauth.bearer = \"hunter2\"\n"),
            "opsbook.toml:2:16: the secret of service \"api\" is written out\n  take it from `{{ secret.NAME }}`, with its source under [secret]"
        );
        assert!(
            look("[service.api]\nheaders = { X-Api-Key = \"hunter2\" }\n")
                .starts_with("opsbook.toml:2:26: the value of `X-Api-Key` is written out")
        );
        assert!(
            look("[database.main]\nkind = \"postgres\"\nurl = \"postgres://ops:hunter2@db.example.com/x\"\n")
                .starts_with("opsbook.toml:3:8: a password in a URL is written out")
        );
        assert!(
            look("[metrics.main]\nkind = \"cloudflare\"\nauth.bearer = \"hunter2\"\n")
                .starts_with("opsbook.toml:3:16: the secret of metrics \"main\" is written out")
        );
    }

    #[test]
    fn a_secret_must_have_a_source() {
        assert_eq!(
            look(
                "[secret]\nmonitor = { env = \"M\" }\n[service.api]\nauth.bearer = \"{{ secret.monitr }}\"\n"
            ),
            "opsbook.toml:4:19\n    4 │ auth.bearer = \"{{ secret.monitr }}\"\n      │                   ^^^^^^^^^^^^^ unknown secret \"monitr\"; did you mean \"monitor\"?"
        );
        assert_eq!(
            look(
                "[secret]\nmonitor = { env = \"M\" }\n[service.api]\nauth.bearer = \"{{ secret.monitor }}\"\n"
            ),
            ""
        );
        assert!(
            look(
                "[metrics.main]\nkind = \"cloudflare\"\nauth.bearer = \"{{ secret.analytics }}\"\n"
            )
            .contains("unknown secret \"analytics\"")
        );
    }
}
