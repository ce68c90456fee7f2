//! What a script is called for: what it exports under that name.

/// What a piece of code is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// To make transaction data of its arguments.
    Transaction,
    /// To judge a value or an entity.
    Predicate,
    /// To make transaction data of named arguments.
    Command,
    /// To judge the state after its command.
    Ensure,
}

impl Role {
    /// Its name, in the text of a script.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Transaction => "transaction",
            Role::Predicate => "predicate",
            Role::Command => "command",
            Role::Ensure => "ensure",
        }
    }
}
