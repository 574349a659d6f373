//! Random tables and what happens to them: columns of all types, and epochs of inserts, updates and deletes. Values come from
//! small domains, so that rows meet in keys, with the odd ones of each type among them. Queries are not made here.

use super::dice::Dice;
use super::expression::{Column, Expressions};

/// What a column or an expression holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BIGINT.
    Big,
    /// INT.
    Int,
    /// SMALLINT.
    Small,
    /// DOUBLE.
    Double,
    /// DECIMAL of some size.
    Decimal,
    /// VARCHAR.
    Text,
    /// BOOLEAN.
    Bool,
    /// DATE.
    Date,
    /// TIMESTAMP.
    Time,
}

/// All kinds, those that make for more interesting queries more than once.
pub const KINDS: [Kind; 13] = [
    Kind::Big,
    Kind::Big,
    Kind::Big,
    Kind::Int,
    Kind::Int,
    Kind::Small,
    Kind::Double,
    Kind::Decimal,
    Kind::Text,
    Kind::Text,
    Kind::Bool,
    Kind::Date,
    Kind::Time,
];

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Names, kinds, and types as SQL writes them.
    pub columns: Vec<(String, Kind, String)>,
    /// Columns of the primary key, which come first.
    pub key: usize,
    /// The lateness in seconds of a watermark for column `ts`.
    pub watermark: Option<i64>,
    /// Epochs without rows after which it does not count for the watermark of several tables.
    pub idle: Option<u64>,
}

/// A statement that changes a table.
#[derive(Clone, Debug)]
pub enum Change {
    /// Rows, each in parentheses.
    Insert(String, Vec<String>),
    /// UPDATE or DELETE.
    Other(String),
}

/// Tables and what happens to them.
#[derive(Clone, Debug)]
pub struct History {
    /// The tables.
    pub tables: Vec<Table>,
    /// Changes by epoch.
    pub epochs: Vec<Vec<Change>>,
}

impl Table {
    /// A table without a key, of columns of some names and kinds.
    pub fn of(dice: &mut Dice, name: &str, columns: &[(&str, Kind)]) -> Self {
        let columns = columns.iter().map(|(column, kind)| ((*column).to_string(), *kind, type_of(dice, *kind))).collect();
        Table { name: name.to_string(), columns, key: 0, watermark: None, idle: None }
    }

    fn create(&self) -> String {
        let column = |(i, (name, _, kind)): (usize, &(String, Kind, String))| {
            format!("{name} {kind}{}", if self.key == 1 && i == 0 { " PRIMARY KEY" } else { "" })
        };
        let mut parts: Vec<String> = self.columns.iter().enumerate().map(column).collect();
        if self.key > 1 {
            let names: Vec<&str> = self.columns.iter().take(self.key).map(|c| c.0.as_str()).collect();
            parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
        }
        parts.extend(self.watermark.map(|s| format!("WATERMARK FOR ts AS ts - INTERVAL '{s}' SECOND")));
        let idle = self.watermark.and(self.idle).map(|n| format!(" WITH ('watermark.idle' = '{n} epochs')")).unwrap_or_default();
        format!("CREATE TABLE {} ({}){idle};\n", self.name, parts.join(", "))
    }
}

impl History {
    /// The tables as SQL.
    pub fn definitions(&self) -> String {
        self.tables.iter().map(Table::create).collect()
    }

    /// The whole as SQL, each epoch by itself or all in one.
    pub fn script(&self, in_one: bool) -> String {
        let mut out = self.definitions();
        if in_one {
            out += "BEGIN;\n";
        }
        for epoch in &self.epochs {
            let text: String = epoch.iter().map(|c| c.text() + ";\n").collect();
            match (in_one, epoch.len()) {
                (true, _) | (false, 1) => out += &text,
                _ => out += &format!("BEGIN;\n{text}COMMIT;\n"),
            }
        }
        if in_one {
            out += "COMMIT;\n";
        }
        out
    }

    /// Every history that is one step smaller: first with fewer epochs, then fewer statements, then fewer rows.
    pub fn smaller(&self) -> Vec<History> {
        let mut out = Vec::new();
        let n = self.epochs.len();
        for half in [0..n / 2, n / 2..n].into_iter().filter(|_| n > 3) {
            out.push(History { epochs: self.epochs[half].to_vec(), ..self.clone() });
        }
        for at in (0..n).rev().filter(|_| n > 1) {
            let mut fewer = self.clone();
            fewer.epochs.remove(at);
            out.push(fewer);
        }
        for (at, epoch) in self.epochs.iter().enumerate() {
            for one in 0..epoch.len() {
                let mut fewer = self.clone();
                fewer.epochs[at].remove(one);
                if epoch.len() > 1 {
                    out.push(fewer);
                }
                let Change::Insert(table, rows) = &epoch[one] else { continue };
                for row in (0..rows.len()).filter(|_| rows.len() > 1) {
                    let mut left = rows.clone();
                    left.remove(row);
                    let mut fewer = self.clone();
                    fewer.epochs[at][one] = Change::Insert(table.clone(), left);
                    out.push(fewer);
                }
            }
        }
        out
    }
}

impl Change {
    fn text(&self) -> String {
        match self {
            Change::Insert(table, rows) => format!("INSERT INTO {table} VALUES {}", rows.join(", ")),
            Change::Other(text) => text.clone(),
        }
    }
}

/// A history; one in several has a watermark on each table, whose time column is `ts`.
pub fn history(seed: u64, watermarks: bool) -> History {
    let mut dice = Dice::new(seed, 1);
    let count = 1 + dice.weighted(&[3, 5, 2]);
    let tables: Vec<Table> = (0..count).map(|i| table(&mut dice, i, watermarks)).collect();
    happens(&mut dice, tables)
}

/// What happens to tables.
pub fn happens(dice: &mut Dice, tables: Vec<Table>) -> History {
    let mut clock = 1_704_067_200; // the first second of 2024
    let epochs = 2 + dice.below(6);
    let epochs = (0..epochs)
        .map(|epoch| {
            clock += dice.between(0, 9);
            changes(dice, &tables, epoch, clock)
        })
        .collect();
    History { tables, epochs }
}

fn type_of(dice: &mut Dice, kind: Kind) -> String {
    match kind {
        Kind::Big => "BIGINT".into(),
        Kind::Int => "INT".into(),
        Kind::Small => "SMALLINT".into(),
        Kind::Double => "DOUBLE".into(),
        Kind::Decimal => dice.of(&["DECIMAL(9,2)", "DECIMAL(18,4)", "DECIMAL(38,10)", "DECIMAL(5,0)"]).to_string(),
        Kind::Text => "VARCHAR".into(),
        Kind::Bool => "BOOLEAN".into(),
        Kind::Date => "DATE".into(),
        Kind::Time => "TIMESTAMP".into(),
    }
}

fn table(dice: &mut Dice, number: usize, watermarks: bool) -> Table {
    let width = 2 + dice.below(5);
    let key = if dice.percent(30) { 1 + usize::from(width > 2 && dice.percent(25)) } else { 0 };
    let mut columns = Vec::new();
    for i in 0..width {
        let kind = if i < key { dice.pick(&[Kind::Big, Kind::Int, Kind::Text, Kind::Date]) } else { dice.pick(&KINDS) };
        columns.push((format!("{}{i}", ["x", "y", "z"][number]), kind, type_of(dice, kind)));
    }
    if watermarks {
        columns.push(("ts".to_string(), Kind::Time, "TIMESTAMP".to_string()));
    }
    let watermark = watermarks.then(|| dice.pick(&[0, 1, 5, 20]));
    let idle = match watermark {
        Some(1) => Some(2),
        Some(20) => Some(1),
        _ => None,
    };
    Table { name: format!("t{number}"), columns, key, watermark, idle }
}

fn changes(dice: &mut Dice, tables: &[Table], epoch: usize, clock: i64) -> Vec<Change> {
    if epoch > 0 && dice.percent(8) {
        // Nothing happens.
        return if dice.percent(50) { Vec::new() } else { vec![Change::Other(format!("DELETE FROM {} WHERE false", tables[0].name))] };
    }
    let count = 1 + dice.weighted(&[5, 3, 2]);
    (0..count).map(|_| change(dice, tables, epoch, clock)).collect()
}

/// A statement that changes one of some tables.
pub fn change(dice: &mut Dice, tables: &[Table], epoch: usize, clock: i64) -> Change {
    let table = dice.pick(tables);
    let what = if epoch == 0 { 0 } else { dice.weighted(&[6, 2, 2]) };
    if what == 0 {
        let rows = 1 + dice.weighted(&[1, 2, 3, 3, 2, 1]);
        let mut rows: Vec<String> = (0..rows).map(|_| row(dice, &table, clock)).collect();
        if dice.percent(15) {
            rows.push(rows[0].clone());
        }
        return Change::Insert(table.name, rows);
    }
    let columns: Vec<Column> = table.columns.iter().map(|(name, kind, _)| Column { name: name.clone(), kind: *kind }).collect();
    let condition = match dice.below(6) {
        0 => "true".to_string(),
        _ => Expressions { dice, columns: &columns, outer: &[] }.of(Kind::Bool, 1).to_string(),
    };
    let free: Vec<usize> = (table.key..table.columns.len()).collect();
    if what == 1 || free.is_empty() {
        return Change::Other(format!("DELETE FROM {} WHERE {condition}", table.name));
    }
    let (name, kind, _) = table.columns[dice.pick(&free)].clone();
    let value = match (table.watermark, name.as_str()) {
        (Some(_), "ts") => literal_time(clock + dice.between(-30, 5)),
        _ if dice.percent(60) => value(dice, kind),
        _ => Expressions { dice, columns: &columns, outer: &[] }.of(kind, 1).to_string(),
    };
    Change::Other(format!("UPDATE {} SET {name} = {value} WHERE {condition}", table.name))
}

fn row(dice: &mut Dice, table: &Table, clock: i64) -> String {
    let mut cells = Vec::new();
    for (i, (name, kind, kind_text)) in table.columns.iter().enumerate() {
        let mut cell = match (table.watermark, name.as_str()) {
            (Some(_), "ts") if dice.percent(4) => "NULL".to_string(),
            (Some(_), "ts") => literal_time(clock + if dice.percent(70) { dice.between(-4, 4) } else { dice.between(-40, 6) }),
            _ => value_of(dice, *kind, kind_text),
        };
        while i < table.key && cell == "NULL" {
            cell = value(dice, *kind);
        }
        cells.push(cell);
    }
    format!("({})", cells.join(", "))
}

/// A time, given in seconds since 1970.
pub fn literal_time(seconds: i64) -> String {
    let of_day = seconds.rem_euclid(86_400);
    let (h, m, s) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    format!("TIMESTAMP '{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}'")
}

/// Year, month and day of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn value_of(dice: &mut Dice, kind: Kind, text: &str) -> String {
    // The greatest and least of each size of decimal; sums of the widest would not fit.
    if kind == Kind::Decimal && dice.percent(8) {
        let most = match text {
            "DECIMAL(9,2)" => "9999999.99",
            "DECIMAL(18,4)" => "99999999999999.9999",
            "DECIMAL(5,0)" => "99999",
            _ => "12345678901234567890.0123456789",
        };
        return format!("CAST('{}{most}' AS {text})", if dice.percent(50) { "-" } else { "" });
    }
    value(dice, kind)
}

/// A literal of a kind, or null.
pub fn value(dice: &mut Dice, kind: Kind) -> String {
    if dice.percent(13) {
        return "NULL".to_string();
    }
    literal(dice, kind)
}

/// A literal of a kind.
pub fn literal(dice: &mut Dice, kind: Kind) -> String {
    match kind {
        Kind::Big if dice.percent(2) => dice.of(&["9007199254740993", "-9007199254740993", "4611686018427387904"]).to_string(),
        Kind::Int if dice.percent(2) => dice.of(&["2147483647", "-2147483648"]).to_string(),
        Kind::Small if dice.percent(2) => dice.of(&["32767", "-32768"]).to_string(),
        Kind::Big | Kind::Int | Kind::Small if dice.percent(70) => [0, 0, 0, 1, 1, 2, 3][dice.below(7)].to_string(),
        Kind::Big | Kind::Int | Kind::Small => dice.between(-3, 12).to_string(),
        Kind::Double => match dice.below(12) {
            0 => "CAST('NaN' AS DOUBLE)".into(),
            1 => "CAST('-0.0' AS DOUBLE)".into(),
            2 => dice.of(&["CAST('Infinity' AS DOUBLE)", "CAST('-Infinity' AS DOUBLE)"]).to_string(),
            _ => format!("{}.{}", dice.between(-3, 5), dice.of(&["25", "5", "75", "125"])),
        },
        Kind::Decimal => format!("{}.{}", dice.between(-3, 5), dice.of(&["00", "50", "25"])),
        Kind::Text => dice.of(&["'a'", "'a'", "'a'", "'b'", "'b'", "''", "'ä'", "'日本'", "'B c'", "'it''s'", "'10'", "' '"]).to_string(),
        Kind::Bool => dice.of(&["true", "true", "false"]).to_string(),
        Kind::Date => {
            let odd = ["0001-01-01", "1969-12-31", "1970-01-01", "2024-02-29"];
            format!("DATE '{}'", if dice.percent(30) { dice.of(&odd).to_string() } else { format!("2024-01-0{}", 1 + dice.below(3)) })
        }
        Kind::Time => match dice.below(8) {
            0 => format!(
                "TIMESTAMP '{}'",
                dice.of(&["1969-12-31 23:59:59.999999", "1701-01-01 00:00:00", "2199-12-31 23:59:59", "1970-01-01 00:00:00"])
            ),
            1 => format!("TIMESTAMP '2024-01-0{} 12:00:00.5'", 1 + dice.below(3)),
            _ => literal_time(1_704_067_200 + dice.between(0, 50)),
        },
    }
}
