//! Which of our error keywords are of the kinds that the cases speak of.

/// Each kind, and the keywords (without `db.error/`) that are of it.
const KINDS: &[(&str, &[&str])] = &[
    ("syntax", &["syntax", "ratio", "nesting"]),
    ("duplicate-key", &["duplicate-key"]),
    ("bad-literal", &["bad-literal"]),
    ("bad-transaction", &["invalid-transaction", "invalid-tx-data", "reserved-tempid"]),
    ("unknown-operation", &["not-a-data-function"]),
    ("nil-value", &["nil-value"]),
    ("unknown-attribute", &["not-an-entity", "not-an-attribute", "unknown-attribute"]),
    ("wrong-type", &["wrong-type-for-attribute", "invalid-tuple-value"]),
    ("entity-not-found", &["not-an-entity", "entity-not-found", "invalid-entity-id", "invalid-entity-name"]),
    ("bad-lookup-ref", &["invalid-lookup-ref", "lookup-ref-attr-not-unique"]),
    ("conflicting-datoms", &["datoms-conflict"]),
    ("unique-conflict", &["unique-conflict"]),
    ("dangling-tempid", &["tempid-not-an-entity"]),
    ("unanchored-nested-map", &["invalid-nested-entity"]),
    ("cas-failed", &["cas-failed"]),
    ("cas-on-many", &["invalid-cas"]),
    ("bad-tx-instant", &["past-tx-instant", "future-tx-instant", "reset-tx-instant"]),
    ("bad-schema", &["invalid-install-attribute", "invalid-tuple-attrs"]),
    ("bad-schema-change", &["invalid-alter-attribute"]),
    ("missing-required-attribute", &["entity-attr"]),
    ("bad-query", &["invalid-query", "invalid-rule", "not-a-binding-form", "unstratified"]),
    ("unbound-variable", &["unbound-variable", "insufficient-binding"]),
    ("or-variables", &["or-variables"]),
    ("unknown-rule", &["unknown-rule"]),
    ("rule-arity", &["rule-arity"]),
    ("unknown-source", &["unknown-source", "invalid-data-source"]),
    ("unknown-function", &["unknown-function", "unknown-aggregate"]),
    ("input-arity", &["input-arity"]),
    ("input-shape", &["input-shape"]),
    ("type-in-function", &["type-in-function", "value-in-function", "arithmetic", "function-arity"]),
    ("cardinality", &["cardinality"]),
    ("bad-pull", &["invalid-pull"]),
    ("bad-code", &["invalid-function", "invalid-constraint", "invalid-command-args", "unknown-predicate"]),
    ("code-failed", &["function-failed", "function-arity"]),
    ("rejected", &["rejected"]),
    ("predicate-failed", &["attr-pred", "entity-pred"]),
    ("not-a-spec", &["not-an-entity-spec"]),
    ("constraint-violated", &["constraint-violated"]),
    ("unknown-command", &["unknown-command"]),
    ("bad-arguments", &["invalid-arguments"]),
    ("promise-not-kept", &["post-condition-failed"]),
    ("bad-partition", &["not-a-partition", "cycle-in-affinity"]),
    ("protected", &["protected-attribute", "protected-entity", "reserved-name"]),
    ("expectation-failed", &["expectation-failed"]),
    ("bad-expectation", &["invalid-expectation"]),
    ("key-reused", &["idempotency-key-reused"]),
    ("bad-key", &["invalid-idempotency-key"]),
];

/// True if the keyword (`db.error/…`) is of the kind.
///
/// # Panics
/// If there is no such kind: a case that is not understood must not pass.
pub fn is_kind(kind: &str, keyword: &str) -> bool {
    let own = KINDS.iter().find(|(name, _)| *name == kind);
    let (_, keywords) = own.unwrap_or_else(|| panic!("there is no kind of error called {kind}"));
    keywords.contains(&keyword.strip_prefix("db.error/").unwrap_or(keyword))
}
