//! The words of SQL that are understood: those of sqlparser's generic dialect, with commas at the end of lists of columns,
//! `ORDER BY ALL`, fewer words that cannot be names, and operators on JSON that bind closer than comparisons, as they do in Postgres (`doc ->> 'a' = 'x'`).

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The dialect of every parser here.
#[derive(Debug)]
pub struct Sql;

macro_rules! understood {
    ($($what:ident)*) => { $(fn $what(&self) -> bool { true })* };
}

impl Dialect for Sql {
    /// Where the parser asks which dialect it is, it is the generic one.
    fn dialect(&self) -> TypeId {
        GenericDialect.dialect()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        // `j@>'{}'` is an operator behind a name.
        ch != '@' && GenericDialect.is_identifier_part(ch)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::PgOther => GenericDialect.prec_value(Precedence::Pipe),
            other => GenericDialect.prec_value(other),
        }
    }

    /// `IS [NOT] DISTINCT FROM`, whose right side the parser would take to the end: `a IS DISTINCT FROM b AND c` would be
    /// `a IS DISTINCT FROM (b AND c)`. It ends where that of a comparison that binds like IS does.
    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        use Keyword::{DISTINCT, FROM, IS, NOT};
        let negated = parser.parse_keywords(&[IS, NOT, DISTINCT, FROM]);
        if !negated && !parser.parse_keywords(&[IS, DISTINCT, FROM]) {
            return None;
        }
        let (left, right) = (Box::new(expr.clone()), parser.parse_subexpr(precedence));
        Some(right.map(Box::new).map(|right| match negated {
            true => Expr::IsNotDistinctFrom(left, right),
            false => Expr::IsDistinctFrom(left, right),
        }))
    }

    /// Whether a word may be a column where a list could end before it; the parser stands after the word.
    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        use Keyword::{ANALYZE, CLUSTER, DISTRIBUTE, EXPLAIN, FROM, OFFSET, SORT, TOP, VIEW};
        match keyword {
            ANALYZE | CLUSTER | DISTRIBUTE | EXPLAIN | SORT | TOP | VIEW => true,
            OFFSET => match &parser.peek_token_ref().token {
                Token::Comma | Token::RParen | Token::SemiColon | Token::EOF => true,
                Token::Word(word) => word.keyword == FROM || word.keyword == Keyword::AS,
                _ => false,
            },
            other => GenericDialect.is_column_alias(other, parser),
        }
    }

    // Beside the generic dialect's own.
    understood!(
        supports_order_by_all supports_column_definition_trailing_commas supports_numeric_literal_underscores
        supports_create_table_like_parenthesized
    );

    understood!(
        support_map_literal_syntax allow_extract_custom allow_extract_single_quotes
        supports_unicode_string_literal supports_partition_by_after_order_by supports_array_join_syntax supports_group_by_expr
        supports_group_by_with_modifier supports_left_associative_joins_without_parens supports_connect_by supports_match_recognize
        supports_pipe_operator supports_start_transaction_modifier supports_window_function_null_treatment_arg
        supports_dictionary_syntax supports_window_clause_named_window_reference supports_parenthesized_set_variables
        supports_select_wildcard_except supports_extract_comma_syntax supports_create_view_comment_syntax
        supports_parens_around_table_factor supports_values_as_table_factor supports_create_index_with_clause
        supports_explain_with_utility_options supports_limit_comma supports_update_order_by supports_from_first_select
        supports_projection_trailing_commas supports_asc_desc_in_column_definition supports_try_convert supports_bitwise_shift_operators
        supports_comment_on supports_load_extension supports_named_fn_args_with_assignment_operator supports_struct_literal
        supports_empty_projections supports_nested_comments supports_multiline_comment_hints supports_user_host_grantee
        supports_string_escape_constant supports_array_typedef_with_brackets supports_match_against supports_set_names
        supports_comma_separated_set_assignments supports_filter_during_aggregation supports_select_wildcard_exclude
        supports_data_type_signed_suffix supports_interval_options supports_quote_delimited_string supports_select_wildcard_replace
        supports_select_wildcard_ilike supports_select_wildcard_rename supports_optimize_table supports_install supports_detach
        supports_prewhere supports_with_fill supports_limit_by supports_interpolate supports_settings supports_select_format
        supports_comment_optimizer_hint supports_constraint_keyword_without_name supports_key_column_option supports_comma_separated_trim
        supports_cte_without_as supports_select_item_multi_column_alias supports_xml_expressions
    );
}
