//! The inputs of a query: which database is the first, where the rules go, and which inputs are views.
//!
//! The database that the path names is the first input of every query that takes one first. But if the request gives
//! as many inputs as the query has, the first of them takes its place.
//! Any input may be a view of the path's database, or of another database of this store: `#annals/db {:as-of 7}`.

use annals::{Arg, Budget, Db, Edn, Question};

use crate::ask::Ask;
use crate::problem::Problem;
use crate::quick;
use crate::view::{Lens, Moment};

/// What a query is given.
#[derive(Debug, PartialEq)]
pub(crate) struct Inputs {
    /// True if the path's database comes first.
    over_path: bool,
    /// All others, in order.
    args: Vec<Edn>,
}

impl Inputs {
    /// Puts together what the request gives. `wants_db`: the query takes a database first.
    pub(crate) fn of(question: &Question, mut args: Vec<Edn>, rules: Option<Edn>) -> Result<Inputs, Problem> {
        let given = args.len() + usize::from(rules.is_some());
        let over_path = question.wants_db() && given != question.input_count();
        if let Some(rules) = rules {
            let place = question.rules_place();
            let at = place.ok_or_else(no_place)?.saturating_sub(usize::from(over_path));
            args.insert(at.min(args.len()), rules);
        }
        Ok(Inputs { over_path, args })
    }

    /// The question with its inputs, and the views of databases among them.
    pub(crate) fn bind(
        self,
        ask: &Ask,
        question: Question,
        lens: Lens,
    ) -> Result<(Question, Vec<Lens>), Problem> {
        let options = &ask.shared.options;
        let cancel = Some(ask.cancel.clone());
        let time = ask.on_the_spot.then_some(ask.shared.quick.time);
        let budget = Budget { rows: options.rows, bytes: options.bytes, cancel, time, ..Budget::default() };
        let mut question = question.budget(budget);
        let now = lens.now.clone();
        let mut lenses = Vec::new();
        if self.over_path {
            question = question.over(&lens.db);
            lenses.push(lens);
        }
        for arg in self.args {
            let arg = match arg {
                Edn::Tagged(tag, view) if tag.as_str() == VIEW => {
                    let lens = view_of(ask, &now, &view)?;
                    lenses.push(lens.clone());
                    Arg::Db(lens.db)
                }
                edn => Arg::Edn(edn),
            };
            question = question.arg(arg);
        }
        Ok((question, lenses))
    }
}

const VIEW: &str = "annals/db";

fn view_of(ask: &Ask, now: &Db, view: &Edn) -> Result<Lens, Problem> {
    match Moment::of_argument(view)? {
        (Some(name), _) if name != now.name() && ask.on_the_spot => Err(quick::elsewhere()),
        (Some(name), moment) if name != now.name() => Ok(moment.of(&ask.shared.database(&name)?.db())),
        (_, moment) => Ok(moment.of(now)),
    }
}

fn no_place() -> Problem {
    Problem::incorrect("db.error/input-arity", "there are rules, but the query has no % among its inputs")
        .hint("write :in $ %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, args: &str, rules: Option<&str>, want: (bool, &str)) {
        let read = |text: &str| annals::edn::read_one(text).unwrap();
        let Edn::Vector(args) = read(args).to_edn() else { panic!("args") };
        let rules = rules.map(|text| read(text).to_edn());
        let inputs = Inputs::of(&annals::q(query).unwrap(), args, rules).unwrap();
        assert_eq!((inputs.over_path, Edn::Vector(inputs.args).to_string().as_str()), want, "{query}");
    }

    #[test]
    fn the_paths_database_comes_first_unless_another_takes_its_place() {
        check("[:find ?e :where [?e :a]]", "[]", None, (true, "[]"));
        check("[:find ?e :in $ ?v :where [?e :a ?v]]", "[1]", None, (true, "[1]"));
        check("[:find ?v :in ?v]", "[1]", None, (false, "[1]"));
        check("[:find ?e :where [?e :a]]", "[[[1 :a]]]", None, (false, "[[[1 :a]]]"));
        check("[:find ?e :in $x $y :where [$x ?e] [$y ?e]]", "[[[1]] [[1]]]", None, (false, "[[[1]] [[1]]]"));
        check("[:find ?e :in $ [?v ...] :where [?e :a ?v]]", "[[1 2]]", None, (true, "[[1 2]]"));
        check("[:find ?e :in $ ?v :where [?e :a ?v]]", "[1 2]", None, (false, "[1 2]"));
        check("[:find ?e :where [?e :a]]", "[nil]", None, (false, "[nil]"));
    }

    #[test]
    fn rules_go_where_the_query_has_them() {
        let rules = Some("[[(r ?x) [?x :a]]]");
        check("[:find ?e :in $ % :where (r ?e)]", "[]", rules, (true, "[[[(r ?x) [?x :a]]]]"));
        check(
            "[:find ?e :in $ ?v % :where (r ?e) [?e :b ?v]]",
            "[1]",
            rules,
            (true, "[1 [[(r ?x) [?x :a]]]]"),
        );
        check(
            "{:find [?e] :in [$ % ?v] :where [(r ?e) [?e :b ?v]]}",
            "[1]",
            rules,
            (true, "[[[(r ?x) [?x :a]]] 1]"),
        );
        check(
            "[:find ?e :in $ % :where (r ?e)]",
            "[[[1 :a]]]",
            rules,
            (false, "[[[1 :a]] [[(r ?x) [?x :a]]]]"),
        );
    }
}
