//! A frame as text: its columns with their types, its partitions, its steps.

use std::fmt;

use super::Frame;
use crate::expr::type_name;

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.plan {
            Ok(plan) => {
                let plural = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
                let schema = plan.schema();
                let (columns, partitions) = (schema.fields().len(), plan.partitions());
                writeln!(f, "Frame of {} in {}", plural(columns, "column"), plural(partitions, "partition"))?;
                let width = schema.fields().iter().map(|field| field.name().chars().count()).max().unwrap_or(0);
                for field in schema.fields() {
                    writeln!(f, "  {:width$}  {}", field.name(), type_name(field.data_type()))?;
                }
            }
            Err(error) => writeln!(f, "Frame that can't run: {error}")?,
        }
        write!(f, "steps")?;
        for (i, step) in self.steps.iter().enumerate() {
            write!(f, "\n  {}. {step}", i + 1)?;
        }
        Ok(())
    }
}
