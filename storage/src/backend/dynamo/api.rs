//! Calls to DynamoDB: a name, a JSON body, a signature; and what its refusals mean.
//!
//! The client of object stores brings all that is needed, credentials and signing and connections, so this is one file and
//! not another library. A call is made once; whether it is made again is for [`Patience`](super::Patience).

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Uri};
use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{ClientConfigKey, HttpClient, HttpConnector, HttpRequest};
use serde_json::Value;

use crate::backend::remote::wire::{self, Told, Wire};
use crate::backend::remote::{Setback, chain};
use crate::error::{Error, Result};

/// What is asked first of an endpoint of its own.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
/// Refusals that pass by themselves.
const TOO_MUCH: [&str; 5] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TransactionInProgressException",
];
/// Refusals of who asks.
const FORBIDDEN: [&str; 6] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
];

/// A client.
pub(super) struct Api {
    client: HttpClient,
    credentials: AwsCredentialProvider,
    region: String,
    endpoint: Uri,
    /// As messages name it.
    pub(super) shown: String,
}

/// How a call ended otherwise than wanted.
pub(super) enum Refusal {
    /// The item is there, against the condition.
    IsThere,
    /// There is no such table.
    NoTable(String),
    /// The table is being made.
    InUse,
    /// Anything else.
    Setback(Setback),
}

impl Api {
    /// A client as the environment and these settings say; true if it asks the provider itself, whose promises are known.
    pub(super) fn new(address: &str, settings: &[(String, String)]) -> Result<(Api, bool)> {
        let wrong = |why: String| Error::BadAddress { address: address.to_owned(), why };
        // The client of S3 knows how credentials are found; the bucket is never asked.
        let mut builder = AmazonS3Builder::from_env().with_bucket_name("none");
        for (name, value) in settings {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        let set = |key| builder.get_config_value(&key);
        let region = set(AmazonS3ConfigKey::Region).or_else(|| set(AmazonS3ConfigKey::DefaultRegion));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let own = settings.iter().find(|(name, _)| name == ENDPOINT).map(|(_, value)| value.clone());
        let endpoint = own.or_else(of_environment).or_else(|| set(AmazonS3ConfigKey::Endpoint));
        let is_known = endpoint.is_none();
        let endpoint = endpoint.unwrap_or_else(|| format!("https://dynamodb.{region}.amazonaws.com"));
        let endpoint = format!("{}/", endpoint.trim_end_matches('/'));
        let endpoint: Uri =
            endpoint.parse().map_err(|error| wrong(format!("its endpoint {endpoint}: {error}")))?;
        let in_the_clear = set(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)).unwrap_or_default();
        let options = ClientOptions::new().with_config(ClientConfigKey::AllowHttp, in_the_clear);
        let failed = |error: object_store::Error| wrong(chain(&error));
        let client = Wire.connect(&options).map_err(failed)?;
        let store = builder.with_http_connector(Wire).build().map_err(failed)?;
        let credentials = store.credentials().clone();
        Ok((Api { client, credentials, region, endpoint, shown: address.to_owned() }, is_known))
    }

    /// Calls an operation.
    pub(super) async fn call(&self, operation: &str, body: &Value) -> Result<Value, Refusal> {
        let refused = |error: &(dyn std::error::Error + 'static)| self.refusal(error);
        let credential = self.credentials.get_credential().await.map_err(|error| refused(&error))?;
        let text = body.to_string();
        let length = text.len();
        let mut request = HttpRequest::new(text.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let target =
            HeaderValue::from_str(&format!("DynamoDB_20120810.{operation}")).expect("a name in ASCII");
        let headers = request.headers_mut();
        headers.insert(HeaderName::from_static("x-amz-target"), target);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        headers.insert(CONTENT_LENGTH, length.into());
        let authorizer = AwsAuthorizer::new(&credential, "dynamodb", &self.region);
        authorizer.try_authorize(&mut request, None).map_err(|error| refused(&error))?;
        let answer = self.client.execute(request).await.map_err(|error| refused(&error))?;
        let status = answer.status();
        let text = answer.into_body().bytes().await.map_err(|error| refused(&error))?;
        if !status.is_success() {
            let text = String::from_utf8_lossy(&text).into_owned();
            return Err(refused(&Told { status: status.as_u16(), text }));
        }
        serde_json::from_slice(&text).map_err(|error| refused(&error))
    }

    /// What a failure means.
    fn refusal(&self, error: &(dyn std::error::Error + 'static)) -> Refusal {
        let (path, why) = (self.shown.clone(), chain(error));
        let mut cause = Some(error);
        let told = std::iter::from_fn(|| {
            let next = cause?;
            cause = next.source();
            Some(next)
        });
        let text =
            told.filter_map(|error| error.downcast_ref::<Told>()).map(|told| told.text.as_str()).next();
        let name = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let name = name.as_ref().and_then(|body| body.get("__type")?.as_str()?.rsplit('#').next());
        match name.unwrap_or_default() {
            "ConditionalCheckFailedException" => Refusal::IsThere,
            "ResourceNotFoundException" => Refusal::NoTable(why),
            "ResourceInUseException" => Refusal::InUse,
            name if TOO_MUCH.contains(&name) => Refusal::Setback(Setback::Declined(format!("{path}: {why}"))),
            name if FORBIDDEN.contains(&name) => {
                Refusal::Setback(Setback::Refused(Error::NotWritable { path, why }))
            }
            _ => Refusal::Setback(wire::setback(&path, error)),
        }
    }

    /// A refusal of a call that makes no condition.
    pub(super) fn setback(&self, refusal: Refusal) -> Setback {
        let path = self.shown.clone();
        match refusal {
            Refusal::Setback(setback) => setback,
            Refusal::NoTable(why) => Setback::Refused(Error::NoStorage { path, why }),
            Refusal::InUse => Setback::Declined(format!("{path}: the table is being made")),
            Refusal::IsThere => Setback::Doubtful(format!("{path}: a condition failed that was not made")),
        }
    }
}

/// The one variable that the client of object stores does not read.
#[expect(
    clippy::disallowed_methods,
    reason = "as the other settings of the provider, it is found where its tools look"
)]
fn of_environment() -> Option<String> {
    std::env::var(ENDPOINT).ok()
}
