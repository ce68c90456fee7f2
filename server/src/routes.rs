//! The table of calls: every path, every method, what it takes and who answers.
//!
//! Nothing else decides which calls there are: the router, the list at `/` and the answer to a wrong method all come
//! from here.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use tower_http::catch_panic::CatchPanicLayer;

use crate::ask::Ask;
use crate::calls::{catalogue, commands, datoms, fork, health, log, pull, query, requests, transact};
use crate::media::Media;
use crate::problem::Problem;
use crate::reply::{Reply, problem_response};
use crate::shell::{self, Shared};

/// What a call needs of the server, and with that how many may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reads; stopped when its time is up or nobody waits for it.
    Read,
    /// Changes something; what it began it ends.
    Write,
    /// Neither: answered even when the server is full.
    Probe,
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
    /// True if it can answer in rows (CSV, newline-delimited JSON).
    pub(crate) rows: bool,
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

const READ: Call =
    Call { method: "GET", work: Work::Read, params: &[], body: false, rows: false, run: health::live };
const BASIS: &[&str] = &["min-t", "wait"];
const VIEW: &[&str] = &["min-t", "wait", "as-of", "since", "history"];
const QUERY: Call = Call {
    method: "POST",
    params: &[
        "min-t", "wait", "as-of", "since", "history", "limit", "cursor", "page", "timeout", "explain",
        "verify",
    ],
    body: true,
    rows: true,
    run: query::query,
    ..READ
};

/// Every call there is.
pub(crate) const ROUTES: &[Route] = &[
    Route { path: "/", about: "this page", calls: &[Call { work: Work::Probe, run: health::page, ..READ }] },
    Route {
        path: "/health/live",
        about: "the server turns",
        calls: &[Call { work: Work::Probe, run: health::live, ..READ }],
    },
    Route {
        path: "/health/ready",
        about: "the storage answers",
        calls: &[Call { work: Work::Probe, run: health::ready, ..READ }],
    },
    Route { path: "/v1/db", about: "list databases", calls: &[Call { run: catalogue::list, ..READ }] },
    Route {
        path: "/v1/db/{db}",
        about: "create, describe, delete a database",
        calls: &[
            Call { params: BASIS, run: catalogue::describe, ..READ },
            Call { method: "PUT", work: Work::Write, run: catalogue::create, ..READ },
            Call { method: "DELETE", work: Work::Write, run: catalogue::delete, ..READ },
        ],
    },
    Route {
        path: "/v1/db/{db}/schema",
        about: "attributes and their properties",
        calls: &[Call { params: &["system", "min-t", "wait"], run: catalogue::schema, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/fork",
        about: "a new database that shares the past of this one",
        calls: &[Call { method: "POST", work: Work::Write, body: true, run: fork::fork, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/transact",
        about: "facts in, report out",
        calls: &[Call { method: "POST", work: Work::Write, body: true, run: transact::transact, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/commands",
        about: "the commands there are, and what they take",
        calls: &[Call { params: BASIS, run: commands::list, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/commands/{*name}",
        about: "run a command by name",
        calls: &[Call {
            method: "POST",
            work: Work::Write,
            params: &["dry-run"],
            body: true,
            run: commands::run,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/requests",
        about: "the newest requests that had a key, and what became of them",
        calls: &[Call { params: &["limit", "state", "min-t", "wait"], run: requests::list, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/requests/{key}",
        about: "what became of a request",
        calls: &[Call { params: &["wait"], run: requests::status, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/with",
        about: "the report that facts would give; nothing is kept",
        calls: &[Call { method: "POST", params: VIEW, body: true, run: transact::with, ..READ }],
    },
    Route {
        path: "/v1/db/{db}/query",
        about: "Datalog",
        calls: &[
            QUERY,
            Call { method: "QUERY", ..QUERY },
            Call {
                params: &[
                    "query", "args", "min-t", "wait", "as-of", "since", "history", "limit", "cursor", "page",
                    "timeout", "explain", "verify",
                ],
                rows: true,
                run: query::query_by_address,
                ..READ
            },
        ],
    },
    Route {
        path: "/v1/db/{db}/pull",
        about: "trees of facts about entities",
        calls: &[
            Call { method: "POST", params: VIEW, body: true, run: pull::pull, ..READ },
            Call { method: "QUERY", params: VIEW, body: true, run: pull::pull, ..READ },
        ],
    },
    Route {
        path: "/v1/db/{db}/index-pull",
        about: "trees of facts along an index",
        calls: &[
            Call { method: "POST", params: VIEW, body: true, run: pull::index_pull, ..READ },
            Call { method: "QUERY", params: VIEW, body: true, run: pull::index_pull, ..READ },
        ],
    },
    Route {
        path: "/v1/db/{db}/entity/{*entity}",
        about: "all about one entity, by id, ident or lookup ref",
        calls: &[Call {
            params: &["pattern", "min-t", "wait", "as-of", "since", "history"],
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
                "wait",
                "as-of",
                "since",
                "history",
            ],
            rows: true,
            run: datoms::datoms,
            ..READ
        }],
    },
    Route {
        path: "/v1/db/{db}/log",
        about: "transactions in order",
        calls: &[Call {
            params: &["from", "to", "limit", "min-t", "wait"],
            rows: true,
            run: log::log,
            ..READ
        }],
    },
];

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

/// The router over a table.
pub(crate) fn router(shared: Arc<Shared>, routes: &'static [Route]) -> Router {
    let mut router = Router::new();
    for route in routes {
        let shared = shared.clone();
        let answer = move |request: Request| shell::answer(shared.clone(), Some(route), request);
        router = router.route(route.path, any(answer));
    }
    let unknown = move |request: Request| shell::answer(shared.clone(), None, request);
    let fault = |_| problem_response(Problem::panicked(), Media::Json);
    router.fallback(unknown).layer(CatchPanicLayer::custom(fault))
}
