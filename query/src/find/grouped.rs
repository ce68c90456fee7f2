//! The groups of an answer, of all rows a plan finds: in parts as they come, or shard by shard on several threads.
//!
//! A thread makes groups of its own for the shards it comes to; in the end all are joined. The threads end before the
//! call does, however it ends.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

use super::cells::Cells;
use super::group::Groups;
use crate::ast::Query;
use crate::error::Result;
use crate::inputs::Inputs;
use crate::plan::{Plan, PlanOptions};
use crate::run::Run;
use crate::run::budget::Meter;
use crate::run::pool::Pool;
use crate::run::shards::Shards;

/// Makes groups of all rows that a plan finds. `groups` has taken none yet.
pub fn take_all(
    groups: &mut Groups<'_>,
    query: &Query,
    inputs: &Inputs,
    (plan, options): (&Plan, PlanOptions),
    pool: &mut Pool,
    meter: &Meter,
) -> Result<()> {
    let take = |groups: &mut Groups<'_>, inputs: &Inputs, pool: &mut Pool, meter: &Meter| {
        let mut run = Run::new(inputs, pool, meter, options);
        run.answer_in_parts(plan, &mut |part, pool| groups.take(&Cells::new(part, &plan.basis, pool)))
    };
    let Some(shards) = Shards::of(plan, inputs, options.shard)? else {
        return take(groups, inputs, pool, meter);
    };
    let next = AtomicUsize::new(0);
    let work = |groups: &mut Groups<'_>, pool: &mut Pool, meter: &Meter| -> Result<()> {
        while let Some(inputs) = shards.inputs(inputs, next.fetch_add(1, Ordering::Relaxed)) {
            take(groups, &inputs, pool, meter).inspect_err(|_| {
                // Nobody begins another.
                next.store(shards.count(), Ordering::Relaxed);
            })?;
        }
        Ok(())
    };
    let threads = meter.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let others = thread::scope(|scope| {
        let beside = |_| {
            let (mut pool, meter, work) = (pool.clone(), meter.within(None), &work);
            let thread = Builder::new().name("annals-query".to_owned());
            // Without a thread, those that are there do it.
            thread.spawn_scoped(scope, move || {
                let Some(mut groups) = Groups::of(query, inputs.functions(), &meter)? else {
                    return Ok(Vec::new());
                };
                work(&mut groups, &mut pool, &meter)?;
                Ok(groups.into_groups())
            })
        };
        let others: Vec<_> = (1..threads.min(shards.count())).flat_map(beside).collect();
        let own = work(groups, pool, meter);
        let others: Vec<Result<_>> = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        own.map(|()| others)
    })?;
    others.into_iter().try_for_each(|other| groups.join(other?, pool))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use annals_storage::datom::{Tag, Value};

    use super::*;
    use crate::edn::Edn;
    use crate::facts::Facts;
    use crate::fixture::{Build, refs};
    use crate::{Budget, QueryArg, naive, parse, plan, q_with};

    /// Forty entities, each with a number, most with a text, some with references to others.
    fn facts() -> Facts {
        let mut build = Build::default()
            .attr("n", Tag::Long, "")
            .attr("s", Tag::String, "")
            .attr("to", Tag::Ref, "many")
            .attr("m", Tag::Long, "many")
            .attr("few", Tag::Long, "")
            .attr("flag", Tag::Boolean, "")
            .tx();
        for n in 1..=40_u64 {
            build = build.add(n, "n", [Value::Long(n as i64 % 7)]).add(
                n,
                "m",
                (0..n as i64 % 4).map(Value::Long),
            );
            if n % 5 > 0 {
                build = build.add(n, "s", [Value::string(["a", "b", "c"][n as usize % 3])]);
            }
            if n > 12 {
                build = build.add(n, "few", [Value::Long(n as i64)]);
            }
            build = build.add(n, "flag", [Value::Boolean(n % 9 > 0)]);
            if n % 3 == 0 {
                build = build.add(n, "to", refs([n % 40 + 1, n * 7 % 40 + 1]));
            }
        }
        build.now()
    }

    fn sorted(answer: crate::Answer) -> Edn {
        match answer.into_edn() {
            Edn::Vector(mut rows) => {
                rows.sort();
                Edn::Vector(rows)
            }
            other => other,
        }
    }

    /// Asserts that a question falls apart or not, and has one answer all the same.
    fn check(text: &str, falls_apart: bool) {
        let query = parse::query_text(text).unwrap();
        let args = vec![QueryArg::Source(Arc::new(facts())); query.inputs.len().max(1)];
        let (inputs, mut pool, meter) =
            (Inputs::bind(&query, &args).unwrap(), Pool::default(), Meter::default());
        let plan = plan::plan(&query, &inputs, &mut pool, PlanOptions::default(), None, &meter).unwrap();
        let shards = Shards::of(&plan, &inputs, Some(3)).unwrap();
        assert_eq!(shards.is_some_and(|shards| shards.count() > 5), falls_apart, "{text}");
        assert!(Shards::of(&plan, &inputs, None).unwrap().is_none(), "there are too few facts: {text}");
        let want = naive::q(&query, &args, &Budget::default()).map(sorted);
        for (shard, threads) in [(None, 1), (Some(1), 3), (Some(3), 1), (Some(5), 2), (Some(20), 4)] {
            let options = PlanOptions { shard, ..PlanOptions::default() };
            let budget = Budget { threads: NonZeroUsize::new(threads), ..Budget::default() };
            let got = q_with(&query, &args, &budget, options).map(sorted);
            match (&want, &got) {
                (Err(want), Err(got)) => assert_eq!(want.keyword, got.keyword, "{text} {shard:?}"),
                _ => assert_eq!(want, got, "{text} {shard:?} {threads}"),
            }
        }
    }

    #[test]
    fn a_question_about_one_entity_falls_apart() {
        check("[:find ?s (count ?e) (max ?n) (avg ?n) :where [?e :s ?s] [?e :n ?n]]", true);
        check("[:find (count ?e) (sum ?n) :where [?e :n ?n]]", true);
        check("[:find ?s (sum ?n) :with ?e :where [?e :s ?s] [?e :n ?n] [(< ?n 5)]]", true);
        check("[:find ?x (count ?e) (distinct ?m) :where [?e :n ?n] [?e :m ?m] [(+ ?n ?m) ?x]]", true);
        check("[:find ?e (sum ?m) :where [?e :m ?m]]", true);
        check("[:find ?s (median ?n) (sample 2 ?e) :where [?e :s ?s] [?e :n ?n] [?e :to ?f]]", true);
        check("[:find (count ?e) (sum ?f) :where [?e :few ?f] [?e :flag true]]", true);
        check("[:find (count ?e) (sum ?f) :where [?e :few ?f] [?e :n ?n] [(< 1 ?n)]]", true);
        check("[:find ?s (sum ?s) :with ?e :where [?e :s ?s] [?e :n ?n]]", true);
    }

    #[test]
    fn rows_that_more_than_one_entity_gives_are_one_row() {
        check("[:find ?s (sum ?n) :where [?e :s ?s] [?e :n ?n]]", false);
        check("[:find (count ?n) . :where [?e :n ?n]]", false);
    }

    #[test]
    fn a_question_about_several_entities_is_asked_whole() {
        check("[:find ?s (count ?f) (count ?e) :where [?e :s ?s] [?e :to ?f] [?f :n ?n]]", false);
        check("[:find ?s (count ?e) :where [?e :s ?s] [?e :n ?n] [?e :m ?n]]", false);
        check("[:find ?s (count ?e) :where [?e :s ?s] [?e :n 3]]", false);
        check("[:find ?s (count ?e) :where [?e :s ?s] [?e ?a true]]", false);
        check("[:find ?s (count ?e) :where [?e :s ?s] (not [?e :n 3])]", false);
        check(
            "[:find ?s (sum ?c) :with ?e :where [?e :s ?s] [?e :n ?n]
                                                [(q [:find (count ?x) . :in $ ?n :where [?x :n ?n]] $ ?n) ?c]]",
            false,
        );
        check("[:find ?s (count ?e) :in $ $b :where [?e :s ?s] [$b ?e :n ?n]]", false);
    }
}
