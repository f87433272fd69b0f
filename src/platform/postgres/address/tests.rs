//! What libpq would make of an address.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::{any, proptest};
use proptest::prop_assert;

use super::{Address, AddressError, Mode, Place, Surroundings, Target, Wanted};
use crate::platform::tls::Trust;

fn parse(url: &str) -> Result<Address, AddressError> {
    Address::parse(url, Path::new("/estate"))
}

fn host(name: &str, port: u16) -> Place {
    Place::Host {
        name: name.to_owned(),
        address: None,
        port,
    }
}

#[test]
fn reads_what_libpq_reads() {
    let full = parse(
        "postgresql://app%40x:p%3Aw%2F@db.example.com:6432/crm?sslmode=verify-full&sslrootcert=ca.pem\
         &connect_timeout=3&application_name=night&options=-c%20geqo%3Doff",
    )
    .unwrap();
    assert_eq!(full.servers[0].place, host("db.example.com", 6432));
    assert_eq!(full.user.as_deref(), Some("app@x"));
    assert_eq!(full.passwords().next().unwrap().expose(), "p:w/");
    assert_eq!(full.database.as_deref(), Some("crm"));
    let trust = Trust::Only("/estate/ca.pem".into());
    assert_eq!(full.tls.mode, Mode::VerifyFull(trust));
    assert_eq!(full.connect_timeout, Duration::from_secs(3));
    assert_eq!(full.application_name, "night");
    assert_eq!(full.options.as_deref(), Some("-c geqo=off"));

    let bare = parse("postgres://").unwrap();
    assert_eq!(bare.server(), "localhost:5432");
    assert_eq!(bare.tls.mode, Mode::Prefer);
    assert_eq!(bare.application_name, "opsbook");
    assert!(bare.user.is_none() && bare.passwords().next().is_none() && bare.database.is_none());

    assert_eq!(
        parse("postgres://[2001:db8::1]:1/x").unwrap().server(),
        "[2001:db8::1]:1"
    );
    let sockets = [
        "postgres:///x?host=/run/pg&port=5433",
        "postgres://%2Frun%2Fpg:5433/x",
        "postgres://me@/x?host=/run/pg&port=5433",
    ];
    for socket in sockets {
        assert_eq!(
            parse(socket).unwrap().servers[0].place,
            Place::Socket("/run/pg/.s.PGSQL.5433".into()),
            "{socket}"
        );
    }
    // A password is often written as it is.
    let raw = parse("postgres://me:a@b@db/x").unwrap();
    assert_eq!(raw.passwords().next().unwrap().expose(), "a@b");
    assert_eq!(raw.server(), "db:5432");
}

#[test]
fn refuses_what_it_would_have_to_ignore() {
    assert_eq!(parse("mysql://db").unwrap_err(), AddressError::Scheme);
    assert_eq!(
        parse("mysql://u:p@db?a=b").unwrap_err(),
        AddressError::Scheme
    );
    for lists in ["host=a,b port=1,2,3", "host=a,b hostaddr=127.0.0.1"] {
        let error = parse(lists).unwrap_err();
        assert!(
            matches!(error, AddressError::Lists { .. }),
            "{lists}: {error}"
        );
    }
    for cut in [
        "postgres://me:12/3@db/x",
        "postgres://me:12?3@db/x",
        "postgres://me:a@12/3@db/x",
    ] {
        assert_eq!(parse(cut).unwrap_err(), AddressError::Ambiguous, "{cut}");
    }
    assert_eq!(parse("postgres://a:x/").unwrap_err(), AddressError::Port);
    assert_eq!(parse("postgres://a?port=").unwrap_err(), AddressError::Port);
    assert_eq!(
        parse("postgres://a?sslmod=require").unwrap_err(),
        AddressError::Parameter {
            name: "sslmod".to_owned(),
            near: Some("sslmode")
        }
    );
    for wrong in [
        "postgres://a?sslmode=verify-ca",
        "postgres://a?sslmode=prefer&sslrootcert=ca.pem",
        "postgres://a?sslmode=require&sslrootcert=system",
        "postgres://a?sslcert=me.pem",
        "postgres://a?channel_binding=maybe",
        "postgres://a?gssencmode=require",
        "postgres://a?target_session_attrs=fast",
        "postgres://a?connect_timeout=soon",
    ] {
        let error = parse(wrong).unwrap_err();
        assert!(matches!(error, AddressError::Value { .. }), "{wrong}");
    }
}

#[test]
fn several_servers_are_read_with_their_ports() {
    let of = |text: &str| {
        let address = parse(text).unwrap();
        address
            .servers
            .into_iter()
            .map(|server| server.place)
            .collect::<Vec<_>>()
    };
    let two = [host("a", 5432), host("b", 6432)];
    assert_eq!(of("postgres://a,b:6432/x"), two);
    assert_eq!(of("host=a,b port=,6432"), two);
    assert_eq!(of("postgres://[2001:db8::1]:1,b:2/x")[1], host("b", 2));
    assert_eq!(of("host=a,b port=7"), [host("a", 7), host("b", 7)]);
    let named = Place::Host {
        name: "db".to_owned(),
        address: Some("127.0.0.1".to_owned()),
        port: 5432,
    };
    assert_eq!(of("host=db hostaddr=127.0.0.1"), [named]);
    let address = parse("postgres://a,b/x?target_session_attrs=read-write").unwrap();
    assert_eq!(address.server(), "a:5432,b:5432");
    assert_eq!(address.target, Target::ReadWrite);
}

#[test]
fn encryption_is_what_libpq_makes_of_the_words() {
    let of = |text: &str| parse(text).unwrap().tls.mode;
    let only = Trust::Only("/estate/ca.pem".into());
    assert_eq!(of("sslmode=allow"), Mode::Allow);
    assert_eq!(of("sslmode=require"), Mode::Require);
    assert_eq!(of("sslmode=verify-full"), Mode::VerifyFull(Trust::System));
    for text in [
        "sslmode=require sslrootcert=ca.pem",
        "sslmode=verify-ca sslrootcert=ca.pem",
    ] {
        assert_eq!(of(text), Mode::VerifyAuthority(only.clone()), "{text}");
    }
}

/// A text says most, then what stands beside it, then its service, then the environment, and the file of passwords
/// comes last.
#[test]
fn what_is_said_nearer_counts() {
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(
        ".pg_service.conf",
        "[crm]\nhost=service.example.com\nport=7000\ndbname=crm\n",
    );
    put(".pgpass", "service.example.com:7000:crm:me:of the file\n");
    let home = home.path().to_str().unwrap().to_owned();
    let variables = [
        ("HOME", home.as_str()),
        ("PGPORT", "1"),
        ("PGUSER", "me"),
        ("PGAPPNAME", "night"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let around = Surroundings {
        folder: Path::new("/estate"),
        variables: &variables,
    };
    let find = |wanted: Wanted<'_>| Address::find(wanted, &around);
    let text = |text| Wanted {
        text: Some(text),
        ..Wanted::default()
    };
    let told = |address: &Address| {
        let password = address
            .passwords()
            .next()
            .map(|known| known.expose().to_owned());
        (address.server(), password)
    };
    let service = Wanted {
        service: Some("crm"),
        ..Wanted::default()
    };
    let found = find(service).unwrap();
    let server = "service.example.com:7000".to_owned();
    assert_eq!(
        told(&found),
        (server.clone(), Some("of the file".to_owned()))
    );
    assert_eq!(found.application_name, "night");
    assert_eq!(found.database.as_deref(), Some("crm"));

    let beside = Wanted {
        password: Some("beside"),
        ..service
    };
    let beside = told(&find(beside).unwrap());
    assert_eq!(beside, (server, Some("beside".to_owned())));
    let nearer = find(text("service=crm host=db port=2")).unwrap();
    assert_eq!(told(&nearer), ("db:2".to_owned(), None));
    assert_eq!(told(&find(text("postgres://db/x")).unwrap()).0, "db:1");

    let missing = find(text("service=nothing")).unwrap_err();
    assert!(matches!(missing, AddressError::Service { .. }), "{missing}");
    let nothing = Surroundings {
        folder: Path::new("/"),
        variables: &[],
    };
    let nothing = Address::find(Wanted::default(), &nothing).unwrap_err();
    assert_eq!(nothing, AddressError::Nothing);

    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(Path::new(&home).join(".pgpass"), open).unwrap();
    let unused = find(service).unwrap();
    assert_eq!(told(&unused).1, None);
    assert!(unused.unused_passwords.unwrap().contains("chmod 600"));
}

proptest! {
    #[test]
    fn no_message_holds_the_password(tail in any::<String>()) {
        let url = format!("postgres://app:hunter2/{tail}");
        let told = parse(&url).map(|address| format!("{address:?}"));
        let told = told.unwrap_or_else(|error| format!("{error} {error:?}"));
        prop_assert!(!told.contains("hunter2"), "{told}");
        for text in [format!("password=hunter2 {tail}"), format!("{tail} password='hunter2")] {
            let told = parse(&text).map(|address| format!("{address:?}"));
            let told = told.unwrap_or_else(|error| format!("{error} {error:?}"));
            prop_assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = parse(&text);
        let _ = parse(&format!("postgres://{text}"));
    }
}
