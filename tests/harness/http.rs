//! A server of our own on loopback, and a client for it.

/// A running server, stopped when dropped.
pub struct Server {
    server: annals_server::Server,
}

impl Server {
    /// Serves a storage on a free port of the loopback address.
    pub fn over(store: annals::Store) -> Server {
        let options =
            annals_server::ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..Default::default() };
        Server { server: annals_server::serve(store, options).expect("a server on loopback") }
    }

    /// A client of this server.
    pub fn client(&self) -> Client {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Client { agent, base: self.server.url() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.stopper().stop();
    }
}

/// Sends requests to one server.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
    /// The content type.
    pub content_type: String,
}

impl Client {
    /// GET, accepting EDN.
    pub fn get(&self, path: &str) -> Reply {
        reply(self.agent.get(format!("{}{path}", self.base)).header("accept", "application/edn").call())
    }

    /// PUT without a body.
    pub fn put(&self, path: &str) -> Reply {
        reply(self.agent.put(format!("{}{path}", self.base)).header("accept", "application/edn").send_empty())
    }

    /// POST of EDN, accepting EDN.
    pub fn post_edn(&self, path: &str, body: &str) -> Reply {
        self.post(path, "application/edn", body)
    }

    /// POST of any type, accepting the same.
    pub fn post(&self, path: &str, content_type: &str, body: &str) -> Reply {
        let request = self.agent.post(format!("{}{path}", self.base));
        reply(request.header("content-type", content_type).header("accept", content_type).send(body))
    }
}

fn reply(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
    let mut response = response.expect("an answer from our own server");
    let content_type =
        response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_owned();
    let body = response.body_mut().with_config().limit(1 << 30).read_to_string().expect("a body of text");
    Reply { status: response.status().as_u16(), body, content_type }
}
