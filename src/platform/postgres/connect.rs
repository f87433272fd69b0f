//! From an address to a session: the servers in their order, each on the ways to it, until one lets us in that is of the
//! kind that is wanted.

use std::pin::pin;

use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{Client, Config, Connection, SimpleQueryMessage};

use super::address::{Address, Place, Target, Way};
use super::session::{State, serve};
use super::stage::Stage;
use super::stream::{self, Already, Bounded};
use super::{Postgres, PostgresError};

/// What the server calls it when its `pg_hba.conf` has no line for us: for us on this way.
const NOT_ALLOWED: &str = "28000";

/// What the server calls it when it is starting, stopping or recovering.
const NOT_NOW: &str = "57P03";

/// Whether a server is a replica, and whether a session may write.
const KIND: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";

/// A session that has begun.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) connection: Connection<Bounded, Bounded>,
    /// The server and the way to it, as numbers in the address.
    pub(super) server: usize,
    pub(super) way: usize,
}

impl Postgres {
    /// Begins a session with the first server that is of the kind that is wanted.
    pub(super) async fn open(&self) -> Result<Opened, PostgresError> {
        let target = self.address.target;
        let mut tried = Vec::new();
        let wanted: &[Target] = match target {
            Target::PreferStandby => &[Target::Standby, Target::Any],
            _ => &[target],
        };
        for wanted in wanted {
            tried.clear();
            for number in 0..self.address.servers.len() {
                match self.open_if(number, *wanted).await {
                    Ok(Ok(opened)) => return Ok(opened),
                    Ok(Err(kind)) => tried.push((self.name_of(number), kind.to_owned())),
                    Err(error) if self.address.servers.len() > 1 && is_elsewhere(&error) => {
                        tried.push((self.name_of(number), error.to_string()));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(PostgresError::Nowhere {
            wanted: target.word(),
            tried,
        })
    }

    /// Begins a session with one server; tells what it is instead where it is not what is wanted.
    async fn open_if(
        &self,
        number: usize,
        wanted: Target,
    ) -> Result<Result<Opened, &'static str>, PostgresError> {
        let limit = self.address.connect_timeout;
        let opening = async {
            let mut opened = self.open_one(number).await?;
            let other = match wanted {
                Target::Any => None,
                wanted => is_other(&mut opened, wanted, &self.name_of(number)).await?,
            };
            Ok(match other {
                None => Ok(opened),
                Some(kind) => Err(kind),
            })
        };
        tokio::time::timeout(limit, opening)
            .await
            .unwrap_or_else(|_| {
                Err(PostgresError::Silent {
                    server: self.name_of(number),
                    limit,
                })
            })
    }

    /// Begins a session with one server, on the first way that it lets us in.
    async fn open_one(&self, number: usize) -> Result<Opened, PostgresError> {
        let server = &self.address.servers[number];
        let ways = match server.place {
            Place::Socket(_) => vec![Way::Plain],
            Place::Host { .. } => self.address.tls.mode.ways(),
        };
        let mut refused = None;
        for (way, kind) in ways.iter().enumerate() {
            let opened = async {
                let stream = stream::open(&server.place, &self.address.tls, kind, &self.state);
                let stream = stream.await?;
                self.state.stages(|stages| stages.begins(Stage::Login));
                let config = config(&self.address, number);
                let opened = config.connect_raw(stream, Already).await;
                opened.map_err(|error| self.refusal(&error, number))
            };
            match opened.await {
                Ok((client, connection)) => {
                    return Ok(Opened {
                        client,
                        connection,
                        server: number,
                        way,
                    });
                }
                Err(error) if way + 1 < ways.len() && is_of_the_way(&error) => {
                    refused = Some(error);
                }
                // What came of the way that is preferred says more, where no way leads in.
                Err(error) => {
                    return Err(match refused {
                        Some(first) if is_of_the_way(&error) => first,
                        _ => error,
                    });
                }
            }
        }
        Err(refused.unwrap_or_else(|| PostgresError::Cut {
            server: self.name_of(number),
            reason: "there is no way to it".to_owned(),
        }))
    }

    fn refusal(&self, error: &tokio_postgres::Error, number: usize) -> PostgresError {
        match PostgresError::of(error, &self.name_of(number)) {
            // No server greets at such a length.
            PostgresError::TooLarge { server, .. } => PostgresError::NotPostgres { server },
            PostgresError::NoPassword { server, .. } => PostgresError::NoPassword {
                server,
                unused: self.address.unused_passwords.clone(),
            },
            error => error,
        }
    }

    /// One of the servers, to be named.
    pub(super) fn name_of(&self, number: usize) -> String {
        self.address.servers[number].place.to_string()
    }
}

fn config(address: &Address, number: usize) -> Config {
    let mut config = Config::new();
    config
        // The stream is encrypted already where it is to be: nothing is asked of the server.
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct)
        .channel_binding(address.channel_binding)
        .application_name(&address.application_name);
    if let Some(user) = &address.user {
        config.user(user);
    }
    if let Some(password) = &address.servers[number].password {
        config.password(password.expose());
    }
    if let Some(database) = &address.database {
        config.dbname(database);
    }
    if let Some(options) = &address.options {
        config.options(options);
    }
    config
}

/// Whether another way to the same server may lead in.
fn is_of_the_way(error: &PostgresError) -> bool {
    match error {
        PostgresError::Tls(tls) => !tls.problem.is_own(),
        error => error.code() == Some(NOT_ALLOWED),
    }
}

/// Whether another server may do. One that answered and refused who asks is not passed over.
fn is_elsewhere(error: &PostgresError) -> bool {
    match error {
        PostgresError::Lookup(_)
        | PostgresError::Connect(_)
        | PostgresError::Socket { .. }
        | PostgresError::Silent { .. }
        | PostgresError::Cut { .. }
        | PostgresError::NotPostgres { .. } => true,
        error => error.code() == Some(NOT_NOW),
    }
}

/// What the server is, where it is not what is wanted.
async fn is_other(
    opened: &mut Opened,
    wanted: Target,
    server: &str,
) -> Result<Option<&'static str>, PostgresError> {
    let state = State::default();
    let mut asked = pin!(opened.client.simple_query(KIND));
    let mut served = pin!(serve(&mut opened.connection, &state));
    let answer = tokio::select! {
        biased;
        answer = &mut asked => answer,
        ended = &mut served => match ended {
            Err(error) => Err(error),
            Ok(()) => asked.await,
        },
    };
    let answer = answer.map_err(|error| PostgresError::of(&error, server))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0) == Some("t"), row.get(1) == Some("t"))),
        _ => None,
    });
    let (is_standby, is_read_only) = row.unwrap_or_default();
    Ok(match wanted {
        Target::ReadWrite if is_read_only => Some("takes no changes"),
        Target::ReadOnly if !is_read_only => Some("takes changes"),
        Target::Primary if is_standby => Some("is a standby"),
        Target::Standby if !is_standby => Some("is no standby"),
        _ => None,
    })
}
