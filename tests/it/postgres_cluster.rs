//! A real PostgreSQL server that is thrown away: its folder, its port and its certificate are its own, and it ends with
//! the test binary however that ends. One serves all tests; who stops or breaks one starts an own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::harness::ClosedPort;

/// The password of the superuser `postgres`: asked over TCP, not on the socket.
pub(crate) const PASSWORD: &str = "cluster hunter2/@?#%";

/// The server's certificate names this host beside the loopback addresses.
pub(crate) const HOST: &str = "localhost";

/// A server runs as another user than root, who may not.
const USER: &str = "nobody";

/// Makes a cluster by its second argument, starts it, says its port, and keeps it until its own standard input ends: then
/// whoever started it is gone. `pg_ctl` leaves the server to itself; the kernel tells the end of the pipe even after a
/// SIGKILL.
const KEEPER: &str = r#"
trap '' INT HUP TERM
cd "$1"
{
    umask 077
    eval "$2" &&
    cat settings >>data/postgresql.conf
} >log 2>&1 || { cat log; exit 1; }
pg_ctl -D data -l log -w -t 60 start >start 2>&1 || { cat start log; exit 1; }
echo ready
while read -r line; do :; done
pg_ctl -D data -m immediate stop >stop 2>&1
cd / && rm -rf "$1"
"#;

/// What makes a new cluster in the folder `data`.
const INITDB: &str = "initdb -D data -U postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile=password --no-sync \
    --no-instructions -E UTF8 --locale=C.UTF-8";

/// A server of its own.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: ClosedPort,
    /// Ends with its standard input, which ends with this value or with the process.
    _keeper: Child,
}

/// The server that all tests share. Each makes a [`Cluster::database`] of its own in it.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(""))
}

impl Cluster {
    /// Starts a server with more lines for its `postgresql.conf`.
    pub(crate) fn start(settings: &str) -> Self {
        Self::make(INITDB, settings)
    }

    /// Starts one whose pages have checksums.
    pub(crate) fn with_checksums() -> Self {
        Self::make(&format!("{INITDB} --data-checksums"), "")
    }

    /// Starts a replica of this server, for which it keeps its log in a slot of this name.
    pub(crate) fn replica(&self, slot: &str) -> Self {
        let copy = format!(
            "pg_basebackup -d 'host={} port={} user=postgres application_name={slot}' -D data -R -X stream -c fast -C -S {slot} --no-sync",
            self.folder.display(),
            self.port()
        );
        Self::make(&copy, "")
    }

    fn make(making: &str, settings: &str) -> Self {
        Self::try_make(making, settings).unwrap_or_else(|said| {
            panic!("no PostgreSQL server can be started; run: sudo scripts/test\n{said}")
        })
    }

    fn try_make(making: &str, settings: &str) -> Result<Self, String> {
        // Short: the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new()
            .prefix("opsbook-pg-")
            .tempdir_in("/tmp")
            .unwrap()
            .keep();
        let port = ClosedPort::new();
        let certificate = Certificate::new();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = off\n\
             max_connections = 30\nsuperuser_reserved_connections = 3\nautovacuum_naptime = 1d\n\
             shared_preload_libraries = 'pg_stat_statements'\nssl = on\nssl_cert_file = '../server.pem'\n\
             ssl_key_file = '../server.key'\nssl_ca_file = '../ca.pem'\nlc_messages = 'C'\n{settings}\n",
            port.number(),
            folder.display()
        );
        for (name, content) in [
            ("settings", settings.as_str()),
            ("password", PASSWORD),
            ("ca.pem", &certificate.authority),
            ("server.pem", &certificate.certificate),
            ("server.key", &certificate.key),
            ("client.pem", &certificate.of_client),
            ("client.key", &certificate.key_of_client),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::fs::set_permissions(
            folder.join("ca.pem"),
            std::fs::Permissions::from_mode(0o644),
        )
        .unwrap();
        let mut keeper = as_user("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&folder)
            .arg(making)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn_after_giving(&folder);
        let mut said = String::new();
        for line in BufReader::new(keeper.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line == "ready" {
                return Ok(Self {
                    folder,
                    port,
                    _keeper: keeper,
                });
            }
            said.push_str(&line);
            said.push('\n');
        }
        let _ = keeper.wait();
        let _ = std::fs::remove_dir_all(folder);
        Err(said)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// A file of the stopped server, below its data folder.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.join("data").join(path)
    }

    /// The file of the authority that signed the server's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Its folder: `data`, and `client.pem` with `client.key` of the superuser.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new database with what this SQL makes in it; gives its name.
    pub(crate) fn database(&self, setup: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        if !setup.is_empty() {
            self.psql(&name, setup);
        }
        name
    }

    /// The URL of a database over TCP, as the superuser, with everything that a password may hold encoded.
    pub(crate) fn url(&self, database: &str) -> String {
        let password: String = PASSWORD
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        format!(
            "postgres://postgres:{password}@127.0.0.1:{}/{database}",
            self.port()
        )
    }

    /// The URL of a database over the socket, as the superuser, who needs no password there.
    pub(crate) fn socket_url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@/{database}?host={}&port={}",
            self.folder.display(),
            self.port()
        )
    }

    /// Runs SQL as the superuser; gives the values, a line a row, with | between them.
    #[track_caller]
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        let mut psql = self
            .client("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .args([database, "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql can be started");
        psql.stdin
            .take()
            .unwrap()
            .write_all(sql.as_bytes())
            .unwrap();
        answered(psql.wait_with_output().unwrap(), sql)
    }

    /// A client program of PostgreSQL (psql, pgbench, pg_dump, …) that talks to this server as the superuser.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(binaries().join(program));
        command
            .env("PGHOST", &self.folder)
            .env("PGPORT", self.port().to_string())
            .env("PGUSER", "postgres")
            .env("PGCONNECT_TIMEOUT", "30");
        command
    }

    /// A folder that belongs to the server's user.
    pub(crate) fn own_folder(&self, folder: &Path) {
        if nix::unistd::geteuid().is_root() {
            let given = Command::new("chown")
                .arg(format!("{USER}:nogroup"))
                .arg(folder)
                .status();
            assert!(given.unwrap().success());
        }
    }

    /// Stops the server: `smart`, `fast` or `immediate`.
    pub(crate) fn stop(&self, mode: &str) {
        self.control(&["-m", mode, "-w", "stop"]);
    }

    /// Starts the server again.
    pub(crate) fn restart(&self) {
        self.control(&["-l", "log", "-w", "-t", "60", "start"]);
    }

    /// Runs `pg_ctl`.
    #[track_caller]
    pub(crate) fn control(&self, arguments: &[&str]) {
        let output = as_user("pg_ctl")
            .args(["-D", "data"])
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            // A server that was started keeps its output: a file, so that nobody waits for its end.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(output.success(), "pg_ctl {arguments:?}: {output}");
    }
}

#[track_caller]
fn answered(output: Output, sql: &str) -> String {
    assert!(
        output.status.success(),
        "{sql}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Where Debian keeps the programs of the newest version, else the folder on the PATH.
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten();
        let newest = versions
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
                let programs = path.join("bin");
                programs
                    .join("initdb")
                    .exists()
                    .then_some((version, programs))
            })
            .max();
        let path = std::env::var_os("PATH").unwrap();
        newest
            .map(|(_, programs)| programs)
            .or_else(|| std::env::split_paths(&path).find(|folder| folder.join("initdb").exists()))
            .expect("PostgreSQL's initdb is installed; run: sudo scripts/test")
    })
}

/// A program of PostgreSQL, or a shell that finds them, as a user who is not root.
fn as_user(program: &str) -> Command {
    let mut path = binaries().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", "nogroup", "--clear-groups"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env("PATH", path).env("LC_ALL", "C.UTF-8");
    command
}

trait SpawnAfterGiving {
    /// Starts the program once a folder belongs to its user.
    fn spawn_after_giving(&mut self, folder: &Path) -> Child;
}

impl SpawnAfterGiving for Command {
    fn spawn_after_giving(&mut self, folder: &Path) -> Child {
        if nix::unistd::geteuid().is_root() {
            let given = Command::new("chown")
                .args(["-R", &format!("{USER}:nogroup")])
                .arg(folder)
                .status();
            assert!(given.unwrap().success());
        }
        // Others look into it: at the socket and at the authority.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.spawn().expect("setpriv and sh can be started")
    }
}

/// An authority and a certificate that it signed, in PEM.
struct Certificate {
    authority: String,
    certificate: String,
    key: String,
    /// Of the superuser.
    of_client: String,
    key_of_client: String,
}

impl Certificate {
    fn new() -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Authority of a test");
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![HOST.to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let key_of_client = rcgen::KeyPair::generate().unwrap();
        let mut client = rcgen::CertificateParams::new(Vec::new()).unwrap();
        client
            .distinguished_name
            .push(rcgen::DnType::CommonName, "postgres");
        let client = client.signed_by(&key_of_client, &issuer).unwrap();
        Self {
            authority: authority_pem,
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            of_client: client.pem(),
            key_of_client: key_of_client.serialize_pem(),
        }
    }
}

/// However a test binary ends, its servers end with it and leave nothing behind.
#[test]
fn a_cluster_ends_when_nobody_holds_it() {
    let own = Cluster::start("");
    assert_eq!(own.psql("postgres", "SELECT 1"), "1");
    let (folder, port) = (own.folder.clone(), own.port());
    let Cluster { mut _keeper, .. } = own;
    drop(_keeper.stdin.take());
    assert!(_keeper.wait().unwrap().success());
    assert!(!folder.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
