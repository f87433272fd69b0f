//! `[metrics.*]`: what measures, where it answers and how a request proves who sends it.

use crate::book::{Field, TableReader};

use super::estate::{Metrics, MetricsKind};
use super::service::{auth, base_url, headers};

/// The words of `kind`, each with the reader of its own keys and where it answers unless said.
const KINDS: [(&str, (Reader, Option<&str>)); 3] = [
    (
        "cloudflare",
        (
            cloudflare,
            Some("https://api.cloudflare.com/client/v4/graphql"),
        ),
    ),
    ("prometheus", (prometheus, None)),
    ("sentry", (sentry, Some("https://sentry.io"))),
];

type Reader = fn(&TableReader<'_>) -> Option<MetricsKind>;

/// `[metrics.NAME]`
pub(super) fn read(field: Field<'_>) -> Option<Metrics> {
    let table = field.table(format!("metrics {:?}", field.key()))?;
    let kind = table
        .required("kind")
        .and_then(|field| field.choice(&KINDS));
    // Which keys belong here is not known without the kind, so none is told to be unknown.
    let (reader, usual) = kind?;
    let url = match usual {
        Some(usual) => match table.optional("url") {
            Some(field) => base_url(field),
            None => Some(usual.to_owned()),
        },
        None => table.required("url").and_then(base_url),
    };
    let auth = table.optional("auth").and_then(auth);
    let headers = table.optional("headers").and_then(headers);
    let timeout = table
        .optional("timeout")
        .and_then(|field| field.positive_duration());
    let kind = reader(&table);
    table.finish();
    Some(Metrics {
        name: field.key().to_owned(),
        kind: kind?,
        url: url?,
        auth,
        headers: headers.unwrap_or_default(),
        timeout,
    })
}

fn cloudflare(_: &TableReader<'_>) -> Option<MetricsKind> {
    Some(MetricsKind::Cloudflare)
}

fn prometheus(_: &TableReader<'_>) -> Option<MetricsKind> {
    Some(MetricsKind::Prometheus)
}

fn sentry(table: &TableReader<'_>) -> Option<MetricsKind> {
    let organization = table.required("organization").and_then(word);
    let project = table.optional("project").map(word);
    Some(MetricsKind::Sentry {
        organization: organization?,
        project: match project {
            Some(project) => Some(project?),
            None => None,
        },
    })
}

/// A text that is one segment of a URL as it stands.
fn word(field: Field<'_>) -> Option<String> {
    let text = field.filled_text()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !text.bytes().all(plain) {
        field.mistake_with_help(
            format!("{text:?} holds more than letters, digits, \"-\" and \"_\""),
            "write it as it stands in the URLs of Sentry",
        );
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
#[expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod tests {
    use crate::base::{SourceFile, Span};
    use crate::config::{Auth, Config, MetricsKind, parse};
    use crate::model::Vocabulary;

    fn read(text: &str, environment: Option<&str>) -> Result<Config, String> {
        let source = SourceFile::new("opsbook.toml", text);
        parse(source, environment, Vocabulary(&[])).map_err(|mistakes| mistakes.to_string())
    }

    const WHOLE: &str = r#"
        [environment.staging]
        metrics.main.url = "https://staging.example.com/prometheus"
        metrics.main.auth.basic = { user = "ops", password = "{{ secret.word }}" }

        [metrics.main]
        kind = "prometheus"
        url = "http://127.0.0.1:9090/"
        auth.bearer = "{{ secret.token }}"
        headers = { X-Scope-OrgID = "ops" }
        timeout = "5s"
        [metrics.edge]
        kind = "cloudflare"
        [metrics.errors]
        kind = "sentry"
        organization = "acme"
        project = "1234"
    "#;

    #[test]
    fn every_kind_knows_where_it_answers() {
        let config = read(WHOLE, None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let [main, edge, errors] = config.metrics.as_slice() else {
            panic!("{:?}", config.metrics);
        };
        assert_eq!(
            (main.url.as_str(), &main.kind, main.timeout),
            (
                "http://127.0.0.1:9090",
                &MetricsKind::Prometheus,
                Some(Span::seconds(5))
            )
        );
        assert_eq!(main.headers[0].0, "X-Scope-OrgID");
        assert_eq!(edge.url, "https://api.cloudflare.com/client/v4/graphql");
        assert_eq!(errors.url, "https://sentry.io");
        let MetricsKind::Sentry {
            organization,
            project,
        } = &errors.kind
        else {
            panic!("{errors:?}");
        };
        assert_eq!(
            (organization.as_str(), project.as_deref()),
            ("acme", Some("1234"))
        );
        assert_eq!(config.names().metrics, ["main", "edge", "errors"]);
    }

    #[test]
    fn an_environment_replaces_the_proof_as_a_whole() {
        let config = read(WHOLE, Some("staging")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(
            config.metrics[0].url,
            "https://staging.example.com/prometheus"
        );
        assert!(matches!(config.metrics[0].auth, Some(Auth::Basic { .. })));
    }

    #[test]
    fn tells_the_mistakes() {
        for (text, words) in [
            ("", "`kind`"),
            ("kind = \"graphite\"", "graphite"),
            ("kind = \"prometheus\"", "`url`"),
            ("kind = \"prometheus\"\nurl = \"localhost:9090\"", "http"),
            (
                "kind = \"prometheus\"\nurl = \"http://a.example.com\"\nproject = \"1\"",
                "unknown key",
            ),
            ("kind = \"sentry\"", "`organization`"),
            ("kind = \"sentry\"\norganization = \"a/b\"", "a/b"),
            (
                "kind = \"sentry\"\norganization = \"a\"\nproject = \"../b\"",
                "../b",
            ),
        ] {
            let mistakes = read(&format!("[metrics.x]\n{text}\n"), None).expect_err(text);
            assert!(mistakes.contains(words), "{text}: {mistakes}");
        }
    }
}
