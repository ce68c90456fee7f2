//! Addresses of storages: what they name, and how that is opened.
//!
//! An address says where facts are, never who may see them: keys are the environment's. Engines that others run are
//! features; an address of one that this build lacks is refused by the name of the feature.

use std::sync::Arc;

use annals_storage::anomaly::Category;
use annals_storage::backend::Storage;

use crate::error::{Error, Result};

/// What an address names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// Nothing but this process.
    Memory,
    /// A file.
    File(&'a str),
    /// An engine that others run.
    Remote(Remote<'a>),
    /// Another process of Annals, that owns a storage or reads one.
    Server(&'a str),
}

/// An engine that others run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Remote<'a> {
    /// A database of PostgreSQL.
    Postgres(&'a str),
    /// A bucket or container.
    Objects(&'a str),
    /// A table of DynamoDB.
    DynamoDb(&'a str),
    /// Log, roots, catalog and hints in the one, segments in the other.
    Hybrid(Box<Remote<'a>>, Box<Remote<'a>>),
}

const HINT: &str = "write mem:, redb:PATH, the path of a file, postgres://USER@HOST/DATABASE, s3://BUCKET/PREFIX, \
                    az://CONTAINER/PREFIX, gs://BUCKET/PREFIX, dynamodb://TABLE or http://HOST:PORT";

impl<'a> Address<'a> {
    pub(crate) fn parse(address: &'a str) -> Result<Address<'a>> {
        let invalid = |why: &str| {
            let message = format!("{address:?} is no storage address: {why}");
            Err(Error::incorrect("db.error/invalid-db-uri", message).with_hint(HINT))
        };
        let is_scheme =
            |scheme: &str| scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if let Some((log, segments)) = two(address) {
            return match (Remote::parse(log), Remote::parse(segments)) {
                (Some(log), Some(segments)) => {
                    Ok(Address::Remote(Remote::Hybrid(Box::new(log), Box::new(segments))))
                }
                _ => invalid("of LOG+SEGMENTS both are engines that others run"),
            };
        }
        if let Some(remote) = Remote::parse(address) {
            return Ok(Address::Remote(remote));
        }
        match address.split_once(':') {
            Some(("mem", "")) => Ok(Address::Memory),
            Some(("mem", _)) => invalid("a storage in memory has no name"),
            Some(("redb", "")) => invalid("the path is missing"),
            Some(("redb", path)) => Ok(Address::File(path)),
            Some(("http", _)) => Ok(Address::Server(address)),
            Some((scheme, _)) if is_scheme(scheme) => {
                let message = format!("storage addresses that begin with {scheme}: are not supported");
                Err(Error::new(Category::Unsupported, "db.error/unsupported-protocol", message)
                    .with_hint("mem:, redb:PATH and, with their features, postgres:, s3:, az:, gs:, dynamodb: and http: are; a path with a colon is written redb:PATH"))
            }
            _ if address.is_empty() => invalid("it is empty"),
            _ => Ok(Address::File(address)),
        }
    }
}

/// The parts of `LOG+SEGMENTS`, where a second scheme follows a plus.
fn two(address: &str) -> Option<(&str, &str)> {
    let pluses = address.match_indices('+').map(|(at, _)| (&address[..at], &address[at + 1..]));
    pluses.filter(|(_, rest)| rest.contains("://")).find(|(_, rest)| Remote::parse(rest).is_some())
}

impl<'a> Remote<'a> {
    fn parse(address: &'a str) -> Option<Remote<'a>> {
        Some(match address.split_once(':')?.0 {
            "postgres" | "postgresql" => Remote::Postgres(address),
            "s3" | "az" | "azure" | "gs" => Remote::Objects(address),
            "dynamodb" => Remote::DynamoDb(address),
            _ => return None,
        })
    }

    /// Opens it; makes what it needs there, unless it must exist.
    pub(crate) fn open(&self, must_exist: bool) -> Result<Arc<dyn Storage>> {
        match self {
            #[cfg(feature = "postgres")]
            Remote::Postgres(address) => {
                use annals_storage::backend::{PostgresStorage, postgres::Options};
                let options = Options { create: !must_exist, ..Options::default() };
                Ok(Arc::new(PostgresStorage::open_with(address, &options)?))
            }
            #[cfg(not(feature = "postgres"))]
            Remote::Postgres(_) => Err(unbuilt("postgres")),
            #[cfg(feature = "objects")]
            Remote::Objects(address) => {
                use annals_storage::backend::{ObjectStorage, object::Options};
                let options = Options { create: !must_exist, ..Options::default() };
                Ok(Arc::new(ObjectStorage::open_with(address, &options)?))
            }
            #[cfg(not(feature = "objects"))]
            Remote::Objects(_) => Err(unbuilt("objects")),
            #[cfg(feature = "dynamodb")]
            Remote::DynamoDb(address) => {
                use annals_storage::backend::{DynamoStorage, dynamo::Options};
                let options = Options { create: !must_exist, ..Options::default() };
                Ok(Arc::new(DynamoStorage::open_with(address, &options)?))
            }
            #[cfg(not(feature = "dynamodb"))]
            Remote::DynamoDb(_) => Err(unbuilt("dynamodb")),
            Remote::Hybrid(log, segments) => {
                use annals_storage::backend::HybridStorage;
                Ok(Arc::new(HybridStorage::new(log.open(must_exist)?, segments.open(must_exist)?)))
            }
        }
    }
}

#[cfg(any(
    not(feature = "postgres"),
    not(feature = "objects"),
    not(feature = "dynamodb"),
    not(feature = "remote")
))]
pub(crate) fn unbuilt(feature: &str) -> Error {
    let message = format!("this build is without the feature {feature}");
    Error::new(Category::Unsupported, "db.error/unsupported-protocol", message)
        .with_hint(format!("build it with --features {feature}, or use mem: or redb:PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |address| Address::parse(address).expect("an address");
        assert_eq!(parse("mem:"), Address::Memory);
        assert_eq!(parse("redb:a/b.annals"), Address::File("a/b.annals"));
        assert_eq!(parse("./a.annals"), Address::File("./a.annals"));
        assert_eq!(parse("a+b.annals"), Address::File("a+b.annals"));
        assert_eq!(parse("C:\\data\\a"), Address::File("C:\\data\\a"));
        for address in ["s3://bucket/prefix", "az://container", "azure://container/a/b", "gs://bucket/a+b"] {
            assert_eq!(parse(address), Address::Remote(Remote::Objects(address)));
        }
        assert_eq!(parse("http://host:8417"), Address::Server("http://host:8417"));
        assert_eq!(parse("dynamodb://boats"), Address::Remote(Remote::DynamoDb("dynamodb://boats")));
        let (log, segments) = ("postgres://a:b+c@host/d", "s3://bucket/x+y");
        let both = Remote::Hybrid(Box::new(Remote::Postgres(log)), Box::new(Remote::Objects(segments)));
        assert_eq!(parse(&format!("{log}+{segments}")), Address::Remote(both));
        for (address, keyword) in [
            ("", "db.error/invalid-db-uri"),
            ("redb:", "db.error/invalid-db-uri"),
            ("mem:x", "db.error/invalid-db-uri"),
            ("mem:+s3://bucket/x", "db.error/invalid-db-uri"),
            ("ftp://host/prefix", "db.error/unsupported-protocol"),
        ] {
            let error = Address::parse(address).unwrap_err();
            assert_eq!(error.keyword(), keyword, "{address}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn engines_that_this_build_lacks_are_refused_by_the_feature() {
        let built = [cfg!(feature = "postgres"), cfg!(feature = "objects"), cfg!(feature = "dynamodb")];
        let engines = [("postgres", "postgres:///x"), ("objects", "s3://"), ("dynamodb", "dynamodb://")];
        for ((feature, address), built) in engines.into_iter().zip(built) {
            let Address::Remote(remote) = Address::parse(address).expect("an address") else {
                panic!("{address}")
            };
            let error = remote.open(true).expect_err("it leads nowhere");
            let lacking = error.keyword() == "db.error/unsupported-protocol";
            assert_eq!(lacking, !built, "{error}");
            assert!(built || error.hint().expect("a hint").contains(feature), "{error}");
        }
    }
}
