//! What a query may use up, looked at once a batch.

use std::sync::atomic::Ordering;

use annals_storage::anomaly::Category;

use crate::Budget;
use crate::error::{Error, Result};

/// Refuses to go on if the query was stopped or an intermediate result has grown beyond the budget.
pub fn check(budget: &Budget, rows: usize) -> Result<()> {
    if budget.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
        return Err(Error::new(Category::Interrupted, "db.error/interrupted", "the query was stopped"));
    }
    // Rows are numbered by 32 bits.
    let most = budget.rows.unwrap_or(Budget::ROWS).min(u64::from(u32::MAX) - 1);
    if rows as u64 > most {
        let message = format!("an intermediate result has more than {most} rows");
        return Err(Error::new(Category::Interrupted, "db.error/budget-exceeded", message)
            .hint("ask for less, or allow more rows"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_stopped_query_and_a_large_one_fail_differently() {
        let budget = Budget { rows: Some(10), cancel: Some(Arc::new(AtomicBool::new(false))) };
        assert!(check(&budget, 10).is_ok());
        assert_eq!(check(&budget, 11).unwrap_err().keyword, "db.error/budget-exceeded");
        budget.cancel.as_ref().unwrap().store(true, Ordering::Relaxed);
        assert_eq!(check(&budget, 0).unwrap_err().keyword, "db.error/interrupted");
    }
}
