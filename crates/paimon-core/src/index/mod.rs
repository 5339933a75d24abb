//! stub
#[allow(missing_docs)]
pub enum FileIndexResult {
    Keep,
    Skip,
    Rows(roaring::RoaringBitmap),
}
#[allow(missing_docs)]
pub fn evaluate(
    _c: &bytes::Bytes,
    _p: &crate::predicate::Predicate,
    _n: u64,
) -> crate::Result<FileIndexResult> {
    Ok(FileIndexResult::Keep)
}
