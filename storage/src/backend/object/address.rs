//! From addresses to stores: whose they are, who asks, and whether their promises are known.
//!
//! Who asks and where is read from the environment by the client of the store, by the names that the provider's own tools
//! use. A store is known by where it is: at its provider's, it keeps its promises; at an endpoint that was set, it is tried.

use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use crate::backend::remote::wire::Wire;
use crate::error::{Error, Result};

/// Where an address leads.
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    pub(super) shown: String,
    pub(super) is_known: bool,
}

/// The place an address leads to, with settings that go before those of the environment.
pub(super) fn resolve(address: &str, settings: &[(String, String)]) -> Result<Place> {
    let wrong = |why: String| Error::BadAddress { address: address.to_owned(), why };
    let Some((scheme, rest)) = address.split_once("://") else {
        return Err(wrong("it has no scheme".into()));
    };
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if name.is_empty() || name.contains(['@', ':', '?', '#']) {
        let named = if scheme.starts_with("az") { "container" } else { "bucket" };
        return Err(wrong(format!("the name of the {named} is missing, or is none")));
    }
    let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|error| wrong(error.to_string()))?;
    let failed = |error: object_store::Error| wrong(error.to_string());
    let (store, is_known) = match scheme {
        "s3" => s3(name, settings).map_err(failed)?,
        "az" | "azure" => azure(name, settings).map_err(failed)?,
        "gs" => google(name, settings).map_err(failed)?,
        _ => return Err(wrong(format!("{scheme} names no object store"))),
    };
    Ok(Place { store, prefix, shown: address.trim_end_matches('/').to_owned(), is_known })
}

/// Whoever calls waits, and sees what became of each attempt.
fn never_again() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, ..RetryConfig::default() }
}

/// The settings that a store knows.
fn known<K: FromStr>(settings: &[(String, String)]) -> impl Iterator<Item = (K, &String)> {
    settings.iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
}

type Resolved = object_store::Result<(Arc<dyn ObjectStore>, bool)>;

fn s3(bucket: &str, settings: &[(String, String)]) -> Resolved {
    let from_env = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let builder = known(settings).fold(from_env, |builder, (key, value)| builder.with_config(key, value));
    let is_set = |key| builder.get_config_value(&key).is_some();
    let is_known = !is_set(AmazonS3ConfigKey::Endpoint) && !is_set(AmazonS3ConfigKey::S3Endpoint);
    let store = builder.with_retry(never_again()).with_http_connector(Wire).build()?;
    Ok((Arc::new(store), is_known))
}

fn azure(container: &str, settings: &[(String, String)]) -> Resolved {
    let from_env = MicrosoftAzureBuilder::from_env().with_container_name(container);
    let builder = known(settings).fold(from_env, |builder, (key, value)| builder.with_config(key, value));
    let is_emulator = builder.get_config_value(&AzureConfigKey::UseEmulator).is_some_and(|set| set == "true");
    let is_known = !is_emulator && builder.get_config_value(&AzureConfigKey::Endpoint).is_none();
    let store = builder.with_retry(never_again()).with_http_connector(Wire).build()?;
    Ok((Arc::new(store), is_known))
}

fn google(bucket: &str, settings: &[(String, String)]) -> Resolved {
    let from_env = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
    let builder = known(settings).fold(from_env, |builder, (key, value)| builder.with_config(key, value));
    let is_known = builder.get_config_value(&GoogleConfigKey::BaseUrl).is_none();
    let store = builder.with_retry(never_again()).with_http_connector(Wire).build()?;
    Ok((Arc::new(store), is_known))
}
