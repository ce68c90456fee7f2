//! What parameters, parts of paths and statuses mean. A name means the same wherever it stands.

/// What a parameter can be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A whole number from 0.
    Whole,
    /// True or false; the bare name is true.
    Flag,
    /// Text; its meaning says what it has to be.
    Text,
    /// One of these.
    OneOf(&'static [&'static str]),
}

use Kind::{Flag, OneOf, Text, Whole};

/// Every parameter there is: name, kind, meaning.
pub(super) const WORDS: &[(&str, Kind, &str)] = &[
    ("types", OneOf(&["plain", "tagged"]), "how JSON is written: for people, or without loss"),
    ("min-t", Whole, "the answer must have reached this t"),
    ("sync", OneOf(&["head"]), "the answer must be about the newest of all, whoever wrote it"),
    ("max-staleness", Whole, "the answer must have been the newest so many milliseconds ago"),
    ("wait", Whole, "how many milliseconds may be waited: for min-t, for an outcome, for news"),
    ("as-of", Text, "what held after this point: a t, a transaction or an instant"),
    ("since", Text, "only what was added after this point"),
    ("history", Flag, "assertions and retractions of all times"),
    ("limit", Whole, "the most rows, transactions or requests of the answer"),
    ("offset", Whole, "how many facts are skipped"),
    ("cursor", Text, "the rows after this cursor of a page"),
    ("page", Flag, "answer rows with columns, cursor and basis"),
    ("timeout", Whole, "the most milliseconds that the query may take"),
    ("explain", Flag, "answer the plan"),
    ("verify", Flag, "answer a second time, slowly, and compare"),
    ("query", Text, "the query, as EDN"),
    ("args", Text, "the inputs of the query, as an EDN vector"),
    ("system", Flag, "attributes of the system too"),
    ("dry-run", Flag, "tell what would be, and keep nothing"),
    ("state", OneOf(&["received", "committed", "rejected", "failed"]), "only requests in this state"),
    ("pattern", Text, "the pull pattern, as EDN"),
    ("e", Text, "the entity, as EDN"),
    ("a", Text, "the attribute, as EDN"),
    ("v", Text, "the value, as EDN"),
    ("components", Text, "the leading components in the order of the index, as an EDN vector"),
    ("start", Text, "the first value of a range, as EDN"),
    ("end", Text, "the value before which a range ends, as EDN"),
    ("seek", Flag, "go on from the components to the end of the index"),
    ("reverse", Flag, "from the last to the first"),
    ("from", Text, "the first transaction: a t, a transaction or an instant"),
    ("to", Text, "the point before which the transactions end"),
    ("after", Whole, "the last t that is known already"),
    ("attr", Text, "only facts about this attribute: an id, an ident or a lookup ref; may be repeated"),
    ("entity", Text, "only facts about this entity: an id, an ident or a lookup ref; may be repeated"),
];

/// Every part of a path that varies: name, meaning, example.
pub(super) const PARTS: &[(&str, &str, &str)] = &[
    ("db", "the name of the database", "main"),
    ("index", "eavt, aevt, avet or vaet", "avet"),
    ("entity", "an id, an ident or a lookup ref, as EDN; it may hold slashes", ":film/title"),
    ("name", "the command, without colon; it may hold slashes", "film/rename"),
    ("key", "the key of the request", "k1"),
];

/// What a status means here.
pub(super) fn of_status(status: u16) -> &'static str {
    match status {
        201 => "It was made",
        202 => "It was durably taken in, and is carried out later (Prefer: respond-async)",
        503 => "It is not; the reasons are told",
        _ => "The answer",
    }
}
