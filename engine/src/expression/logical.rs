//! Between the form that serialises and DataFusion's expressions, both ways.

use std::sync::Arc;

use datafusion_common::Column;
use datafusion_expr::expr::{Case, InList, Like, ScalarFunction};
use datafusion_expr::{BinaryExpr, Cast, Expr, Operator, ScalarUDF, TryCast, lit};

use super::Scalar;
#[cfg(feature = "sql")]
use super::checked::operator_of;
#[cfg(feature = "sql")]
use super::{Kind, Literal};

/// The name under which a parameter stands among the input columns.
pub fn param_column(name: &str) -> String {
    format!("param({name})")
}

const OPERATORS: [Operator; 21] = [
    Operator::Eq,
    Operator::NotEq,
    Operator::Lt,
    Operator::LtEq,
    Operator::Gt,
    Operator::GtEq,
    Operator::Plus,
    Operator::Minus,
    Operator::Multiply,
    Operator::Divide,
    Operator::Modulo,
    Operator::And,
    Operator::Or,
    Operator::IsDistinctFrom,
    Operator::IsNotDistinctFrom,
    Operator::BitwiseAnd,
    Operator::BitwiseOr,
    Operator::BitwiseXor,
    Operator::BitwiseShiftLeft,
    Operator::BitwiseShiftRight,
    Operator::StringConcat,
];

/// A scalar function of the device by name.
fn function(name: &str) -> Option<Arc<ScalarUDF>> {
    datafusion_functions::all_default_functions().into_iter().find(|f| f.name() == name || f.aliases().iter().any(|a| a == name))
}

/// A DataFusion expression in the form that serialises; the error names what has no such form.
#[cfg(feature = "sql")]
pub fn from_logical(expr: &Expr) -> Result<Scalar, String> {
    let inner = |e: &Expr| from_logical(e).map(Box::new);
    let kind = |t: &arrow::datatypes::DataType| Kind::of(t).ok_or_else(|| format!("type {t}"));
    Ok(match expr {
        Expr::Alias(alias) => from_logical(&alias.expr)?,
        Expr::Column(column) => Scalar::Column(column.name.clone()),
        Expr::Literal(value, _) => Scalar::Literal(Literal::of(value).ok_or_else(|| format!("a constant of type {}", value.data_type()))?),
        Expr::BinaryExpr(b) => match OPERATORS.contains(&b.op) {
            true => Scalar::Binary(b.op.to_string(), inner(&b.left)?, inner(&b.right)?),
            false => return Err(format!("operator {}", b.op)),
        },
        Expr::Not(e) => Scalar::Not(inner(e)?),
        Expr::Negative(e) => Scalar::Negate(inner(e)?),
        Expr::IsNull(e) => Scalar::IsNull(inner(e)?),
        Expr::IsNotNull(e) => Scalar::IsNotNull(inner(e)?),
        Expr::Cast(c) => Scalar::Cast(inner(&c.expr)?, kind(c.field.data_type())?),
        Expr::TryCast(c) => Scalar::TryCast(inner(&c.expr)?, kind(c.field.data_type())?),
        Expr::Between(b) => between(b)?,
        Expr::Case(c) => {
            let pair = |(w, t): &(Box<Expr>, Box<Expr>)| Ok::<_, String>((from_logical(w)?, from_logical(t)?));
            let pairs = c.when_then_expr.iter().map(pair).collect::<Result<_, _>>()?;
            Scalar::Case(c.expr.as_deref().map(inner).transpose()?, pairs, c.else_expr.as_deref().map(inner).transpose()?)
        }
        Expr::InList(l) => Scalar::InList(inner(&l.expr)?, l.list.iter().map(from_logical).collect::<Result<_, _>>()?, l.negated),
        Expr::Like(l) => Scalar::Like(inner(&l.expr)?, inner(&l.pattern)?, l.negated, l.case_insensitive),
        Expr::ScalarFunction(f) => match (operator_of(&f.func), f.args.as_slice()) {
            (Some(operator), [left, right]) => Scalar::Binary(operator.to_string(), inner(left)?, inner(right)?),
            _ => call(f)?,
        },
        Expr::AggregateFunction(f) => return Err(format!("aggregate function {}; aggregates belong in a view", f.func.name())),
        Expr::WindowFunction(_) => return Err("a window function; it belongs in a view".into()),
        Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => return Err("a subquery; it belongs in a view".into()),
        Expr::Placeholder(p) => return Err(p.id.clone()),
        other => return Err(other.variant_name().to_lowercase()),
    })
}

#[cfg(feature = "sql")]
fn between(b: &datafusion_expr::Between) -> Result<Scalar, String> {
    let value = Box::new(from_logical(&b.expr)?);
    let low = Scalar::Binary(">=".into(), value.clone(), Box::new(from_logical(&b.low)?));
    let high = Scalar::Binary("<=".into(), value, Box::new(from_logical(&b.high)?));
    let both = Scalar::Binary("AND".into(), Box::new(low), Box::new(high));
    Ok(if b.negated { Scalar::Not(Box::new(both)) } else { both })
}

#[cfg(feature = "sql")]
fn call(f: &ScalarFunction) -> Result<Scalar, String> {
    if f.name() == "param" {
        return match f.args.first() {
            Some(Expr::Literal(value, _)) => Ok(Scalar::Param(value.to_string())),
            _ => Err("param with anything but a quoted name".into()),
        };
    }
    if f.func.signature().volatility == datafusion_expr::Volatility::Volatile {
        return Err(format!("function {}, which gives another value at each call", f.name()));
    }
    if f.func.signature().volatility == datafusion_expr::Volatility::Stable {
        return Err(format!("function {}, which depends on when it is called", f.name()));
    }
    function(f.name()).ok_or_else(|| format!("function {}", f.name()))?;
    Ok(Scalar::Call(f.name().to_string(), f.args.iter().map(from_logical).collect::<Result<_, _>>()?))
}

/// The DataFusion expression of what was serialised; the error names what is not known here.
pub fn to_logical(scalar: &Scalar) -> Result<Expr, String> {
    let inner = |s: &Scalar| to_logical(s).map(Box::new);
    Ok(match scalar {
        Scalar::Column(name) => Expr::Column(Column::new_unqualified(name)),
        Scalar::Param(name) => Expr::Column(Column::new_unqualified(param_column(name))),
        Scalar::Literal(value) => lit(value.value().ok_or("a constant that does not fit its type")?),
        Scalar::Binary(op, a, b) => {
            let op = OPERATORS.into_iter().find(|o| o.to_string() == *op).ok_or_else(|| format!("operator {op}"))?;
            Expr::BinaryExpr(BinaryExpr::new(inner(a)?, op, inner(b)?))
        }
        Scalar::Not(e) => Expr::Not(inner(e)?),
        Scalar::Negate(e) => Expr::Negative(inner(e)?),
        Scalar::IsNull(e) => Expr::IsNull(inner(e)?),
        Scalar::IsNotNull(e) => Expr::IsNotNull(inner(e)?),
        Scalar::Cast(e, kind) => Expr::Cast(Cast::new(inner(e)?, kind.arrow())),
        Scalar::TryCast(e, kind) => Expr::TryCast(TryCast::new(inner(e)?, kind.arrow())),
        Scalar::Case(operand, pairs, otherwise) => {
            let pair = |(w, t): &(Scalar, Scalar)| Ok::<_, String>((inner(w)?, inner(t)?));
            let pairs = pairs.iter().map(pair).collect::<Result<_, _>>()?;
            Expr::Case(Case::new(operand.as_deref().map(inner).transpose()?, pairs, otherwise.as_deref().map(inner).transpose()?))
        }
        Scalar::InList(e, list, negated) => {
            Expr::InList(InList::new(inner(e)?, list.iter().map(to_logical).collect::<Result<_, _>>()?, *negated))
        }
        Scalar::Like(e, pattern, negated, any_case) => Expr::Like(Like::new(*negated, inner(e)?, inner(pattern)?, None, *any_case)),
        Scalar::Call(name, args) => {
            let func = function(name).ok_or_else(|| format!("function {name}"))?;
            Expr::ScalarFunction(ScalarFunction::new_udf(func, args.iter().map(to_logical).collect::<Result<_, _>>()?))
        }
    })
}
