//! Whether the server's clock and this machine's agree, as far as the header `Date` (RFC 9110, section 6.6.1) tells.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::header::{AGE, DATE};
use http::{HeaderMap, Method};
use hyper::body::Bytes;
use tokio::time::Instant;

use super::super::tls::{TlsError, TlsProblem, Trust};
use super::Request;
use super::exchange::exchange;
use super::head::Hop;
use super::trace::Trace;

/// How long a server may take to tell its time where its certificate makes one doubt the clocks.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the server's clock is ahead, negative when it is behind: the least that its `Date` proves. A date has whole seconds
/// and was written at some moment between question and answer, so clocks that agree may show no difference, and do: zero.
pub(super) fn skew(
    headers: &HeaderMap,
    asked: DateTime<Utc>,
    answered: DateTime<Utc>,
) -> Option<TimeDelta> {
    let text = |name| headers.get(name)?.to_str().ok();
    let date = DateTime::parse_from_rfc2822(text(DATE)?).ok()?.to_utc();
    // A cache keeps the date of the origin and says how long ago that was, in whole seconds too (RFC 9111, section 5.1).
    let age = text(AGE).and_then(|age| age.trim().parse::<u32>().ok());
    // The calendar ends, and a server may write any date of it.
    let earliest = date.checked_add_signed(TimeDelta::seconds(age.unwrap_or(0).into()))?;
    let latest =
        earliest.checked_add_signed(TimeDelta::seconds(if age.is_some() { 2 } else { 1 }))?;
    Some(if earliest > answered {
        earliest - answered
    } else if latest < asked {
        latest - asked
    } else {
        TimeDelta::zero()
    })
}

/// Says so where a certificate is not valid by this machine's clock and valid by the server's: the server is asked for its time,
/// without anything that the request holds, for nobody knows yet who answers.
pub(super) async fn doubt(
    error: TlsError,
    hop: &Hop,
    request: &Request,
    trace: &Trace,
) -> TlsError {
    let (TlsProblem::Expired { .. } | TlsProblem::NotYetValid { .. }, Some(facts)) =
        (&error.problem, &error.certificate)
    else {
        return error;
    };
    let left = match request.deadline {
        Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        None => request.timeout.saturating_sub(trace.elapsed()),
    };
    // What is known already must be told in time, whether or not this question is answered.
    let patience = PATIENCE.min(left / 2);
    let asking = Box::pin(ask(hop, request));
    let Ok(Some(skew)) = tokio::time::timeout(patience, asking).await else {
        return error;
    };
    let own = Utc::now();
    let server = own + skew;
    if server < facts.not_before || server > facts.not_after {
        return error;
    }
    let minute = |moment: DateTime<Utc>| moment.format("%Y-%m-%d %H:%M").to_string();
    TlsError {
        problem: TlsProblem::Clocks {
            problem: Box::new(error.problem),
            server: minute(server),
            own: minute(own),
        },
        certificate: error.certificate,
    }
}

async fn ask(hop: &Hop, request: &Request) -> Option<TimeDelta> {
    let mut url = hop.url.clone();
    url.set_path("/");
    url.set_query(None);
    let hop = Hop {
        method: Method::HEAD,
        url,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let mut question = Request::new("HEAD", hop.url.as_str());
    question.trust = Trust::Anything;
    question.proxies = request.proxies.clone();
    question.names = request.names.clone();
    let answer = exchange(&hop, &question, &mut Trace::start()).await;
    answer.ok()?.skew
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use http::{HeaderMap, HeaderValue};

    use super::skew;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn told(pairs: &[(&'static str, &'static str)]) -> Option<i64> {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let (asked, answered) = (
            moment("2026-03-01T12:00:10.200Z"),
            moment("2026-03-01T12:00:11.300Z"),
        );
        skew(&headers, asked, answered).map(|skew| skew.num_milliseconds())
    }

    #[test]
    fn clocks_that_may_agree_do() {
        assert_eq!(told(&[("date", "Sun, 01 Mar 2026 12:00:10 GMT")]), Some(0));
        assert_eq!(told(&[("date", "Sun, 01 Mar 2026 12:00:11 GMT")]), Some(0));
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[("date", "yesterday")]), None);
    }

    #[test]
    fn a_date_at_the_end_of_the_calendar_says_nothing() {
        let last = "31 Dec 262142 23:59:59 GMT";
        assert_eq!(told(&[("date", last)]), None);
        assert_eq!(told(&[("date", last), ("age", "4294967295")]), None);
    }

    #[test]
    fn the_least_difference_is_told() {
        assert_eq!(
            told(&[("date", "Sun, 01 Mar 2026 12:00:12 GMT")]),
            Some(700)
        );
        assert_eq!(
            told(&[("date", "Sun, 01 Mar 2026 12:00:08 GMT")]),
            Some(-1200)
        );
        let year = TimeDelta::days(365).num_milliseconds();
        assert_eq!(
            told(&[("date", "Mon, 01 Mar 2027 12:00:11 GMT")]),
            Some(year - 300)
        );
    }

    #[test]
    fn what_a_cache_answers_is_as_old_as_it_says() {
        assert_eq!(
            told(&[("date", "Sun, 01 Mar 2026 11:00:10 GMT"), ("age", "3600")]),
            Some(0)
        );
    }
}
