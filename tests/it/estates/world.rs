//! The world of an estate: one server on loopback that plays all its services, well unless a test says otherwise. For what
//! lies beyond this machine, vendors' interfaces, it is a stand-in of the documented answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::http_server::{Answer, HttpServer, Request};

/// What a route answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// A header that a request must have, else it is answered 401.
    credential: Option<(String, String)>,
    /// The JSON that a request must send, else it is answered 400.
    wanted: Option<Value>,
    /// Whether it reads variables of GraphQL: a moment must be one of RFC 3339, else it is answered 400.
    dated: bool,
    /// What the next request is answered instead; the last reply goes on.
    next: Option<Box<Reply>>,
}

impl Reply {
    /// A body of JSON, with 200.
    pub(crate) fn json(body: Value) -> Self {
        Self::of(200, &body.to_string()).header("content-type", "application/json")
    }

    /// Any body.
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
            credential: None,
            wanted: None,
            dated: false,
            next: None,
        }
    }

    /// With this header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For nobody who does not send this header: `("authorization", "Bearer …")`.
    pub(crate) fn asks(mut self, name: &str, value: &str) -> Self {
        self.credential = Some((name.to_owned(), value.to_owned()));
        self
    }

    /// For nobody who does not send this JSON.
    pub(crate) fn takes(mut self, body: Value) -> Self {
        self.wanted = Some(body);
        self
    }

    /// As Cloudflare's analytics: for nobody whose moments among the variables are not as RFC 3339 writes them.
    pub(crate) fn dated(mut self) -> Self {
        self.dated = true;
        self
    }

    /// The first request is answered so, those after it by `next`.
    pub(crate) fn then(mut self, next: Self) -> Self {
        self.next = Some(Box::new(next));
        self
    }

    fn refuses(&self, request: &Request) -> Option<u16> {
        if let Some((name, value)) = &self.credential
            && request.header(name) != Some(value)
        {
            return Some(401);
        }
        let sent: Option<Value> = serde_json::from_str(&request.body).ok();
        if self.dated && !sent.as_ref().is_some_and(has_moments) {
            return Some(400);
        }
        let wanted = self.wanted.as_ref()?;
        let is_json = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        (!is_json || sent.as_ref() != Some(wanted)).then_some(400)
    }

    fn bytes(&self, method: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            self.body.len()
        ));
        if method != "HEAD" {
            head.push_str(&self.body);
        }
        head.into_bytes()
    }
}

/// Whether what looks like a moment among the variables of this question is one.
fn has_moments(question: &Value) -> bool {
    let variables = question["variables"].as_object().unwrap();
    let texts = variables.values().filter_map(Value::as_str);
    texts
        .filter(|text| text.starts_with("20"))
        .all(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok())
}

/// The running world.
pub(crate) struct World {
    server: HttpServer,
    routes: Arc<Mutex<Routes>>,
}

#[derive(Default)]
struct Routes {
    /// How it is when all is well.
    well: BTreeMap<String, Reply>,
    /// What is otherwise now.
    now: BTreeMap<String, Option<Reply>>,
}

impl Routes {
    /// The reply to a request: of the route with its query, else of the route.
    fn answer(&mut self, request: &Request) -> Answer {
        let path = request.path.split('?').next().unwrap();
        for route in [request.path.as_str(), path] {
            let route = format!("{} {route}", request.method);
            let well = self.well.get(&route).cloned();
            let reply = match self.now.get(&route) {
                Some(None) => return Answer::Bytes(Vec::new()),
                Some(Some(reply)) => reply.clone(),
                None => match well {
                    Some(reply) => reply,
                    None => continue,
                },
            };
            if let Some(refusal) = reply.refuses(request) {
                return Answer::Bytes(Reply::of(refusal, "refused").bytes(&request.method));
            }
            let bytes = reply.bytes(&request.method);
            if let Some(next) = reply.next {
                self.now.insert(route, Some(*next));
            }
            return Answer::Bytes(bytes);
        }
        let lost = format!("no route {} {}", request.method, request.path);
        Answer::Bytes(Reply::of(404, &lost).bytes(&request.method))
    }
}

impl World {
    /// A world without a route.
    pub(crate) fn new() -> Self {
        let routes = Arc::new(Mutex::new(Routes::default()));
        let shared = Arc::clone(&routes);
        let server = HttpServer::scripted(move |_, request| shared.lock().unwrap().answer(request));
        Self { server, routes }
    }

    /// Where it answers; a service is played below its name.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// How a route answers when all is well: `"GET /api/health"` is the path `/health` of the service `api`.
    pub(crate) fn route(&self, route: &str, reply: Reply) {
        let mut routes = self.routes.lock().unwrap();
        routes.well.insert(route.to_owned(), reply);
    }

    /// How it answers until the world is [`World::well`] again.
    pub(crate) fn answers(&self, route: &str, reply: Reply) {
        let mut routes = self.routes.lock().unwrap();
        assert!(routes.well.contains_key(route), "no route {route}");
        routes.now.insert(route.to_owned(), Some(reply));
    }

    /// How it answers with another body, and all else as when all is well.
    pub(crate) fn says(&self, route: &str, body: Value) {
        let reply = Reply {
            body: body.to_string(),
            next: None,
            ..self.well_reply(route)
        };
        self.answers(route, reply);
    }

    /// How it answers with a part of its JSON otherwise than when all is well: `"/queue/pending"`.
    pub(crate) fn has(&self, route: &str, pointer: &str, value: Value) {
        self.alter(route, self.well_reply(route), pointer, value);
    }

    /// How it answers with one more part of its JSON otherwise than now.
    pub(crate) fn has_too(&self, route: &str, pointer: &str, value: Value) {
        let now = self.routes.lock().unwrap().now.get(route).cloned();
        let reply = now.flatten().unwrap_or_else(|| self.well_reply(route));
        self.alter(route, reply, pointer, value);
    }

    fn alter(&self, route: &str, mut reply: Reply, pointer: &str, value: Value) {
        let mut body: Value = serde_json::from_str(&reply.body).unwrap();
        *body
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("{route} has no {pointer}")) = value;
        reply.body = body.to_string();
        reply.next = None;
        self.answers(route, reply);
    }

    /// How it answers with a header otherwise, or without it.
    pub(crate) fn has_header(&self, route: &str, name: &str, value: Option<&str>) {
        let mut reply = self.well_reply(route);
        let known = reply.headers.len();
        reply.headers.retain(|(header, _)| header != name);
        assert!(reply.headers.len() < known, "{route} has no {name}");
        if let Some(value) = value {
            reply = reply.header(name, value);
        }
        reply.next = None;
        self.answers(route, reply);
    }

    /// It fails: 500 and no word of JSON.
    pub(crate) fn fails(&self, route: &str) {
        self.answers(route, Reply::of(500, "out of order"));
    }

    /// It hangs up without an answer.
    pub(crate) fn hangs_up(&self, route: &str) {
        let mut routes = self.routes.lock().unwrap();
        assert!(routes.well.contains_key(route), "no route {route}");
        routes.now.insert(route.to_owned(), None);
    }

    /// All is well again.
    pub(crate) fn well(&self) {
        self.routes.lock().unwrap().now.clear();
    }

    #[track_caller]
    fn well_reply(&self, route: &str) -> Reply {
        let routes = self.routes.lock().unwrap();
        let reply = routes.well.get(route);
        reply.unwrap_or_else(|| panic!("no route {route}")).clone()
    }
}
