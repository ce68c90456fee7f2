//! The table of calls: every path, every method, what it takes and who answers.
//!
//! Nothing else decides which calls there are: the router, the list at `/`, the description for tools and the answer to a
//! wrong method all come from here.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::decompression::RequestDecompressionLayer;

use crate::ask::Ask;
use crate::calls::health::PLAIN;
use crate::calls::{
    catalogue, commands, datoms, described, feed, fork, health, log, pull, query, requests, storage, tail,
    transact,
};
use crate::media::{self, Media};
use crate::metrics::now;
use crate::problem::Problem;
use crate::reply::{Reply, problem_response};
use crate::shared::Shared;
use crate::shell;

/// What a call needs of the server, and with that how many may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reads; stopped when its time is up or nobody waits for it.
    Read,
    /// Changes something; what it began it ends.
    Write,
    /// Tells as it happens, until the asker goes.
    Stream,
    /// Waits for what other processes follow, on a thread of its own.
    Feed,
    /// Neither: answered even when the server is full.
    Probe,
}

impl Work {
    /// Its name, as in counts and in what is refused.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Read => "reads",
            Work::Write => "transactions",
            Work::Stream => "streams",
            Work::Feed => "feeds",
            Work::Probe => "probes",
        }
    }
}

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Call {
    /// The method.
    pub(crate) method: &'static str,
    /// What it needs.
    pub(crate) work: Work,
    /// The parameters it knows, beside `types`.
    pub(crate) params: &'static [&'static str],
    /// True if it reads a body.
    pub(crate) body: bool,
    /// True if it may be answered on the spot ([`crate::quick`]).
    pub(crate) quick: bool,
    /// True if it can answer in rows (CSV, newline-delimited JSON).
    pub(crate) rows: bool,
    /// The one type of its answers, if it is neither EDN nor JSON as wished.
    pub(crate) plain: Option<&'static str>,
    /// The statuses of its answers, but for errors.
    pub(crate) statuses: &'static [u16],
    /// The parameters that it cannot do without.
    pub(crate) needs: &'static [&'static str],
    /// Parameters that make sense together, as an example.
    pub(crate) sample: &'static [(&'static str, &'static str)],
    /// Bodies as examples, each saying the same.
    pub(crate) bodies: &'static [(Media, &'static str)],
    /// Who answers.
    pub(crate) run: fn(&Ask) -> Result<Reply, Problem>,
}

/// One path.
#[derive(Debug)]
pub(crate) struct Route {
    /// The path, with the parts that vary in braces.
    pub(crate) path: &'static str,
    /// What it is for, in a few words.
    pub(crate) about: &'static str,
    /// Its methods.
    pub(crate) calls: &'static [Call],
}

/// A read without parameters, to make others of.
pub(crate) const READ: Call = Call {
    method: "GET",
    work: Work::Read,
    params: &[],
    body: false,
    quick: false,
    rows: false,
    plain: None,
    statuses: &[200],
    needs: &[],
    sample: &[],
    bodies: &[],
    run: health::live,
};
const BASIS: &[&str] = &["min-t", "sync", "max-staleness", "wait"];
const VIEW: &[&str] = &["min-t", "sync", "max-staleness", "wait", "as-of", "since", "history"];
const QUERY: Call = Call {
    method: "POST",
    params: &[
        "min-t",
        "sync",
        "max-staleness",
        "wait",
        "as-of",
        "since",
        "history",
        "limit",
        "cursor",
        "page",
        "timeout",
        "explain",
        "verify",
    ],
    body: true,
    quick: true,
    rows: true,
    bodies: &[
        (Media::Edn, "{:query [:find ?title :where [?f :film/title ?title]] :limit 10}"),
        (Media::Json, r#"{"query": "[:find ?title :where [?f :film/title ?title]]", "limit": 10}"#),
    ],
    run: query::query,
    ..READ
};
const PULL: Call = Call {
    method: "POST",
    params: VIEW,
    body: true,
    bodies: &[
        (Media::Edn, "{:pattern [:film/year] :entity [:film/title \"Harbour\"]}"),
        (Media::Json, r#"{"pattern": [":film/year"], "entity": [":film/title", "Harbour"]}"#),
    ],
    run: pull::pull,
    ..READ
};
const INDEX_PULL: Call = Call {
    bodies: &[
        (Media::Edn, "{:pattern [:film/title] :index :avet :start [:film/year 1980] :limit 10}"),
        (
            Media::Json,
            r#"{"pattern": [":film/title"], "index": "avet", "start": [":film/year", 1980], "limit": 10}"#,
        ),
    ],
    run: pull::index_pull,
    ..PULL
};
/// Transaction data, by itself.
const FACTS: &[(Media, &str)] = &[
    (Media::Edn, "[{:film/title \"Moor\" :film/year 1999}]"),
    (Media::Json, r#"[{":film/title": "Moor", ":film/year": 1999}]"#),
];

/// Every call there is.
pub(crate) const ROUTES: &[Route] = &[
    Route {
        path: "/",
        about: "this page",
        calls: &[Call { work: Work::Probe, plain: Some(PLAIN), run: health::page, ..READ }],
    },
    Route {
        path: "/health/live",
        about: "the server turns",
        calls: &[Call { work: Work::Probe, run: health::live, ..READ }],
    },
    Route {
        path: "/health/ready",
        about: "the storage answers",
        calls: &[Call { work: Work::Probe, statuses: &[200, 503], run: health::ready, ..READ }],
    },
    Route {
        path: "/metrics",
        about: "counts, for Prometheus",
        calls: &[Call { work: Work::Probe, plain: Some(now::MEDIA), run: described::metrics, ..READ }],
    },
    Route {
        path: "/openapi.json",
        about: "all calls, as OpenAPI has them",
        calls: &[Call {
            work: Work::Probe,
            plain: Some("application/json"),
            run: described::openapi,
            ..READ
        }],
    },
    Route { path: "/v1/db", about: "list databases", calls: &[Call { run: catalogue::list, ..READ }] },
    Route {
        path: "/v1/db/{db}",
        about: "create, describe, delete a database",
        calls: &[
            Call { params: BASIS, run: catalogue::describe, ..READ },
            Call { method: "PUT", work: Work::Write, statuses: &[200, 201], run: catalogue::create, ..READ },
            Call { method: "DELETE", work: Work::Write, run: catalogue::delete, ..READ },
        ],
    },
    Route {
        path: "/v1/db/{db}/schema",
        about: "attributes and their properties",
        calls: &[Call {
            params: &["system", "min-t", "sync", "max-staleness", "wait"],
            sample: &[("system", "true")],
            run: catalogue::schema,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/fork",
        about: "a new database that shares the past of this one",
        calls: &[Call {
            method: "POST",
            work: Work::Write,
            body: true,
            statuses: &[201],
            bodies: &[(Media::Edn, "{:to \"trial\" :t 1}"), (Media::Json, r#"{"to": "second", "t": 1}"#)],
            run: fork::fork,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/transact",
        about: "facts in, report out",
        calls: &[Call {
            method: "POST",
            work: Work::Write,
            body: true,
            statuses: &[200, 202],
            bodies: FACTS,
            run: transact::transact,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/commands",
        about: "the commands there are, and what they take",
        calls: &[Call {
            params: &["min-t", "sync", "max-staleness", "wait", "as-of"],
            run: commands::list,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/commands/{*name}",
        about: "run a command by name",
        calls: &[Call {
            method: "POST",
            work: Work::Write,
            params: &["dry-run", "as-of"],
            body: true,
            statuses: &[200, 202],
            bodies: &[
                (Media::Edn, "{:from \"Tide\" :to \"Ebb\"}"),
                (Media::Json, r#"{"from": "Ebb", "to": "Tide"}"#),
            ],
            run: commands::run,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/requests",
        about: "the newest requests that had a key, and what became of them",
        calls: &[Call {
            params: &["limit", "state", "min-t", "sync", "max-staleness", "wait"],
            sample: &[("limit", "10"), ("state", "committed")],
            run: requests::list,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/requests/{key}",
        about: "what became of a request",
        calls: &[Call { params: &["wait"], run: requests::status, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/with",
        about: "the report that facts would give; nothing is kept",
        calls: &[Call {
            method: "POST",
            params: VIEW,
            body: true,
            sample: &[("as-of", "2")],
            bodies: FACTS,
            run: transact::with,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/query",
        about: "Datalog",
        calls: &[
            QUERY,
            Call { method: "QUERY", ..QUERY },
            Call {
                params: &[
                    "query",
                    "args",
                    "min-t",
                    "sync",
                    "max-staleness",
                    "wait",
                    "as-of",
                    "since",
                    "history",
                    "limit",
                    "cursor",
                    "page",
                    "timeout",
                    "explain",
                    "verify",
                ],
                quick: true,
                rows: true,
                needs: &["query"],
                sample: &[
                    (
                        "query",
                        "[:find ?year . :in $ ?title :where [?f :film/title ?title] [?f :film/year ?year]]",
                    ),
                    ("args", "[\"Harbour\"]"),
                    ("as-of", "2"),
                ],
                run: query::query_by_address,
                ..READ
            },
        ],
    },
    Route {
        path: "/v1/db/{db}/pull",
        about: "trees of facts about entities",
        calls: &[PULL, Call { method: "QUERY", ..PULL }],
    },
    Route {
        path: "/v1/db/{db}/index-pull",
        about: "trees of facts along an index",
        calls: &[INDEX_PULL, Call { method: "QUERY", ..INDEX_PULL }],
    },
    Route {
        path: "/v1/db/{db}/entity/{*entity}",
        about: "all about one entity, by id, ident or lookup ref",
        calls: &[Call {
            params: &["pattern", "min-t", "sync", "max-staleness", "wait", "as-of", "since", "history"],
            sample: &[("pattern", "[:db/ident]")],
            run: pull::entity,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/datoms/{index}",
        about: "raw facts in the order of an index: eavt, aevt, avet, vaet",
        calls: &[Call {
            params: &[
                "e",
                "a",
                "v",
                "components",
                "start",
                "end",
                "seek",
                "reverse",
                "limit",
                "offset",
                "min-t",
                "sync",
                "max-staleness",
                "wait",
                "as-of",
                "since",
                "history",
            ],
            rows: true,
            sample: &[("a", ":film/year"), ("start", "1980"), ("end", "1990"), ("limit", "10")],
            run: datoms::datoms,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/log",
        about: "transactions in order",
        calls: &[Call {
            params: &["from", "to", "limit", "min-t", "sync", "max-staleness", "wait"],
            rows: true,
            sample: &[("from", "1"), ("limit", "10")],
            run: log::log,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/log/tail",
        about: "transactions as they come",
        calls: &[Call {
            work: Work::Stream,
            params: &["after", "wait", "limit", "attr", "entity"],
            rows: true,
            sample: &[("after", "1"), ("wait", "1000"), ("attr", ":film/year")],
            run: tail::tail,
            ..READ
        }],
    },
];

/// A read of bytes as they are stored.
const STORED: Call = Call { plain: Some(BYTES), ..READ };

/// Calls between processes of Annals: what is stored, as it is stored. They are no part of what is described for others,
/// and may be others in another version.
pub(crate) const INNER: &[Route] = &[
    Route {
        path: "/v1/db/{db}/feed",
        about: "the log as it is stored, as it comes",
        calls: &[Call { work: Work::Feed, params: &["from", "wait"], run: feed::feed, ..STORED }],
    },
    Route {
        path: "/v1/storage",
        about: "whether the storage is served",
        calls: &[Call { run: storage::about, ..STORED }],
    },
    Route {
        path: "/v1/storage/size",
        about: "how much is stored",
        calls: &[Call { run: storage::size, ..STORED }],
    },
    Route {
        path: "/v1/storage/slots/{kind}",
        about: "slots of the catalog",
        calls: &[Call { params: &["from", "limit"], run: storage::slots, ..STORED }],
    },
    Route {
        path: "/v1/storage/slots/{kind}/{database}",
        about: "slots of a log, or of roots",
        calls: &[Call { params: &["from", "limit"], run: storage::slots, ..STORED }],
    },
    Route {
        path: "/v1/storage/segments/{database}",
        about: "names of segments",
        calls: &[Call { params: &["after", "limit"], run: storage::segments, ..STORED }],
    },
    Route {
        path: "/v1/storage/segments/{database}/{segment}",
        about: "a segment",
        calls: &[Call { run: storage::segment, ..STORED }],
    },
    Route {
        path: "/v1/storage/hints/{database}/{name}",
        about: "a hint",
        calls: &[Call { run: storage::hint, ..STORED }],
    },
];

/// The type of what is stored.
pub(crate) const BYTES: &str = "application/octet-stream";

impl Route {
    /// The methods, as they stand in Allow.
    pub(crate) fn allow(&self) -> String {
        let mut methods: Vec<&str> = self.calls.iter().map(|call| call.method).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.join(", ")
    }

    /// The call that a method means.
    pub(crate) fn call(&self, method: &str) -> Option<&'static Call> {
        let method = if method == "HEAD" { "GET" } else { method };
        let calls: &'static [Call] = self.calls;
        calls.iter().find(|call| call.method == method)
    }
}

/// The smallest answer that is packed, bytes.
const PACKED_BYTES: u16 = 1024;

/// The router over a table. Bodies are unpacked on their way in, and answers packed for who wants that; not streams of
/// events, which have to go out one by one.
pub(crate) fn router(shared: &Arc<Shared>, routes: &'static [Route]) -> Router {
    let mut router = Router::new();
    for route in routes.iter().chain(INNER) {
        let shared = shared.clone();
        let answer = move |request: Request| shell::answer(shared.clone(), Some(route), request);
        router = router.route(route.path, any(answer));
    }
    let shared = shared.clone();
    let unknown = move |request: Request| shell::answer(shared.clone(), None, request);
    let fault = |_| problem_response(Problem::panicked(), Media::Json);
    let packed = SizeAbove::new(PACKED_BYTES).and(NotForContentType::const_new(media::EVENTS));
    router
        .fallback(unknown)
        .layer(CatchPanicLayer::custom(fault))
        .layer(CompressionLayer::new().gzip(true).compress_when(packed))
        .layer(RequestDecompressionLayer::new().gzip(true).pass_through_unaccepted(true))
}
