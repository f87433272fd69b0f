//! `opsbook.toml` as anybody may write it.

use opsbook::action;
use opsbook::base::{Diagnostics, SourceFile};
use opsbook::config::{Config, lint, lint_estate, parse, scope_values};

use super::assert_harmless;

/// What is wrong is told in harmless words, in every environment; what is right can be looked at.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(base) = read(text, None) else { return };
    look(&base);
    for environment in base.environments.iter().take(8) {
        if let Ok(config) = read(text, Some(environment)) {
            assert_eq!(config.environment.as_ref(), Some(environment));
            look(&config);
        }
    }
}

fn read(text: &str, environment: Option<&str>) -> Result<Config, Diagnostics> {
    let source = SourceFile::new("opsbook.toml", text);
    let read = parse(source, environment, action::vocabulary());
    if let Err(mistakes) = &read {
        assert_harmless(&mistakes.to_string());
    }
    read
}

fn look(config: &Config) {
    let found = lint(config);
    assert_harmless(&found.mistakes.to_string());
    assert_harmless(&found.advice.to_string());
    let names = lint_estate(config).names;
    let seen = scope_values(config);
    for name in &names.services {
        assert_eq!(seen["service"][name]["name"], name.as_str());
    }
    for name in &names.databases {
        assert_eq!(seen["database"][name]["name"], name.as_str());
    }
}
