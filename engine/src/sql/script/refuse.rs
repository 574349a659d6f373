//! Parts of statements that parse and mean nothing here: named, never left out in silence.

use datafusion::sql::sqlparser::ast::{ColumnOption, CreateTable, CreateTableOptions, CreateView, DescribeAlias, Statement};
use datafusion::sql::sqlparser::parser::Parser;

use crate::sql::dialect::Sql;
use crate::sql::program::normal;

/// The first part of a statement that is not supported.
pub fn unsupported(statement: &Statement) -> Option<String> {
    let first = |parts: &[(bool, &str)]| parts.iter().find(|(there, _)| *there).map(|(_, name)| (*name).to_string());
    match statement {
        Statement::Insert(i) => first(&[
            (i.returning.is_some() || i.output.is_some(), "RETURNING"),
            (i.overwrite, "INSERT OVERWRITE"),
            (i.partitioned.is_some() || !i.after_columns.is_empty(), "PARTITION"),
            (!i.assignments.is_empty(), "INSERT … SET"),
            (i.settings.is_some() || i.format_clause.is_some(), "SETTINGS or FORMAT"),
            (i.insert_alias.is_some() || i.table_alias.is_some(), "an alias in INSERT"),
            (i.multi_table_insert_type.is_some(), "INSERT ALL"),
        ]),
        Statement::Update(u) => first(&[
            (!u.table.joins.is_empty(), "UPDATE of a join (write UPDATE … FROM)"),
            (u.returning.is_some() || u.output.is_some(), "RETURNING"),
            (u.limit.is_some() || !u.order_by.is_empty(), "UPDATE … LIMIT"),
            (u.or.is_some(), "UPDATE OR …"),
        ]),
        Statement::Delete(d) => first(&[
            (!d.tables.is_empty(), "DELETE of several tables"),
            (d.returning.is_some() || d.output.is_some(), "RETURNING"),
            (d.limit.is_some() || !d.order_by.is_empty(), "DELETE … LIMIT"),
        ]),
        Statement::CreateTable(create) => column(create).or_else(|| {
            first(&[
                (create.clone.is_some(), "CREATE TABLE … CLONE"),
                (create.partition_by.is_some(), "PARTITION BY"),
                (create.external || create.location.is_some(), "CREATE EXTERNAL TABLE (write WITH (connector = 'file', …))"),
                (!is_plain_table(create), "this clause of CREATE TABLE"),
            ])
        }),
        Statement::CreateView(create) => first(&[
            (!matches!(create.options, CreateTableOptions::None), "WITH (…) of a view (for emit_final write EMIT FINAL)"),
            (create.or_alter, "CREATE OR ALTER VIEW (write CREATE OR REPLACE VIEW)"),
            (!is_plain_view(create), "this clause of CREATE VIEW"),
        ]),
        Statement::Explain { analyze, verbose, query_plan, estimate, format, options, describe_alias, .. } => first(&[
            (format.is_some(), "EXPLAIN with a format"),
            (*verbose || *query_plan || *estimate, "this kind of EXPLAIN"),
            (options.as_ref().is_some_and(|o| !o.is_empty()), "EXPLAIN with options"),
            (*describe_alias != DescribeAlias::Explain && *analyze, "DESCRIBE ANALYZE"),
        ]),
        _ => None,
    }
}

/// An option of a column that means nothing here. What a reader may rely on without a check, or only reads, is let be.
fn column(create: &CreateTable) -> Option<String> {
    let supported = |o: &ColumnOption| {
        matches!(
            o,
            ColumnOption::Null
                | ColumnOption::NotNull
                | ColumnOption::PrimaryKey(_)
                | ColumnOption::Comment(_)
                | ColumnOption::Default(_)
                | ColumnOption::Generated { .. }
                | ColumnOption::ForeignKey(_)
        )
    };
    let options = create.columns.iter().flat_map(|c| c.options.iter().map(move |o| (c, &o.option)));
    options.filter(|(_, o)| !supported(o)).map(|(c, o)| format!("\"{o}\" of column \"{}\"", normal(&c.name))).next()
}

/// Whether a table has no clause but those that are read: it is then the plainest table with these.
fn is_plain_table(create: &CreateTable) -> bool {
    let plain = Parser::new(&Sql).try_with_sql("CREATE TABLE t (a INT)").and_then(|mut p| p.parse_statement());
    let Ok(Statement::CreateTable(plain)) = plain else { return false };
    let plain = CreateTable {
        or_replace: create.or_replace,
        temporary: create.temporary,
        global: create.global,
        if_not_exists: create.if_not_exists,
        name: create.name.clone(),
        columns: create.columns.clone(),
        constraints: create.constraints.clone(),
        table_options: create.table_options.clone(),
        query: create.query.clone(),
        comment: create.comment.clone(),
        ..plain
    };
    plain == *create
}

/// The same of a view.
fn is_plain_view(create: &CreateView) -> bool {
    let plain = Parser::new(&Sql).try_with_sql("CREATE VIEW v AS SELECT 1").and_then(|mut p| p.parse_statement());
    let Ok(Statement::CreateView(plain)) = plain else { return false };
    let plain = CreateView {
        or_replace: create.or_replace,
        materialized: create.materialized,
        name: create.name.clone(),
        name_before_not_exists: create.name_before_not_exists,
        columns: create.columns.clone(),
        query: create.query.clone(),
        comment: create.comment.clone(),
        if_not_exists: create.if_not_exists,
        temporary: create.temporary,
        ..plain
    };
    plain == *create
}
