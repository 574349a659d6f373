//! The views of a pipeline, compiled over its streams; rendered together, so that what two views read is there once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{CreateView, Statement};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::{Scope, Stream};

use super::SqlProblem;
use super::catalog::Catalog;
use super::closing::{Closing, Shape};
use super::lower::{closed, keep_loose, lower};
use super::plan::Plan;
use super::problem::{SUBQUERY, said, unsupported};
use super::render::{self, At, Changes, Named, Renderer, Shared};
use super::rewrite::apart;
use super::snapshot::{SavedNode, Size, States, fingerprint, of_text, size_of};
use super::stack::deep;
use super::statement::{Parsed, parse};
use super::subqueries::place;
use super::watermark::Watermarks;
use crate::flow::updates::Updates;
use crate::pipeline::SqlFile;

/// The table of all errors of rows, for queries to read.
pub const ROW_ERRORS: &str = "row_errors";
/// The table of all rows that came too late, for queries to read.
pub const LATE_ROWS: &str = "late_rows";

/// A stream that views may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputTable {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Whether it can only grow.
    pub append_only: bool,
    /// Its event-time column, when it has watermarks.
    pub event_time: Option<usize>,
}

/// Views in the order of their definition.
#[derive(Clone, Debug)]
pub struct Program {
    views: Vec<View>,
    inputs: Vec<InputTable>,
    /// What closes windows; whoever feeds the inputs writes it.
    pub watermarks: Watermarks,
}

/// A view.
#[derive(Clone, Debug)]
struct View {
    name: String,
    plan: Plan,
    /// For each column how watermarks close it.
    closings: Vec<Option<Closing>>,
    /// Its statement, and whether only final rows are wanted; none of a query.
    written: Option<(CreateView, bool)>,
}

/// What rendering gives.
pub struct Rendered<'s> {
    /// The wanted views' changes.
    pub views: HashMap<String, Changes<'s>>,
    /// Rows of the error collections of all views.
    pub errors: Errors<'s>,
    /// Rows that came too late: columns `view` and `row`.
    pub late: Changes<'s>,
    /// Tables whose whole content is wanted at the epoch that a run from a snapshot begins with.
    pub full: BTreeSet<String>,
}

/// The error collections of all views, as one stream.
pub struct Errors<'s>(pub Changes<'s>);

impl<'s> Errors<'s> {
    /// Tells a function how many errors each batch has; retracted ones do not count.
    pub fn count_into(self, told: impl Fn(u64) + 'static) -> Stream<'s, u64, Updates> {
        self.0.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "errors", move |_, _| {
            move |input, output| {
                input.for_each_stamp(|cap, data| {
                    let mut session = output.session_with_builder(&cap);
                    for updates in data {
                        let new: i64 = (0..updates.rows.num_rows()).map(|row| updates.diff(row).max(0)).sum();
                        told(new.unsigned_abs());
                        session.give_container(updates);
                    }
                });
            }
        })
    }
}

impl Program {
    /// Compiles files of `CREATE VIEW` statements; the first problem of each file.
    ///
    /// # Errors
    /// With problems that name the construct, file and line.
    pub fn compile(files: &[SqlFile], inputs: &[InputTable]) -> Result<Program, Vec<SqlProblem>> {
        deep(|| Program::compiled(files, inputs))
    }

    fn compiled(files: &[SqlFile], inputs: &[InputTable]) -> Result<Program, Vec<SqlProblem>> {
        let mut catalog = Catalog::new();
        for input in inputs {
            catalog.add_table(&input.name, input.schema.clone());
        }
        let (mut program, mut problems) = (Program::new(inputs.to_vec()), Vec::new());
        for file in files {
            let name = file.path.display().to_string();
            match parse(&name, &file.text) {
                Err(problem) => problems.push(problem),
                Ok(statements) => {
                    for statement in &statements {
                        if let Err(message) = program.add_statement(&mut catalog, statement) {
                            problems.push(SqlProblem::at(message, &name, &file.text, statement.line, statement.column));
                        }
                    }
                }
            }
        }
        if problems.is_empty() { Ok(program) } else { Err(problems) }
    }

    /// Adds an input.
    pub fn add_input(&mut self, input: InputTable) {
        self.inputs.push(input);
    }

    /// Takes a view or input away that no other view reads.
    pub fn remove(&mut self, view: &str) {
        self.views.retain(|v| v.name != view);
        self.inputs.retain(|i| i.name != view);
    }

    /// Says whether an input can only grow.
    pub fn set_append_only(&mut self, name: &str, append_only: bool) {
        self.inputs.iter_mut().filter(|i| i.name == name).for_each(|i| i.append_only = append_only);
    }

    /// A program without views.
    pub fn new(inputs: Vec<InputTable>) -> Self {
        Program { views: Vec::new(), inputs, watermarks: Watermarks::default() }
    }

    fn add_statement(&mut self, catalog: &mut Catalog, parsed: &Parsed) -> Result<(), String> {
        match &parsed.statement {
            Statement::CreateView(view) => self.add_view(catalog, view, parsed.emit_final).map(|_| ()),
            other => {
                let text = other.to_string();
                let verb: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(format!("{} is not possible in a pipeline's views; only CREATE VIEW is", verb.join(" ")))
            }
        }
    }

    /// Adds a view by its statement.
    ///
    /// # Errors
    /// When its query does not plan, or says what is not supported.
    pub fn add_view(&mut self, catalog: &mut Catalog, view: &CreateView, emit_final: bool) -> Result<String, String> {
        let name = view.name.0.last().and_then(|p| p.as_ident()).map(normal).ok_or("a view needs a plain name")?;
        if catalog.table_names().contains(&name.as_str()) {
            return Err(format!("there is a table or view \"{name}\" already"));
        }
        let query = Statement::Query(view.query.clone());
        let columns: Vec<String> = view.columns.iter().map(|c| normal(&c.name)).collect();
        self.add_query(catalog, &name, query, &columns, emit_final).map_err(|e| format!("view \"{name}\": {e}"))?;
        if let Some(added) = self.views.last_mut() {
            added.written = Some((view.clone(), emit_final));
        }
        Ok(name)
    }

    /// Puts a view in the place of the one with its name. Views that read it are planned anew, and its columns must then stay.
    ///
    /// # Errors
    /// When it does not plan, or a view reads it that it would not fit; everything is then as it was.
    pub fn replace_view(&mut self, catalog: &mut Catalog, view: &CreateView, emit_final: bool) -> Result<(), String> {
        let (program, known) = (self.clone(), catalog.clone());
        let replaced = self.replaced(catalog, view, emit_final);
        if replaced.is_err() {
            (*self, *catalog) = (program, known);
        }
        replaced
    }

    fn replaced(&mut self, catalog: &mut Catalog, view: &CreateView, emit_final: bool) -> Result<(), String> {
        let name = view.name.0.last().and_then(|p| p.as_ident()).map(normal).ok_or("a view needs a plain name")?;
        let at = self.views.iter().position(|v| v.name == name).ok_or_else(|| format!("there is no view \"{name}\""))?;
        let reader = self.views.iter().find(|v| v.name != name && self.reads(&v.name).contains(&name)).map(|v| v.name.clone());
        let Some(reader) = reader else {
            self.remove(&name);
            catalog.remove(&name);
            return self.add_view(catalog, view, emit_final).map(|_| ());
        };
        let after = self.views.split_off(at);
        after.iter().for_each(|v| catalog.remove(&v.name));
        let before = format!("view \"{reader}\" reads \"{name}\", which can then only read what stood before it");
        self.add_view(catalog, view, emit_final).map_err(|e| format!("{before}: {e}"))?;
        let columns =
            |v: Option<&View>| v.map(|v| v.plan.schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect());
        let (old, new): (Option<Vec<_>>, Option<Vec<_>>) = (columns(after.first()), columns(self.views.last()));
        if old != new {
            return Err(format!("view \"{name}\" cannot be replaced by one with other columns: view \"{reader}\" reads it"));
        }
        for (view, emit_final) in after.iter().skip(1).filter_map(|v| v.written.clone()) {
            self.add_view(catalog, &view, emit_final)?;
        }
        Ok(())
    }

    /// Adds a query as a view of a name.
    ///
    /// # Errors
    /// When it does not plan, or says what is not supported.
    pub fn add_query(
        &mut self,
        catalog: &mut Catalog,
        name: &str,
        mut query: Statement,
        columns: &[String],
        emit_final: bool,
    ) -> Result<(), String> {
        if let (Statement::Query(query), false) = (&mut query, columns.is_empty()) {
            apart(query);
        }
        let plan = catalog.plan(query).and_then(|p| renamed(p, columns)).map_err(|e| said(&e))?;
        let plan = catalog.optimise(plan).map_err(|e| said(&e))?;
        self.add_plan(catalog, name, &plan, emit_final)
    }

    /// Adds a logical plan as a view of a name.
    ///
    /// # Errors
    /// When it says what is not supported.
    pub fn add_plan(&mut self, catalog: &mut Catalog, name: &str, logical: &LogicalPlan, emit_final: bool) -> Result<(), String> {
        let (append_only, closings) = (|table: &str| self.append_only(table), |table: &str| self.closings(table));
        let refused = |what: String| match place(logical) {
            Ok(Some(place)) if what == SUBQUERY => format!("{place} is not supported yet"),
            _ => unsupported(&what),
        };
        let mut plan = lower(logical, &append_only, &closings).map_err(refused)?;
        let names: BTreeSet<&String> = plan.schema.fields().iter().map(|f| f.name()).collect();
        if names.len() < plan.schema.fields().len() {
            return Err("two columns have the same name; give one another with AS".into());
        }
        let closings = super::closing::of(logical, &closings);
        if emit_final {
            let Some((column, closing)) = closing_of(&closings) else {
                return Err("EMIT FINAL needs a column that a watermark closes: a window or time of a table with WATERMARK FOR".into());
            };
            plan = closed(plan, column, closing);
        }
        keep_loose(&mut plan);
        catalog.add_table(name, plan.schema.clone());
        let times = closings.iter().zip(plan.schema.fields()).filter(|(c, _)| c.as_ref().is_some_and(|c| c.shape == Shape::Time));
        if let [(_, time)] = times.collect::<Vec<_>>().as_slice() {
            // What reads a table without versions has none.
            let mut reads = Vec::new();
            plan.reads(&mut reads);
            let keeps_versions = !super::closing::takes_first(logical) && reads.iter().all(|read| catalog.keeps_versions(read));
            catalog.set_event_time(name, time.name(), keeps_versions);
        }
        self.views.push(View { name: name.to_string(), plan, closings, written: None });
        Ok(())
    }

    /// Whether a view takes rows back that a watermark closes for good, so that `EMIT FINAL` gives each once: over tables whose rows only
    /// come, as a row that is deleted or changed is to be told, or refused.
    pub fn closes_for_good(&self, view: &str) -> bool {
        let of = |v: &View| !v.plan.append_only && closing_of(&v.closings).is_some_and(|(_, closing)| !closing.loose);
        self.views.iter().find(|v| v.name == view).is_some_and(of) && self.only_grow_beneath(view)
    }

    /// Whether rows only come to all tables beneath a view.
    fn only_grow_beneath(&self, view: &str) -> bool {
        let needed = self.needed(&[view.to_string()]);
        self.inputs.iter().filter(|input| needed.contains(&input.name)).all(|input| input.append_only)
    }

    /// For each column of a table or view how watermarks close it.
    fn closings(&self, name: &str) -> Vec<Option<Closing>> {
        if let Some(view) = self.views.iter().find(|v| v.name == name) {
            let grows = view.plan.append_only;
            return view.closings.iter().cloned().map(|c| c.map(|c| Closing { grows, ..c })).collect();
        }
        let Some(input) = self.inputs.iter().find(|i| i.name == name) else { return Vec::new() };
        let closing = |i: usize| (input.event_time == Some(i)).then(|| Closing { grows: input.append_only, ..Closing::of_table(name) });
        (0..input.schema.fields().len()).map(closing).collect()
    }

    fn append_only(&self, name: &str) -> bool {
        let view = self.views.iter().find(|v| v.name == name).map(|v| v.plan.append_only);
        view.or_else(|| self.inputs.iter().find(|i| i.name == name).map(|i| i.append_only)).unwrap_or(false)
    }

    /// Name, columns, and whether it can only grow, of every view.
    pub fn views(&self) -> impl Iterator<Item = (&str, SchemaRef, bool)> {
        self.views.iter().map(|v| (v.name.as_str(), v.plan.schema.clone(), v.plan.append_only))
    }

    /// How a view is computed, with changelog modes and bounds of state.
    pub fn explain(&self, view: &str) -> Option<String> {
        self.views.iter().find(|v| v.name == view).map(|v| super::explain::explain(&v.plan, &|_| None))
    }

    /// How a view and the views beneath it are computed, with what each node held at the end of a run.
    pub fn explain_analysed(&self, view: &str, sizes: &BTreeMap<String, Size>) -> String {
        let named = self.named(&States::tracked(None));
        let held = |plan: &Plan| render::has_state(plan).then(|| size_of(&fingerprint(plan, &|name| named.get(name).cloned()), sizes));
        let needed = self.needed(&[view.to_string()]);
        let mut out = String::new();
        for View { name, plan, .. } in self.views.iter().rev().filter(|v| needed.contains(&v.name)) {
            if name != view {
                out.push_str(&format!("view {name}:\n"));
            }
            out.push_str(&super::explain::explain(plan, &held));
        }
        out
    }

    /// The columns of a view.
    pub fn schema(&self, view: &str) -> Option<SchemaRef> {
        self.views.iter().find(|v| v.name == view).map(|v| v.plan.schema.clone())
    }

    /// Tables and views that a view reads itself.
    pub fn reads(&self, view: &str) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(v) = self.views.iter().find(|v| v.name == view) {
            v.plan.reads(&mut out);
        }
        out
    }

    /// Columns of an input that some view reads; none when no view reads the input.
    pub fn columns_used(&self, input: &str) -> Option<Vec<String>> {
        let table = self.inputs.iter().find(|i| i.name == input)?;
        if !self.views.iter().any(|v| self.reads(&v.name).iter().any(|r| r == input)) {
            return None;
        }
        let mut indices = Vec::new();
        self.views.iter().for_each(|v| v.plan.columns_of(input, &mut indices));
        let used: BTreeSet<usize> = indices.into_iter().collect();
        Some(used.into_iter().filter_map(|i| table.schema.fields().get(i)).map(|f| f.name().clone()).collect())
    }

    /// Places of the columns of an input that a view reads, itself or through others; none when it does not read the input.
    pub fn columns_read(&self, view: &str, input: &str) -> Option<Vec<usize>> {
        let needed = self.needed(&[view.to_string()]);
        if !needed.contains(input) {
            return None;
        }
        let mut indices = Vec::new();
        self.views.iter().filter(|v| needed.contains(&v.name)).for_each(|v| v.plan.columns_of(input, &mut indices));
        Some(indices)
    }

    /// Renders the wanted views, and the views that they read, each once.
    pub fn render<'s>(&self, scope: Scope<'s, u64>, inputs: HashMap<String, Changes<'s>>, wanted: &[String]) -> Rendered<'s> {
        self.render_with(scope, inputs, wanted, &States::default(), &BTreeSet::new())
    }

    /// Renders with states that snapshots know; of some of the wanted views everything is wanted at the first epoch.
    pub fn render_with<'s>(
        &self,
        scope: Scope<'s, u64>,
        inputs: HashMap<String, Changes<'s>>,
        wanted: &[String],
        states: &States,
        anew: &BTreeSet<String>,
    ) -> Rendered<'s> {
        let named = self.named(states);
        let full = self.wanted_full(wanted, states, &named, anew);
        let mut renderer = Renderer {
            scope,
            relations: inputs,
            errors: Vec::new(),
            late: Vec::new(),
            watermarks: self.watermarks.clone(),
            states: states.clone(),
            named,
            full: true,
            at: At::default(),
            shared: Shared::default(),
        };
        let needed = self.needed(wanted);
        for View { name, plan, .. } in self.views.iter().filter(|v| needed.contains(&v.name)) {
            let reads = self.reads(name);
            // What views above have told of errors and late rows is there to be read.
            if reads.iter().any(|r| r == ROW_ERRORS) {
                let all = renderer.scope.concatenate(renderer.errors.clone());
                renderer.relations.insert(ROW_ERRORS.into(), all);
            }
            if reads.iter().any(|r| r == LATE_ROWS) {
                let all = renderer.scope.concatenate(renderer.late.clone());
                renderer.relations.insert(LATE_ROWS.into(), all);
            }
            renderer.full = full.contains(name);
            renderer.begin(plan);
            if let Some(stream) = renderer.plan(name, plan) {
                renderer.relations.insert(name.clone(), stream);
            }
        }
        let views = wanted.iter().filter_map(|name| renderer.relations.get(name).map(|s| (name.clone(), s.clone()))).collect();
        let errors = renderer.scope.concatenate(std::mem::take(&mut renderer.errors));
        let late = renderer.scope.concatenate(std::mem::take(&mut renderer.late));
        let full = full.into_iter().filter(|name| self.inputs.iter().any(|i| i.name == *name)).collect();
        Rendered { views, errors: Errors(errors), late, full }
    }

    /// Fingerprints of tables and views by name; none are made when nobody asks for states.
    fn named(&self, states: &States) -> Named {
        let mut named = Named::new();
        if !states.is_tracked() {
            return named;
        }
        for input in &self.inputs {
            let columns: Vec<String> = input.schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
            named.insert(input.name.clone(), of_text(&format!("table {} {columns:?} {:?}", input.name, input.event_time)));
        }
        let mut above = String::new();
        for View { name, plan, .. } in &self.views {
            named.insert(ROW_ERRORS.into(), of_text(&format!("errors {above}")));
            named.insert(LATE_ROWS.into(), of_text(&format!("late {above}")));
            let own = fingerprint(plan, &|name| named.get(name).cloned());
            above = format!("{above} {own}");
            named.insert(name.clone(), own);
        }
        named
    }

    /// Tables and views of which everything is wanted at the first epoch of a view's run from a snapshot.
    pub fn wanted_whole(&self, view: &str, states: &States, anew: &BTreeSet<String>) -> BTreeSet<String> {
        self.wanted_full(&[view.to_string()], states, &self.named(states), anew)
    }

    /// The same of several views.
    fn wanted_full(&self, wanted: &[String], states: &States, named: &Named, anew: &BTreeSet<String>) -> BTreeSet<String> {
        let mut full = anew.clone();
        if states.begins_at().is_none() {
            return self.needed(wanted);
        }
        for View { name, plan, .. } in self.views.iter().rev().filter(|v| self.needed(wanted).contains(&v.name)) {
            let own = full.contains(name);
            render::wanted_full(plan, states, named, own, &mut full);
        }
        full
    }

    /// The nodes with state of a view and of what it reads, and whether each goes on with what was saved; and the view itself.
    pub fn saved_nodes(&self, view: &str, states: &States, anew: bool) -> Option<(SavedNode, Vec<(SavedNode, bool)>)> {
        let named = self.named(states);
        let wanted = [view.to_string()];
        let anew: BTreeSet<String> = wanted.iter().filter(|_| anew).cloned().collect();
        let full = self.wanted_full(&wanted, states, &named, &anew);
        let mut nodes = Vec::new();
        for View { name, plan, .. } in self.views.iter().filter(|v| self.needed(&wanted).contains(&v.name)) {
            render::with_state(name, plan, states, &named, full.contains(name), &mut nodes);
        }
        let fingerprint = named.get(view)?.clone();
        Some((SavedNode { view: view.to_string(), title: "view".into(), fingerprint }, nodes))
    }

    /// The nodes of the wanted views that hold something. Nodes that are equal hold it once.
    pub fn nodes_with_state(&self, wanted: &[String]) -> Vec<SavedNode> {
        let states = States::tracked(None);
        let (named, needed, mut nodes) = (self.named(&states), self.needed(wanted), Vec::new());
        for View { name, plan, .. } in self.views.iter().filter(|v| needed.contains(&v.name)) {
            render::with_state(name, plan, &states, &named, true, &mut nodes);
        }
        let mut seen = BTreeSet::new();
        nodes.retain(|(node, _)| seen.insert(node.fingerprint.clone()));
        nodes.into_iter().map(|(node, _)| node).collect()
    }

    /// The wanted views with all views beneath them.
    fn needed(&self, wanted: &[String]) -> BTreeSet<String> {
        let mut needed: BTreeSet<String> = wanted.iter().cloned().collect();
        for (at, View { name, .. }) in self.views.iter().enumerate().rev() {
            if needed.contains(name) {
                let reads = self.reads(name);
                if reads.iter().any(|r| r == ROW_ERRORS || r == LATE_ROWS) {
                    needed.extend(self.views.iter().take(at).map(|v| v.name.clone()));
                }
                needed.extend(reads);
            }
        }
        needed
    }
}

/// The column that closes the rows of a view: one for good, if there is one.
fn closing_of(closings: &[Option<Closing>]) -> Option<(usize, Closing)> {
    let one = |(i, c): (usize, &Option<Closing>)| Some((i, c.clone().filter(|c| !matches!(c.shape, Shape::Windows(_)))?));
    let all = || closings.iter().enumerate().filter_map(one);
    all().find(|(_, closing)| !closing.loose).or_else(|| all().next())
}

/// The query with other names for its columns, when some are given.
fn renamed(plan: LogicalPlan, names: &[String]) -> datafusion::common::Result<LogicalPlan> {
    if names.is_empty() {
        return Ok(plan);
    }
    let given = plan.schema().fields().len();
    if given != names.len() {
        return datafusion::common::plan_err!("{} columns are named, but the query gives {given}", names.len());
    }
    let columns: Vec<Expr> = plan.schema().iter().zip(names).map(|((q, f), name)| Expr::Column((q, f).into()).alias(name)).collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// A name as SQL means it: lower case unless quoted.
pub fn normal(name: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}
