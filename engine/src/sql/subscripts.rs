//! `map[key]` where the key is no constant, or of another type than the map's, which DataFusion's own planner has no call for that could be computed.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::functions_nested::expr_fn::{array_element, map_extract};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, lit};

use super::functions::JsonOperators;

/// What plans expressions whose meaning hangs on types: maps' keys, operators of JSON, then DataFusion's own.
pub fn planners() -> Vec<Arc<dyn ExprPlanner>> {
    let own: [Arc<dyn ExprPlanner>; 2] = [Arc::new(MapKeys), Arc::new(JsonOperators)];
    own.into_iter().chain(SessionStateDefaults::default_expr_planners()).collect()
}

/// The type of a map's keys.
fn key_of(entries: &FieldRef) -> Option<DataType> {
    match entries.data_type() {
        DataType::Struct(fields) => fields.first().map(|key| key.data_type().clone()),
        _ => None,
    }
}

/// Makes `map[key]` the first of what is found under the key.
#[derive(Debug)]
struct MapKeys;

impl ExprPlanner for MapKeys {
    fn plan_field_access(&self, access: RawFieldAccessExpr, schema: &DFSchema) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access: GetFieldAccess::ListIndex { key }, expr } = access else {
            return Ok(PlannerResult::Original(access));
        };
        let (held, given) = match expr.get_type(schema)? {
            DataType::Map(entries, _) => (key_of(&entries), key.get_type(schema)?),
            _ => (None, DataType::Null),
        };
        let Some(held) = held.filter(|held| *held != given || !matches!(*key, Expr::Literal(..))) else {
            return Ok(PlannerResult::Original(RawFieldAccessExpr { field_access: GetFieldAccess::ListIndex { key }, expr }));
        };
        let key = key.cast_to(&held, schema)?;
        Ok(PlannerResult::Planned(array_element(map_extract(expr, key), lit(1i64))))
    }
}
