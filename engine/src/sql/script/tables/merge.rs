//! `MERGE INTO t USING s ON … WHEN MATCHED … WHEN NOT MATCHED …`: of the clauses whose condition holds, the first counts.
//!
//! A row of the table that more than one row of the source would change is an error, as SQL has it.

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::sql::sqlparser::ast::{Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr, MergeInsertKind};

use super::insert::exact;
use super::update::{NUMBER, assigned, numbered, numbers_of, once, target};
use super::{Change, Table, Tables, plain_table};
use crate::sql::program::normal;
use crate::sql::script::batch::conform;
use crate::sql::script::definition::twice;
use crate::sql::statement::NOTHING;

/// The name of rows that clauses are decided over.
struct Parts<'a> {
    name: String,
    table: &'a Table,
    /// The table in FROM, and the name that it is known as.
    own: String,
    known_as: String,
    source: String,
    on: String,
    more: Vec<(String, RecordBatch)>,
}

impl Tables {
    /// What a `MERGE` takes away and puts in.
    pub(super) fn merge(&self, merge: &Merge, more: &[(String, RecordBatch)]) -> Result<Change, String> {
        let name = plain_table(Some(&merge.table))?;
        let table = self.table(&name)?;
        if merge.output.is_some() {
            return Err("MERGE … RETURNING is not supported yet".into());
        }
        let (own, known_as) = target(&merge.table, &name);
        let held = table.rows.whole()?;
        let more = [vec![(name.clone(), numbered(&held)?)], more.to_vec()].concat();
        let parts = Parts { table, own, known_as, source: merge.source.to_string(), on: merge.on.to_string(), name, more };
        let (mut come, mut numbers) = (Vec::new(), Vec::new());
        let of = |kinds: &[MergeClauseKind]| merge.clauses.iter().filter(|c| kinds.contains(&c.clause_kind)).collect::<Vec<_>>();
        let matched = of(&[MergeClauseKind::Matched]);
        for (clause, condition) in first_that_holds(&matched) {
            let from = format!("FROM {} JOIN {} ON ({}) WHERE {condition}", parts.own, parts.source, parts.on);
            self.change_matched(&parts, clause, &from, &mut come, &mut numbers)?;
        }
        let alone = of(&[MergeClauseKind::NotMatchedBySource]);
        for (clause, condition) in first_that_holds(&alone) {
            let from = format!("FROM {} LEFT ANTI JOIN {} ON ({}) WHERE {condition}", parts.own, parts.source, parts.on);
            self.change_matched(&parts, clause, &from, &mut come, &mut numbers)?;
        }
        let new = of(&[MergeClauseKind::NotMatched, MergeClauseKind::NotMatchedByTarget]);
        for (clause, condition) in first_that_holds(&new) {
            if does_nothing(&clause.action) {
                continue;
            }
            let MergeAction::Insert(insert) = &clause.action else { return Err("WHEN NOT MATCHED can only INSERT".into()) };
            let from = format!("FROM {} LEFT ANTI JOIN {} ON ({}) WHERE {condition}", parts.source, parts.own, parts.on);
            come.push(self.inserted(&parts, insert, &from)?);
        }
        let numbers: arrow::array::Int64Array = numbers.into_iter().collect();
        let gone = once(&numbers, held.num_rows(), "MERGE")?;
        let gone = filter_record_batch(&held, &gone).map_err(|e| e.to_string())?;
        let come = concat_batches(&table.schema, &come).map_err(|e| e.to_string())?;
        table.keys_stay(&gone, &come, "MERGE")?;
        Ok(Change { name: parts.name, gone, come })
    }

    /// Carries out a clause on rows of the table: numbers of the rows that it changes, and what they become.
    fn change_matched(
        &self,
        parts: &Parts<'_>,
        clause: &MergeClause,
        from: &str,
        come: &mut Vec<RecordBatch>,
        numbers: &mut Vec<Option<i64>>,
    ) -> Result<(), String> {
        match &clause.action {
            nothing if does_nothing(nothing) => {}
            MergeAction::Delete { .. } => {
                let found = self.read(&format!("SELECT {}.\"{NUMBER}\" {from}", parts.known_as), &parts.more)?;
                numbers.extend(numbers_of(&found)?.iter());
            }
            MergeAction::Update(update) if update.update_predicate.is_none() && update.delete_predicate.is_none() => {
                let set = assigned(&update.assignments, &parts.name, parts.table, (&parts.known_as, &|e| e.to_string()))?;
                let (rows, of) = self.numbered_rows(parts.table, &set, &parts.known_as, from, &parts.more)?;
                numbers.extend(of.iter());
                come.push(rows);
            }
            MergeAction::Update(_) => return Err("UPDATE … WHERE within MERGE is not supported yet (write WHEN MATCHED AND …)".into()),
            MergeAction::Insert(_) => return Err("WHEN MATCHED cannot INSERT".into()),
        }
        Ok(())
    }

    fn inserted(&self, parts: &Parts<'_>, insert: &MergeInsertExpr, from: &str) -> Result<RecordBatch, String> {
        let table = parts.table;
        if insert.insert_predicate.is_some() {
            return Err("INSERT … WHERE within MERGE is not supported yet (write WHEN NOT MATCHED AND …)".into());
        }
        let MergeInsertKind::Values(values) = &insert.kind else { return Err("INSERT ROW within MERGE is not supported yet".into()) };
        let [row] = values.rows.as_slice() else { return Err("INSERT within MERGE takes one row of VALUES".into()) };
        let given = table.columns.given(&table.schema);
        let named: Vec<String> =
            insert.columns.iter().map(|c| c.0.last().and_then(|p| p.as_ident()).map(normal).unwrap_or_default()).collect();
        let names: Vec<String> = if named.is_empty() { given.fields().iter().map(|f| f.name().clone()).collect() } else { named };
        if names.len() != row.content.len() {
            return Err(format!("{} columns are named, but {} are given", names.len(), row.content.len()));
        }
        if let Some(twice) = twice(names.iter().cloned()) {
            return Err(format!("column \"{twice}\" is given twice"));
        }
        if let Some(unknown) = names.iter().find(|n| given.column_with_name(n).is_none()) {
            return Err(format!("the table has no column \"{unknown}\" that can be given"));
        }
        let columns = given.fields().iter().map(|f| match names.iter().zip(&row.content).find(|(n, _)| *n == f.name()) {
            Some((_, value)) => format!("({}) AS \"{}\"", exact(value, f.data_type()).as_ref().unwrap_or(value), f.name()),
            None => format!("({}) AS \"{}\"", table.columns.default_of(f.name()), f.name()),
        });
        let columns: Vec<String> = columns.collect();
        let rows = self.read(&format!("SELECT {} {from}", columns.join(", ")), &parts.more)?;
        table.columns.filled(conform(&rows, &given)?, &table.schema, self.around())
    }
}

/// Whether a clause is `DO NOTHING`.
fn does_nothing(action: &MergeAction) -> bool {
    let named = |name: String| name == format!("\"{NOTHING}\"");
    match action {
        MergeAction::Update(update) => update.assignments.iter().any(|a| named(a.target.to_string())),
        MergeAction::Insert(insert) => insert.columns.iter().any(|c| named(c.to_string())),
        MergeAction::Delete { .. } => false,
    }
}

/// Clauses with what must hold for each: its own condition, and none of those before it.
fn first_that_holds<'a>(clauses: &[&'a MergeClause]) -> Vec<(&'a MergeClause, String)> {
    let mut before = String::from("true");
    let mut out = Vec::new();
    for clause in clauses {
        let own = clause.predicate.as_ref().map_or("true".to_string(), ToString::to_string);
        out.push((*clause, format!("{before} AND ({own})")));
        before = format!("{before} AND ({own}) IS NOT TRUE");
    }
    out
}
