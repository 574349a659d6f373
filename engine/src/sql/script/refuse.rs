//! Parts of statements that parse and mean nothing here: named, never left out in silence.

use datafusion::sql::sqlparser::ast::{ColumnOption, CreateTable, CreateTableOptions, CreateView, Statement};

/// The first part of a statement that is not supported.
pub fn unsupported(statement: &Statement) -> Option<String> {
    let first = |parts: &[(bool, &str)]| parts.iter().find(|(there, _)| *there).map(|(_, name)| (*name).to_string());
    match statement {
        Statement::Insert(i) => first(&[
            (i.on.is_some(), "ON CONFLICT"),
            (i.returning.is_some() || i.output.is_some(), "RETURNING"),
            (i.or.is_some() || i.ignore || i.replace_into, "INSERT OR …"),
            (i.overwrite, "INSERT OVERWRITE"),
            (i.partitioned.is_some(), "PARTITION"),
        ]),
        Statement::Update(u) => first(&[
            (u.from.is_some() || !u.table.joins.is_empty(), "UPDATE … FROM"),
            (u.returning.is_some() || u.output.is_some(), "RETURNING"),
            (u.limit.is_some() || !u.order_by.is_empty(), "UPDATE … LIMIT"),
            (u.or.is_some(), "UPDATE OR …"),
        ]),
        Statement::Delete(d) => first(&[
            (d.using.is_some() || !d.tables.is_empty(), "DELETE … USING"),
            (d.returning.is_some() || d.output.is_some(), "RETURNING"),
            (d.limit.is_some() || !d.order_by.is_empty(), "DELETE … LIMIT"),
        ]),
        Statement::CreateTable(create) => table(create).or_else(|| {
            first(&[
                (create.query.is_some(), "CREATE TABLE … AS (make a view)"),
                (create.or_replace, "CREATE OR REPLACE TABLE"),
                (create.like.is_some() || create.clone.is_some(), "CREATE TABLE … LIKE"),
                (create.partition_by.is_some(), "PARTITION BY"),
                (create.external || create.location.is_some(), "CREATE EXTERNAL TABLE (write WITH (connector = 'file', …))"),
                (create.order_by.is_some() || create.inherits.is_some() || create.primary_key.is_some(), "this clause of CREATE TABLE"),
            ])
        }),
        Statement::CreateView(create) => view(create),
        _ => None,
    }
}

fn table(create: &CreateTable) -> Option<String> {
    let supported = |o: &ColumnOption| matches!(o, ColumnOption::Null | ColumnOption::NotNull | ColumnOption::PrimaryKey(_));
    let options = create.columns.iter().flat_map(|c| c.options.iter().map(move |o| (c, &o.option)));
    options.filter(|(_, o)| !supported(o)).map(|(c, o)| format!("\"{o}\" of column \"{}\"", c.name)).next()
}

fn view(create: &CreateView) -> Option<String> {
    let parts = [
        (create.or_replace || create.or_alter, "CREATE OR REPLACE VIEW (drop the view first)"),
        (!matches!(create.options, CreateTableOptions::None), "WITH (…) of a view"),
        (create.params.is_some() || create.to.is_some() || !create.cluster_by.is_empty(), "this clause of CREATE VIEW"),
    ];
    parts.into_iter().find(|(there, _)| *there).map(|(_, name)| name.to_string())
}
