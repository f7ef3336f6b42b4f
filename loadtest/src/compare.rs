//! x
use crate::Failure;
pub fn main(_: &[String]) -> Result<bool, Failure> {
    Ok(true)
}
