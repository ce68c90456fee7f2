//! Requests over HTTP: one client with one TLS stack, the machine's certificates, and answers that say what they mean.
//!
//! A client of a store tells failures by a few names and keeps the rest as text. Here the status of what none of these
//! names fits is kept ([`Told`]), so that who waits knows whether waiting helps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpService,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::Setback;
use crate::error::Error;

/// How long a connection may take to be made, and a request to be answered.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(60);
/// Statuses that clients of stores have names for.
const NAMED: [u16; 7] = [304, 401, 403, 404, 409, 412, 416];
/// Statuses that pass: the request came too slowly or too soon.
const PASSING: [u16; 2] = [408, 429];

/// Makes clients.
#[derive(Debug, Default)]
pub(in crate::backend) struct Wire;

impl HttpConnector for Wire {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let in_the_clear =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|set| set == "true");
        let failed = |source| object_store::Error::Generic { store: "HTTP", source };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(in_the_clear).map_err(|error| failed(error.into()))?)
            .https_only(!in_the_clear)
            .http1_only()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .user_agent("annals")
            .build();
        Ok(HttpClient::new(Telling(client.map_err(|error| failed(error.into()))?)))
    }
}

/// The machine's certificates decide whom to trust. Where there are none, nobody is; that matters only for TLS.
fn tls(in_the_clear: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        || ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    Ok(match versions()?.with_platform_verifier() {
        Ok(verified) => verified.with_no_client_auth(),
        Err(_) if in_the_clear => {
            versions()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
        Err(error) => return Err(error),
    })
}

#[derive(Debug)]
struct Telling(reqwest::Client);

#[async_trait]
impl HttpService for Telling {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.call(request).await?;
        let status = response.status();
        if status.is_success() || NAMED.contains(&status.as_u16()) {
            return Ok(response);
        }
        let text = response.into_body().bytes().await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        Err(HttpError::new(HttpErrorKind::Unknown, Told { status: status.as_u16(), text }))
    }
}

/// An answer that is none.
#[derive(Debug)]
pub(in crate::backend) struct Told {
    pub(in crate::backend) status: u16,
    pub(in crate::backend) text: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "status {} {}", self.status, words.chars().take(300).collect::<String>())
    }
}

impl std::error::Error for Told {}

/// What a failure means that its client has no name for.
pub(in crate::backend) fn setback(place: &str, error: &(dyn std::error::Error + 'static)) -> Setback {
    let why = format!("{place}: {}", super::chain(error));
    let mut cause = Some(error);
    while let Some(next) = cause {
        if let Some(told) = next.downcast_ref::<Told>() {
            return match told.status {
                status if PASSING.contains(&status) => Setback::Declined(why),
                // Of the others only these may pass.
                500.. if told.status != 501 => Setback::Doubtful(why),
                _ => Setback::Refused(Error::Unavailable(why)),
            };
        }
        if next.downcast_ref::<HttpError>().is_some_and(|error| error.kind() == HttpErrorKind::Connect) {
            return Setback::Declined(why);
        }
        cause = next.source();
    }
    Setback::Doubtful(why)
}
