//! What must be so before something is changed, by the real binary: refusals that do nothing and never hang, names that are
//! typed, windows, freezes, standing approvals, and a second person who is another account of the system.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Output, Project};
use crate::terminal::Terminal;

/// A runbook that makes a file, and says that this destroys.
const DESTROYS: &str =
    "[[step]]\nname = \"wipe\"\ncommand.run = [\"touch\", \"made\"]\neffect = \"destroy\"\n";

/// The same as a write.
const WRITES: &str = "[[step]]\nname = \"make\"\ncommand.run = [\"touch\", \"made\"]\n";

fn project(config: &str, runbook: &str) -> Project {
    Project::bare().config(config).runbook("t/x", runbook)
}

const PROTECTED: &str =
    "default_environment = \"production\"\n[environment.production]\nprotected = true\n";

/// Opens for a minute at midnight of the 29th of February.
const RARE: &str = "[window.rare]\ncron = \"0 0 29 2 *\"\nfor = \"1m\"\n";

/// Every refusal: 75, in these words, with nothing done and nothing journaled; and what lets the run through.
#[test]
fn what_is_refused_is_75_and_does_nothing_until_it_is_given() {
    let freeze = "[[policy.freeze]]\ntitle = \"Sale\"\nfrom = 2000-01-01\nuntil = 2999-12-31\n";
    let rare = format!("window = \"rare\"\n{WRITES}");
    for (config, runbook, arguments, said, lets_through) in [
        (
            "[policy.write]\nreason = true\n",
            WRITES,
            &["--yes"][..],
            "asks for --reason TEXT where a runbook may write",
            &["--reason", "because"][..],
        ),
        (
            "[policy.destroy]\nincident = true\n",
            DESTROYS,
            &["--yes", "--reason", "because"],
            "asks for --incident ID where a runbook may destroy",
            &["--incident", "42"],
        ),
        (
            freeze,
            WRITES,
            &["--yes"],
            "nothing that may write is run until Tue 2999-12-31 00:00 UTC: Sale",
            &["--incident", "42"],
        ),
        (
            RARE,
            &rare,
            &[],
            "outside the window \"rare\" of t x, which opens",
            &["--outside-window", "--reason", "because"],
        ),
        (
            RARE,
            &rare,
            &["--outside-window"],
            "--outside-window needs --reason TEXT",
            &["--reason", "because"],
        ),
        ("", DESTROYS, &["--reason", "because"], "", &["--yes"]),
    ] {
        let project = project(config, runbook);
        let line: Vec<&str> = ["t", "x"].iter().chain(arguments).copied().collect();
        let refused = project.run(&line).exits(75);
        assert!(!project.path("made").exists(), "{}", refused.shown());
        if !said.is_empty() {
            let refused = refused.says(said).says("nothing was done");
            assert!(refused.stdout.is_empty(), "{}", refused.shown());
            project
                .run(&["runs", "list", "--format", "json"])
                .exits(0)
                .prints("[]");
        }
        let line: Vec<&str> = line.iter().chain(lets_through).copied().collect();
        project.run(&line).exits(0);
        assert!(project.path("made").exists(), "{line:?}");
    }
}

#[test]
fn what_is_denied_is_refused_whatever_is_given_and_names_environment_and_file() {
    let config = "default_environment = \"production\"\n[environment.production]\npolicy.destroy.deny = true\n[environment.staging]\n";
    let project = project(config, &format!("approved = true\n{DESTROYS}"));
    project
        .run(&[
            "t",
            "x",
            "--yes",
            "--confirm",
            "wipe",
            "--reason",
            "x",
            "--incident",
            "1",
        ])
        .exits(75)
        .says("the policy of production (")
        .says("opsbook.toml) denies what may destroy");
    assert!(!project.path("made").exists());
    project.run(&["t", "x", "--env", "staging"]).exits(0);
}

#[test]
fn a_window_that_is_open_lets_through_and_one_that_is_not_there_is_a_mistake() {
    let always = "[window.always]\ncron = \"* * * * *\"\nfor = \"1h\"\nzone = \"Europe/Berlin\"\n";
    project(always, &format!("window = \"always\"\n{WRITES}"))
        .run(&["t", "x"])
        .exits(0);
    project(always, &format!("window = \"rare\"\n{WRITES}"))
        .run(&["t", "x"])
        .exits(78)
        .says("\"rare\", which the configuration does not describe");
    project(
        "[window.x]\ncron = \"0 2 * * *\"\nfor = \"1h\"\nzone = \"Europe/Berln\"\n",
        WRITES,
    )
    .run(&["t", "x"])
    .exits(78)
    .says("opsbook.toml:4:8")
    .says("did you mean \"Europe/Berlin\"?");
}

#[test]
fn the_options_have_their_twins() {
    let config = format!("{PROTECTED}[policy.destroy]\nreason = true\nincident = true\n");
    let project = project(&config, DESTROYS)
        .variable("OPSBOOK_REASON", "by the plan")
        .variable("OPSBOOK_INCIDENT", "42")
        .variable("OPSBOOK_CONFIRM", "wipe");
    project.run(&["t", "x"]).exits(0);
    project
        .run(&["runs", "show", "1"])
        .prints("by the plan")
        .prints("42");
}

#[test]
fn a_protected_destroy_without_a_terminal_names_the_very_flag() {
    let project = project(PROTECTED, DESTROYS);
    for arguments in [
        &["t", "x"][..],
        &["t", "x", "--yes"],
        &["t", "x", "--confirm", "other"],
    ] {
        project.run(arguments).exits(75).prints("--confirm wipe");
        assert!(!project.path("made").exists());
    }
    project
        .run(&["t", "x", "--confirm", "other", "--confirm", "wipe"])
        .exits(0);
    // Any other question is still answered by --yes alone.
    let project = Project::bare()
        .config(PROTECTED)
        .runbook("t/x", &format!("{WRITES}confirm = \"Really?\"\n"));
    project
        .run(&["t", "x", "--confirm", "make"])
        .exits(75)
        .prints("--yes");
    project.run(&["t", "x", "--yes"]).exits(0);
}

#[test]
fn the_name_of_what_is_destroyed_is_typed() {
    let runbook = format!("{DESTROYS}confirm = \"Wipe the disk?\"\n");
    let typed = |keys: &str| {
        let project = project(PROTECTED, &runbook);
        let mut terminal = Terminal::start(&project, &["t", "x", "--yes"]);
        terminal.wait_for("Wipe the disk?");
        terminal.wait_for("Type wipe to go on:");
        terminal.press(keys);
        let (code, shown) = terminal.end();
        (code, project.path("made").exists(), shown)
    };
    let (code, made, shown) = typed("wipe\r");
    assert_eq!((code, made), (0, true), "{shown}");
    let (code, made, shown) = typed("wip\r");
    assert_eq!((code, made), (75, false), "{shown}");
    assert!(shown.contains("that is not the name"), "{shown}");
    let (code, made, shown) = typed("\r");
    assert_eq!((code, made), (75, false), "{shown}");
    let (code, made, shown) = typed("\x03");
    assert_eq!((code, made), (130, false), "{shown}");
}

#[test]
fn show_tells_what_a_runbook_needs() {
    let config = "default_environment = \"production\"\n[environment.production]\n[policy.destroy]\nreason = true\napproval = true\n";
    let project = project(config, DESTROYS).runbook(
        "t/approved",
        &format!("approved = {{ rows = 1000 }}\n{DESTROYS}"),
    );
    project
        .run(&["show", "t", "x"])
        .exits(0)
        .prints("policy    needs --reason, a second person's approval (the policy of production (");
    project
        .run(&["show", "t", "approved"])
        .exits(0)
        .prints("approved  every destroy, at most 1,000 rows in all")
        .never_shows("needs --reason");
    let told = project.run(&["show", "t", "x", "--format", "json"]).json();
    assert_eq!(
        told["needs"],
        serde_json::json!(["--reason", "a second person's approval"])
    );
}

// ---- Standing approvals -------------------------------------------------------------------------------------------------

/// A protected database of three tables with ten rows each; deleting from `watched` writes a log.
fn estate() -> Project {
    let tables: String = ["one", "two", "watched"]
        .iter()
        .map(|table| {
            format!(
                "CREATE TABLE {table}(n); INSERT INTO {table} WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT n FROM r;\n"
            )
        })
        .collect();
    let trigger = "CREATE TABLE log(n); CREATE TRIGGER logs AFTER DELETE ON watched BEGIN INSERT INTO log VALUES (old.n); END;\n";
    Project::bare()
        .config(&format!(
            "{PROTECTED}[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"create.sql\"\n"
        ))
        .file("create.sql", format!("{tables}{trigger}"))
        .runbook("db/clear", "[input.table]\ntype = \"string\"\nposition = 1\n[[step]]\nname = \"delete\"\nsql.execute = \"DELETE FROM {{ input.table | identifier }}\"\nsql.on = \"main\"\n")
}

/// A runbook of a schedule that clears tables with `db/clear`.
fn nightly(approved: &str, tables: &[&str]) -> String {
    let step = |table: &&str| {
        format!(
            "[[step]]\nname = \"{table}\"\nrunbook.run = \"db/clear\"\nrunbook.inputs = {{ table = \"{table}\" }}\n"
        )
    };
    let steps: String = tables.iter().map(step).collect();
    format!("approved = {approved}\n{steps}")
}

fn rows(project: &Project) -> String {
    let count = |table| format!("(SELECT count(*) FROM {table})");
    let counts = ["one", "two", "watched", "log"]
        .map(count)
        .join(" || ' ' || ");
    let runbook = format!(
        "output = \"count\"\n[[step]]\nname = \"count\"\nsql.query = \"SELECT {counts} AS n\"\nsql.on = \"main\"\n"
    );
    let file = project.path("count.toml");
    std::fs::write(&file, format!("title = \"x\"\n{runbook}")).unwrap();
    let told = project
        .run(&["run", "./count.toml", "--format", "json"])
        .exits(0)
        .json();
    told["steps"][0]["outputs"]["rows"][0]["n"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_standing_approval_lets_a_schedule_destroy_what_it_was_told_it_may() {
    let project = estate()
        .runbook("t/within", &nightly("{ rows = 20 }", &["one", "two"]))
        .runbook("t/beyond", &nightly("{ rows = 19 }", &["one", "two"]));
    project.run(&["db", "clear", "one"]).exits(75);
    assert_eq!(rows(&project), "10 10 10 0");
    project.run(&["t", "within"]).exits(0);
    assert_eq!(rows(&project), "0 0 10 0");

    let project = estate()
        .runbook("t/beyond", &nightly("{ rows = 19 }", &["one", "two"]))
        .runbook("t/at-once", &nightly("{ rows = 9 }", &["one"]));
    // --yes and names never lift a limit.
    project
        .run(&["t", "at-once", "--yes", "--confirm", "main"])
        .exits(75)
        .prints("would delete 10 rows; approved are 9");
    assert_eq!(rows(&project), "10 10 10 0");
    let beyond = project.run(&["t", "beyond"]);
    assert_ne!(beyond.code, 0);
    beyond.prints("would delete 10 rows after 10; approved are 19");
    assert_eq!(rows(&project), "0 10 10 0");
}

#[test]
fn more_rows_than_were_counted_come_back() {
    let project = estate()
        .runbook("t/x", &nightly("{ rows = 15 }", &["watched"]))
        .runbook("t/enough", &nightly("{ rows = 20 }", &["watched"]));
    let refused = project.run(&["t", "x"]);
    assert_ne!(refused.code, 0);
    refused.prints("20 rows");
    assert_eq!(rows(&project), "10 10 10 0");
    project.run(&["t", "enough"]).exits(0);
    assert_eq!(rows(&project), "10 10 0 10");
}

// ---- A second person ------------------------------------------------------------------------------------------------------

/// The account `nobody`, which every system has.
const OTHER: u32 = 65534;

/// A project and a store that two accounts share.
struct Shared {
    project: Project,
    binary: PathBuf,
}

impl Shared {
    fn new(runbook: &str) -> Self {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "a second account needs the right to become one; run: sudo scripts/test"
        );
        let config = "store = \"team/journal.db\"\n[policy.destroy]\napproval = true\n";
        let project = project(config, runbook);
        let mode = |path: PathBuf, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let team = project.path("team");
        std::fs::create_dir(&team).unwrap();
        std::os::unix::fs::chown(&team, None, Some(OTHER)).unwrap();
        // The group's, with setgid: whoever makes a file there shares it.
        mode(team, 0o2770);
        mode(project.path(".."), 0o755);
        // The binary may lie where only its owner looks.
        let binary = project.path("opsbook");
        let built = env!("CARGO_BIN_EXE_opsbook");
        std::fs::hard_link(built, &binary)
            .or_else(|_| std::fs::copy(built, &binary).map(|_| ()))
            .unwrap();
        Self { project, binary }
    }

    fn second_person(&self, arguments: &[&str]) -> Output {
        let own = self.project.command(arguments);
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(own.get_current_dir().unwrap())
            .env_clear()
            .envs(
                own.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            // What a variable says of who it is counts for nothing.
            .env("USER", "root")
            .stdin(std::process::Stdio::null())
            .uid(OTHER)
            .gid(OTHER);
        self.project.finish(command, arguments)
    }
}

#[test]
fn what_needs_a_second_person_waits_for_another_account() {
    let shared = Shared::new(DESTROYS);
    let project = &shared.project;
    project
        .run(&["t", "x", "--yes", "--reason", "the disk is full"])
        .exits(75)
        .prints("waiting for approval: opsbook approve 1");
    assert!(!project.path("made").exists());

    project
        .run(&["approve", "1", "--yes"])
        .exits(75)
        .says("run 1 is root's own: another account must approve it");
    shared
        .second_person(&["approve", "1"])
        .exits(75)
        .says("--yes")
        .prints("the disk is full");
    shared
        .second_person(&["approve", "1", "--yes", "--reason", "looked at it"])
        .exits(0)
        .says("opsbook resume 1")
        .step("wipe", "destroy");
    for again in [
        shared.second_person(&["approve", "1", "--yes"]),
        project.run(&["approve", "1", "--yes"]),
    ] {
        again.exits(64).says("run 1 was approved by nobody");
    }
    assert!(!project.path("made").exists());
    let events = project
        .run(&["runs", "replay", "1", "--format", "jsonl"])
        .json_lines();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "run-started",
            "approval-requested",
            "run-finished",
            "run-approved"
        ]
    );
    assert_eq!(events[3]["user"], "nobody");
    assert_eq!(events[3]["reason"], "looked at it");
}

#[test]
fn there_is_nothing_to_approve_where_nothing_waits() {
    let shared = Shared::new(WRITES);
    shared.project.run(&["t", "x"]).exits(0);
    shared
        .second_person(&["approve", "1", "--yes"])
        .exits(64)
        .says("run 1 waits for no approval");
    shared
        .second_person(&["approve", "7", "--yes"])
        .exits(64)
        .says("there is no run 7");
}

#[test]
fn what_was_approved_goes_on_with_resume() {
    let shared = Shared::new(DESTROYS);
    let project = &shared.project;
    project.run(&["t", "x", "--yes"]).exits(75);
    project
        .run(&["resume", "1", "--yes"])
        .exits(75)
        .says("waits for approval");
    assert!(!project.path("made").exists());
    shared.second_person(&["approve", "1", "--yes"]).exits(0);
    project
        .run(&["resume", "1", "--yes"])
        .exits(0)
        .step("wipe", "ok");
    assert!(project.path("made").exists());
}

/// A folder that is not shared keeps the store to its owner, and one that is to its group.
#[test]
fn only_a_folder_with_setgid_shares_the_store() {
    let shared = Shared::new(WRITES);
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    shared.project.run(&["t", "x"]).exits(0);
    assert_eq!(mode(shared.project.path("team/journal.db")), 0o660);
    shared.second_person(&["t", "x", "--help"]).exits(0);
    let private = project("store = \"own/journal.db\"\n", WRITES);
    private.run(&["t", "x"]).exits(0);
    assert_eq!(mode(private.path("own/journal.db")), 0o600);
}
