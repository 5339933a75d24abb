//! Bytes that nobody sane wrote give errors.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::TableReference;
use datafusion::datasource::DefaultTableSource;
use datafusion::logical_expr::LogicalPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{DefaultPhysicalProtoConverter, PhysicalExtensionCodec};
use paimon_codec::{PaimonLogicalCodec, PaimonPhysicalCodec};
use paimon_core::ErrorKind;
use paimon_datafusion::paimon_error;
use paimon_testing::mutate::mutations;

use super::{resolver, session, warehouse};

const MUTATIONS: u64 = 300;
const SEED: u64 = 20_260_514;

#[tokio::test(flavor = "multi_thread")]
async fn mutated_nodes_give_errors_or_nodes() {
    let warehouse = warehouse();
    let session = session(warehouse.path());
    let codec = PaimonPhysicalCodec::new(resolver(&session));
    let context = session.context().task_ctx();
    let converter = DefaultPhysicalProtoConverter {};
    for sql in [
        "SELECT * FROM completed",
        "SELECT * FROM logged$audit_log",
        "SELECT * FROM pk",
        "SELECT * FROM parted",
        "CALL sys.compact(table => 'pk')",
    ] {
        let plan = session.sql(sql).await.unwrap();
        let mut node = plan.create_physical_plan().await.unwrap();
        while let [child] = node.children().as_slice() {
            node = Arc::clone(child);
        }
        let mut bytes = Vec::new();
        if codec
            .try_encode(node.clone(), &mut bytes, &converter)
            .is_err()
        {
            let first = node.children().first().map(|c| Arc::clone(*c)).unwrap();
            codec.try_encode(first, &mut bytes, &converter).unwrap();
        }
        assert!(codec.try_decode(&bytes, &[], &context, &converter).is_ok());
        for mutation in mutations(&bytes, SEED, MUTATIONS) {
            if let Err(error) = codec.try_decode(&mutation.bytes, &[], &context, &converter) {
                assert!(!error.to_string().is_empty(), "{}", mutation.what);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutated_tables_give_errors_or_tables() {
    let warehouse = warehouse();
    let session = session(warehouse.path());
    let codec = PaimonLogicalCodec::new(resolver(&session));
    let context = session.context().task_ctx();
    let name = TableReference::bare("t");
    for sql in [
        "SELECT * FROM completed",
        "DROP TABLE pk",
        "SELECT * FROM logged$binlog",
    ] {
        let frame = session.sql(sql).await.unwrap();
        let mut bytes = Vec::new();
        let mut plan = frame.logical_plan();
        while let [input] = plan.inputs().as_slice() {
            plan = input;
        }
        let LogicalPlan::TableScan(scan) = plan else {
            panic!("a scan is expected: {plan}");
        };
        let source = scan.source.downcast_ref::<DefaultTableSource>().unwrap();
        let provider = source.table_provider.clone();
        codec
            .try_encode_table_provider(&name, provider, &mut bytes)
            .unwrap();
        for mutation in mutations(&bytes, SEED, MUTATIONS) {
            let schema = Arc::new(Schema::empty());
            let decoded = codec.try_decode_table_provider(&mutation.bytes, &name, schema, &context);
            if let Err(error) = decoded {
                assert!(!error.to_string().is_empty(), "{}", mutation.what);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_refused() {
    let warehouse = warehouse();
    let session = session(warehouse.path());
    let codec = PaimonLogicalCodec::new(resolver(&session));
    let context = session.context().task_ctx();
    // field 1, the version, is 2
    let decoded = codec.try_decode_table_provider(
        &[8, 2],
        &TableReference::bare("t"),
        Arc::new(Schema::empty()),
        &context,
    );
    let error = decoded.unwrap_err();
    let own = paimon_error(&error).unwrap();
    assert_eq!(own.kind(), ErrorKind::Unsupported);
    assert!(own.message().contains("found version 2"), "{own}");
}
