//! Which moments of a database are looked at: now, as of, since, history, and their combinations.

use annals::{Db, TimePoint};

use crate::cli::ViewArgs;
use crate::problem::Result;

/// A moment as it was typed, and what it means.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// As typed: the prompt shows it.
    pub text: String,
    /// What it means.
    pub point: TimePoint,
}

impl Moment {
    /// Reads a moment: a t, a transaction entity, an instant.
    pub fn parse(text: &str) -> Result<Moment> {
        Ok(Moment { text: text.to_owned(), point: TimePoint::parse(text)? })
    }
}

/// The moments that are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Nothing newer than this.
    pub as_of: Option<Moment>,
    /// Nothing as old as this.
    pub since: Option<Moment>,
    /// Retractions too.
    pub history: bool,
}

impl View {
    /// The view that options ask for.
    pub fn from_args(args: &ViewArgs) -> Result<View> {
        let moment = |text: &Option<String>| text.as_deref().map(Moment::parse).transpose();
        Ok(View { as_of: moment(&args.as_of)?, since: moment(&args.since)?, history: args.history })
    }

    /// This view of a database.
    pub fn of(&self, db: &Db) -> Db {
        let mut db = db.clone();
        if let Some(moment) = &self.as_of {
            db = db.as_of(moment.point);
        }
        if let Some(moment) = &self.since {
            db = db.since(moment.point);
        }
        if self.history { db.history() } else { db }
    }

    /// The view in words, as the prompt shows it: `as-of 2024-05-01 history`; empty for now.
    pub fn label(&self) -> String {
        let moment =
            |name: &str, moment: &Option<Moment>| moment.as_ref().map(|m| format!("{name} {}", m.text));
        let history = self.history.then(|| "history".to_owned());
        let parts = [moment("as-of", &self.as_of), moment("since", &self.since), history];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_says_what_differs_from_now() {
        let moment = |text: &str| Some(Moment { text: text.into(), point: TimePoint::T(7) });
        assert_eq!(View::default().label(), "");
        let view = View { as_of: moment("2024-05-01"), since: moment("7"), history: true };
        assert_eq!(view.label(), "as-of 2024-05-01 since 7 history");
    }
}
