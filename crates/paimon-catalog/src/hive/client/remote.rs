//! The metastore over Thrift.
//!
//! Servers of Hive 2.3, 3.1 and 4.x: methods that came later are tried first, with the older ones where a server does
//! not know them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use paimon_core::{Error, Result};

use super::answer::Declared::{
    self, AlreadyExists, InvalidObject, InvalidOperation, Lock, Meta, NoSuchObject, UnknownDatabase,
};
use super::answer::{Answer, alone, structure, texts};
use super::pool::{Pool, Repeat};
use super::{
    HiveDatabase, HivePartition, HiveTable, LockAnswer, LockRequest, LockState, MetastoreClient,
    PoolSettings,
};
use crate::hive::thrift::{CallError, Struct, Value};

/// One or several metastores on one database.
#[derive(Debug)]
pub(in crate::hive) struct RemoteMetastore {
    pool: Pool,
}

impl RemoteMetastore {
    pub(in crate::hive) fn new(settings: PoolSettings) -> Self {
        Self {
            pool: Pool::new(settings),
        }
    }

    /// The value that a method returns, or the exception it declares; `None` for methods without a value.
    async fn call(
        &self,
        method: &'static str,
        args: Struct,
        repeat: Repeat,
        declared: &[Declared],
    ) -> Result<Answer, CallError> {
        let mut fields = self.pool.call(method, args, repeat).await?;
        if let Some(value) = fields.take(0) {
            return Ok(Answer::Value(value));
        }
        for (id, declared) in (1..).zip(declared) {
            if let Some(Value::Struct(mut exception)) = fields.take(id) {
                let text = exception.take_text(1).map_err(CallError::Refused)?;
                return Ok(Answer::Exception(*declared, declared.error(method, text)));
            }
        }
        Ok(Answer::Nothing)
    }

    async fn read(
        &self,
        method: &'static str,
        args: Struct,
        declared: &[Declared],
    ) -> Result<Answer, CallError> {
        self.call(method, args, Repeat::Safe, declared).await
    }

    async fn change(
        &self,
        method: &'static str,
        args: Struct,
        declared: &[Declared],
    ) -> Result<()> {
        let answer = self.call(method, args, Repeat::Never, declared).await;
        match answer.map_err(CallError::into_error)? {
            Answer::Exception(_, error) => Err(error),
            Answer::Value(_) | Answer::Nothing => Ok(()),
        }
    }
}

fn names(database: &str, table: &str) -> [Value; 2] {
    [Value::text(database), Value::text(table)]
}

fn environment(properties: &BTreeMap<String, String>) -> Value {
    Value::Struct(Struct::of([Value::text_map(properties)]))
}

#[async_trait]
impl MetastoreClient for RemoteMetastore {
    async fn database_names(&self) -> Result<Vec<String>> {
        const METHOD: &str = "get_all_databases";
        let answer = self.read(METHOD, Struct::default(), &[Meta]).await;
        texts(answer.map_err(CallError::into_error)?.value(METHOD)?)
    }

    async fn database(&self, name: &str) -> Result<Option<HiveDatabase>> {
        const METHOD: &str = "get_database";
        let args = Struct::of([Value::text(name)]);
        let answer = self.read(METHOD, args, &[NoSuchObject, Meta]).await;
        let found = answer.map_err(CallError::into_error)?.found(METHOD)?;
        found
            .map(|value| HiveDatabase::decode(structure(value)?))
            .transpose()
    }

    async fn create_database(&self, database: &HiveDatabase) -> Result<()> {
        let args = Struct::of([Value::Struct(database.encode())]);
        let declared = [AlreadyExists, InvalidObject, Meta];
        self.change("create_database", args, &declared).await
    }

    async fn alter_database(&self, database: &HiveDatabase) -> Result<()> {
        let args = Struct::of([
            Value::text(&database.name),
            Value::Struct(database.encode()),
        ]);
        let declared = [Meta, NoSuchObject];
        self.change("alter_database", args, &declared).await
    }

    async fn drop_database(&self, name: &str, delete_data: bool, cascade: bool) -> Result<()> {
        let args = Struct::of([
            Value::text(name),
            Value::Bool(delete_data),
            Value::Bool(cascade),
        ]);
        let declared = [NoSuchObject, InvalidOperation, Meta];
        self.change("drop_database", args, &declared).await
    }

    async fn table_names(&self, database: &str) -> Result<Vec<String>> {
        const METHOD: &str = "get_all_tables";
        let args = Struct::of([Value::text(database)]);
        let answer = self.read(METHOD, args, &[Meta]).await;
        texts(answer.map_err(CallError::into_error)?.value(METHOD)?)
    }

    async fn table(&self, database: &str, name: &str) -> Result<Option<HiveTable>> {
        const METHOD: &str = "get_table_req";
        let request = Struct::of(names(database, name));
        let args = Struct::of([Value::Struct(request)]);
        let declared = [Meta, NoSuchObject];
        let found = match self.read(METHOD, args, &declared).await {
            Ok(answer) => match answer.found(METHOD)? {
                Some(result) => structure(result)?.take_struct(1)?,
                None => None,
            },
            Err(CallError::UnknownMethod(_)) => {
                const OLDER: &str = "get_table";
                let args = Struct::of(names(database, name));
                let answer = self.read(OLDER, args, &declared).await;
                let found = answer.map_err(CallError::into_error)?.found(OLDER)?;
                found.map(structure).transpose()?
            }
            Err(other) => return Err(other.into_error()),
        };
        found.map(HiveTable::decode).transpose()
    }

    async fn tables(&self, database: &str, names: &[String]) -> Result<Vec<HiveTable>> {
        const METHOD: &str = "get_table_objects_by_name_req";
        let request = Struct::of([Value::text(database), Value::texts(names)]);
        let args = Struct::of([Value::Struct(request.clone())]);
        let declared = [Meta, InvalidOperation, UnknownDatabase];
        let found = match self.read(METHOD, args, &declared).await {
            Ok(answer) => structure(answer.value(METHOD)?)?.take_structs(1)?,
            Err(CallError::UnknownMethod(_)) => {
                const OLDER: &str = "get_table_objects_by_name";
                let answer = self.read(OLDER, request, &declared).await;
                let value = answer.map_err(CallError::into_error)?.value(OLDER)?;
                alone(value).take_structs(1)?
            }
            Err(other) => return Err(other.into_error()),
        };
        let found = found.unwrap_or_default();
        found.into_iter().map(HiveTable::decode).collect()
    }

    async fn create_table(&self, table: &HiveTable) -> Result<()> {
        let args = Struct::of([Value::Struct(table.encode())]);
        let declared = [AlreadyExists, InvalidObject, Meta, NoSuchObject];
        self.change("create_table", args, &declared).await
    }

    async fn drop_table(&self, database: &str, name: &str, delete_data: bool) -> Result<()> {
        let [database, name] = names(database, name);
        let purge = BTreeMap::from([("ifPurge".to_string(), "TRUE".to_string())]);
        let args = Struct::of([
            database,
            name,
            Value::Bool(delete_data),
            environment(&purge),
        ]);
        let declared = [NoSuchObject, Meta];
        self.change("drop_table_with_environment_context", args, &declared)
            .await
    }

    async fn alter_table(
        &self,
        database: &str,
        name: &str,
        table: &HiveTable,
        hints: &BTreeMap<String, String>,
    ) -> Result<()> {
        let [database, name] = names(database, name);
        let args = Struct::of([
            database,
            name,
            Value::Struct(table.encode()),
            environment(hints),
        ]);
        let declared = [InvalidOperation, Meta];
        self.change("alter_table_with_environment_context", args, &declared)
            .await
    }

    async fn add_partitions(
        &self,
        database: &str,
        table: &str,
        partitions: Vec<HivePartition>,
    ) -> Result<()> {
        const METHOD: &str = "add_partitions_req";
        let [database, table] = names(database, table);
        let partitions = partitions.iter().map(HivePartition::encode).collect();
        let (only_missing, with_result) = (Value::Bool(true), Value::Bool(false));
        let request = Struct::of([
            database,
            table,
            Value::structs(partitions),
            only_missing,
            with_result,
        ]);
        let args = Struct::of([Value::Struct(request)]);
        let declared = [InvalidObject, AlreadyExists, Meta];
        let answer = self.call(METHOD, args, Repeat::Safe, &declared).await;
        answer
            .map_err(CallError::into_error)?
            .value(METHOD)
            .map(drop)
    }

    async fn partition(
        &self,
        database: &str,
        table: &str,
        values: &[String],
    ) -> Result<Option<HivePartition>> {
        const METHOD: &str = "get_partition";
        let [database, table] = names(database, table);
        let args = Struct::of([database, table, Value::texts(values)]);
        let answer = self.read(METHOD, args, &[Meta, NoSuchObject]).await;
        let found = answer.map_err(CallError::into_error)?.found(METHOD)?;
        found
            .map(|value| HivePartition::decode(structure(value)?))
            .transpose()
    }

    async fn partitions(&self, database: &str, table: &str) -> Result<Vec<HivePartition>> {
        const METHOD: &str = "get_partitions";
        const ALL: Value = Value::I16(-1);
        let [database, table] = names(database, table);
        let args = Struct::of([database, table, ALL]);
        let answer = self.read(METHOD, args, &[NoSuchObject, Meta]).await;
        let value = answer.map_err(CallError::into_error)?.value(METHOD)?;
        let found = alone(value).take_structs(1)?.unwrap_or_default();
        found.into_iter().map(HivePartition::decode).collect()
    }

    async fn has_primary_key(&self, database: &str, table: &str) -> Result<bool> {
        const METHOD: &str = "get_primary_keys";
        let request = Struct::of(names(database, table));
        let args = Struct::of([Value::Struct(request)]);
        match self.read(METHOD, args, &[Meta, NoSuchObject]).await {
            Ok(answer) => {
                let columns = structure(answer.value(METHOD)?)?.take_structs(1)?;
                Ok(columns.is_some_and(|c| !c.is_empty()))
            }
            Err(CallError::UnknownMethod(_)) => Ok(false),
            Err(other) => Err(other.into_error()),
        }
    }

    async fn setting(&self, key: &str, default: &str) -> Result<String> {
        const METHOD: &str = "get_config_value";
        let args = Struct::of([Value::text(key), Value::text(default)]);
        let answer = self.read(METHOD, args, &[Meta]).await;
        let value = answer.map_err(CallError::into_error)?.value(METHOD)?;
        let found = alone(value).take_text(1)?;
        Ok(found.unwrap_or_else(|| default.to_string()))
    }

    async fn alter_partition(
        &self,
        database: &str,
        table: &str,
        partition: &HivePartition,
    ) -> Result<()> {
        let [database, table] = names(database, table);
        let partition = Value::Struct(partition.encode());
        let args = Struct::of([database, table, partition]);
        let declared = [InvalidOperation, Meta];
        self.change("alter_partition", args, &declared).await
    }

    async fn drop_partition(&self, database: &str, table: &str, values: &[String]) -> Result<bool> {
        const METHOD: &str = "drop_partition";
        let [database, table] = names(database, table);
        // the files are the table's, not the metastore's
        let args = Struct::of([database, table, Value::texts(values), Value::Bool(false)]);
        let declared = [NoSuchObject, Meta];
        let answer = self.call(METHOD, args, Repeat::Safe, &declared).await;
        let found = answer.map_err(CallError::into_error)?.found(METHOD)?;
        Ok(found.is_some())
    }

    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer> {
        const METHOD: &str = "lock";
        const EXCLUSIVE: i32 = 3;
        const TABLE: i32 = 2;
        let component = Struct::of([
            Value::I32(EXCLUSIVE),
            Value::I32(TABLE),
            Value::text(&request.database),
            Value::text(&request.table),
        ]);
        let args = Struct::of([Value::Struct(
            Struct::default()
                .with(1, Value::structs(vec![component]))
                .with(3, Value::text(&request.user))
                .with(4, Value::text(&request.host)),
        )]);
        let answer = self.call(METHOD, args, Repeat::Never, &[Lock, Lock]).await;
        let answer = answer.map_err(CallError::into_error)?;
        let mut response = structure(answer.value(METHOD)?)?;
        let id = response.take_i64(1)?;
        let id = id.ok_or_else(|| Error::damaged("the metastore gave a lock without an id"))?;
        Ok(LockAnswer {
            id,
            state: lock_state(&mut response)?,
        })
    }

    async fn check_lock(&self, lock_id: i64) -> Result<LockState> {
        const METHOD: &str = "check_lock";
        let request = Struct::of([Value::I64(lock_id)]);
        let args = Struct::of([Value::Struct(request)]);
        let answer = self.read(METHOD, args, &[Lock, Lock, Lock]).await;
        let answer = answer.map_err(CallError::into_error)?;
        lock_state(&mut structure(answer.value(METHOD)?)?)
    }

    async fn heartbeat(&self, lock_id: i64) -> Result<()> {
        let request = Struct::of([Value::I64(lock_id)]);
        let args = Struct::of([Value::Struct(request)]);
        let declared = [Lock, Lock, Lock];
        let answer = self.call("heartbeat", args, Repeat::Safe, &declared).await;
        match answer.map_err(CallError::into_error)? {
            Answer::Exception(_, error) => Err(error),
            Answer::Value(_) | Answer::Nothing => Ok(()),
        }
    }

    async fn unlock(&self, lock_id: i64) -> Result<()> {
        let request = Struct::of([Value::I64(lock_id)]);
        let args = Struct::of([Value::Struct(request)]);
        let answer = self.call("unlock", args, Repeat::Safe, &[Lock, Lock]).await;
        match answer.map_err(CallError::into_error)? {
            Answer::Exception(_, error) => Err(error),
            Answer::Value(_) | Answer::Nothing => Ok(()),
        }
    }
}

fn lock_state(response: &mut Struct) -> Result<LockState> {
    Ok(match response.take_i32(2)? {
        Some(1) => LockState::Acquired,
        Some(2) => LockState::Waiting,
        other => LockState::Gone(other.unwrap_or_default()),
    })
}
