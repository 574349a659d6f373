//! Opens what a pipeline file names: the list of all sources and sinks. Adding a connector is an arm.

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::config::{SinkConfig, SourceConfig};
use crate::files::lines::Text;
use crate::files::{lines, parquet, wav};
use crate::sink::{Sink, SinkError};
use crate::source::{DeviceFrom, Source, SourceContext, SourceError};
use crate::{host, simulator, written};

/// Opens a source.
///
/// # Errors
/// When it is not there, or a setting is outside what the connector takes.
pub fn open_source(config: &SourceConfig, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    match config {
        SourceConfig::Parquet(files) => parquet::open(files, context),
        SourceConfig::Csv(files) => lines::open(Text::Csv, files, context),
        SourceConfig::Json(files) => lines::open(Text::Json, files, context),
        SourceConfig::Wav(files) => wav::open(files, context),
        SourceConfig::Simulator(settings) => simulator::open(settings, context),
        SourceConfig::Host(settings) => host::open(settings, context),
        #[cfg(feature = "kafka")]
        SourceConfig::Kafka(settings) => crate::kafka::open_source(settings, context),
        #[cfg(not(feature = "kafka"))]
        SourceConfig::Kafka(_) => Err(SourceError::Setting("this program is built without Kafka".into())),
    }
}

/// The columns of a source; files are opened for it, a broker is not asked.
///
/// # Errors
/// As `open_source`.
pub fn source_schema(config: &SourceConfig, context: &SourceContext) -> Result<SchemaRef, SourceError> {
    match config {
        SourceConfig::Kafka(settings) => Ok(message_schema(&settings.columns, context)),
        SourceConfig::Host(_) => Ok(host::schema()),
        other => open_source(other, context).map(|source| source.schema()),
    }
}

/// The columns of a source whose values are JSON objects.
pub fn message_schema(columns: &std::collections::BTreeMap<String, crate::config::ColumnType>, context: &SourceContext) -> SchemaRef {
    let key = |name: &str| {
        context.time_column.as_deref() == Some(name)
            || name == "ts"
            || name == "device"
            || matches!(&context.device, DeviceFrom::Column(c) if c == name)
    };
    let values = columns.iter().filter(|(name, _)| !key(name)).map(|(name, t)| Field::new(name, t.arrow(), false));
    crate::files::normalise::source_schema(values)
}

/// Opens a sink for rows of a schema.
///
/// # Errors
/// When it cannot be made, or a setting is outside what the connector takes.
pub fn open_sink(config: &SinkConfig, schema: &Schema) -> Result<Box<dyn Sink>, SinkError> {
    match config {
        SinkConfig::Stdout(_) => Ok(Box::new(written::Lines::stdout())),
        SinkConfig::Json(file) => Ok(Box::new(written::Lines::file(&file.path)?)),
        SinkConfig::Csv(file) => Ok(Box::new(written::Csv::new(&file.path, schema)?)),
        SinkConfig::Parquet(file) => Ok(Box::new(written::Parquet::new(&file.path, schema)?)),
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(settings) => crate::kafka::open_sink(settings, schema),
        #[cfg(not(feature = "kafka"))]
        SinkConfig::Kafka(_) => Err(SinkError::Setting("this program is built without Kafka".into())),
        #[cfg(feature = "http")]
        SinkConfig::Http(settings) => crate::http::open_sink(settings),
        #[cfg(not(feature = "http"))]
        SinkConfig::Http(_) => Err(SinkError::Setting("this program is built without HTTP".into())),
    }
}
