//! Settings: a flag wins over an `ANNALS_*` variable, that over `annals.toml`, that over what is built in.
//!
//! Each source gives a [`Settings`] with gaps; [`Settings::or`] fills gaps from the weaker one. Nothing here looks
//! anything up by itself: the environment and the file come in as arguments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::present::Format;
use crate::problem::{Problem, Result};
use crate::size::Size;
use annals::suggest::did_you_mean;
use annals::{Budget, Options};

/// What can be set, with gaps.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The address of the storage, where a command names none.
    pub storage: Option<String>,
    /// The name of the database.
    pub db: Option<String>,
    /// How rows are printed.
    pub format: Option<Format>,
    /// The address a server listens on.
    pub listen: Option<String>,
    /// The most rows a table shows.
    pub limit: Option<usize>,
    /// How many columns wide the terminal is.
    pub width: Option<usize>,
    /// Whether the REPL shows how long things took.
    pub timing: Option<bool>,
    /// The most rows any intermediate or final result of a query may have.
    pub rows: Option<u64>,
    /// How many milliseconds a query may take.
    pub timeout: Option<u64>,
    /// How much memory is used in all: caches, novelty and queries are cut to fit.
    pub memory: Option<Size>,
    /// How many bytes of decoded nodes are remembered, whatever the memory is.
    pub cache: Option<Size>,
    /// Where the REPL keeps its history; an empty path: nowhere.
    pub history: Option<PathBuf>,
}

/// How many rows a query may make unless told: as many as memory of an ordinary machine can hold.
const MOST_ROWS: u64 = 20_000_000;

/// Every key, as it is written in `annals.toml`; the variable is `ANNALS_` and the key in capitals.
const KEYS: [&str; 12] = [
    "storage", "db", "format", "listen", "limit", "width", "timing", "rows", "timeout", "memory", "cache",
    "history",
];

impl Settings {
    /// What `annals.toml` says.
    pub fn from_toml(text: &str, path: &Path) -> Result<Settings> {
        toml::from_str(text).map_err(|error| {
            let message = format!("{}: {}", path.display(), error.message());
            let unknown = error.span().and_then(|span| text.get(span)).map(str::trim).unwrap_or_default();
            let hint =
                did_you_mean(unknown, KEYS).unwrap_or_else(|| format!("the keys are {}", KEYS.join(", ")));
            Problem::usage(message).hint(hint)
        })
    }

    /// What the `ANNALS_*` variables say.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Settings> {
        let get =
            |key: &str| variable(&format!("ANNALS_{}", key.to_uppercase())).filter(|text| !text.is_empty());
        fn read<V>(name: &str, text: Option<String>, read: impl Fn(&str) -> Option<V>) -> Result<Option<V>> {
            let wrong = |text: &str| {
                Problem::usage(format!("ANNALS_{} is `{text}`, which means nothing", name.to_uppercase()))
            };
            text.map(|text| read(&text).ok_or_else(|| wrong(&text))).transpose()
        }
        Ok(Settings {
            storage: get("storage"),
            db: get("db"),
            format: read("format", get("format"), Format::named)?,
            listen: get("listen"),
            limit: read("limit", get("limit"), |text| text.parse().ok())?,
            width: read("width", get("width"), |text| text.parse().ok())?,
            timing: read("timing", get("timing"), on_or_off)?,
            rows: read("rows", get("rows"), |text| text.parse().ok())?,
            timeout: read("timeout", get("timeout"), |text| text.parse().ok())?,
            memory: read("memory", get("memory"), |text| text.parse().ok())?,
            cache: read("cache", get("cache"), |text| text.parse().ok())?,
            history: variable("ANNALS_HISTORY").map(PathBuf::from),
        })
    }

    /// These, with gaps filled from weaker ones.
    #[must_use]
    pub fn or(self, weaker: Settings) -> Settings {
        Settings {
            storage: self.storage.or(weaker.storage),
            db: self.db.or(weaker.db),
            format: self.format.or(weaker.format),
            listen: self.listen.or(weaker.listen),
            limit: self.limit.or(weaker.limit),
            width: self.width.or(weaker.width),
            timing: self.timing.or(weaker.timing),
            rows: self.rows.or(weaker.rows),
            timeout: self.timeout.or(weaker.timeout),
            memory: self.memory.or(weaker.memory),
            cache: self.cache.or(weaker.cache),
            history: self.history.or(weaker.history),
        }
    }

    /// How many rows a query may make on its way: as said, or as many as its part of the memory holds.
    pub fn most_rows(&self) -> u64 {
        let of_memory = || self.options().ok()?.query_rows();
        self.rows.or_else(of_memory).unwrap_or(MOST_ROWS)
    }

    /// What a query may use up, but for who can stop it.
    pub fn budget(&self) -> Budget {
        Budget {
            rows: Some(self.most_rows()),
            bytes: self.options().ok().and_then(|options| options.query_bytes()),
            time: self.timeout.map(Duration::from_millis),
            ..Budget::default()
        }
    }

    /// How storages are opened.
    pub fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        if let Some(Size(memory)) = self.memory {
            options = options.within(memory)?;
        }
        if let Some(Size(cache)) = self.cache {
            options.cache_bytes = cache;
        }
        Ok(options)
    }

    /// The name of the database, `main` if nothing says otherwise.
    pub fn database(&self) -> &str {
        self.db.as_deref().unwrap_or("main")
    }
}

/// Reads a switch.
pub fn on_or_off(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Settings> {
        Settings::from_toml(text, Path::new("annals.toml"))
    }

    #[test]
    fn flag_before_variable_before_file() {
        let flags = Settings { db: Some("flag".into()), ..Settings::default() };
        let variables = Settings::from_variables(|name| match name {
            "ANNALS_DB" => Some("variable".into()),
            "ANNALS_FORMAT" => Some("json".into()),
            _ => None,
        });
        let file =
            file("db = 'file'\nformat = 'csv'\nlimit = 7\nlisten = '127.0.0.1:1'").expect("it is right");
        let settings = flags.or(variables.expect("they are right")).or(file);
        assert_eq!(settings.database(), "flag");
        assert_eq!(settings.format, Some(Format::Json));
        assert_eq!(settings.limit, Some(7));
        assert_eq!(settings.listen.as_deref(), Some("127.0.0.1:1"));
    }

    #[test]
    fn memory_is_split_and_what_is_said_apart_wins() {
        let set = Settings { memory: Some(Size(1 << 30)), ..Settings::default() };
        let options = set.options().expect("it is enough");
        assert_eq!((options.memory, options.cache_bytes), (Some(1 << 30), 366 << 20));
        assert_eq!(set.most_rows(), options.query_rows().expect("memory is set"));
        let both = Settings { cache: Some(Size(7)), rows: Some(9), ..set };
        assert_eq!((both.options().expect("it is enough").cache_bytes, both.most_rows()), (7, 9));
        let little = Settings { memory: Some(Size(1000)), ..Settings::default() };
        assert!(little.options().expect_err("too little").to_string().contains("1000"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_a_suggestion() {
        let problem = file("formt = 'csv'").expect_err("no such key");
        assert_eq!(problem.exit_status(), 2);
        assert!(problem.hint_text().is_some_and(|hint| hint.contains("`format`")), "{problem}");
    }

    #[test]
    fn a_value_that_means_nothing_is_refused_by_name() {
        let problem = Settings::from_variables(|name| (name == "ANNALS_LIMIT").then(|| "many".into()));
        assert!(problem.expect_err("not a number").to_string().contains("ANNALS_LIMIT"));
        assert!(file("timing = 'perhaps'").is_err());
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none_but_for_the_history() {
        let settings = Settings::from_variables(|_| Some(String::new()));
        let no_history = Settings { history: Some(PathBuf::new()), ..Settings::default() };
        assert_eq!(settings.expect("nothing is set"), no_history);
    }

    #[test]
    fn keys_are_the_fields() {
        let all = "storage='a'\ndb='b'\nformat='edn'\nlisten='c'\nlimit=1\nwidth=2\ntiming=true\nrows=3\ntimeout=4\nmemory='2GiB'\ncache=5\nhistory='d'";
        let keys: Vec<&str> = all.lines().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(keys, KEYS);
        assert!(file(all).is_ok());
    }
}
