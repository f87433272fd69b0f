//! The estate "manuscripts": an API whose refusal of strangers shows that it is up, on a D1 database.

mod database;
mod diagnose;
mod outage;

use super::Run::Check;
use super::{Case, Estate, Reply, Run, case, covers, page};

/// Its procedures, beside those of its database.
const IDS: [&str; 1] = ["manuscripts.health.api-up"];

const API: &str = "GET /api/manuscripts";
const PAGE: &str = "GET /frontend/";
const MODELS: &str = "GET /anthropic/v1/models";
const PAYMENTS: &str = "GET /stripe/healthcheck";
const UP: Run = Check("api", "up");

const CASES: &[Case] = &[
    row(UP, |estate| estate.world.fails(API)),
    row(UP, |estate| estate.world.hangs_up(API)),
    row(UP, |estate| estate.world.answers(API, Reply::of(200, "[]"))),
    row(Check("frontend", "page"), |estate| estate.world.fails(PAGE)),
];

const fn row(run: Run, red: fn(&Estate)) -> Case {
    down("manuscripts.health.api-up", run, red)
}

const fn down(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "critical", 2)
}

const fn high(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "warning", 1)
}

fn estate() -> Estate {
    let played = [
        "service.api",
        "service.frontend",
        "service.anthropic",
        "service.stripe",
        "service.cloudflare",
        "service.cloudflare-status",
        "metrics.cloudflare",
        "service.mailchannels",
    ];
    let estate = Estate::new("manuscripts", &played, "")
        .d1(database::TABLES)
        .variable("MAILCHANNELS_API_KEY", "hunter2-mail")
        .variable("TEST_USER_EMAIL", "test@example.com")
        .variable("TEST_USER_PASSWORD", "hunter2-test-user");
    let refusal = Reply::of(401, "{}");
    let pages = "https://manuscripts.example.com";
    let refusal = refusal.header("access-control-allow-origin", pages);
    estate.world.route(API, refusal);
    diagnose::routes(&estate);
    outage::routes(&estate);
    estate.world.route(PAGE, Reply::of(200, "<!doctype html>"));
    estate.world.route(MODELS, Reply::of(401, "{}"));
    estate.world.route(PAYMENTS, Reply::of(200, "ok"));
    estate
}

#[test]
fn its_procedures_tell_well_from_unwell() {
    estate().holds(CASES);
}

#[test]
fn its_procedures_are_all_there() {
    let cases = [CASES, database::CASES, diagnose::CASES, outage::CASES].concat();
    let ids = [IDS.as_slice(), &database::IDS, &diagnose::IDS, &outage::IDS].concat();
    covers(&cases, &ids);
    page::tells("manuscripts", &cases);
}

/// An open route is a hole and no outage: who is called out reads which of the two it is.
#[test]
fn an_open_route_is_told_as_what_it_is() {
    let estate = estate();
    estate.world.answers(API, Reply::of(200, "[]"));
    let output = estate.health(&["api"]).exits(2);
    assert_eq!(
        output.json()["findings"][0]["cause"],
        "anybody can read the manuscripts"
    );
}
